"""The chat of app.py in one process: its tables in moto, its sockets in the test client."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer
from moto import mock_aws

import app as app_module
from chalicelib.authentication import ExternalVerifier
from chalicelib.bootstrap import Application
from chalicelib.gateway import Outcome, Post, Recipient
from chalicelib.passwords import Hasher
from chalicelib.settings import Settings
from localgateway.authorizers import Authorizer
from localgateway.management import Response
from localgateway.moto_transactions import cheap_transactions
from localgateway.testing import TestClient, TestSocket
from tests.functional.grants import Applications, Ledger, NotedClient, NotedGateway
from tests.functional.sqs import MemorySqs
from tests.stores.memory import MemoryClient
from tests.stores.tables import (
    ACCOUNTS_TABLE,
    CONNECTIONS_TABLE,
    DEAD_LETTER_QUEUE,
    DELIVERIES_QUEUE,
    MEMBERSHIPS_TABLE,
    MESSAGES_TABLE,
    STAGE,
)
from tests.unit.people import PASSWORD, FakeHasher
from tools.policies import policies

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
NORMAL_CLOSURE = 1000
START = 1_800_000_000.0
ENVIRON = {
    "STAGE": STAGE,
    "CONNECTIONS_TABLE": CONNECTIONS_TABLE,
    "MESSAGES_TABLE": MESSAGES_TABLE,
    "MEMBERSHIPS_TABLE": MEMBERSHIPS_TABLE,
    "ACCOUNTS_TABLE": ACCOUNTS_TABLE,
    "DELIVERIES_QUEUE": DELIVERIES_QUEUE,
    "DEAD_LETTER_QUEUE": DEAD_LETTER_QUEUE,
    # Tests ask faster than people do, and their clock stands still.
    "VISITS_PER_HOUR": "0",
    "FRAME_RATE": "0",
    "ADDRESS_RATE": "0",
    "REGISTRATIONS_PER_HOUR": "0",
    "LOGIN_ATTEMPTS": "0",
    "NEW_ROOMS_PER_HOUR": "0",
    "GUESTS": "true",
    "METRICS": "false",
    "AWS_REGION": REGION,
    "TOKEN_SECRET_ARN": f"dynamowave-{STAGE}-tokens",
}
# What all of these tests need, and whether the policies of this stage allow it.
LEDGER = Ledger(policies(STAGE, {"environment_variables": ENVIRON}))


class Clock:
    """A clock that only tests move."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class MemorySecrets:
    """Secrets Manager with one value of one secret."""

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, str]:  # noqa: N803
        return {"SecretString": f"{SecretId} signs the tokens of these tests"}


