"""Receipts of moto's queues: only the newest deletes its message, as in SQS."""

from collections.abc import Iterator
from contextlib import contextmanager

from moto.sqs.models import Queue

from localgateway.moto_transactions import replaced


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


def _is_outdated(queue: Queue, receipt: str) -> Iterator[bool]:
    return (
        message.had_receipt_handle(receipt) and message.receipt_handle != receipt
        for message in queue._messages  # noqa: SLF001 - those that are hidden, too
    )
