"""People in a room, the functions of the chat, and what carries jobs from one to the other."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from urllib.parse import unquote

from bench.functions import Function, Spent
from bench.posters import KEY, REGION, SECRET, Target
from bench.services import Services
from bench.targets import noted
from chalicelib.models import ConnectionId, RoomName, Session, UserName, personal_room
from chalicelib.records import connection_item, subscription_item
from tests.stores.tables import (
    ACCOUNTS_TABLE,
    CONNECTIONS_TABLE,
    DEAD_LETTER_QUEUE,
    DELIVERIES_QUEUE,
    MEMBERSHIPS_TABLE,
    MESSAGES_TABLE,
)

_ROOM = RoomName("lobby")
_AUTHOR = ConnectionId("AAAAAAAAAAAAAAA=")
_TEXT = "x" * 100
_HOUR = 3600
_PATIENCE = 120.0
_IDLE = 0.05


class Loss(Exception):  # noqa: N818 - told in one line
    """A message did not get to everybody exactly once."""


class Sample(NamedTuple):
    """One message; `counts` are the requests by operation, and the jobs."""

    ack_s: float
    last_s: float
    sender: Spent
    worker: list[Spent]
    posts: int
    counts: Counter[str]

    @property
    def dynamodb_requests(self) -> int:
        """How many there were."""
        return sum(count for name, count in self.counts.items() if name.startswith("DynamoDB"))


@contextmanager
def gathered(
    people: Sequence[ConnectionId], target: Target, *, service_s: float
) -> "Iterator[Audience]":
    """Yield people in a room, and start and stop what serves them.

    Args:
        people: Connection ids in order; the author's comes before them.
        target: Where posts go.
        service_s: Seconds before each answer of DynamoDB and SQS.
    """
    with ExitStack() as stack:
        services, environ = stack.enter_context(served(people, target, service_s=service_s))
        sender, worker = (stack.enter_context(Function(environ)) for _ in range(2))
        yield Audience(set(people), services, target, sender, worker)


@contextmanager
def served(
    people: Sequence[ConnectionId], target: Target, *, service_s: float
) -> Iterator[tuple[Services, dict[str, str]]]:
    """Yield what serves people in a room, and the variables of functions that are to use it."""
    now = time.time()
    sessions = [_session(who, target.endpoint, now) for who in (_AUTHOR, *people)]
    members = [subscription_item(session, _ROOM, now) for session in sessions]
    services = Services(service_s, members)
    services.put(CONNECTIONS_TABLE, connection_item(sessions[0]))
    with services.served() as url:
        yield services, _environ(url, target.endpoint)


def _session(connection_id: ConnectionId, endpoint: str, now: float) -> Session:
    user = UserName(f"person-{connection_id.rstrip('=').lower()}")
    until = int(now) + _HOUR
    rooms = frozenset({_ROOM, personal_room(user)})
    return Session(connection_id, user, endpoint, now, until, rooms, until)


def _environ(services: str, endpoint: str) -> dict[str, str]:
    """Return the variables of a deployed stage, pointed at what stands in for AWS."""
    return {
        "STAGE": "dev",
        "CONNECTIONS_TABLE": CONNECTIONS_TABLE,
        "MESSAGES_TABLE": MESSAGES_TABLE,
        "MEMBERSHIPS_TABLE": MEMBERSHIPS_TABLE,
        "ACCOUNTS_TABLE": ACCOUNTS_TABLE,
        "DELIVERIES_QUEUE": DELIVERIES_QUEUE,
        "DEAD_LETTER_QUEUE": DEAD_LETTER_QUEUE,
        "TOKEN_SECRET_ARN": "bench",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL_DYNAMODB": services,
        "AWS_ENDPOINT_URL_SQS": services,
        "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class Audience:
    """A room with its author, the functions, and what carries jobs from one to the other."""

    def __init__(
        self,
        people: set[ConnectionId],
        services: Services,
        target: Target,
        sender: Function,
        worker: Function,
    ) -> None:
        self._people = people
        self._services = services
        self._target = target
        self._sender = sender
        self._worker = worker
        self._said = 0

    def say(self) -> Sample:
        """Let the author say something; return when everybody has it.

        Raises:
            Loss: somebody did not get it, or twice.
            OSError: a function or the endpoint has ended.
        """
        noted(self._target)
        self._services.take()
        spent: list[Spent] = []
        ended = threading.Event()
        poller = threading.Thread(target=self._poll, args=(ended, spent))
        poller.start()
        began = time.monotonic()
        try:
            self._said += 1
            sender = self._sender.invoke("websocket_message", message(self._said))
        finally:
            ended.set()
            poller.join(_PATIENCE)
        return self._sample(began, sender, spent)

    def _poll(self, ended: threading.Event, spent: list[Spent]) -> None:
        """Do what Lambda does for a queue, with one worker, until nothing more can come."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            last = ended.is_set()
            if records := self._services.receive(_IDLE):
                spent.append(self._work(records))
            elif last:
                return

    def _work(self, records: list[dict[str, Any]]) -> Spent:
        spent = self._worker.invoke("deliver", {"Records": records})
        failed = {each["itemIdentifier"] for each in spent.answer["batchItemFailures"]}
        self._services.delete({each["messageId"] for each in records} - failed)
        return spent

    def _sample(self, began: float, sender: Spent, worker: list[Spent]) -> Sample:
        seen, counts = noted(self._target), self._services.take()
        answers = {unquote(each): at for each, at in seen["answers"].items()}
        ack = answers.pop(_AUTHOR, None)
        if ack is None or set(answers) != self._people or seen["posts"] != len(answers) + 1:
            got = f"{seen['posts']} posts for {len(answers)} of {len(self._people)} people"
            raise Loss(f"{got}, {self._services.waiting()} jobs left")
        last = max(answers.values())
        return Sample(ack - began, last - began, sender, worker, seen["posts"], counts)


def message(number: int) -> dict[str, Any]:
    """Return the event of a frame with which the author says something, each time another."""
    wish = {
        "action": "sendmessage",
        "room": _ROOM,
        "message": _TEXT,
        "id": 1,
        "cid": f"3f2b8c1e-8d5a-4c7e-9b1f-{number:012}",
    }
    return {
        "requestContext": {
            "routeKey": "$default",
            "eventType": "MESSAGE",
            "connectionId": _AUTHOR,
            "requestId": f"bench-{number}",
            "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
            "apiId": "a1b2c3d4e5",
            "stage": "api",
        },
        "body": json.dumps(wish),
        "isBase64Encoded": False,
    }