class LocalLambda:
    """Lambda with the functions of a test client, one invocation after the other.

    Attributes:
        broken: The name of a function that always fails.
    """

    def __init__(self, client: TestClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self.broken = ""

    def invoke(self, *, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803
        # Chalice adds nothing for the function of the routes.
        function = FunctionName.removeprefix(f"dynamowave-{STAGE}").lstrip("-") or "api_handler"
        if function == self.broken:
            return {"FunctionError": "Unhandled", "Payload": BytesIO(b'{"errorType": "KeyError"}')}
        with self._lock:
            outcome = self._client.invoke(function, json.loads(Payload))
        return {"Payload": BytesIO(json.dumps(outcome.payload).encode())}


class InProcessGateway:
    """Posts to the test client's sockets, with API Gateway's answers."""

    client: TestClient
    outcome: Outcome | None = None  # of everything, instead of what is tried
    counted: dict[str, int] | None = None  # what would be posted, by connection, instead of posts
    cannot_close = False

    def post(self, posts: Sequence[Post], *, within: float | None = None) -> list[Outcome]:
        if self.outcome is not None:
            return [self.outcome] * len(posts)
        if self.counted is not None:
            for post in posts:
                if b'"type":"message"' in post.frame:
                    self.counted[post.connection_id] = self.counted.get(post.connection_id, 0) + 1
        return [
            _outcome(self.client.manage("POST", post.connection_id, post.frame)) for post in posts
        ]

    def check(self, probes: Sequence[Recipient]) -> list[Outcome]:
        return [_outcome(self.client.manage("GET", probe.connection_id)) for probe in probes]

    def disconnect(self, recipients: Sequence[Recipient]) -> list[Outcome]:
        if self.cannot_close:
            return [Outcome.RETRYABLE] * len(recipients)
        return [_outcome(self.client.manage("DELETE", it.connection_id)) for it in recipients]


def _outcome(answer: Response) -> Outcome:
    if answer.status in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}:
        return Outcome.DELIVERED
    return Outcome.GONE if answer.status == HTTPStatus.GONE else Outcome.RETRYABLE


class Person:
    """Somebody at a socket, who asks and is answered, and hears what is pushed."""

    def __init__(self, socket: TestSocket) -> None:
        self.socket = socket
        self._heard: list[dict[str, Any]] = []
        self._last_id = 0

    @property
    def name(self) -> str:
        user: str = self.ask("hello")["user"]
        return user

    def send(self, action: str, **fields: Any) -> None:
        """Send a frame without an id."""
        self.socket.send(json.dumps({"action": action, **fields}, ensure_ascii=False))

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        """Send a frame with an id, and return the answer to it."""
        self._last_id += 1
        self.send(action, id=self._last_id, **fields)
        frames = self.socket.received()
        (answer,) = (frame for frame in frames if frame.get("id") == self._last_id)
        self._heard += [frame for frame in frames if frame is not answer]
        return answer

    def say(self, message: str, room: str = "lobby", **fields: Any) -> int:
        """Say something and return its seq."""
        answer = self.ask("sendmessage", message=message, room=room, **fields)
        seq: int = answer["seq"]
        return seq

    @property
    def is_out(self) -> bool:
        """Whether the server has closed the socket, as DELETE @connections does."""
        return self.socket.closed is not None and self.socket.closed.code == NORMAL_CLOSURE

    def heard(self, *types: str) -> list[dict[str, Any]]:
        """Return the frames of these types since the last call (of all types, if none is named)."""
        frames = self._heard + self.socket.received()
        self._heard = []
        return [frame for frame in frames if not types or frame["type"] in types]


class Chat:
    """The running chat."""

    def __init__(
        self,
        gateway: InProcessGateway,
        clock: Clock,
        dynamodb: Any,
        sqs: MemorySqs,
        functions: LocalLambda,
    ) -> None:
        self.functions = functions
        self.gateway = gateway
        self.client = gateway.client
        self.clock = clock
        self.dynamodb = dynamodb
        self.sqs = sqs
        self._tokens: dict[str, str] = {}

    def join(self, name: str, *rooms: str, key: str | None = None) -> Person:
        """Connect somebody and subscribe them to rooms; the same key is the same person."""
        secret = "" if key is None else f"&key={key}"
        person = Person(self.client.connect(f"/?name={name}{secret}"))
        for room in rooms:
            person.ask("subscribe", room=room)
        person.heard()
        return person

    def post(self, path: str, *, token: str = "", **fields: Any) -> dict[str, Any]:
        """Ask over HTTP; the answer has its status among its fields."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        body = json.dumps(fields).encode()
        answer = self.client.request("POST", path, headers=headers, body=body)
        return {**json.loads(answer.body), "status": answer.status}

    def register(self, name: str) -> str:
        """Make an account, and return a token of it."""
        return str(self.post("/register", username=name, password=PASSWORD)["token"])

    def connect(self, token: str) -> Person:
        """Connect with a ticket for a token."""
        ticket = self.post("/ticket", token=token)["ticket"]
        return Person(self.client.connect(f"/?ticket={ticket}"))

    def member(self, name: str, *rooms: str) -> Person:
        """Connect somebody who has an account, perhaps for a second time; see join."""
        if name not in self._tokens:
            known = {"username": name, "password": PASSWORD}
            answer = self.post("/register", **known)
            if answer["status"] == HTTPStatus.CONFLICT:
                answer = self.post("/login", **known)
            self._tokens[name] = answer["token"]
        person = self.connect(self._tokens[name])
        for room in rooms:
            person.ask("subscribe", room=room)
        person.heard()
        return person

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return all items of a table."""
        found = self.dynamodb.scan(TableName=f"dynamowave-{STAGE}-{table}")["Items"]
        read = TypeDeserializer().deserialize
        return [{name: read(value) for name, value in item.items()} for item in found]

    def everything(self) -> str:
        """Return all that is stored, as text to search."""
        tables = ("connections", "messages", "memberships")
        return json.dumps([self.rows(table) for table in tables], default=str)


def with_admin(start: Callable[..., Chat], **environ: str) -> Chat:
    """Start the chat with the administrator rhea, who registered before she was made one."""
    database = MemoryClient()
    start(dynamodb=database).register("rhea")
    return start(dynamodb=database, ADMINS="rhea", **environ)


@contextmanager
def chatting(
    monkeypatch: pytest.MonkeyPatch,
    *,
    dynamodb: Any = None,
    authorizer: str | None = None,
    hasher: Hasher | None = None,
    external: Callable[[Clock], ExternalVerifier] | None = None,
    **environ: str,
) -> Iterator[Chat]:
    """Run the chat, with some variables of its environment changed; its database is moto.

    Args:
        monkeypatch: What changes app.py.
        dynamodb: Another database.
        authorizer: The function that is wired to $connect; none, as `chalice deploy` has it.
        hasher: What hashes passwords, if it is to be looked at.
        external: Makes what verifies the tokens of the issuer OIDC_ISSUER.
        environ: The variables.
    """
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    clock, gateway = Clock(), InProcessGateway()
    client = TestClient(
        app_module.app,
        stage_name="local",
        project_dir=ROOT,
        authorizer=Authorizer(authorizer) if authorizer else None,
        clock=clock,
    )
    gateway.client = client
    with _tables(dynamodb) as database:
        settings = Settings.from_environ({**ENVIRON, **environ})
        sqs = MemorySqs(clock, redrive=(DELIVERIES_QUEUE, DEAD_LETTER_QUEUE))
        functions = LocalLambda(client)
        hasher = hasher or FakeHasher()
        verify = external and external(clock)
        applications = Applications(
            lambda function: Application(
                settings,
                gateway=NotedGateway(gateway, function, LEDGER),
                dynamodb=NotedClient(database, function, LEDGER),
                secretsmanager=NotedClient(MemorySecrets(), function, LEDGER),
                sqs=NotedClient(sqs, function, LEDGER),
                functions=NotedClient(functions, function, LEDGER),
                hasher=hasher,
                external=verify,
                clock=clock,
                sleep=lambda _: None,
            )
        )
        monkeypatch.setattr(app_module, "application", applications)
        with client:
            yield Chat(gateway, clock, database, sqs, functions)
        LEDGER.check()


@contextmanager
def _tables(dynamodb: Any) -> Iterator[Any]:
    if dynamodb is not None:
        yield dynamodb
        return
    with cheap_transactions(), mock_aws():
        _create_tables()
        yield boto3.client("dynamodb", region_name=REGION)


def _create_tables() -> None:
    boto3.client("cloudformation", region_name=REGION).create_stack(
        StackName="data",
        TemplateBody=(ROOT / "infra" / "data.yaml").read_text(encoding="utf-8"),
        Parameters=[{"ParameterKey": "Stage", "ParameterValue": STAGE}],
    )
