"""What clients ask for: one type for each action of the protocol, each field checked."""

import unicodedata
from typing import Annotated

from msgspec import Meta, Struct, json

from chalicelib.errors import BadRequest, TooLarge
from chalicelib.identities import MAX_TOKEN_LENGTH
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
from chalicelib.roles import Role

# What is left of a frame of 32 KB is for the rest of a push: 768 bytes, of which the longest names
# (room 68, user 32, cid 64 characters of at most 4 bytes) and the fixed text take less than 600.
MAX_MESSAGE_BYTES = 32_000
HISTORY_LIMIT = 100
MAX_EMOJI_LENGTH = 16
SLOWEST_SECONDS = 86_400

_USER = USER_PATTERN.removeprefix("^").removesuffix(r"\Z")
# A room that clients may name: a public one, or the direct messages of two people.
_ANY_ROOM = rf"{ROOM_PATTERN}|^dm:{_USER}:{_USER}\Z"
_SEQ_RULE = "must be a seq, an integer from 1 to 2**53"
_SECONDS_RULE = f"must be an integer from 0 to {SLOWEST_SECONDS}"

RULES = {
    "room": f"{ROOM_RULE}; or dm:<user>:<user>, the names in order",
    "user": USER_RULE,
    "to": USER_RULE,
    "message": "must be a string of at least 1 character",
    "cid": "must be a string of 1 to 64 printable characters",
    "emoji": f"must be 1 to {MAX_EMOJI_LENGTH} characters, none of them a letter, a space or a "
    "control character",
    "arrays": "must be true or false",
    "remove": "must be true or false",
    "private": "must be true or false",
    "role": "must be owner, moderator or member",
    "seconds": _SECONDS_RULE,
    "slow_mode": _SECONDS_RULE,
    "target": _SEQ_RULE,
    "seq": _SEQ_RULE,
    "before": _SEQ_RULE,
    "limit": f"must be an integer from 1 to {HISTORY_LIMIT}",
    "token": f"must be a string of 1 to {MAX_TOKEN_LENGTH} characters",
    "rooms": "must be an object of at most 10 entries: the name of a room and the last seq seen, "
    "an integer from 0 to 2**53",
}
# The name of a field can mean two things.
_OTHER_RULES = {
    ("subscribe", "after"): "must be the last seq seen, an integer from 0 to 2**53",
    ("rooms", "after"): "must be the name of a room",
    ("publish", "room"): ROOM_RULE,
    # Nobody rules a direct room, and nobody leaves it.
    **{
        (action, "room"): ROOM_RULE
        for action in (
            "createroom",
            "invite",
            "kick",
            "ban",
            "unban",
            "setrole",
            "leave",
            "slowmode",
        )
    },
}

_Room = Annotated[RoomName, Meta(pattern=_ANY_ROOM)]
_PublicRoom = Annotated[RoomName, Meta(pattern=ROOM_PATTERN)]
_User = Annotated[UserName, Meta(pattern=USER_PATTERN)]
_Cid = Annotated[str, Meta(min_length=1, max_length=64)]
_Message = Annotated[str, Meta(min_length=1)]
_Emoji = Annotated[str, Meta(min_length=1, max_length=MAX_EMOJI_LENGTH)]
_Seq = Annotated[int, Meta(ge=1, le=LARGEST_INTEGER)]
_Position = Annotated[int, Meta(ge=0, le=LARGEST_INTEGER)]
_Seconds = Annotated[int, Meta(ge=0, le=SLOWEST_SECONDS)]


def rule(action: object, field: str) -> str:
    """Say in words what a field must be; `action` is what the frame says of itself."""
    return _OTHER_RULES.get((str(action), field)) or RULES.get(field, "is wrong")


class Command(Struct, tag_field="action", frozen=True, kw_only=True):
    """A request of a client; fields that it does not have are ignored."""

    id: FrameId | None = None

    @property
    def action(self) -> str:
        """The name of the action on the wire."""
        return str(self.__struct_config__.tag)


class Hello(Command, tag="hello", frozen=True, kw_only=True):
    """Who am I, how does this connection work, and may pushes come as arrays?"""

    arrays: bool = False


class Ping(Command, tag="ping", frozen=True, kw_only=True):
    """Is anyone there, and what is the last seq of these rooms?"""

    rooms: Annotated[dict[_Room, _Position], Meta(max_length=10)] = {}


class SendMessage(Command, tag="sendmessage", frozen=True, kw_only=True):
    """Say this in the room, or to one person (without either, in the lobby)."""

    message: _Message
    room: _Room | None = None
    to: _User | None = None
    cid: _Cid | None = None

    def __post_init__(self) -> None:
        _check_message(self.message)
        _check_cid(self.cid)
        if self.room is not None and self.to is not None:
            raise BadRequest(field="to", problem="cannot be given together with room")


class EditMessage(Command, tag="editmessage", frozen=True, kw_only=True):
    """Replace the text of my message."""

    room: _Room
    target: _Seq
    message: _Message
    cid: _Cid | None = None

    def __post_init__(self) -> None:
        _check_message(self.message)
        _check_cid(self.cid)


