"""Adding to a room: into the log first, then to everyone who is there."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from chalicelib.broadcaster import Broadcaster
from chalicelib.drafts import Appended, Content, Edit, Entry, Message
from chalicelib.errors import BadRequest, NotFound, Unavailable
from chalicelib.events import log_event
from chalicelib.gateway import Post
from chalicelib.memberships import MembershipRepository
from chalicelib.messages import MessageLog
from chalicelib.models import ConnectionId, Delivery, UserName, direct_users
from chalicelib.protocol import decode_publication, encode

logger = logging.getLogger(__name__)


class Publisher:
    """Appends entries and pushes them.

    Args:
        log, memberships, broadcaster: What does the work.
        max_length: Characters of a message.
        is_known: Tells whether somebody has a name, with an account or as a guest who is there.
    """

    def __init__(
        self,
        log: MessageLog,
        memberships: MembershipRepository,
        broadcaster: Broadcaster,
        *,
        max_length: int,
        is_known: Callable[[UserName], bool],
    ) -> None:
        self._log = log
        self._memberships = memberships
        self._broadcaster = broadcaster
        self._max_length = max_length
        self._is_known = is_known

    def append(self, content: Content) -> Appended:
        """Make an entry durable, as the next of its room. See MessageLog.append.

        Raises:
            BadRequest: it has more characters than the stage allows.
            NotFound: it would be the first in a direct room, and one of its people is nobody; or
                see MessageLog.append.
            Forbidden, Conflict, Unavailable: see MessageLog.append.
        """
        if isinstance(content, Message | Edit) and len(content.text) > self._max_length:
            problem = f"must be at most {self._max_length} characters"
            raise BadRequest(field="message", problem=problem)
        return self._log.append(content, founding=partial(self._founding, content))

    def push(
        self,
        content: Content,
        appended: Appended,
        *,
        skip: ConnectionId | None = None,
        also: Sequence[Post] = (),
    ) -> Delivery:
        """Show an entry to its room. See Broadcaster.broadcast.

        Of a duplicate, the original is shown once more: whoever sends again got no answer, so the
        first push may never have been made either. Its state is left out, because the changes have
        numbers of their own, and those who lack the message lack them as well.
        """
        entry = self._original(appended) if appended.duplicate else content
        frame = None
        if entry is not None:
            frame = encode(log_event(Entry(appended.seq, appended.at, entry)))
        return self._broadcaster.broadcast(appended.room, frame, skip=skip, also=also)

    def _founding(self, content: Content) -> list[dict[str, Any]]:
        for user in direct_users(content.room) or ():
            # Otherwise whoever takes the name some day would read it.
            if user != content.user and not self._is_known(user):
                raise NotFound(f"there is nobody called {user}")
        return self._memberships.founding(content.room)

    def _original(self, duplicate: Appended) -> Content | None:
        try:
            entry = self._log.entry(duplicate.room, duplicate.seq)
        except Unavailable:
            logger.warning("an entry that was appended before could not be read again")
            return None
        return entry.content if entry else None  # None where it has expired

    def publish(self, payload: object, *, cid: str | None = None) -> dict[str, Any]:
        """Publish what a back end asked for; `cid` is that of a payload which names none.

        The answer counts the recipients. An `error` in it beside the seq means that the message is
        durable but nobody was sent it, because the room's members could not be read.

        Raises:
            BadRequest, TooLarge: the payload is wrong.
            Unavailable: see MessageLog.append.
        """
        request = decode_publication(payload)
        message = Message(
            room=request.room,
            user=request.user,
            text=request.message,
            cid=cid if request.cid is None else request.cid,
        )
        appended = self.append(message)
        return _report(appended, self.push(message, appended))


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
