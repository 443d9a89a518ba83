"""Fakes that record, and what tests build values with."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from chalicelib.bootstrap import build
from chalicelib.chat import ChatService
from chalicelib.gateway import Outcome, Post
from chalicelib.models import ConnectionId, RoomName, Session, UserName, personal_room
from chalicelib.settings import Settings

ENDPOINT = "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/api"
CONNECTIONS_TABLE = "dynamowave-test-connections"
MESSAGES_TABLE = "dynamowave-test-messages"
ENVIRON = {
    "AWS_REGION": "eu-west-1",
    "CONNECTIONS_TABLE": CONNECTIONS_TABLE,
    "MESSAGES_TABLE": MESSAGES_TABLE,
    "GUESTS": "true",
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
    """Keeps every post; answers DELIVERED but for what `outcomes` says of a connection."""

    def __init__(self) -> None:
        self.batches: list[list[Post]] = []
        self.outcomes: dict[str, Outcome] = {}
        self.failure: Exception | None = None

    def post(self, posts: Sequence[Post]) -> list[Outcome]:
        if self.failure is not None:
            raise self.failure
        self.batches.append(list(posts))
        return [self.outcomes.get(post.connection_id, Outcome.DELIVERED) for post in posts]

    def frames(self, connection_id: str) -> list[bytes]:
        return [
            post.frame
            for batch in self.batches
            for post in batch
            if post.connection_id == connection_id
        ]


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

    def __call__(self, **environ: str) -> ChatService:
        return build(
            Settings.from_environ({**ENVIRON, **environ}),
            gateway=self._gateway,
            dynamodb=self._dynamodb,
            clock=self._clock,
            sleep=self._clock.sleep,
            random=self.random,
        )


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
        rooms=frozenset({personal_room(name), *(RoomName(room) for room in rooms)}),
        guest=guest,
    )
