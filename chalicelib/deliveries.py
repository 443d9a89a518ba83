"""The queue's worker: posts the frames of jobs, and keeps what could not be posted."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.connections import ConnectionRepository
from chalicelib.correlation import correlated
from chalicelib.courier import Courier
from chalicelib.gateway import Outcome, Post
from chalicelib.jobs import Job, JobError, decode_job
from chalicelib.models import ConnectionId
from chalicelib.presence import Presence
from chalicelib.queues import DeliveryQueue, keep
from chalicelib.telemetry import Metric, Telemetry

logger = logging.getLogger(__name__)

# API Gateway meters what it sends in steps of so many bytes: more in one frame saves nothing.
# https://aws.amazon.com/api-gateway/pricing/
_ARRAY_BYTES = 32 * 1024
# Seconds after which it is asked once more whether somebody is still in the room.
_FRESH = 5.0
# Seconds that are kept for what has to be done after the posts.
_RESERVE = 5.0
_SHORTEST = 1.0


@dataclass(slots=True)
class _Task:
    """A job of the batch, with the message that brought it, and what became of its recipients."""

    message_id: str
    job: Job
    frame: bytes
    sent_at: float
    repeated: bool
    outcomes: dict[ConnectionId, Outcome] = field(default_factory=dict)
    absent: frozenset[ConnectionId] = frozenset()
    failed: bool = False
    queued: int = 0
    buried: int = 0

    def with_outcome(self, outcome: Outcome) -> list[ConnectionId]:
        return [who for who, found in self.outcomes.items() if found is outcome]

    @property
    def newly_gone(self) -> list[ConnectionId]:
        """Who was there, but not to the post; in their order, on which fault runs depend."""
        return [who for who in self.with_outcome(Outcome.GONE) if who not in self.absent]


class Deliveries:
    """Does jobs in batches, as SQS hands them to a function.

    A job is done when each of its connections has got the frame, has gone, or waits in another
    job: at first for a while that grows, after `max_deliveries` attempts in the dead-letter queue.
    What cannot even be queued again is reported as failed, and comes back from SQS. So nothing is
    lost, and a frame may come twice; clients drop what they have, by its room and seq.
    """

    def __init__(
        self,
        *,
        connections: ConnectionRepository,
        courier: Courier,
        presence: Presence,
        queue: DeliveryQueue,
        telemetry: Telemetry,
        clock: Callable[[], float],
        max_deliveries: int,
    ) -> None:
        self._connections = connections
        self._courier = courier
        self._presence = presence
        self._queue = queue
        self._telemetry = telemetry
        self._clock = clock
        self._max_deliveries = max_deliveries

    def deliver(self, event: Mapping[str, Any], *, remaining: float) -> dict[str, Any]:
        """Do the jobs of an event from SQS, within `remaining` seconds.

        Returns:
            The messages that have to come again, as a partial batch response:
            https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
        """
        began = self._clock()
        tasks, poison = self._tasks(event["Records"])
        for task in tasks:
            self._verify(task)
        posts = self._post(tasks, max(_SHORTEST, remaining - _RESERVE))
        for task in tasks:
            self._conclude(task)
        self._prune(tasks)
        self._note(tasks, posts, self._clock() - began)
        failed = [*poison, *(task.message_id for task in tasks if task.failed)]
        return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}

    def _tasks(self, records: Iterable[Mapping[str, Any]]) -> tuple[list[_Task], list[str]]:
        tasks: list[_Task] = []
        poison: list[str] = []
        for record in records:
            attributes = record.get("attributes", {})
            try:
                job = decode_job(record["body"])
            except JobError:
                # SQS moves it to the dead-letter queue in the end. A traceback would tell its text.
                logger.error("message %s is not a job", record["messageId"])  # noqa: TRY400
                poison.append(record["messageId"])
                continue
            task = _Task(
                message_id=record["messageId"],
                job=job,
                frame=bytes(job.frame),
                sent_at=int(attributes.get("SentTimestamp", 0)) / 1000,
                repeated=int(attributes.get("ApproximateReceiveCount", 1)) > 1,
            )
            tasks.append(task)
        return sorted(tasks, key=lambda task: task.sent_at), poison

    def _verify(self, task: _Task) -> None:
        """Leave out who is not in the room any more, if it is a while since that was known."""
        job = task.job
        task.outcomes = dict.fromkeys(job.connection_ids, Outcome.RETRYABLE)
        late = self._clock() - task.sent_at > _FRESH
        if not (late or task.repeated or job.delayed):
            return
        try:
            there = self._connections.find(job.room, task.outcomes)
        except Exception:
            logger.exception("it cannot be told who is still there: the message comes again")
            task.failed = True
            return
        task.absent = frozenset(task.outcomes.keys() - {member.connection_id for member in there})
        task.outcomes.update(dict.fromkeys(task.absent, Outcome.GONE))

    def _post(self, tasks: Sequence[_Task], within: float) -> int:
        waiting: dict[tuple[str, ConnectionId], list[_Task]] = {}
        for task in tasks:
            if not task.failed:
                for who in task.with_outcome(Outcome.RETRYABLE):
                    waiting.setdefault((task.job.endpoint, who), []).append(task)
        joined = _Joined()
        letters = [
            (Post(endpoint, who, joined.frame(some)), some)
            for (endpoint, who), theirs in waiting.items()
            for some in _together(theirs)
        ]
        outcomes = self._courier.post([post for post, _ in letters], within=within)
        for (post, some), outcome in zip(letters, outcomes, strict=True):
            for task in some:
                task.outcomes[post.connection_id] = outcome
        return len(letters)

    def _conclude(self, task: _Task) -> None:
        if task.failed:
            return
        with correlated(task.job.correlation_id):
            again, never = map(task.with_outcome, (Outcome.RETRYABLE, Outcome.REFUSED))
            if task.job.attempt + 1 >= self._max_deliveries:
                again, never = [], again + never
            task.queued = self._keep(task, self._queue.send, again)
            task.buried = self._keep(task, self._queue.bury, never)

    def _keep(
        self, task: _Task, how: Callable[[Sequence[Job]], list[Job]], ids: Sequence[ConnectionId]
    ) -> int:
        if not ids:
            return 0
        logger.warning("%d deliveries failed", len(ids))
        if keep(how, [task.job.narrowed(ids)]):
            task.failed = True
            return 0
        return len(ids)

    def _prune(self, tasks: Iterable[_Task]) -> None:
        """Remove those who are gone; never raises, as they are found again if it does not work."""
        try:
            gone = [
                (task.job.room, member)
                for task in tasks
                if (ids := task.newly_gone)
                for member in self._connections.find(task.job.room, ids)
            ]
        except Exception:
            logger.exception("connections that are gone could not be looked up")
            return
        self._presence.left(self._courier.forget(gone))

    def _note(self, tasks: Sequence[_Task], posts: int, seconds: float) -> None:
        outcomes = Counter(found for task in tasks for found in task.outcomes.values())
        self._telemetry.record(
            {
                Metric.DELIVERED: outcomes[Outcome.DELIVERED],
                Metric.GONE: outcomes[Outcome.GONE],
                Metric.QUEUED: sum(task.queued for task in tasks),
                Metric.BURIED: sum(task.buried for task in tasks),
                Metric.POSTS: posts,
                Metric.FAN_OUT_TIME: seconds * 1000,
            }
        )


class _Joined:
    """The frames of several jobs as one, made once for all who get the same."""

    def __init__(self) -> None:
        self._frames: dict[tuple[int, ...], bytes] = {}

    def frame(self, tasks: Sequence[_Task]) -> bytes:
        key = tuple(map(id, tasks))
        if key not in self._frames:
            frames = [task.frame for task in tasks]
            self._frames[key] = frames[0] if len(frames) == 1 else b"[%b]" % b",".join(frames)
        return self._frames[key]


def _together(tasks: Sequence[_Task]) -> list[list[_Task]]:
    """Divide what waits for one connection into frames: arrays where its client takes those."""
    frames: list[list[_Task]] = []
    size = 0
    for task in tasks:
        length = len(task.frame) + 1
        if frames and task.job.arrays and frames[-1][0].job.arrays and size + length < _ARRAY_BYTES:
            frames[-1].append(task)
            size += length
        else:
            frames.append([task])
            size = length
    return frames
