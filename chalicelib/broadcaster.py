"""Fan-out: one frame to everyone who is in a room."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence

from chalicelib.connections import ConnectionRepository
from chalicelib.gateway import ConnectionsGateway, Outcome, Post
from chalicelib.models import ConnectionId, Delivery, Member, RoomName

logger = logging.getLogger(__name__)
# A removal takes a few milliseconds: one broadcast must not spend its time on thousands.
_PRUNE_LIMIT = 1000


class Broadcaster:
    """Pushes frames to the connections of a room and removes those that turn out to be gone."""

    def __init__(self, connections: ConnectionRepository, gateway: ConnectionsGateway) -> None:
        self._connections = connections
        self._gateway = gateway

    def broadcast(
        self,
        room: RoomName,
        frame: bytes,
        *,
        skip: ConnectionId | None = None,
        also: Sequence[Post] = (),
    ) -> Delivery:
        """Post `frame` to every connection of the room but `skip`, and `also` with it.

        Never raises: what is broadcast is durable by then, and its author must not be told to say
        it again. What goes wrong is counted and logged. `also` (the author's own answer) is posted
        even when the room cannot be read, and not counted.
        """
        members = self._members(room)
        pushes = [
            Post(member.endpoint, member.connection_id, frame)
            for member in members or ()
            if member.connection_id != skip
        ]
        posts = [*also, *pushes]
        outcomes = self._post(posts)
        self._prune(room, zip(posts, outcomes, strict=True))
        return _delivery(outcomes[len(also) :], complete=members is not None)

    def _members(self, room: RoomName) -> list[Member] | None:
        try:
            return list(self._connections.members(room))
        except Exception:
            logger.exception("the members of %s could not be read: nobody was sent the frame", room)
            return None

    def _post(self, posts: Sequence[Post]) -> list[Outcome]:
        try:
            return self._gateway.post(posts)
        except Exception:
            logger.exception("%d frames could not be posted", len(posts))
            return [Outcome.RETRYABLE] * len(posts)

    def _prune(self, room: RoomName, results: Iterable[tuple[Post, Outcome]]) -> None:
        gone = [post.connection_id for post, outcome in results if outcome is Outcome.GONE]
        if not gone:
            return
        try:
            self._connections.prune(room, gone[:_PRUNE_LIMIT])
        except Exception:
            logger.exception(
                "%d connections of %s that are gone could not be removed", len(gone), room
            )


def _delivery(outcomes: Iterable[Outcome], *, complete: bool) -> Delivery:
    count = Counter(outcomes)
    return Delivery(
        delivered=count[Outcome.DELIVERED],
        gone=count[Outcome.GONE],
        failed=count[Outcome.RETRYABLE] + count[Outcome.REFUSED],
        complete=complete,
    )
