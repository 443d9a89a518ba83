"""`python -m tests.fuzz.decoders`: a coverage-guided fuzzer (atheris) on all that is decoded.

It ends when the time is up, or with what it found: the input is then a file in .cache/fuzz, and
`--replay FILE` gives it to its target once more.
"""

import argparse
import logging
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(".cache/fuzz")
# What the fuzzer would take long to spell: it puts these in anywhere.
_WORDS = (
    *("action", "sendmessage", "subscribe", "ping", "rooms", "room", "message", "lobby", "cid"),
    *("target", "after", "\\\\ud800", "NaN", "1e999", "exp", "aud", "preferred_username", "keys"),
    *("kty", "RSA", "EC", "P-256", "kid", "alg", "RS256", "ES256", "crit", "use", "key_ops"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 2 without atheris; else the fuzzer ends the process, with 0 if nothing is found."""
    options = _parser().parse_args(arguments)
    if options.replay is not None:
        from tests.fuzz.targets import attempt  # noqa: PLC0415 - see below

        attempt(options.replay.read_bytes())
        return 0
    try:
        import atheris  # noqa: PLC0415 - an extra, see requirements-fuzz.txt
    except ImportError:
        sys.stderr.write("atheris is not installed: see requirements-fuzz.txt\n")
        return 2
    _fuzz(atheris, options)
    return 0


def _fuzz(atheris: Any, options: argparse.Namespace) -> None:
    logging.disable()  # every refusal of a key or token would be a line
    # Only what is imported in here is watched.
    with atheris.instrument_imports(include=["chalicelib", "json", "jwt"]):
        from tests.fuzz import targets  # noqa: PLC0415

    corpus, words = _materials(targets.seeds())
    settings = {
        "max_total_time": options.seconds,
        "seed": options.seed,
        "max_len": targets.LARGEST,
        "dict": words,
        "artifact_prefix": f"{FOLDER}/",
        "verbosity": 0,
        "print_final_stats": 1,
    }
    flags = [f"-{name}={value}" for name, value in settings.items()]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], targets.attempt)
    atheris.Fuzz()


def _materials(seeds: Sequence[bytes]) -> tuple[Path, Path]:
    """Write what the fuzzer starts from; it adds to it, so one seed begins with an empty folder."""
    corpus, words = FOLDER / "corpus", FOLDER / "words"
    shutil.rmtree(corpus, ignore_errors=True)
    corpus.mkdir(parents=True)
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)
    words.write_text("".join(f'"{word}"\n' for word in _WORDS), encoding="utf-8")
    return corpus, words


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.decoders", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="go on for so long")
    parser.add_argument("--seed", type=int, default=1, help="where chance starts")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="try one input again")
    return parser


if __name__ == "__main__":
    sys.exit(main())
