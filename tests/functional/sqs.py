"""SQS in memory, with the clock of a test: delays, visibility, and the move to dead letters."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

VISIBILITY = 180.0
MOST_RECEIVES = 5


@dataclass
class Message:
    """One message, not to be seen before a time."""

    number: str
    body: str
    sent_at: float
    visible_at: float
    received: int = 0


@dataclass
class MemorySqs:
    """The calls that the app makes, and what a worker of Lambda does with a queue."""

    clock: Callable[[], float]
    redrive: tuple[str, str]  # a queue, and the one of its dead letters
    queues: dict[str, list[Message]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    _numbers: Any = field(default_factory=count)

    def get_queue_url(self, *, QueueName: str) -> dict[str, str]:  # noqa: N803 - boto3's name
        return {"QueueUrl": QueueName}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        self.calls.append("send_message_batch")
        now = self.clock()
        for entry in Entries:
            visible_at = now + entry.get("DelaySeconds", 0)
            message = Message(str(next(self._numbers)), entry["MessageBody"], now, visible_at)
            self.queues.setdefault(QueueUrl, []).append(message)
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def receive_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        MaxNumberOfMessages: int,  # noqa: N803
        VisibilityTimeout: float = VISIBILITY,  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        now = self.clock()
        self._bury(QueueUrl, now)
        seen = [each for each in self.queues.get(QueueUrl, []) if each.visible_at <= now]
        for message in seen[:MaxNumberOfMessages]:
            message.visible_at = now + VisibilityTimeout
            message.received += 1
        return {"Messages": [_shown(each) for each in seen[:MaxNumberOfMessages]]}

    def delete_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        handles = {entry["ReceiptHandle"] for entry in Entries}
        self.queues[QueueUrl] = [m for m in self.queues[QueueUrl] if m.number not in handles]
        return {}

    def change_message_visibility_batch(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        Entries: list[Any],  # noqa: N803
    ) -> dict[str, Any]:
        seconds = {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in Entries}
        for message in self.queues[QueueUrl]:
            if message.number in seconds:
                message.visible_at = self.clock() + seconds[message.number]
        return {}

    def get_queue_attributes(self, *, QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        visible = [m for m in self.queues.get(QueueUrl, []) if m.visible_at <= self.clock()]
        return {"Attributes": {"ApproximateNumberOfMessages": str(len(visible))}}

    def bodies(self, queue: str) -> list[str]:
        """Return what is in a queue, seen or not."""
        return [message.body for message in self.queues.get(queue, [])]

    def _bury(self, queue: str, now: float) -> None:
        source, dead = self.redrive
        if queue != source:
            return
        messages = self.queues.get(source, [])
        tired = [m for m in messages if m.visible_at <= now and m.received >= MOST_RECEIVES]
        self.queues[source] = [message for message in messages if message not in tired]
        for message in tired:
            self.queues.setdefault(dead, []).append(message)
            message.received = 0


def _shown(message: Message) -> dict[str, Any]:
    return {
        "MessageId": message.number,
        "ReceiptHandle": message.number,
        "Body": message.body,
        "Attributes": {
            "SentTimestamp": str(int(message.sent_at * 1000)),
            "ApproximateReceiveCount": str(message.received),
        },
    }


def as_record(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message that was received as Lambda hands it to a function."""
    return {
        "messageId": message["MessageId"],
        "body": message["Body"],
        "attributes": message["Attributes"],
    }
