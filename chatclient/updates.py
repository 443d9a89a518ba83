"""What the client tells the application."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeAlias

from chatclient.entries import Entry


class State(Enum):
    """Where the connection stands."""

    CONNECTING = "connecting"
    ONLINE = "online"
    WAITING = "waiting"  # for the next attempt
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Connection:
    """The connection changed its state.

    Attributes:
        user: The name that the server gave this client, "" until it did.
        retry_in: Seconds until the next attempt, while waiting.
        reason: Why, for people.
        status: The HTTP status, where the server refused the handshake or a ticket for good.
        code: `refused` or `logged_out`, where that ended the client.
    """

    state: State
    user: str = ""
    retry_in: float = 0.0
    reason: str = ""
    status: int = 0
    code: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """A timeline changed.

    Attributes:
        kind: `new`: entries were added at the end. `older`: before the others. `reset`: what was
            shown of the room is void, these are its newest entries.
        entries: In order. A message is shown best as the timeline has it, see Timeline.message.
    """

    room: str
    kind: Literal["new", "older", "reset"]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """Where an entry stands in the log; a duplicate was there already."""

    room: str
    seq: int
    at: str
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many older entries were added, and whether there are more."""

    added: int
    more: bool


@dataclass(frozen=True, slots=True)
class RoomInfo:
    """A room that the person has joined; `unread` counts the messages after the read marker.

    `visibility` is public, private or direct, `role` owner, moderator or member.
    """

    name: str
    visibility: str
    role: str
    seq: int
    unread: int


@dataclass(frozen=True, slots=True)
class People:
    """Who is in a room.

    Attributes:
        users: Sorted; empty for a large room, of which only the count is told.
        user, status: Who came or went, where that was what happened.
        guests: Those of `users`, and `user`, who have no account; sorted.
    """

    room: str
    users: tuple[str, ...]
    count: int
    user: str = ""
    status: str = ""
    guests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """An operation succeeded.

    Attributes:
        token: What the operation returned when it was started.
        answer: Sent for what adds an entry, Loaded for load_history, a tuple of RoomInfo for
            list_rooms, People for ask_presence, None for the others.
    """

    token: str
    action: str
    room: str
    answer: Any = None


@dataclass(frozen=True, slots=True)
class Failed:
    """An operation failed for good; code, message and the rest as in ChatError."""

    token: str
    action: str
    room: str
    code: str
    message: str
    retryable: bool = False
    uncertain: bool = False
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class RoomLost:
    """The server does not let this client into a room any more."""

    room: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Typing:
    """Somebody is writing; worth showing for some seconds."""

    room: str
    user: str
    guest: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """The person has read a room up to `seq`, on this device or another."""

    room: str
    seq: int


@dataclass(frozen=True, slots=True)
class Kicked:
    """The person was taken out of a room, which is gone here too.

    Attributes:
        by: By whom, "" if that is not told.
        banned: Whether they may not come back.
    """

    room: str
    by: str = ""
    banned: bool = False


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody has made the person a member of a room; join() goes there."""

    room: str
    by: str


@dataclass(frozen=True, slots=True)
class Left:
    """The person has left a room on another device, so it is gone here too."""

    room: str


@dataclass(frozen=True, slots=True)
class Limited:
    """The server asks to go slower: what was asked is repeated after so many seconds.

    Attributes:
        token: The token of an entry, "" for anything else.
        message: Why, for people.
    """

    token: str
    action: str
    room: str
    seconds: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class Moving:
    """The server asks to connect again in so many seconds, which happens by itself."""

    seconds: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Missed:
    """The application was too slow: so many updates were dropped. The timelines are whole."""

    count: int


Update: TypeAlias = (
    Connection
    | Changed
    | Done
    | Failed
    | People
    | RoomLost
    | Kicked
    | Invited
    | Left
    | Typing
    | Read
    | Limited
    | Moving
    | Missed
)
