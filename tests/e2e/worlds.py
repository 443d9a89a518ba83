"""A deployed stage as the scenario sees it: its APIs, its functions, its queues and its logs."""

import json
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.emulators import Emulator
from tests.e2e.people import Page, Person, Socket
from tools.shipping.accounts import Account
from tools.shipping.projects import Stage

# What tells in a log that a function failed, or was not allowed something.
_FAULTS = ("AccessDenied", "not authorized to perform", '"level":"ERROR"', "Task timed out")

_DENIED = re.compile(r"not authorized to perform: ([\w:-]+)")


@dataclass(slots=True)
class World:
    """What the scenario works with.

    Attributes:
        page_url: Of the REST API, without a slash at the end.
        socket_url: Of the WebSocket API.
        patience: Seconds that anything may take.
        run: What names of people and rooms of this run end with.
        began: Where the emulator's log ended when the run began.
    """

    account: Account
    stage: Stage
    emulator: Emulator
    page_url: str
    socket_url: str
    patience: float = 60
    run: str = field(default_factory=lambda: "e" + secrets.token_hex(3))
    people: dict[str, Person] = field(default_factory=dict)
    sockets: dict[str, Socket] = field(default_factory=dict)
    began: int = 0

    @property
    def page(self) -> Page:
        """The REST API."""
        return Page(self.page_url, patience=self.patience)

    def person(self, name: str) -> Person:
        """Return somebody, who registers when first asked for."""
        if name not in self.people:
            full = f"{name}-{self.run}"
            person = Person(self.page, self.socket_url, full, patience=self.patience)
            self.people[name] = person.register()
        return self.people[name]

    def socket(self, name: str) -> Socket:
        """Return somebody's first socket, opened and greeted when first asked for."""
        if name not in self.sockets:
            self.sockets[name] = self.person(name).connect()
            self.sockets[name].ask("hello", arrays=True)
        return self.sockets[name]

    def room(self, name: str) -> str:
        """Return the name of a room of this run."""
        return f"{name}-{self.run}"

    def invoke(self, function: str, payload: Any) -> Any:
        """Invoke a function and return its answer; AssertionError if it fails."""
        answer = self.account.client("lambda").invoke(
            FunctionName=self.stage.function(function), Payload=json.dumps(payload).encode()
        )
        told = json.loads(answer["Payload"].read() or b"null")
        assert "FunctionError" not in answer, f"{function} failed: {told}"
        return told

    def notify(self, message: dict[str, Any]) -> None:
        """Publish to the topic."""
        account, topic = self.account, f"dynamowave-{self.stage.name}-events"
        account.client("sns").publish(
            TopicArn=account.arn("sns", topic),
            Message=json.dumps(message),
            # The emulator leaves these two out of the event where AWS says that there are none.
            Subject="said",
            MessageAttributes={"by": {"DataType": "String", "StringValue": "e2e"}},
        )

    @property
    def has_guests(self) -> bool:
        """Whether the stage lets guests in."""
        return bool(json.loads(self.page.get("/config"))["guests"])

    def purge(self) -> None:
        """Take all messages out of the queues, and look at no log from before."""
        for queue in ("deliveries", "undelivered"):
            self.account.client("sqs").purge_queue(QueueUrl=self._url(queue))
        self.began = self.emulator.position

    def depth(self, queue: str) -> int:
        """Return how many messages wait in a queue ("deliveries", "undelivered")."""
        sqs, url = self.account.client("sqs"), self._url(queue)
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)

    def _url(self, queue: str) -> str:
        name = f"dynamowave-{self.stage.name}-{queue}"
        return str(self.account.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])

    def eventually(self, true: Callable[[], bool], what: str) -> None:
        """Wait until something is so; AssertionError if it is not in time."""
        end = time.monotonic() + self.patience
        while not true():
            assert time.monotonic() < end, f"after {self.patience:g} s: not {what}"
            time.sleep(0.3)

    def faults(self) -> list[str]:
        """Return the lines of this run's logs that tell of a fault, with their function."""
        return [line for line in self.logs() if any(fault in line for fault in _FAULTS)]

    def denied(self) -> str | None:
        """Return the first action that a function was not allowed, if there is one."""
        found = (_DENIED.search(line) for line in self.logs())
        return next((match[1] for match in found if match), None)

    def restart(self, function: str) -> None:
        """Have a function forget what it remembers between invocations."""
        name, mark = self.stage.function(function), {"RESTARTED": secrets.token_hex(4)}
        client = self.account.client("lambda")
        now = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        client.update_function_configuration(
            FunctionName=name, Environment={"Variables": now | mark}
        )

    def logs(self) -> list[str]:
        """Return what the functions have logged since the run began, metrics aside."""
        prefix = f"dynamowave-{self.stage.name}"
        lines = self.emulator.lines(self.began)
        return [line for line in lines if line.startswith(prefix) and '"_aws"' not in line]

    def leave(self) -> None:
        """Close all sockets."""
        self.sockets.clear()
        for person in self.people.values():
            person.leave()
