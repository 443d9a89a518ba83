"""Lambda's part: batches of the queue, with partial failures, and the events of other triggers."""

from typing import Any

import app as app_module
from tests.functional.sqs import MemorySqs, as_record
from tests.stores.tables import DELIVERIES_QUEUE

SCHEDULED = {
    "version": "0",
    "id": "0",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2026-01-01T12:05:30Z",
    "region": "us-east-1",
    "resources": [],
    "detail": {},
}


class Context:
    """What a function knows of its invocation."""

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def work(sqs: MemorySqs, *, dies: bool = False) -> int:
    """Let `deliver` handle what is due, batch by batch; return how many there were.

    A worker that dies does so after its posts, before the queue hears of it.
    """
    batches = 0
    while messages := sqs.receive_message(QueueUrl=DELIVERIES_QUEUE, MaxNumberOfMessages=10)[
        "Messages"
    ]:
        batches += 1
        answer: dict[str, Any] = app_module.deliver(
            {"Records": [as_record(message) for message in messages]}, Context()
        )
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        done = [message for message in messages if message["MessageId"] not in failed]
        if done and not dies:
            sqs.delete_message_batch(QueueUrl=DELIVERIES_QUEUE, Entries=done)
    return batches


def notification(text: str, identifier: str = "1") -> dict[str, Any]:
    """Return a record as SNS hands it to Lambda."""
    return {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": "arn:aws:sns:us-east-1:123456789012:dynamowave-test-events:1",
        "Sns": {
            "Type": "Notification",
            "MessageId": identifier,
            "Subject": None,
            "Message": text,
            "MessageAttributes": {},
        },
    }
