"""What clients ask for: one type for each action of the protocol, each field checked."""

from typing import Annotated, ClassVar

from msgspec import Meta, Struct, json

from chalicelib.errors import BadRequest, TooLarge
from chalicelib.models import (
    LARGEST_INTEGER,
    ROOM_PATTERN,
    ROOM_RULE,
    SYSTEM_USER,
    USER_PATTERN,
    USER_RULE,
    FrameId,
    RoomName,
    UserName,
)

# What is left of a frame of 32 KB is for the rest of a push: 768 bytes, of which the longest names
# (room 64, user 32, cid 64 characters of at most 4 bytes) and the fixed text take less than 600.
MAX_MESSAGE_BYTES = 32_000

RULES = {
    "room": ROOM_RULE,
    "user": USER_RULE,
    "message": "must be a string of at least 1 character",
    "cid": "must be a string of 1 to 64 printable characters",
    "rooms": "must be an object of at most 10 entries: the name of a room and the last seq seen, "
    "an integer from 0 to 2**53",
}

_Room = Annotated[RoomName, Meta(pattern=ROOM_PATTERN)]
_User = Annotated[UserName, Meta(pattern=USER_PATTERN)]
_Cid = Annotated[str, Meta(min_length=1, max_length=64)]
_Message = Annotated[str, Meta(min_length=1)]
_Position = Annotated[int, Meta(ge=0, le=LARGEST_INTEGER)]


class Command(Struct, tag_field="action", frozen=True, kw_only=True):
    """A request of a client; fields that it does not have are ignored.

    `unsupported` are the fields of the protocol that this version lacks. To ignore those would do
    something else than was asked for (without `to`, a private message would be public).
    """

    id: FrameId | None = None
    unsupported: ClassVar[tuple[str, ...]] = ()

    @property
    def action(self) -> str:
        """The name of the action on the wire."""
        return str(self.__struct_config__.tag)


class Hello(Command, tag="hello", frozen=True, kw_only=True):
    """Who am I, and how does this connection work?"""


class Ping(Command, tag="ping", frozen=True, kw_only=True):
    """Is anyone there, and what is the last seq of these rooms?"""

    rooms: Annotated[dict[_Room, _Position], Meta(max_length=10)] = {}


class SendMessage(Command, tag="sendmessage", frozen=True, kw_only=True):
    """Say this in the room (without one, the lobby)."""

    message: _Message
    room: _Room | None = None
    cid: _Cid | None = None
    unsupported = ("to",)

    def __post_init__(self) -> None:
        _check_message(self.message)
        _check_cid(self.cid)


class Subscribe(Command, tag="subscribe", frozen=True, kw_only=True):
    """Push me what is said in the room from now on."""

    room: _Room
    unsupported = ("after",)


class Unsubscribe(Command, tag="unsubscribe", frozen=True, kw_only=True):
    """Stop that."""

    room: _Room


class Presence(Command, tag="presence", frozen=True, kw_only=True):
    """Who is in the room?"""

    room: _Room


class Publication(Struct, frozen=True, kw_only=True):
    """What a back end publishes to a room by invoking the function."""

    room: _Room
    message: _Message
    user: _User = SYSTEM_USER
    cid: _Cid | None = None

    def __post_init__(self) -> None:
        _check_message(self.message)
        _check_cid(self.cid)


COMMANDS: dict[str, type[Command]] = {
    str(command.__struct_config__.tag): command
    for command in (Hello, Ping, SendMessage, Subscribe, Unsubscribe, Presence)
}


def _check_message(message: str) -> None:
    try:
        size = len(json.encode(message)) - len('""')
    except UnicodeEncodeError as error:
        problem = "holds half a character (a lone surrogate)"
        raise BadRequest(field="message", problem=problem) from error
    if size > MAX_MESSAGE_BYTES:
        raise TooLarge(field="message", limit=MAX_MESSAGE_BYTES)


def _check_cid(cid: str | None) -> None:
    if cid is not None and not cid.isprintable():
        raise BadRequest(field="cid", problem=RULES["cid"])
