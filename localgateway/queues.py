"""SQS queues as event sources: messages become invocations, as Lambda's pollers make them."""

import base64
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from localgateway.polling import BatchAnswers, Health, Invoker, SourceUnavailable, poll

log = logging.getLogger(__name__)

# What SQS accepts in one request to receive or to delete.
_MOST = 10
# Seconds. Long enough to cost little, short enough that Ctrl-C is prompt.
_LONG_POLL = 2
# Lambda starts with five pollers and scales to hundreds; two show that order is not kept.
_WORKERS = 2


class QueueSource:
    """Hands the messages of one queue to a function, in batches.

    A batch that succeeds is deleted. One that fails or is throttled is left alone, so its messages
    come back after the queue's visibility timeout, and move to its dead-letter queue when they have
    been received too often. Not kept: Lambda's limit of 6 MB for a batch.

    Args:
        sqs: An SQS client of the engine.
        invoker: Runs the function.
        function: The name of the function.
        queue: The name of the queue, or its ARN.
        region: The region in the records.
        batch_size: The most messages of a batch; above 10 only with a batching window.
        batching_window: Seconds to wait for a full batch, from its first message.
        workers: Batches at once.
        partial_batch_failures: Honour batchItemFailures in the answer.
        timeout: Seconds that the function may take, if that is known.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        *,
        sqs: Any,
        invoker: Invoker,
        function: str,
        queue: str,
        region: str,
        batch_size: int = 10,
        batching_window: float = 0,
        workers: int | None = None,
        partial_batch_failures: bool = False,
        timeout: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.function = function
        self.workers = workers or _WORKERS
        self._sqs = sqs
        self._invoker = invoker
        self._queue = queue.rsplit(":", 1)[-1]
        self._region = region
        self._batch_size = batch_size
        self._window = batching_window or 0
        self._answers = BatchAnswers(function, partial_batch_failures=partial_batch_failures)
        self._timeout = timeout
        self._clock = clock
        self._found: tuple[str, str] | None = None
        self._stop = threading.Event()
        self._health = Health(f"queue {self._queue}")

    def run(self, stop: threading.Event) -> None:
        """Poll until stop is set; a batch that is being handled is finished first."""
        self._stop = stop
        poll(self.poll_once, stop, health=self._health)

    def poll_once(self, wait: int = _LONG_POLL) -> int:
        """Receive one batch, waiting so many seconds for it, and handle it; its size is returned.

        Raises:
            SourceUnavailable: The queue does not exist.
        """
        url, arn = self._locate()
        try:
            messages = self._gather(url, wait)
            if messages:
                self._handle(url, arn, messages)
        except self._sqs.exceptions.QueueDoesNotExist:
            self._found = None  # perhaps created anew, under another URL
            raise
        return len(messages)

    def _locate(self) -> tuple[str, str]:
        if self._found is None:
            try:
                url = self._sqs.get_queue_url(QueueName=self._queue)["QueueUrl"]
            except self._sqs.exceptions.QueueDoesNotExist as error:
                raise SourceUnavailable("does not exist (yet); looking for it again") from error
            answer = self._sqs.get_queue_attributes(
                QueueUrl=url, AttributeNames=["QueueArn", "VisibilityTimeout"]
            )
            self._check_visibility(int(answer["Attributes"]["VisibilityTimeout"]))
            self._found = (url, answer["Attributes"]["QueueArn"])
        return self._found

    def _check_visibility(self, seconds: int) -> None:
        """Warn of what AWS refuses when the two are tied together.

        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
        """
        if self._timeout is not None and seconds < self._timeout:
            log.warning(
                "queue %s: its visibility timeout (%d s) is less than the timeout of %s (%g s): "
                "AWS refuses that, as messages would come again while they are being handled",
                self._queue,
                seconds,
                self.function,
                self._timeout,
            )

    def _gather(self, url: str, wait: int) -> list[dict[str, Any]]:
        messages = self._receive(url, self._batch_size, wait)
        due = self._clock() + self._window
        while messages and len(messages) < self._batch_size and not self._stop.is_set():
            left = int(due - self._clock())
            if left < 1:
                break
            missing = self._batch_size - len(messages)
            messages += self._receive(url, missing, min(left, _LONG_POLL))
        return messages

    def _receive(self, url: str, most: int, wait: int) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=min(most, _MOST),
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def _handle(self, url: str, arn: str, messages: list[dict[str, Any]]) -> None:
        records = [_record(message, arn, self._region) for message in messages]
        outcome = self._invoker.invoke(self.function, {"Records": records})
        failed = self._answers.failed(outcome, [message["MessageId"] for message in messages])
        if failed:
            log.info(
                "queue %s: %d of %d messages failed and come back after the visibility timeout",
                self._queue,
                len(failed),
                len(messages),
            )
        self._delete(url, [m for m in messages if m["MessageId"] not in failed])

    def _delete(self, url: str, messages: list[dict[str, Any]]) -> None:
        for start in range(0, len(messages), _MOST):
            some = messages[start : start + _MOST]
            entries = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                for index, message in enumerate(some)
            ]
            answer = self._sqs.delete_message_batch(QueueUrl=url, Entries=entries)
            for failure in answer.get("Failed", []):
                log.warning(
                    "queue %s: message %s cannot be deleted: %s",
                    self._queue,
                    some[int(failure["Id"])]["MessageId"],
                    failure.get("Message", failure["Code"]),
                )


def _record(message: dict[str, Any], arn: str, region: str) -> dict[str, Any]:
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": region,
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def _attribute(value: dict[str, Any]) -> dict[str, Any]:
    attribute: dict[str, Any] = {
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": value["DataType"],
    }
    if "StringValue" in value:
        attribute["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        attribute["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return attribute
