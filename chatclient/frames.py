"""Frames as text and as dictionaries; whatever comes in, nothing here raises."""

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias

Frame: TypeAlias = dict[str, Any]

# API Gateway closes a connection that sends more.
MAX_FRAME_BYTES = 32 * 1024
LARGEST_SEQ = 2**53
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")


def encode(fields: Mapping[str, Any]) -> str | None:
    """Return the text of a frame, or None for one that cannot be sent."""
    try:
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        return text if len(text.encode()) <= MAX_FRAME_BYTES else None
    except UnicodeEncodeError:
        return None


def decode(text: object) -> Frame | None:
    """Read a JSON object; None for anything else."""
    value = _value(text)
    return value if isinstance(value, dict) else None


def decode_all(text: object) -> list[Frame]:
    """Read a frame, or the frames of an array in their order; what is no object is left out."""
    value = _value(text)
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def text_of(frame: Mapping[str, Any], name: str, default: str = "") -> str:
    """Return a field that should be text."""
    value = frame.get(name)
    return value if isinstance(value, str) else default


def seq_of(frame: Mapping[str, Any], name: str = "seq") -> int | None:
    """Return a field that should be a seq, or 0 for a room without entries."""
    value = frame.get(name)
    return value if is_seq(value) else None


def objects_of(frame: Mapping[str, Any], name: str) -> list[Frame]:
    """Return the objects of a field that should be a list of them."""
    return [item for item in items_of(frame, name) if isinstance(item, dict)]


def texts_of(frame: Mapping[str, Any], name: str) -> list[str]:
    """Return the texts of a field that should be a list of them."""
    return [item for item in items_of(frame, name) if isinstance(item, str)]


def items_of(frame: Mapping[str, Any], name: str) -> list[Any]:
    """Return a field that should be a list."""
    value = frame.get(name)
    return value if isinstance(value, list) else []


def seconds_of(frame: Mapping[str, Any], name: str, *, least: float, most: float) -> float | None:
    """Return a time given in milliseconds, within reason; None if there is none."""
    value = frame.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return min(max(value, least * 1000), most * 1000) / 1000


def is_seq(value: object) -> bool:
    """Tell whether a value is a whole number from 0 to 2**53."""
    return type(value) is int and 0 <= value <= LARGEST_SEQ


def _value(text: object) -> Any:
    if not isinstance(text, str):
        return None
    try:
        value = json.loads(text, parse_constant=_refuse)
        if _HALF_CHARACTER.search(text):
            # A lone surrogate could be neither shown nor sent again.
            value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
