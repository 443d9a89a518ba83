"""What clients and back ends may send: anything, and what is nearly right."""

import json
from typing import Any

from hypothesis import strategies as st

from chalicelib.commands import COMMANDS

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)

# By the name of a field, what gets past the decoder, and what lies just beyond.
_ROOMS = ["lobby", "tea", "dm:alice:bob", "dm:bob:alice", "@alice", "#room", "x" * 64, "x" * 65]
_USERS = ["alice", "bob", "nobody", "system", "x" * 32, "x" * 33, "Alice", "\u212aate"]
_SEQS = [0, 1, 2, 3, 4, 5, 6, 7, 2**53, 2**53 + 1, -1, 2.0, 1e300]
_KNOWN: dict[str, list[Any]] = {
    "room": _ROOMS,
    "user": _USERS,
    "to": _USERS,
    "target": _SEQS,
    "seq": _SEQS,
    "after": [*_SEQS, "lobby"],
    "before": _SEQS,
    "limit": [0, 1, 2, 100, 101],
    "message": ["x", "", "\x00", "\ud800", "\U0001f44d" * 2000, "x" * 8001],
    "q": ["x", "", "message", '"', "a b", "*"],
    "emoji": ["\U0001f44d", "\u2764\ufe0f", "x", "\x00", "\u200d" * 17],
    "rooms": [{}, {"lobby": 0}, {"lobby": 2**53, "tea": 1}, {"@alice": 0}],
    "role": ["owner", "moderator", "member", "king"],
    "token": ["", "x.y.z", "x" * 20_000],
    "id": [7, "seven", "", "\ud800", "x" * 64, "x" * 65, 2**53],
    "cid": ["c", "c" * 64, "", "\ud800", "c" * 65, "\n", "#"],
}
_BOOLEANS = [True, False]


def value(field: str) -> st.SearchStrategy[Any]:
    """Draw what a field of this name may hold; most of it is taken, some is anything at all."""
    known = st.sampled_from(_KNOWN.get(field, _BOOLEANS))
    return st.one_of(known, known, known, JSON)


def command(action: str) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a frame of this action with any of its fields, and perhaps one that it has not."""
    names = COMMANDS[action].__struct_fields__
    fields = st.fixed_dictionaries(
        {"action": st.just(action)}, optional={name: value(name) for name in names}
    )
    extra: st.SearchStrategy[dict[str, Any]] = st.just({}) | st.dictionaries(
        st.text(max_size=9), JSON, max_size=1
    )
    return st.builds(lambda one, other: {**other, **one}, fields, extra)


COMMAND = st.sampled_from(list(COMMANDS)).flatmap(command)


@st.composite
def damaged(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    """Draw a text with a part of it cut out, doubled, or replaced."""
    text = draw(texts)
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 12)))
    part = draw(
        st.sampled_from(["", text[start:end] * 2, '"', "{", "]", "\\", "\\ud800", "\x00", "1e999"])
    )
    return text[:start] + part + text[end:]


SPELLED = st.builds(json.dumps, COMMAND)
FRAME = st.one_of(SPELLED, SPELLED, damaged(SPELLED), JSON.map(json.dumps), st.text(max_size=200))
