"""Fan-out: one frame to everyone who is in a room, directly or by way of the queue."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from chalicelib.connections import ConnectionRepository
from chalicelib.courier import Courier, Push
from chalicelib.gateway import Outcome, Post
from chalicelib.jobs import chunked
from chalicelib.models import ConnectionId, Delivery, Member, RoomName, channels
from chalicelib.presence import Presence
from chalicelib.queues import DeliveryQueue, keep
from chalicelib.telemetry import Metric, Telemetry

logger = logging.getLogger(__name__)


class Broadcaster:
    """Pushes frames to all connections of a room.

    To at most `direct_fanout` connections the frame is posted at once; to more by the workers of
    the queue, whose chunks are sent while the room is still being read. What the queue does not
    take is posted here after all. What cannot be posted goes to the queue, to be tried again; what
    was refused goes to the dead-letter queue, as only somebody who mends something can help.
    """

    def __init__(
        self,
        connections: ConnectionRepository,
        courier: Courier,
        presence: Presence,
        *,
        queue: DeliveryQueue,
        telemetry: Telemetry,
        clock: Callable[[], float],
        direct_fanout: int,
    ) -> None:
        self._connections = connections
        self._courier = courier
        self._presence = presence
        self._queue = queue
        self._telemetry = telemetry
        self._clock = clock
        self._direct_fanout = direct_fanout

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
        even when the room cannot be read, waits for nobody, and is not counted. Connections that
        turn out to be gone are removed, and the others told who left by that.
        """
        began = self._clock()
        if frame is None:
            self._courier.deliver([], also=also)
            return Delivery()
        people = _Reading(self._subscriptions(room, skip))
        few = list(islice(people, self._direct_fanout + 1))
        if len(few) > self._direct_fanout:
            self._courier.deliver([], also=also)
            delivery = self._enqueue(chain(few, people), frame)
        else:
            # Where some of them could not be read, all find the frame in the log.
            delivery = self._post(few if people.complete else [], frame, also)
        self._note(delivery, self._clock() - began)
        return delivery if people.complete else delivery.incomplete()

    def _subscriptions(
        self, room: RoomName, skip: ConnectionId | None
    ) -> Iterator[tuple[RoomName, Member]]:
        for channel in channels(room):
            # One more than are posted to directly, and the one to skip: the ack waits for these.
            for member in self._connections.members(channel, first=self._direct_fanout + 2):
                if member.connection_id != skip:
                    yield channel, member

    def _post(
        self, people: Sequence[tuple[RoomName, Member]], frame: bytes, also: Sequence[Post] = ()
    ) -> Delivery:
        pushes = [Push(channel, member, frame) for channel, member in people]
        receipt = self._courier.deliver(pushes, also=also)
        self._presence.left(receipt.departures)
        count = Counter(receipt.outcomes)
        left = {
            outcome: [
                who for who, found in zip(people, receipt.outcomes, strict=True) if found is outcome
            ]
            for outcome in (Outcome.RETRYABLE, Outcome.REFUSED)
        }
        again, never = (list(chunked(some, frame, attempt=1)) for some in left.values())
        lost = keep(self._queue.send, again)
        keep(self._queue.bury, never)
        queued = count[Outcome.RETRYABLE] - sum(len(job.connection_ids) for job in lost)
        return Delivery(
            delivered=count[Outcome.DELIVERED],
            gone=count[Outcome.GONE],
            queued=queued,
            failed=count[Outcome.RETRYABLE] + count[Outcome.REFUSED] - queued,
        )

    def _enqueue(self, people: Iterable[tuple[RoomName, Member]], frame: bytes) -> Delivery:
        asked: dict[ConnectionId, tuple[RoomName, Member]] = {}

        def remembered() -> Iterator[tuple[RoomName, Member]]:
            for channel, member in people:
                asked[member.connection_id] = channel, member
                yield channel, member

        try:
            lost = self._queue.send(chunked(remembered(), frame))
        except Exception:
            logger.exception("the queue did not take a frame for %d people", len(asked))
            rest = list(asked.values())
        else:
            rest = [asked[connection_id] for job in lost for connection_id in job.connection_ids]
        posted = self._post(rest, frame) if rest else Delivery()
        return posted.with_queued(len(asked) - len(rest))

    def _note(self, delivery: Delivery, seconds: float) -> None:
        self._telemetry.record(
            {
                Metric.DELIVERED: delivery.delivered,
                Metric.GONE: delivery.gone,
                Metric.FAILED: delivery.failed,
                Metric.QUEUED: delivery.queued,
                Metric.FAN_OUT_TIME: seconds * 1000,
            },
            recipients=delivery.recipients,
        )


class _Reading:
    """The members of a room as they are read; ends where reading fails, and says so."""

    def __init__(self, members: Iterator[tuple[RoomName, Member]]) -> None:
        self._members = members
        self.complete = True

    def __iter__(self) -> "_Reading":
        return self

    def __next__(self) -> tuple[RoomName, Member]:
        try:
            return next(self._members)
        except StopIteration:
            raise
        except Exception:
            # Without its name: that of a direct room says who talks to whom.
            logger.exception("the members of a room could not all be read")
            self.complete = False
            raise StopIteration from None
