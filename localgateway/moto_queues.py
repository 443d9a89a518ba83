"""What moto's queues let pass and SQS does not."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.sqs.exceptions import InvalidParameterValue, SQSException
from moto.sqs.models import Queue, SQSBackend

from localgateway.moto_transactions import replaced

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_REFUSED = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _InvalidContents(SQSException):
    def __init__(self) -> None:
        super().__init__(
            "InvalidMessageContents", "Invalid characters found. Valid unicode characters are: ..."
        )


@contextmanager
def newest_receipts() -> Iterator[None]:
    """Let moto keep a message whose deletion is asked for by an earlier receipt than the last.

    moto deletes it whatever the receipt. So a worker that was too slow would take a message from
    the one that has it now, and nobody would notice on a laptop that it comes again on AWS, where
    "the request succeeds, but the message will not be deleted":
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
    """
    original = Queue.delete_message

    def delete_message(self: Queue, receipt_handle: str) -> None:
        if not any(_is_outdated(self, receipt_handle)):
            original(self, receipt_handle)

    with replaced(Queue, "delete_message", delete_message):
        yield


@contextmanager
def strict_bodies() -> Iterator[None]:
    """Let moto refuse characters that XML 1.0 does not have, and count bytes, not characters."""
    original: Callable[..., None] = SQSBackend._validate_message  # noqa: SLF001

    def validate(
        self: SQSBackend, queue: Queue, message_body: str, *rest: Any, **more: Any
    ) -> None:
        original(self, queue, message_body, *rest, **more)
        if _REFUSED.search(message_body):
            raise _InvalidContents
        most = int(queue.attributes["MaximumMessageSize"])
        if len(message_body.encode()) > most:
            raise InvalidParameterValue(
                f"One or more parameters are invalid. Reason: Message must be shorter than "
                f"{most} bytes."
            )

    with replaced(SQSBackend, "_validate_message", validate):
        yield


def _is_outdated(queue: Queue, receipt: str) -> Iterator[bool]:
    return (
        message.had_receipt_handle(receipt) and message.receipt_handle != receipt
        for message in queue._messages  # noqa: SLF001 - those that are hidden, too
    )
