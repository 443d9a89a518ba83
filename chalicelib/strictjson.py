"""Strict JSON: what RFC 8259 leaves to the reader, and I-JSON (RFC 7493) forbids, is an error.

With a repeated key, two readers of one frame (API Gateway's route selection and this code, say)
may see different values. NaN, infinite numbers and lone surrogates cannot be sent on at all.
"""

import json
import math
from collections import Counter
from typing import Any

from chalicelib.errors import BadRequest, ChatError

_FRAME = "the frame"
_LONGEST_NAME = 32


def loads(text: str, *, whole: str = _FRAME) -> tuple[Any, ChatError | None]:
    """Read `text` as far as possible: its value, and the first thing that is wrong with it.

    The value is there beside the error so that an answer can name the request it belongs to; a
    key that is repeated is left out of it. `whole` is what the error calls the text. Never raises.
    """
    reader = _Reader(whole)
    try:
        value = reader.decoder.decode(text)
        reader.check_unicode(text, value)
    except RecursionError:
        return None, BadRequest(field=whole, problem="is nested too deeply")
    except ValueError:
        return None, BadRequest(field=whole, problem="is not JSON")
    return value, reader.problems[0] if reader.problems else None


def is_unicode(text: str) -> bool:
    """Tell whether `text` can be sent: Python and JSON escapes allow halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Reader:
    def __init__(self, whole: str) -> None:
        self._whole = whole
        self.problems: list[ChatError] = []
        self.decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_float=self._float,
            parse_int=self._int,
            parse_constant=self._constant,
        )

    def check_unicode(self, text: str, value: Any) -> None:
        """Look for lone surrogates, which come in escaped, or raw from Lambda's own JSON."""
        if is_unicode(text) and "\\ud" not in text.lower():
            return
        fields = value.items() if isinstance(value, dict) else [(self._whole, value)]
        for name, content in fields:
            if not is_unicode(name) or not is_unicode(
                json.dumps(content, ensure_ascii=False, default=str)
            ):
                self._add(_printable(name), "holds half a character (a lone surrogate)")

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            times = Counter(name for name, _ in pairs)
            for name in [name for name, count in times.items() if count > 1]:
                del fields[name]
                self._add(_printable(name), "appears more than once")
        return fields

    def _float(self, text: str) -> float:
        number = float(text)
        if not math.isfinite(number):
            self._add(self._whole, "holds a number that is out of range")
        return number

    def _int(self, text: str) -> float:
        # As far as 64-bit integers reach; int() takes quadratic time for long ones.
        return int(text) if len(text) <= len(str(-(2**63))) else self._float(text)

    def _constant(self, _: str) -> None:
        self._add(self._whole, "is not JSON: NaN and Infinity are not numbers")

    def _add(self, field: str, problem: str) -> None:
        self.problems.append(BadRequest(field=field, problem=problem))


def _printable(name: str) -> str:
    """Names come from the client: what is long or strange is not repeated to it."""
    return (
        name if name.isascii() and name.isprintable() and len(name) <= _LONGEST_NAME else "a field"
    )
