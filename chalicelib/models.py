"""The nouns of the chat that several modules share, and the rules for their names."""

import re
from dataclasses import dataclass, replace
from typing import NamedTuple, NewType, TypeAlias

ConnectionId = NewType("ConnectionId", str)
RoomName = NewType("RoomName", str)
UserName = NewType("UserName", str)
# What a client calls its request: at most 64 characters, or within 2**53 either side of zero.
FrameId: TypeAlias = str | int

LARGEST_INTEGER = 2**53  # what JavaScript, and so JSON in practice, holds exactly

# \Z and not $: $ would let a trailing newline through.
ROOM_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}\Z"
USER_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,31}\Z"
DIRECT_PREFIX = "dm:"
USER_LENGTH = 32
_NAME_RULE = "must be 1 to {} characters: a-z, 0-9, '.', '_' or '-', the first a letter or a digit"
ROOM_RULE = _NAME_RULE.format(64)
USER_RULE = _NAME_RULE.format(USER_LENGTH)

# Hosts that are this machine.
LOOPBACK = {"localhost", "127.0.0.1", "::1"}

# The author of what a back end publishes without naming one; never a person's name.
SYSTEM_USER = UserName("system")


def is_room(name: str) -> bool:
    """Tell whether clients may name this room; personal rooms are therefore out of their reach."""
    return re.match(ROOM_PATTERN, name) is not None


def is_user(name: str) -> bool:
    """Tell whether `name` can be a user's name."""
    return re.match(USER_PATTERN, name) is not None


def user_name(text: object) -> UserName | None:
    """Return what somebody would like to be called, in lower case; None for what is no name."""
    # ASCII before lower(): that would make "k" of the sign for kelvin.
    if not isinstance(text, str) or not text.isascii() or not is_user(text.lower()):
        return None
    return UserName(text.lower())


def personal_room(user: UserName) -> RoomName:
    """Return the room that all connections of `user`, and nobody else's, are subscribed to."""
    return RoomName(f"@{user}")


def direct_room(one: UserName, other: UserName) -> RoomName:
    """Return the room of the direct messages between two people, the same for both."""
    return RoomName(DIRECT_PREFIX + ":".join(sorted((one, other))))


def direct_users(room: RoomName) -> tuple[UserName, UserName] | None:
    """Return the two people of a direct room, or None for any other room.

    Raises:
        ValueError: it begins like a direct room but is none, or names its people out of order.
    """
    if not room.startswith(DIRECT_PREFIX):
        return None
    names = room.removeprefix(DIRECT_PREFIX).split(":")
    if (
        len(names) != len(("one", "other"))
        or not all(map(is_user, names))
        or names != sorted(names)
    ):
        raise ValueError(f"{room} is not a direct room")
    return UserName(names[0]), UserName(names[1])


def channels(room: RoomName) -> list[RoomName]:
    """Return the rooms whose subscriptions carry what is pushed to `room`.

    Direct messages go to all connections of both people, by their personal rooms.
    """
    people = direct_users(room)
    return [room] if people is None else sorted({personal_room(user) for user in people})


@dataclass(frozen=True, slots=True)
class Session:
    """What the registry knows about one live connection; times are epoch seconds.

    The connection may last until `expires_at`; its user may do something until
    `session_expires_at`, which is when the token that let them in expires.
    """

    connection_id: ConnectionId
    user: UserName
    endpoint: str
    connected_at: float
    expires_at: int
    rooms: frozenset[RoomName]
    session_expires_at: int
    guest: bool = False
    arrays: bool = False  # whether its client takes several frames in one, as a JSON array

    @property
    def pushed_until(self) -> int:
        """When pushes end, unless the session is extended."""
        return min(self.expires_at, self.session_expires_at)

    def is_over(self, now: float) -> bool:
        """Tell whether its user may do nothing any more but extend it."""
        return self.session_expires_at <= now

    @property
    def public_rooms(self) -> list[RoomName]:
        """The subscribed rooms that clients know of, sorted."""
        return sorted(self.rooms - {personal_room(self.user)})


@dataclass(frozen=True, slots=True)
class Member:
    """One connection subscribed to a room, since `joined_at` (epoch seconds)."""

    connection_id: ConnectionId
    user: UserName
    endpoint: str
    joined_at: float
    guest: bool = False
    arrays: bool = False  # as in Session


class Departure(NamedTuple):
    """A connection of `user` is no longer subscribed to `room`; others of theirs may be."""

    room: RoomName
    user: UserName
    guest: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one push, counted in recipients.

    `complete` is False when the recipients could not all be read: of a room that is posted to
    directly, nobody was sent anything then; of a larger one, those that are counted.
    """

    delivered: int = 0
    queued: int = 0
    gone: int = 0
    failed: int = 0
    complete: bool = True

    @property
    def recipients(self) -> int:
        """How many there were."""
        return self.delivered + self.queued + self.gone + self.failed

    def with_queued(self, more: int) -> "Delivery":
        """Return the counts with more recipients in the queue."""
        return replace(self, queued=self.queued + more)

    def incomplete(self) -> "Delivery":
        """Return the counts of a push some of whose recipients could not be read."""
        return replace(self, complete=False)
