"""Posting frames to connections, forgetting those that are gone, and ending those that must go."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.connections import ConnectionRepository
from chalicelib.gateway import ConnectionsGateway, Outcome, Post, Recipient
from chalicelib.models import Departure, Member, RoomName

logger = logging.getLogger(__name__)
# A removal takes a few milliseconds: one call must not spend its time on thousands.
_PRUNE_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Push:
    """A frame for one connection because it is subscribed to `room`."""

    room: RoomName
    member: Member
    frame: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of the pushes, in their order, and who left because of it."""

    outcomes: Sequence[Outcome]
    departures: Sequence[Departure] = ()


class Courier:
    """Delivers pushes; never raises, because what is pushed has happened already.

    What goes wrong is an outcome, and logged.
    """

    def __init__(self, connections: ConnectionRepository, gateway: ConnectionsGateway) -> None:
        self._connections = connections
        self._gateway = gateway

    def deliver(self, pushes: Sequence[Push], *, also: Sequence[Post] = ()) -> Receipt:
        """Post every push, and `also` with them, at the same time.

        `also` is what belongs to no room, such as the author's own answer: neither its outcome nor
        its recipient's end is looked at.
        """
        posts = [
            Post(push.member.endpoint, push.member.connection_id, push.frame) for push in pushes
        ]
        outcomes = self.post([*also, *posts])[len(also) :]
        gone = [
            (push.room, push.member)
            for push, outcome in zip(pushes, outcomes, strict=True)
            if outcome is Outcome.GONE
        ]
        return Receipt(outcomes, self.forget(gone))

    def post(self, posts: Sequence[Post], *, within: float | None = None) -> list[Outcome]:
        """Post frames, within so many seconds; return what became of each, in their order."""
        if not posts:
            return []
        try:
            return self._gateway.post(posts, within=within)
        except Exception:
            logger.exception("%d frames could not be posted", len(posts))
            return [Outcome.RETRYABLE] * len(posts)

    def forget(self, gone: Sequence[tuple[RoomName, Member]]) -> list[Departure]:
        """Remove connections that are gone, and return who left which rooms by that."""
        if not gone:
            return []
        try:
            return self._connections.prune(gone[:_PRUNE_LIMIT])
        except Exception:
            logger.exception("%d connections that are gone could not be removed", len(gone))
            return []

    def close(self, recipients: Sequence[Recipient]) -> None:
        """End connections that have no session any more, many at the same time.

        Takes no longer than a batch of posts. Of one that had ended before nothing is said. One
        that cannot be ended is closed when it next sends something (see ChatService), at the latest
        by API Gateway: after 10 silent minutes, or 2 hours.
        """
        if not recipients:
            return
        try:
            outcomes = self._gateway.disconnect(recipients)
        except Exception:
            logger.exception("%d connections could not be closed", len(recipients))
            return
        left = sum(outcome in {Outcome.RETRYABLE, Outcome.REFUSED} for outcome in outcomes)
        if left:
            logger.warning("%d of %d connections could not be closed", left, len(recipients))
