"""What the server tells clients: one type for each kind of frame that goes out."""

from typing import Self, TypeVar

from msgspec import UNSET, Struct, UnsetType

from chalicelib.errors import ChatError
from chalicelib.models import ConnectionId, FrameId, RoomName, UserName

VERSION = 1
_T = TypeVar("_T")


class Event(Struct, tag_field="type", frozen=True, kw_only=True):
    """A frame to a client; a field that is UNSET is left out."""


class Welcome(Event, tag="welcome", frozen=True, kw_only=True):
    """The answer to hello; `rooms` are the subscribed rooms without the personal one."""

    id: FrameId | UnsetType = UNSET
    connection_id: ConnectionId
    user: UserName
    rooms: list[RoomName]
    protocol: int = VERSION
    server_time: str
    heartbeat_ms: int
    reconnect_after_ms: int


class Pong(Event, tag="pong", frozen=True, kw_only=True):
    """The answer to ping; an empty room is at 0."""

    id: FrameId | UnsetType = UNSET
    rooms: dict[RoomName, int]


class Ack(Event, tag="ack", frozen=True, kw_only=True):
    """The answer to an action that succeeded."""

    id: FrameId | UnsetType = UNSET
    action: str
    room: RoomName


class SentAck(Ack, tag="ack", frozen=True, kw_only=True):
    """The message is durable and in order; it does not mean that everyone has it."""

    seq: int
    at: str
    duplicate: bool


class SubscribedAck(Ack, tag="ack", frozen=True, kw_only=True):
    """Every message after `seq` will be pushed."""

    seq: int


class PresenceAck(Ack, tag="ack", frozen=True, kw_only=True):
    """The people in a room: how many, and who they are unless that is a long list."""

    users: list[UserName]
    count: int


class MessagePush(Event, tag="message", frozen=True, kw_only=True):
    """Somebody said something in a room."""

    room: RoomName
    seq: int
    user: UserName
    message: str
    at: str
    cid: str | UnsetType = UNSET


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
