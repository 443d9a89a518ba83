"""What the server tells clients: one type for each kind of frame that goes out."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeVar

from msgspec import UNSET, Struct, UnsetType

from chalicelib.drafts import Deletion, Edit, Entry, Message, State
from chalicelib.errors import ChatError
from chalicelib.models import ConnectionId, FrameId, RoomName, UserName
from chalicelib.roles import Role

VERSION = 1
_T = TypeVar("_T")


class Event(Struct, tag_field="type", frozen=True, kw_only=True):
    """A frame to a client; a field that is UNSET is left out.

    `guest` is true beside a `user` without an account, and left out beside others.
    """


class Welcome(Event, tag="welcome", frozen=True, kw_only=True):
    """The answer to hello; `rooms` are the subscribed rooms without the personal one.

    Until `expires_at` the user may do something; `refresh` moves it.
    """

    id: FrameId | UnsetType = UNSET
    connection_id: ConnectionId
    user: UserName
    guest: bool | UnsetType = UNSET
    rooms: list[RoomName]
    protocol: int = VERSION
    server_time: str
    expires_at: str
    heartbeat_ms: int
    reconnect_after_ms: int


class Pong(Event, tag="pong", frozen=True, kw_only=True):
    """The answer to ping; an empty room is at 0."""

    id: FrameId | UnsetType = UNSET
    rooms: dict[RoomName, int]


class LogEvent(Event, frozen=True, kw_only=True):
    """An entry of a room's log, as a push and in `events`."""

    room: RoomName
    seq: int
    user: UserName
    guest: bool | UnsetType = UNSET
    at: str
    cid: str | UnsetType = UNSET


class MessagePush(LogEvent, tag="message", frozen=True, kw_only=True):
    """Somebody said something in a room; the later fields tell what has happened to it since.

    `edited` is when, `changed` the seq of the last change.
    """

    message: str
    edited: str | UnsetType = UNSET
    deleted: bool | UnsetType = UNSET
    reactions: Mapping[str, Sequence[UserName]] | UnsetType = UNSET
    changed: int | UnsetType = UNSET


class EditPush(LogEvent, tag="edit", frozen=True, kw_only=True):
    """The author of the message at `target` replaced its text."""

    target: int
    message: str


class DeletePush(LogEvent, tag="delete", frozen=True, kw_only=True):
    """The author of the message at `target` erased its text."""

    target: int


class ReactionPush(LogEvent, tag="reaction", frozen=True, kw_only=True):
    """Somebody put an emoji to the message at `target`, or took it away."""

    target: int
    emoji: str
    removed: bool


AnyLogEvent = MessagePush | EditPush | DeletePush | ReactionPush


class TypingPush(Event, tag="typing", frozen=True, kw_only=True):
    """Somebody is writing."""

    room: RoomName
    user: UserName
    guest: bool | UnsetType = UNSET


class PresencePush(Event, tag="presence", frozen=True, kw_only=True):
    """A person came or went; of two pushes about one person the one with the newer `at` counts."""

    room: RoomName
    user: UserName
    guest: bool | UnsetType = UNSET
    status: Literal["joined", "left"]
    at: str


class ReadPush(Event, tag="read", frozen=True, kw_only=True):
    """The person has read the room up to `seq`, on another of their connections."""

    room: RoomName
    user: UserName
    guest: bool | UnsetType = UNSET
    seq: int


class ReconnectPush(Event, tag="reconnect", frozen=True, kw_only=True):
    """This connection is of no more use: after so many milliseconds, connect again."""

    after_ms: int
    reason: str


class InvitedPush(Event, tag="invited", frozen=True, kw_only=True):
    """You have become a member of the room, by this person."""

    room: RoomName
    user: UserName
    guest: bool | UnsetType = UNSET


class KickedPush(Event, tag="kicked", frozen=True, kw_only=True):
    """You have been taken out of the room, on all your connections; `banned`: for good."""

    room: RoomName
    by: UserName | UnsetType = UNSET
    banned: bool


class LeftPush(Event, tag="left", frozen=True, kw_only=True):
    """You have left the room, on another of your connections."""

    room: RoomName


