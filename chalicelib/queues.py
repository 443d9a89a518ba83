"""The queue of deliveries, and its end for those that fail: SQS, and the port to it."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cached_property
from typing import Protocol, TypeAlias

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.backoff import Backoff
from chalicelib.jobs import Job, encode_job
from chalicelib.sqs import Sqs

logger = logging.getLogger(__name__)

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
# (SQS takes 1 MiB since August 2025; emulators and older regions do not.)
_BATCH_ENTRIES = 10
_BATCH_BYTES = 256 * 1024
_LONGEST_DELAY = 900
_THREADS = 4

Entry: TypeAlias = tuple[Job, str]


class DeliveryQueue(Protocol):
    """Keeps jobs until a worker has done them; standard, so in any order and perhaps twice."""

    def send(self, jobs: Iterable[Job]) -> list[Job]:
        """Queue jobs, beginning while `jobs` still yields; return those that could not be.

        A job that has failed before waits the longer the more often it has. Raises only what
        `jobs` raises.
        """
        ...

    def bury(self, jobs: Iterable[Job]) -> list[Job]:
        """Leave jobs to the dead-letter queue; return those that could not be."""
        ...


def keep(how: Callable[[Sequence[Job]], list[Job]], jobs: Sequence[Job]) -> list[Job]:
    """Send or bury jobs for what could not be posted; return those that could not be.

    Never raises: what is kept belongs to something that has happened already.
    """
    try:
        return how(jobs) if jobs else []
    except Exception:
        logger.exception("%d jobs could not be queued", len(jobs))
        return list(jobs)


class SqsQueue:
    """DeliveryQueue in SQS: batches of 10, single entries that fail tried again.

    Args:
        sqs: Where the queues are.
        queue, dead_letters: Their names.
        backoff: How often, and after how long, it is tried to send.
        random: A number from 0 up to 1.
        redelivery: The longest wait in seconds before the second attempt to deliver; each further
            one waits four times as long.
    """

    def __init__(
        self,
        sqs: Sqs,
        *,
        queue: str,
        dead_letters: str,
        backoff: Backoff,
        random: Callable[[], float],
        redelivery: float,
    ) -> None:
        self._sqs = sqs
        self._queue = queue
        self._dead_letters = dead_letters
        self._backoff = backoff
        self._random = random
        self._redelivery = redelivery

    def send(self, jobs: Iterable[Job]) -> list[Job]:
        """Queue jobs. See DeliveryQueue.send."""
        return self._send_all(self._queue, jobs)

    def bury(self, jobs: Iterable[Job]) -> list[Job]:
        """Leave jobs to the dead-letter queue. See DeliveryQueue.bury."""
        return self._send_all(self._dead_letters, jobs)

    @cached_property
    def _executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_THREADS, thread_name_prefix="queue")

    def _send_all(self, queue: str, jobs: Iterable[Job]) -> list[Job]:
        lost: list[Job] = []
        sending: list[Future[list[Job]]] = []
        try:
            for batch in _batches((job, encode_job(job)) for job in jobs):
                # What is not full is the last one, mostly the only one: not worth a thread.
                if len(batch) < _BATCH_ENTRIES:
                    lost += self._send(queue, batch)
                else:
                    sending.append(self._executor.submit(self._send, queue, batch))
        finally:
            wait(sending)
        return lost + [job for future in sending for job in future.result()]

    def _send(self, queue: str, batch: Sequence[Entry]) -> list[Job]:
        left = dict(enumerate(batch))
        lost: list[Job] = []
        for _ in self._backoff.tries():
            failures = self._send_once(queue, left)
            lost += [left[place][0] for place, hopeless in failures.items() if hopeless]
            left = {place: left[place] for place, hopeless in failures.items() if not hopeless}
            if not left:
                break
        lost += [job for job, _ in left.values()]
        if lost:
            logger.error("%d jobs could not be queued in %s", len(lost), queue)
        return lost

    def _send_once(self, queue: str, batch: dict[int, Entry]) -> dict[int, bool]:
        """Send entries; return which failed, and whether that is for good."""
        entries = [
            {"Id": str(place), "MessageBody": body, "DelaySeconds": self._seconds(queue, job)}
            for place, (job, body) in batch.items()
        ]
        try:
            answer = self._sqs.client.send_message_batch(
                QueueUrl=self._sqs.url(queue), Entries=entries
            )
        except (BotoCoreError, ClientError):
            logger.exception("%d jobs could not be queued in %s yet", len(batch), queue)
            return dict.fromkeys(batch, False)
        return {int(each["Id"]): bool(each["SenderFault"]) for each in answer.get("Failed", [])}

    def _seconds(self, queue: str, job: Job) -> int:
        if queue == self._dead_letters:
            return 0
        return min(_LONGEST_DELAY, int(self._delay(job.attempt)))

    def _delay(self, attempt: int) -> float:
        """Return the seconds that a job waits, with jitter that keeps at least half of them."""
        if not attempt:
            return 0
        longest: float = self._redelivery * 4 ** (attempt - 1)
        return longest * (1 + self._random()) / 2


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Yield what SQS takes at once: 10 entries, and 256 KB in all."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        length = len(entry[1].encode())
        if batch and (len(batch) == _BATCH_ENTRIES or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += length
    if batch:
        yield batch
