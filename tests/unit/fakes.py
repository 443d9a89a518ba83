"""Fakes that record, and what tests build values with."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import pytest
from botocore.exceptions import ClientError

from chalicelib.bootstrap import Application
from chalicelib.chat import ChatService
from chalicelib.correlation import correlation_id
from chalicelib.drafts import Deletion, Edit, Message, Reaction
from chalicelib.errors import ChatError
from chalicelib.gateway import Outcome, Post, Recipient
from chalicelib.jobs import Job
from chalicelib.memberships import MembershipRepository
from chalicelib.messages import MessageLog
from chalicelib.models import ConnectionId, RoomName, Session, UserName, personal_room
from chalicelib.positions import Position
from chalicelib.protocol import MAX_FRAME_BYTES, decode
from chalicelib.settings import Settings
from chalicelib.telemetry import Metric

ENDPOINT = "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/api"
CONNECTIONS_TABLE = "dynamowave-test-connections"
MESSAGES_TABLE = "dynamowave-test-messages"
MEMBERSHIPS_TABLE = "dynamowave-test-memberships"
ACCOUNTS_TABLE = "dynamowave-test-accounts"
DELIVERIES_QUEUE = "dynamowave-test-deliveries"
DEAD_LETTER_QUEUE = "dynamowave-test-undelivered"
ENVIRON = {
    "AWS_REGION": "eu-west-1",
    "CONNECTIONS_TABLE": CONNECTIONS_TABLE,
    "MESSAGES_TABLE": MESSAGES_TABLE,
    "MEMBERSHIPS_TABLE": MEMBERSHIPS_TABLE,
    "ACCOUNTS_TABLE": ACCOUNTS_TABLE,
    "DELIVERIES_QUEUE": DELIVERIES_QUEUE,
    "DEAD_LETTER_QUEUE": DEAD_LETTER_QUEUE,
    "NEW_ROOMS_PER_HOUR": "0",
    "VISITS_PER_HOUR": "0",
    "FRAME_RATE": "0",  # the clock of most tests stands still
    "GUESTS": "true",
    "METRICS": "false",
}


class Clock:
    """A clock that only tests move, and the sleep and random that go with it."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class RecordingGateway:
    """Keeps every post and probe; answers DELIVERED but for what `outcomes` says."""

    def __init__(self) -> None:
        self.batches: list[list[Post]] = []
        self.probes: list[Recipient] = []
        self.disconnected: list[Recipient] = []
        self.outcomes: dict[str, Outcome] = {}
        self.failure: Exception | None = None

    def post(self, posts: Sequence[Post], *, within: float | None = None) -> list[Outcome]:
        if self.failure is not None:
            raise self.failure
        self.batches.append(list(posts))
        return [self.outcomes.get(post.connection_id, Outcome.DELIVERED) for post in posts]

    def check(self, probes: Sequence[Recipient]) -> list[Outcome]:
        self.probes += probes
        return [self.outcomes.get(probe.connection_id, Outcome.DELIVERED) for probe in probes]

    def disconnect(self, recipients: Sequence[Recipient]) -> list[Outcome]:
        if self.failure is not None:
            raise self.failure
        self.disconnected += recipients
        return [self.outcomes.get(it.connection_id, Outcome.DELIVERED) for it in recipients]

    def frames(self, connection_id: str) -> list[bytes]:
        return [
            post.frame
            for batch in self.batches
            for post in batch
            if post.connection_id == connection_id
        ]


class RecordingQueue:
    """A queue that keeps what it is given, and refuses what a test says."""

    def __init__(self) -> None:
        self.sent: list[Job] = []
        self.buried: list[Job] = []
        self.refuses: Callable[[Job], bool] = lambda _: False
        self.failure: Exception | None = None

    def send(self, jobs: Iterable[Job]) -> list[Job]:
        return self._keep(self.sent, jobs)

    def bury(self, jobs: Iterable[Job]) -> list[Job]:
        return self._keep(self.buried, jobs)

    def _keep(self, kept: list[Job], jobs: Iterable[Job]) -> list[Job]:
        lost: list[Job] = []
        for job in jobs:
            (lost if self.refuses(job) else kept).append(job)
        if self.failure is not None:
            raise self.failure
        return lost