class Ack(Event, tag="ack", frozen=True, kw_only=True):
    """The answer to an action that succeeded."""

    id: FrameId | UnsetType = UNSET
    action: str


class RoomAck(Ack, tag="ack", frozen=True, kw_only=True):
    """The answer to an action on a room."""

    room: RoomName


class UserAck(RoomAck, tag="ack", frozen=True, kw_only=True):
    """The answer to an action on somebody in a room."""

    user: UserName


class AppendedAck(RoomAck, tag="ack", frozen=True, kw_only=True):
    """The entry is durable and in order; it does not mean that everyone has it."""

    seq: int
    at: str
    duplicate: bool


class RefreshAck(Ack, tag="ack", frozen=True, kw_only=True):
    """Until when the user may do something on this connection."""

    expires_at: str


class SubscribedAck(RoomAck, tag="ack", frozen=True, kw_only=True):
    """Every entry after `seq` will be pushed; `events` are those after the seq asked for.

    Not `recovered`: they are the newest, and what the client has of the room is void.
    """

    seq: int
    recovered: bool
    events: list[AnyLogEvent]
    more: bool


class HistoryAck(RoomAck, tag="ack", frozen=True, kw_only=True):
    """Entries of the room, oldest first; there are `more` before them."""

    events: list[AnyLogEvent]
    more: bool


class ReadAck(RoomAck, tag="ack", frozen=True, kw_only=True):
    """Where the person's marker is."""

    seq: int


class PresenceAck(RoomAck, tag="ack", frozen=True, kw_only=True):
    """The people in a room: how many, and who they are unless that is a long list.

    `guests` are those of the users who have no account.
    """

    users: list[UserName]
    guests: list[UserName]
    count: int


class RoomInfo(Struct, frozen=True, kw_only=True):
    """A room that the person has joined: its last seq, and how many messages are unread."""

    name: RoomName
    visibility: Literal["public", "private", "direct"]
    role: Role
    seq: int
    unread: int


class RoomsAck(Ack, tag="ack", frozen=True, kw_only=True):
    """The rooms that the person has joined, by name; there are `more` after the last."""

    rooms: list[RoomInfo]
    more: bool


class Failure(Event, tag="error", frozen=True, kw_only=True):
    """The request failed; `message` tells a person why."""

    id: FrameId | UnsetType = UNSET
    action: str | UnsetType = UNSET
    code: str
    message: str
    retryable: bool
    retry_after_ms: int | UnsetType = UNSET

    @classmethod
    def of(cls, error: ChatError) -> Self:
        """Describe an error to the client whose request it answers."""
        return cls(
            id=given(error.id),
            action=given(error.action),
            code=error.code,
            message=error.message,
            retryable=error.retryable,
            retry_after_ms=given(error.retry_after_ms),
        )


def given(value: _T | None) -> _T | UnsetType:
    """Return what makes an event leave the field out when there is no value."""
    return UNSET if value is None else value


def marked(guest: bool) -> bool | UnsetType:  # noqa: FBT001 - there is nothing else
    """Return the mark of a guest, which others do not have."""
    return guest or UNSET


def log_event(entry: Entry) -> AnyLogEvent:
    """Return an entry as clients see it."""
    content = entry.content
    fields: dict[str, Any] = {
        "room": content.room,
        "seq": entry.seq,
        "user": content.user,
        "guest": marked(content.guest),
        "at": entry.at,
        "cid": given(content.cid),
    }
    if isinstance(content, Message):
        return MessagePush(**fields, message=content.text, **_state(entry.state))
    fields["target"] = content.target
    if isinstance(content, Edit):
        return EditPush(**fields, message=content.text)
    if isinstance(content, Deletion):
        return DeletePush(**fields)
    return ReactionPush(**fields, emoji=content.emoji, removed=content.removed)


def _state(state: State) -> dict[str, Any]:
    return {
        "edited": given(state.edited),
        "deleted": state.deleted or UNSET,
        "reactions": state.reactions or UNSET,
        "changed": state.changed or UNSET,
    }
