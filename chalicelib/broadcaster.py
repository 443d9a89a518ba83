"""Fan-out: one frame to everyone who is in a room."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence

from chalicelib.connections import ConnectionRepository
from chalicelib.courier import Courier, Push
from chalicelib.gateway import Outcome, Post
from chalicelib.models import ConnectionId, Delivery, RoomName, channels
from chalicelib.presence import Presence

logger = logging.getLogger(__name__)


class Broadcaster:
    """Pushes frames to all connections of a room."""

    def __init__(
        self, connections: ConnectionRepository, courier: Courier, presence: Presence
    ) -> None:
        self._connections = connections
        self._courier = courier
        self._presence = presence

    def broadcast(
        self,
        room: RoomName,
        frame: bytes | None,
        *,
        skip: ConnectionId | None = None,
        also: Sequence[Post] = (),
    ) -> Delivery:
        """Post `frame`, if there is one, to every connection of the room but `skip`; and `also`.

        Never raises: what is broadcast is durable by then, and its author must not be told to say
        it again. What goes wrong is counted and logged. `also` (the author's own answer) is posted
        even when the room cannot be read, and not counted. Connections that turn out to be gone
        are removed, and the others told who left by that.
        """
        pushes = [] if frame is None else self._pushes(room, frame)
        wanted = [push for push in pushes or () if push.member.connection_id != skip]
        receipt = self._courier.deliver(wanted, also=also)
        self._presence.left(receipt.departures)
        return _delivery(receipt.outcomes, complete=pushes is not None)

    def _pushes(self, room: RoomName, frame: bytes) -> list[Push] | None:
        try:
            return [
                Push(channel, member, frame)
                for channel in channels(room)
                for member in self._connections.members(channel)
            ]
        except Exception:
            logger.exception("the members of %s could not be read: nobody was sent the frame", room)
            return None


def _delivery(outcomes: Iterable[Outcome], *, complete: bool) -> Delivery:
    count = Counter(outcomes)
    return Delivery(
        delivered=count[Outcome.DELIVERED],
        gone=count[Outcome.GONE],
        failed=count[Outcome.RETRYABLE] + count[Outcome.REFUSED],
        complete=complete,
    )