class DeleteMessage(Command, tag="deletemessage", frozen=True, kw_only=True):
    """Erase the text of my message."""

    room: _Room
    target: _Seq
    cid: _Cid | None = None

    def __post_init__(self) -> None:
        _check_cid(self.cid)


class React(Command, tag="react", frozen=True, kw_only=True):
    """Put this emoji to a message, or take mine away again."""

    room: _Room
    target: _Seq
    emoji: _Emoji
    remove: bool = False
    cid: _Cid | None = None

    def __post_init__(self) -> None:
        if not all(map(_belongs_to_emoji, self.emoji)):
            raise BadRequest(field="emoji", problem=RULES["emoji"])
        _check_cid(self.cid)


class Subscribe(Command, tag="subscribe", frozen=True, kw_only=True):
    """Push me what is said in the room from now on, and tell me what came after this seq."""

    room: _Room
    after: _Position | None = None


class Unsubscribe(Command, tag="unsubscribe", frozen=True, kw_only=True):
    """Stop that."""

    room: _Room


class History(Command, tag="history", frozen=True, kw_only=True):
    """What was said before this seq (without one, last)?"""

    room: _Room
    before: _Seq | None = None
    limit: Annotated[int, Meta(ge=1, le=HISTORY_LIMIT)] = 50


class Typing(Command, tag="typing", frozen=True, kw_only=True):
    """I am writing something."""

    room: _Room


class Presence(Command, tag="presence", frozen=True, kw_only=True):
    """Who is in the room?"""

    room: _Room


class Read(Command, tag="read", frozen=True, kw_only=True):
    """I have read the room up to this seq."""

    room: _Room
    seq: _Seq


class Rooms(Command, tag="rooms", frozen=True, kw_only=True):
    """Which rooms have I joined, and what is unread (from the room after this one on)?"""

    after: _Room | None = None


class Refresh(Command, tag="refresh", frozen=True, kw_only=True):
    """Here is a newer token: let me go on."""

    token: Annotated[str, Meta(min_length=1, max_length=MAX_TOKEN_LENGTH)]


class CreateRoom(Command, tag="createroom", frozen=True, kw_only=True):
    """Make a room that I own, with so many seconds between two messages of one person."""

    room: _PublicRoom
    private: bool = False
    slow_mode: _Seconds = 0


class Invite(Command, tag="invite", frozen=True, kw_only=True):
    """Make somebody a member."""

    room: _PublicRoom
    user: _User


class Kick(Command, tag="kick", frozen=True, kw_only=True):
    """Take somebody out of the room; into a public one they may come back."""

    room: _PublicRoom
    user: _User


class Ban(Command, tag="ban", frozen=True, kw_only=True):
    """Take somebody out of the room, and do not let them in again."""

    room: _PublicRoom
    user: _User


class Unban(Command, tag="unban", frozen=True, kw_only=True):
    """Lift a ban; a private room takes an invitation as well."""

    room: _PublicRoom
    user: _User


class SetRole(Command, tag="setrole", frozen=True, kw_only=True):
    """Give a member another role; to make somebody the owner is to hand the room over."""

    room: _PublicRoom
    user: _User
    role: Role


class Leave(Command, tag="leave", frozen=True, kw_only=True):
    """Take me out of the room, with all my connections."""

    room: _PublicRoom


class SlowMode(Command, tag="slowmode", frozen=True, kw_only=True):
    """Let so many seconds lie between two messages of one person; 0: as many as elsewhere."""

    room: _PublicRoom
    seconds: _Seconds


class Publication(Struct, frozen=True, kw_only=True):
    """What a back end publishes to a room by invoking the function."""

    room: _PublicRoom
    message: _Message
    user: _User = SYSTEM_USER
    cid: _Cid | None = None

    def __post_init__(self) -> None:
        _check_message(self.message)
        _check_cid(self.cid)


COMMANDS: dict[str, type[Command]] = {
    str(command.__struct_config__.tag): command
    for command in (
        Hello,
        Ping,
        SendMessage,
        EditMessage,
        DeleteMessage,
        React,
        Subscribe,
        Unsubscribe,
        History,
        Typing,
        Presence,
        Read,
        Rooms,
        Refresh,
        CreateRoom,
        Invite,
        Kick,
        Ban,
        Unban,
        SetRole,
        Leave,
        SlowMode,
    )
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


# What emoji have of invisible characters: joiners, and tags (the flags of regions); and one
# is a letter.
# https://www.unicode.org/reports/tr51/#Definitions
_JOINER = "\u200d"
_INFORMATION = "\u2139"
_TAGS = range(0xE0020, 0xE0080)
_NEWER_THAN_PYTHON = range(0x1F000, 0x1FB00)


def _belongs_to_emoji(character: str) -> bool:
    kind, point = unicodedata.category(character)[0], ord(character)
    if kind == "C":
        return character == _JOINER or point in _TAGS or point in _NEWER_THAN_PYTHON
    return character == _INFORMATION or kind not in {"L", "Z"}
