"""SQS and Lambda's poller of it: standard queues, with all that they do not promise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError, ReadTimeoutError

from tests.chaos.debts import Debts
from tests.chaos.faults import Misfortune
from tests.chaos.simulation import Simulation
from tests.chaos.trace import Trace
from tests.stores.tables import DEAD_LETTER_QUEUE

# Seconds; longer than an invocation may take, but not six times as long, for shorter rounds.
VISIBILITY = 40.0
MOST_RECEIVES = 5
_BATCH = 10
_START_MS = 1_800_000_000_000


class Invoke(Protocol):
    """What runs a function."""

    def __call__(
        self, kind: str, event: Any, ended: Callable[[Any, bool], object], /
    ) -> object: ...


@dataclass(slots=True, eq=False)
class Message:
    """One message; nobody sees it before `visible_at`."""

    name: str
    body: str
    sent_at: float
    visible_at: float
    receives: int = 0


class Sqs:
    """The queue of deliveries and its dead letters.

    A message is received at least once: again when its worker died, failed or was not heard, and
    sometimes by two workers at the same time. Batches are drawn in any order.

    Attributes:
        dead: What is in the dead-letter queue.
    """

    def __init__(
        self, simulation: Simulation, misfortune: Misfortune, trace: Trace, debts: Debts
    ) -> None:
        self._simulation = simulation
        self._misfortune = misfortune
        self._trace = trace
        self._debts = debts
        self._messages: dict[str, Message] = {}
        self._made = 0
        self.invoke: Invoke = lambda _kind, _event, _ended: None
        self.dead: list[Message] = []

    @property
    def pending(self) -> int:
        """How many jobs are not done."""
        return len(self._messages)

    def accept(self, queue: str, body: str, delay: float) -> None:
        """Take a message, which is durable from now on."""
        self._made += 1
        now = self._simulation.now
        message = Message(f"m{self._made}", body, now, now + delay)
        self._trace.counts["jobs"] += 1
        self._trace.note(self._simulation.who, f"queues {message.name} in {queue[-11:]}, {delay} s")
        if queue == DEAD_LETTER_QUEUE:
            self._bury(message)
            return
        self._debts.owe(body)
        self._messages[message.name] = message
        self._show(message)

    def _show(self, message: Message) -> None:
        """Have somebody look for a message when it is to be seen."""
        late = self._misfortune.strikes("job_late")
        pause = self._misfortune.chance.between(0.001, 8.0 if late else 0.2)
        self._simulation.at(message.visible_at + pause, self._poll)

    def _poll(self) -> None:
        now, chance = self._simulation.now, self._misfortune.chance
        seen = [message for message in self._messages.values() if message.visible_at <= now]
        batch = chance.shuffled(seen)[: 1 + chance.below(_BATCH)]
        received = [message for message in batch if self._receive(message)]
        if received:
            event = {"Records": [_record(message) for message in received]}
            self.invoke("deliver", event, lambda answer, _: self._conclude(received, answer))
        if len(batch) < len(seen):
            self._simulation.after(chance.between(0.001, 0.2), self._poll)

    def _receive(self, message: Message) -> bool:
        message.receives += 1
        if message.receives > MOST_RECEIVES:
            self._done(message)
            self._bury(message)
            return False
        # Two servers of the queue hold a message, and one of them does not hear of it at once.
        twice = self._misfortune.strikes("job_twice")
        hidden = self._misfortune.chance.between(0, 3) if twice else VISIBILITY
        message.visible_at = self._simulation.now + hidden
        self._show(message)
        return True

    def _conclude(self, batch: Sequence[Message], answer: Any) -> None:
        """Delete what is done; the rest comes again when its time is over."""
        if answer is None:
            return
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        self._trace.counts["jobs that failed"] += len(failed)
        for message in batch:
            if message.name not in failed and not self._misfortune.strikes("job_again"):
                self._done(message)

    def _done(self, message: Message) -> None:
        self._messages.pop(message.name, None)

    def _bury(self, message: Message) -> None:
        self._trace.counts["dead letters"] += 1
        self._trace.note("-", f"{message.name} is a dead letter")
        self._debts.forgive(message.body)
        self.dead.append(message)


class SqsClient:
    """A boto3 client of one function: slow, failing as a whole, or in single entries."""

    def __init__(self, sqs: Sqs, simulation: Simulation, misfortune: Misfortune) -> None:
        self._sqs = sqs
        self._simulation = simulation
        self._misfortune = misfortune

    def get_queue_url(self, *, QueueName: str) -> dict[str, str]:  # noqa: N803 - boto3's name
        """Return the name as the URL."""
        return {"QueueUrl": QueueName}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        """Take the entries, or some of them."""
        self._simulation.pause(self._misfortune.chance.between(0.001, 0.01))
        if self._misfortune.strikes("queue_broken"):
            error = {"Code": "InternalError", "Message": ""}
            raise ClientError({"Error": error}, "SendMessageBatch")
        told: dict[str, list[Any]] = {"Successful": [], "Failed": []}
        for entry in Entries:
            if self._misfortune.strikes("entry_failed"):
                told["Failed"].append({"Id": entry["Id"], "SenderFault": False})
            else:
                self._sqs.accept(QueueUrl, entry["MessageBody"], entry["DelaySeconds"])
                told["Successful"].append({"Id": entry["Id"]})
        if self._misfortune.strikes("queue_unheard"):
            raise ReadTimeoutError(endpoint_url="sqs")
        self._simulation.pause(self._misfortune.chance.between(0.001, 0.01))
        return told


def _record(message: Message) -> dict[str, Any]:
    sent_at = _START_MS + round(message.sent_at * 1000)
    return {
        "messageId": message.name,
        "body": message.body,
        "attributes": {
            "SentTimestamp": str(sent_at),
            "ApproximateReceiveCount": str(message.receives),
        },
    }