class RecordingTelemetry:
    """Keeps what is recorded, and under which id."""

    def __init__(self) -> None:
        self.records: list[tuple[dict[Metric, float], int | None]] = []
        self.recorded: list[dict[Metric, float]] = []
        self.ids: list[str | None] = []

    def record(self, values: Mapping[Metric, float], *, recipients: int | None = None) -> None:
        self.records.append((dict(values), recipients))
        self.recorded.append(dict(values))
        self.ids.append(correlation_id())

    def only(self, *metrics: Metric) -> list[dict[Metric, float]]:
        """What has been recorded of these."""
        return [values for values in self.recorded if values.keys() <= set(metrics)]


LogFactory: TypeAlias = Callable[..., MessageLog]
Step: TypeAlias = Exception | Callable[[dict[str, Any]], Any]


class Faulty:
    """A DynamoDB client whose calls fail, or are replaced, in the order that a test plans.

    `plan(operation, ...)`: None lets a call through; an exception is raised instead of the call; a
    function is called with the arguments, and its result is the answer.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._plans: dict[str, list[Step | None]] = {}
        self._always: dict[str, Step] = {}

    def plan(self, operation: str, *steps: Step | None) -> None:
        self._plans[operation] = list(steps)

    def always(self, operation: str, step: Step) -> None:
        self._always[operation] = step

    def count(self, operation: str) -> int:
        return sum(name == operation for name, _ in self.calls)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            self.calls.append((operation, arguments))
            steps = self._plans.get(operation)
            step = steps.pop(0) if steps else self._always.get(operation)
            if isinstance(step, Exception):
                raise step
            return step(arguments) if step else getattr(self.client, operation)(**arguments)

        return call


def client_error(code: str, *, status: int = 400, **response: Any) -> ClientError:
    """Return what botocore raises."""
    metadata = {"HTTPStatusCode": status}
    answer = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": metadata, **response}
    return ClientError(answer, "Operation")  # type: ignore[arg-type, unused-ignore]


def cancelled(*codes: str) -> ClientError:
    """Return what botocore raises when a transaction was cancelled for these reasons."""
    return client_error(
        "TransactionCanceledException", CancellationReasons=[{"Code": code} for code in codes]
    )


class ServiceFactory:
    """Builds the chat over the fakes, with some variables of the environment changed."""

    def __init__(self, dynamodb: Faulty, gateway: RecordingGateway, clock: Clock) -> None:
        self._dynamodb = dynamodb
        self._gateway = gateway
        self._clock = clock
        self.random: Callable[[], float] = lambda: 0.5
        self.queue = RecordingQueue()
        self.telemetry = RecordingTelemetry()

    def __call__(self, **environ: str) -> ChatService:
        return Application(
            Settings.from_environ({**ENVIRON, **environ}),
            gateway=self._gateway,
            dynamodb=self._dynamodb,
            queue=self.queue,
            telemetry=self.telemetry,
            clock=self._clock,
            sleep=self._clock.sleep,
            random=self.random,
        ).chat


def new_session(
    connection_id: str, user: str, *rooms: str, now: float, guest: bool = False
) -> Session:
    name = UserName(user)
    return Session(
        connection_id=ConnectionId(connection_id),
        user=name,
        endpoint=ENDPOINT,
        connected_at=now,
        expires_at=int(now) + 7800,
        session_expires_at=int(now) + 7800,
        rooms=frozenset({personal_room(name), *(RoomName(room) for room in rooms)}),
        guest=guest,
    )


def joined(
    memberships: MembershipRepository,
    room: RoomName,
    user: UserName,
    read: Position,
    *,
    guest: bool = False,
) -> None:
    """Make somebody a member of a public room, as they are there now."""
    place = memberships.places([room], user)[0]
    memberships.join(place, user, read, guest=guest)


LOBBY, GAMES = RoomName("lobby"), RoomName("games")
ALICE, BOB, CAROL = UserName("alice"), UserName("bob"), UserName("carol")


def said(
    text: str = "x", *, user: UserName = ALICE, room: RoomName = LOBBY, cid: str | None = None
) -> Message:
    return Message(room=room, user=user, text=text, cid=cid)


def edited(
    target: int,
    text: str = "better",
    *,
    user: UserName = ALICE,
    room: RoomName = LOBBY,
    cid: str | None = None,
) -> Edit:
    return Edit(room=room, user=user, target=target, text=text, cid=cid)


def deleted(
    target: int, *, user: UserName = ALICE, room: RoomName = LOBBY, cid: str | None = None
) -> Deletion:
    return Deletion(room=room, user=user, target=target, cid=cid)


def reacted(
    target: int,
    emoji: str = "👍",
    *,
    user: UserName = ALICE,
    room: RoomName = LOBBY,
    removed: bool = False,
    cid: str | None = None,
) -> Reaction:
    return Reaction(room=room, user=user, target=target, emoji=emoji, removed=removed, cid=cid)


def stored(dynamodb: Faulty, room: str) -> list[dict[str, Any]]:
    """Return all that the messages table holds under a room (or under a cid), whatever its age."""
    arguments = {
        "TableName": MESSAGES_TABLE,
        "KeyConditionExpression": "room = :room",
        "ExpressionAttributeValues": {":room": {"S": room}},
    }
    pages = dynamodb.client.get_paginator("query").paginate(**arguments)
    return [item for page in pages for item in page["Items"]]


def collect_expired(dynamodb: Faulty, table: str, keys: Sequence[str], now: float) -> None:
    """Delete what has expired, as the time to live of a table does sooner or later."""
    for item in dynamodb.client.scan(TableName=table)["Items"]:
        if "expires_at" in item and float(item["expires_at"]["N"]) <= now:
            dynamodb.client.delete_item(TableName=table, Key={key: item[key] for key in keys})


def websocket_event(connection_id: str, **rest: Any) -> dict[str, Any]:
    """Return what API Gateway invokes a handler with."""
    context = {"connectionId": connection_id, "apiId": "a1b2c3", "stage": "api"}
    return {"requestContext": context, "isBase64Encoded": False, **rest}


class Client:
    """One connection, as it looks from outside."""

    def __init__(self, chat: ChatService, gateway: RecordingGateway, connection_id: str) -> None:
        self._chat = chat
        self._gateway = gateway
        self._seen = 0
        self.id = connection_id

    def connect(self, name: str | None = None, *, key: str | None = None) -> int:
        wishes = {"name": name, "key": key}
        query = {field: value for field, value in wishes.items() if value is not None} or None
        event = websocket_event(self.id, queryStringParameters=query)
        return self._chat.connect(event)["statusCode"]

    def disconnect(self) -> None:
        self._chat.disconnect(websocket_event(self.id))

    def send(self, action: str, **fields: Any) -> list[dict[str, Any]]:
        return self.send_text(json.dumps({"action": action, **fields}))

    def send_text(self, text: object) -> list[dict[str, Any]]:
        self._chat.receive(websocket_event(self.id, body=text))
        return self.received()

    def received(self) -> list[dict[str, Any]]:
        """What came since the last look."""
        frames = self._gateway.frames(self.id)[self._seen :]
        self._seen += len(frames)
        assert all(len(frame) <= MAX_FRAME_BYTES for frame in frames)
        return [json.loads(frame) for frame in frames]


def frame(**fields: Any) -> str:
    """Return a frame of a client."""
    return json.dumps(fields)


def refusal(text: object) -> ChatError:
    """Return the error that a frame is answered with."""
    with pytest.raises(ChatError) as caught:
        decode(text)
    return caught.value
