"""What people add to a room's log, and what it becomes there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from chalicelib.models import RoomName, UserName


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What somebody adds to a room; `cid` is the author's own name for it."""

    room: RoomName
    user: UserName
    guest: bool = False
    cid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Draft):
    """Something said."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit(Draft):
    """Another text for the message at `target`, by its author."""

    target: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion(Draft):
    """The end of the message at `target`, by its author; its place in the log stays."""

    target: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction(Draft):
    """An emoji that the author puts to the message at `target`, or takes away again."""

    target: int
    emoji: str
    removed: bool = False


Change: TypeAlias = Edit | Deletion | Reaction
Content: TypeAlias = Message | Change


@dataclass(frozen=True, slots=True)
class State:
    """What has happened to a message since it was written.

    Attributes:
        changed: the seq of the last change, 0 without any.
        edited: when the text was last replaced (ISO 8601), None if never.
        deleted: whether the text is gone.
        reactions: who reacted, by emoji, each in the order of their reactions.
    """

    changed: int = 0
    edited: str | None = None
    deleted: bool = False
    reactions: Mapping[str, Sequence[UserName]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One number of a room's log: what was added, and, of a message, what became of it.

    The text of a message and of its edits is the newest there is; that of a deleted one is empty.
    """

    seq: int
    at: str
    content: Content
    state: State = State()


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a draft stands in the log.

    A duplicate added nothing: its cid was used before, and this is the place of what was added
    then; or it changes nothing, and this is the last change of its target.
    """

    room: RoomName
    seq: int
    at: str
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Consecutive entries of a log, oldest first; `more` lie beyond, on the side read towards."""

    entries: Sequence[Entry]
    more: bool = False
