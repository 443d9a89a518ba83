"""Lambda's part in the queue of deliveries: batches of ten, and partial batch failures."""

from typing import Any

import app as app_module
from tests.functional.sqs import MemorySqs
from tests.stores.tables import DELIVERIES_QUEUE


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
            {"Records": [_record(message) for message in messages]}, Context()
        )
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        done = [message for message in messages if message["MessageId"] not in failed]
        if done and not dies:
            sqs.delete_message_batch(QueueUrl=DELIVERIES_QUEUE, Entries=done)
    return batches


def _record(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "body": message["Body"],
        "attributes": message["Attributes"],
    }
