"""Saying something in a room: into the log first, then to everyone who is there."""

from collections.abc import Sequence
from typing import Any

from chalicelib.broadcaster import Broadcaster
from chalicelib.errors import BadRequest, Unavailable
from chalicelib.events import MessagePush, given
from chalicelib.gateway import Post
from chalicelib.messages import MessageLog
from chalicelib.models import Appended, ConnectionId, Delivery, Message
from chalicelib.protocol import decode_publication, encode


class Publisher:
    """Appends messages and pushes them."""

    def __init__(self, log: MessageLog, broadcaster: Broadcaster, *, max_length: int) -> None:
        self._log = log
        self._broadcaster = broadcaster
        self._max_length = max_length

    def append(self, message: Message) -> Appended:
        """Make a message durable, as the next of its room. See MessageLog.append.

        Raises:
            BadRequest: it has more characters than the stage allows.
            Unavailable: see MessageLog.append.
        """
        if len(message.text) > self._max_length:
            problem = f"must be at most {self._max_length} characters"
            raise BadRequest(field="message", problem=problem)
        return self._log.append(message.room, message.user, message.text, cid=message.cid)

    def push(
        self,
        message: Message,
        appended: Appended,
        *,
        skip: ConnectionId | None = None,
        also: Sequence[Post] = (),
    ) -> Delivery:
        """Show a message that has been appended to its room. See Broadcaster.broadcast."""
        event = MessagePush(
            room=appended.room,
            seq=appended.seq,
            user=message.user,
            message=message.text,
            at=appended.at,
            cid=given(message.cid),
        )
        return self._broadcaster.broadcast(appended.room, encode(event), skip=skip, also=also)

    def publish(self, payload: object) -> dict[str, Any]:
        """Publish what a back end asked for; a repeated cid is not pushed again.

        The answer counts the recipients. An `error` in it beside the seq means that the message is
        durable but nobody was sent it, because the room's members could not be read.

        Raises:
            BadRequest, TooLarge: the payload is wrong.
            Unavailable: see MessageLog.append.
        """
        request = decode_publication(payload)
        message = Message(request.room, request.user, request.message, request.cid)
        appended = self.append(message)
        delivery = Delivery() if appended.duplicate else self.push(message, appended)
        return _report(appended, delivery)


def _report(appended: Appended, delivery: Delivery) -> dict[str, Any]:
    report: dict[str, Any] = {
        "room": appended.room,
        "seq": appended.seq,
        "delivered": delivery.delivered,
        "queued": delivery.queued,
        "gone": delivery.gone,
        "failed": delivery.failed,
    }
    if not delivery.complete:
        report["error"] = {
            "code": Unavailable.code,
            "message": "the message is stored, but the room's members could not be read: "
            "they will find it in the log",
            "retryable": False,
        }
    return report
