"""User names that people take for one another."""

# Each character of a name becomes what it looks like. Wide letters become the pair that they are
# taken for, and not the pair the letter: every pair is then found, also in "vvv" (vw or wv?).
_LOOKS = str.maketrans(
    {".": "", "_": "", "-": "", "0": "o", "1": "l", "i": "l", "d": "cl", "m": "rn", "w": "vv"}
)


def skeleton(name: str) -> str:
    """Return what all names have in common that look like this one: `b0b` and `b.o.b`, say.

    After the algorithm of UTS #39, section 4 (https://www.unicode.org/reports/tr39/), for the
    alphabet that names have. Separators are dropped, as they are easily overlooked. `i` counts as
    `l`: who shows names in capitals makes it one. `5` does not count as `s`, nor `3` as `e`, `4`
    as `a`, `8` as `b` or `2` as `z`: one is read for the other, but not taken for it.

    A skeleton is its own skeleton. It is no name, and may be longer than one.
    """
    return name.translate(_LOOKS)
