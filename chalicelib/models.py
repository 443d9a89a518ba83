"""The nouns of the chat that several modules share, and the rules for their names."""

import re
from dataclasses import dataclass
from typing import NewType, TypeAlias

ConnectionId = NewType("ConnectionId", str)
RoomName = NewType("RoomName", str)
UserName = NewType("UserName", str)
# What a client calls its request: at most 64 characters, or within 2**53 either side of zero.
FrameId: TypeAlias = str | int

LARGEST_INTEGER = 2**53  # what JavaScript, and so JSON in practice, holds exactly

# \Z and not $: $ would let a trailing newline through.
ROOM_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}\Z"
USER_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,31}\Z"
USER_LENGTH = 32
_NAME_RULE = "must be 1 to {} characters: a-z, 0-9, '.', '_' or '-', the first a letter or a digit"
ROOM_RULE = _NAME_RULE.format(64)
USER_RULE = _NAME_RULE.format(USER_LENGTH)

# The author of what a back end publishes without naming one; never a person's name.
SYSTEM_USER = UserName("system")


def is_room(name: str) -> bool:
    """Tell whether clients may name this room; personal rooms are therefore out of their reach."""
    return re.match(ROOM_PATTERN, name) is not None


def is_user(name: str) -> bool:
    """Tell whether `name` can be a user's name."""
    return re.match(USER_PATTERN, name) is not None


def personal_room(user: UserName) -> RoomName:
    """Return the room that all connections of `user`, and nobody else's, are subscribed to."""
    return RoomName(f"@{user}")


@dataclass(frozen=True, slots=True)
class Session:
    """What the registry knows about one live connection; times are epoch seconds."""

    connection_id: ConnectionId
    user: UserName
    endpoint: str
    connected_at: float
    expires_at: int
    rooms: frozenset[RoomName]
    guest: bool = False

    @property
    def public_rooms(self) -> list[RoomName]:
        """The subscribed rooms that clients know of, sorted."""
        return sorted(self.rooms - {personal_room(self.user)})


@dataclass(frozen=True, slots=True)
class Member:
    """One connection subscribed to a room."""

    connection_id: ConnectionId
    user: UserName
    endpoint: str


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody says in a room; `cid` is the sender's own name for it."""

    room: RoomName
    user: UserName
    text: str
    cid: str | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a message stands in its room's log.

    `messages` counts the messages of the room up to this one. A duplicate is the answer to a
    reused `cid`: the place of the original, and its `messages` is unknown (0).
    """

    room: RoomName
    seq: int
    at: str
    messages: int = 0
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one push, counted in recipients.

    `complete` is False when the recipients themselves could not be read, so that nobody was sent
    anything and the counts say nothing.
    """

    delivered: int = 0
    queued: int = 0
    gone: int = 0
    failed: int = 0
    complete: bool = True
