"""What is in the dead-letter queue: looking at it, and moving it back."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct, ValidationError, convert, structs

from chalicelib.errors import BadRequest, Unavailable
from chalicelib.jobs import JobError, decode_job, encode_job
from chalicelib.sqs import Sqs

logger = logging.getLogger(__name__)

_MOST = 1000
_BATCH = 10
# Seconds for which messages that are only looked at are hidden, should nobody show them again.
_GLANCE = 30
_SENT = ["SentTimestamp"]


class _Wish(Struct, forbid_unknown_fields=True):
    move: bool = False
    limit: int = 100


class Redrive:
    """Inspects the dead-letter queue, and moves its messages back to the queue.

    A job begins anew: none of its attempts counts any more. What is no job goes back as it is, for
    a worker that has been mended. A message is removed only when the queue has it, so one may come
    twice, and none is lost.

    Args:
        sqs: Where the queues are.
        queue, dead_letters: Their names.
        clock: The time, in epoch seconds.
    """

    def __init__(
        self,
        sqs: Sqs,
        *,
        queue: str,
        dead_letters: str,
        clock: Callable[[], float],
    ) -> None:
        self._sqs = sqs
        self._queue = queue
        self._dead_letters = dead_letters
        self._clock = clock

    def run(self, payload: object) -> dict[str, Any]:
        """Do what an operator asked for.

        Args:
            payload: `{"move": false, "limit": 100}`, both as if left out; of at most 1,000
                messages. Nobody's text is in the answer.

        Returns:
            `seen` or `moved` messages, for how many `recipients`, in which `rooms`; how many are no
            jobs (`poison`); the age of the oldest (`oldest_seconds`); and how many are `left`,
            approximately, as SQS counts them.

        Raises:
            BadRequest: the payload is wrong.
            Unavailable: SQS does not do its part.
        """
        wish = _wish(payload)
        try:
            return self._move(wish.limit) if wish.move else self._look(wish.limit)
        except (BotoCoreError, ClientError) as error:
            raise Unavailable from error

    def _look(self, limit: int) -> dict[str, Any]:
        messages = [each for batch in self._batches(limit) for each in batch]
        for start in range(0, len(messages), _BATCH):
            self._sqs.client.change_message_visibility_batch(
                QueueUrl=self._sqs.url(self._dead_letters),
                Entries=[
                    {**entry, "VisibilityTimeout": 0}
                    for entry in _handles(messages[start : start + _BATCH])
                ],
            )
        return {"seen": len(messages), **self._summary(messages), "left": self._left()}

    def _move(self, limit: int) -> dict[str, Any]:
        moved: list[dict[str, Any]] = []
        for batch in self._batches(limit):
            sent = self._send(batch)
            if sent:
                self._sqs.client.delete_message_batch(
                    QueueUrl=self._sqs.url(self._dead_letters), Entries=_handles(sent)
                )
            moved += sent
            if len(sent) < len(batch):
                logger.warning("%d messages could not be moved yet", len(batch) - len(sent))
                break
        return {"moved": len(moved), **self._summary(moved), "left": self._left()}

    def _send(self, batch: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        answer = self._sqs.client.send_message_batch(
            QueueUrl=self._sqs.url(self._queue),
            Entries=[
                {"Id": str(place), "MessageBody": _anew(message["Body"])}
                for place, message in enumerate(batch)
            ],
        )
        return [batch[int(each["Id"])] for each in answer.get("Successful", [])]

    def _batches(self, limit: int) -> Iterator[list[dict[str, Any]]]:
        left = limit
        while left > 0:
            answer = self._sqs.client.receive_message(
                QueueUrl=self._sqs.url(self._dead_letters),
                MaxNumberOfMessages=min(_BATCH, left),
                MessageSystemAttributeNames=_SENT,
                VisibilityTimeout=_GLANCE,
                WaitTimeSeconds=1,  # asks all of the servers that hold the queue
            )
            messages = answer.get("Messages", [])
            if not messages:
                return
            left -= len(messages)
            yield messages

    def _summary(self, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        rooms: Counter[str] = Counter()
        poison = 0
        oldest = self._clock()
        for message in messages:
            oldest = min(oldest, int(message["Attributes"]["SentTimestamp"]) / 1000)
            try:
                job = decode_job(message["Body"])
            except JobError:
                poison += 1
            else:
                rooms[job.room] += len(job.connection_ids)
        return {
            "recipients": rooms.total(),
            "rooms": dict(rooms.most_common(_BATCH)),
            "poison": poison,
            "oldest_seconds": round(self._clock() - oldest),
        }

    def _left(self) -> int:
        answer = self._sqs.client.get_queue_attributes(
            QueueUrl=self._sqs.url(self._dead_letters),
            AttributeNames=["ApproximateNumberOfMessages"],
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def _wish(payload: object) -> _Wish:
    try:
        wish = convert(payload or {}, _Wish)
    except ValidationError as error:
        raise BadRequest(
            field="payload", problem='must be {"move": boolean, "limit": integer}'
        ) from error
    if not 1 <= wish.limit <= _MOST:
        raise BadRequest(field="limit", problem=f"must be an integer from 1 to {_MOST}")
    return wish


def _anew(body: str) -> str:
    """Return a job that was tried once: whether its recipients are there has to be asked."""
    try:
        return encode_job(structs.replace(decode_job(body), attempt=1))
    except JobError:
        return body


def _handles(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]}
        for place, message in enumerate(messages)
    ]
