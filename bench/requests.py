"""Counts what each action of the protocol asks of DynamoDB and of API Gateway."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from bench.metering import Meter
from chalicelib.bootstrap import Application
from chalicelib.chat import ChatService
from chalicelib.drafts import Message
from chalicelib.entries import entry_item
from chalicelib.forms import HttpRequest
from chalicelib.gateway import Outcome, Post, Recipient
from chalicelib.identities import Identity
from chalicelib.jobs import Job
from chalicelib.models import ConnectionId, RoomName, Session, UserName, personal_room
from chalicelib.places import Room, room_item
from chalicelib.records import connection_item, subscription_item
from chalicelib.settings import Settings
from localgateway.moto_transactions import cheap_transactions

PEOPLE = 10
LOBBY = RoomName("lobby")
TEA = RoomName("tea")
TEN_ROOMS = [LOBBY, *(RoomName(f"room-{number}") for number in range(9))]
_TEXT = "x" * 100
_CID = "3f2b8c1e-8d5a-4c7e-9b1f-2a6d4e8c0f11"
_NOW = 1_795_241_234.567891  # with as many digits as a real time has
_AT = "2026-11-21T06:47:14.567Z"
_ENDPOINT = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/api"
_BATCH_WRITE_LIMIT = 25
_REGION = "us-east-1"
_TEMPLATE = Path(__file__).parent.parent / "infra" / "data.yaml"
_TABLES = {
    name: f"dynamowave-test-{name}"
    for name in ("connections", "messages", "memberships", "accounts")
}
_SETTINGS = Settings.from_environ(
    {f"{name.upper()}_TABLE": table for name, table in _TABLES.items()}
    | {
        "DELIVERIES_QUEUE": "dynamowave-test-deliveries",
        "DEAD_LETTER_QUEUE": "dynamowave-test-undelivered",
        "GUESTS": "true",
        "AWS_REGION": _REGION,
        "PASSWORD_MEMORY_KIB": "64",
        "METRICS": "false",
    }
)


_ADA = Identity(user=UserName("ada"), version=1)
_BOB = {"username": "bob", "password": "correct horse"}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one action takes; `posts` are the frames to clients, the answer among them."""

    requests: int
    wcu: float
    rcu: float
    posts: int


class _Gateway:
    """Delivers every frame, and keeps it."""

    def __init__(self) -> None:
        self.posts: list[Post] = []

    def post(self, posts: Sequence[Post], *, within: float | None = None) -> list[Outcome]:  # noqa: ARG002
        self.posts += posts
        return [Outcome.DELIVERED] * len(posts)

    def check(self, probes: Sequence[Recipient]) -> list[Outcome]:
        return [Outcome.DELIVERED] * len(probes)

    def disconnect(self, recipients: Sequence[Recipient]) -> list[Outcome]:
        return [Outcome.DELIVERED] * len(recipients)


class _Queue:
    """What nobody needs here: every frame is delivered."""

    def send(self, jobs: Iterable[Job]) -> list[Job]:
        return list(jobs)

    def bury(self, jobs: Iterable[Job]) -> list[Job]:
        return list(jobs)


class Stage:
    """The chat in one process, with some people in the lobby; ada, the last to come, acts."""

    def __init__(self, client: Any, people: int) -> None:
        self._client = client
        self._meter = Meter(client)
        self._gateway = _Gateway()
        self._now = _NOW
        self._others = [f"person-{number}" for number in range(people - 1)]
        self.restart()
        self._seat(self._others, lambda _: {LOBBY})
        self.connect("ada")

    def restart(self) -> None:
        """Go on with a function that has handled nothing yet."""
        self._application = Application(
            _SETTINGS,
            gateway=self._gateway,
            dynamodb=self._meter,
            queue=_Queue(),
            clock=lambda: self._now,
            sleep=lambda _: None,
            random=lambda: 0.5,
        )
        self._service: ChatService = self._application.chat

    def connect(self, name: str) -> None:
        """Connect a guest."""
        self._connect(name, name=name)

    def enter(self) -> None:
        """Connect ada once more, with a ticket."""
        issued = self._application.tokens.ticket(_ADA, int(self._now) + 3600)
        self._connect("ada-2", ticket=issued.text)

    def refresh(self) -> None:
        """Extend ada's session."""
        issued = self._application.tokens.issue(_ADA, int(self._now) + 10_000)
        self.do("refresh", token=issued.text)

    def sign_up(self) -> None:
        """Register bob."""
        self._application.entrance.register(_asked(**_BOB))

    def log_in(self) -> None:
        """Log in as bob."""
        self._application.entrance.login(_asked(**_BOB))

    def get_ticket(self) -> None:
        """Ask for a ticket for ada."""
        token = self._application.tokens.issue(_ADA, int(self._now)).text
        self._application.entrance.ticket(_asked(token))

    def _connect(self, connection: str, /, **query: str) -> None:
        self._now += 1
        event = {**_event(connection), "queryStringParameters": query}
        answer = self._service.connect(event)
        if answer["statusCode"] != HTTPStatus.OK:
            raise RuntimeError(f"{query} was not let in: {answer}")

    def disconnect(self) -> None:
        """Let ada go."""
        self._service.disconnect(_event("ada"))

    def publish(self) -> None:
        """Say something on behalf of a back end."""
        answer = self._service.publish({"room": LOBBY, "message": _TEXT})
        if "error" in answer:
            raise RuntimeError(f"publish was answered with {answer}")

    def do(self, action: str, **fields: Any) -> None:
        """Handle a frame of ada's that asks for an answer; one that fails ends the run."""
        # Nobody writes faster than so; in a burst, the first request is one more (F1).
        self._now += 1
        body = json.dumps({"action": action, "id": 1, **fields})
        seen = len(self._gateway.posts)
        self._service.receive({**_event("ada"), "body": body})
        for post in self._gateway.posts[seen:]:
            if json.loads(post.frame)["type"] == "error":
                raise RuntimeError(f"{action} was answered with {post.frame!r}")

    def fill(self, room: RoomName, *, messages: int) -> None:
        """Make a public room, and put everyone but ada, and messages, into it."""
        self._seat(self._others, lambda _: {room})
        made = room_item(room, Room(), by=UserName("person-0"), now=_NOW)
        self._write("memberships", [made])
        author = UserName("person-0")
        said = Message(room=room, user=author, text=_TEXT, cid=_CID)
        self._write("messages", [entry_item(said, n, _AT, n) for n in range(1, messages + 1)])

    def register(self) -> None:
        """Give everyone an account, and ada's connection to hers."""
        people = [*self._others, "ada"]
        version = {"token_version": {"N": "1"}}
        self._write("accounts", [{"username": {"S": name}, **version} for name in people])
        self._seat(["ada"], lambda _: {LOBBY})

    def strangers(self, count: int) -> None:
        """Put people elsewhere, each in a room of their own in which something was said."""
        self._seat([f"stranger-{n}" for n in range(count)], lambda name: {RoomName(name)})
        rooms = [(RoomName(f"stranger-{n}"), UserName("someone")) for n in range(count)]
        said = [Message(room=room, user=user, text=_TEXT) for room, user in rooms]
        self._write("messages", [entry_item(message, 1, _AT, 1) for message in said])

    def cost(self, act: Callable[["Stage"], None]) -> Cost:
        """Return what an act takes, as opposed to what was before it."""
        self._meter.take()
        self._gateway.posts.clear()
        act(self)
        usage = self._meter.take()
        return Cost(usage.requests.total(), usage.wcu, usage.rcu, len(self._gateway.posts))

    def _seat(self, names: Iterable[str], rooms_of: Callable[[str], set[RoomName]]) -> None:
        """Connect people without the service, which would take its time over hundreds."""
        items = []
        for name in names:
            user = UserName(name)
            rooms = frozenset({personal_room(user), *rooms_of(name)})
            expires_at = int(_NOW) + _SETTINGS.connection_ttl
            session = Session(
                _connection(name), user, _ENDPOINT, _NOW, expires_at, rooms, expires_at
            )
            items.append(connection_item(session))
            items += [subscription_item(session, room, _NOW) for room in sorted(rooms)]
        self._write("connections", items)

    def _write(self, table: str, items: Sequence[dict[str, Any]]) -> None:
        for start in range(0, len(items), _BATCH_WRITE_LIMIT):
            batch = [{"PutRequest": {"Item": it}} for it in items[start:][:_BATCH_WRITE_LIMIT]]
            self._client.batch_write_item(RequestItems={_TABLES[table]: batch})


def _connection(name: str) -> ConnectionId:
    return ConnectionId(f"{name[-14:]:A<15}=")  # as long as API Gateway's


def _event(name: str) -> dict[str, Any]:
    context = {"connectionId": _connection(name), "apiId": "a1b2c3d4e5", "stage": "api"}
    return {"requestContext": context}


def _acting(*steps: Callable[[Stage], None]) -> Callable[[Stage], None]:
    def act(stage: Stage) -> None:
        for step in steps:
            step(stage)

    return act


def _doing(action: str, **fields: Any) -> Callable[[Stage], None]:
    return lambda stage: stage.do(action, **fields)


def _ten_rooms(stage: Stage) -> None:
    for room in TEN_ROOMS:
        stage.fill(room, messages=1)
        stage.do("subscribe", room=room)


_SAY = _doing("sendmessage", message=_TEXT)
_SAY_CID = _doing("sendmessage", message=_TEXT, cid=_CID)
_SAY_TO = _doing("sendmessage", message=_TEXT, to="person-0")
_PING = _doing("ping", rooms={LOBBY: 1})
_LIST = _doing("rooms")


def _ruling(action: str, *, room: RoomName = TEA, **fields: Any) -> Callable[[Stage], None]:
    return _doing(action, room=room, **fields)


def _owning(*others: str) -> Callable[[Stage], None]:
    """Let ada own a private room, with others as members who have not subscribed to it."""
    steps = [_ruling("invite", user=other) for other in others]
    return _acting(Stage.register, _ruling("createroom", private=True), *steps)


def _fifty(room: RoomName) -> Callable[[Stage], None]:
    return lambda stage: stage.fill(room, messages=50)


# What is measured, and what is done before.
SCENARIOS: dict[str, tuple[Callable[[Stage], None], Callable[[Stage], None]]] = {
    "connect": (lambda stage: stage.connect("bob"), _acting()),
    "connect, with a ticket": (Stage.enter, Stage.register),
    "disconnect": (Stage.disconnect, _acting()),
    "hello": (_doing("hello"), _acting()),
    "hello, arrays": (_doing("hello", arrays=True), _acting()),
    "hello, arrays, again": (_doing("hello", arrays=True), _doing("hello", arrays=True)),
    "ping, 1 room": (_PING, _SAY),
    "ping, 1 room, swept within the last minute": (_PING, _acting(_SAY, _PING)),
    "ping, 10 rooms": (_doing("ping", rooms=dict.fromkeys(TEN_ROOMS, 1)), _ten_rooms),
    "sendmessage": (_SAY, _SAY),
    "sendmessage, cold": (_SAY, _acting(_SAY, Stage.restart)),
    "sendmessage, not subscribed": (_doing("sendmessage", room=TEA, message=_TEXT), _fifty(TEA)),
    "sendmessage with cid": (_SAY_CID, _SAY),
    "sendmessage with cid, again": (_SAY_CID, _SAY_CID),
    "sendmessage, direct, the first": (_SAY_TO, Stage.register),
    "sendmessage, direct": (_SAY_TO, _acting(Stage.register, _SAY_TO)),
    "editmessage": (_doing("editmessage", room=LOBBY, target=1, message="y" * 100), _SAY),
    "deletemessage": (_doing("deletemessage", room=LOBBY, target=1), _SAY),
    "react": (_doing("react", room=LOBBY, target=1, emoji="\U0001f44d"), _SAY),
    "subscribe": (_doing("subscribe", room=TEA), _fifty(TEA)),
    "subscribe, a new room": (_doing("subscribe", room=TEA), _acting()),
    "subscribe with after, 50 missed": (_doing("subscribe", room=TEA, after=0), _fifty(TEA)),
    "subscribe, again": (_doing("subscribe", room=LOBBY), _SAY),
    "unsubscribe": (_doing("unsubscribe", room=LOBBY), _acting()),
    "history, 50 messages": (_doing("history", room=LOBBY), _fifty(LOBBY)),
    "typing": (_doing("typing", room=LOBBY), _acting()),
    "presence": (_doing("presence", room=LOBBY), _acting()),
    "read": (_doing("read", room=LOBBY, seq=1), _acting(_LIST, _SAY)),
    "rooms, 1 room": (_LIST, _acting(_SAY, _LIST)),
    "rooms, 10 rooms": (_LIST, _acting(_ten_rooms, _LIST)),
    "refresh": (Stage.refresh, Stage.register),
    "createroom": (_ruling("createroom"), Stage.register),
    "invite": (_ruling("invite", user="person-0"), _owning()),
    "kick": (_ruling("kick", user="person-0"), _owning("person-0")),
    "ban": (_ruling("ban", user="person-0"), _owning("person-0")),
    "unban": (
        _ruling("unban", user="person-0"),
        _acting(_owning("person-0"), _ruling("ban", user="person-0")),
    ),
    "setrole": (_ruling("setrole", user="person-0", role="moderator"), _owning("person-0")),
    "setrole, a new owner": (
        _ruling("setrole", user="person-0", role="owner"),
        _owning("person-0"),
    ),
    "slowmode": (_ruling("slowmode", seconds=30), _owning()),
    "leave": (_ruling("leave"), _acting(_owning(), _ruling("subscribe"))),
    "publish": (Stage.publish, _SAY),
    "POST /register": (Stage.sign_up, _acting()),
    "POST /login": (Stage.log_in, Stage.sign_up),
    "POST /ticket": (Stage.get_ticket, Stage.register),
}


def _asked(token: str | None = None, **fields: str) -> HttpRequest:
    authorization = None if token is None else f"Bearer {token}"
    return HttpRequest(body=json.dumps(fields), authorization=authorization, address="192.0.2.1")


@contextmanager
def database() -> Iterator[Any]:
    """Make the tables, in moto; the value is a client."""
    with mock_aws(), cheap_transactions():
        boto3.client("cloudformation", region_name=_REGION).create_stack(
            StackName="data",
            TemplateBody=_TEMPLATE.read_text(encoding="utf-8"),
            Parameters=[{"ParameterKey": "Stage", "ParameterValue": "test"}],
        )
        yield boto3.client("dynamodb", region_name=_REGION)


def measure(client: Any, name: str, *, people: int = PEOPLE, strangers: int = 0) -> Cost:
    """Return what a scenario costs, in a chat of its own: what was in the tables is gone."""
    for table in dynamodb_backends[DEFAULT_ACCOUNT_ID][_REGION].tables.values():
        table.items.clear()
    act, before = SCENARIOS[name]
    it = Stage(client, people)
    it.strangers(strangers)
    before(it)
    return it.cost(act)


def row(name: str, cost: Cost) -> str:
    """Return a row of the table."""
    return f"| {name} | {cost.requests} | {cost.wcu:g} | {cost.rcu:g} | {cost.posts} |"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.requests", description=__doc__)
    parser.add_argument(
        "--people", type=int, default=PEOPLE, help="in the room (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON for each instead")
    options = parser.parse_args()
    if not options.json:
        print("| action | DynamoDB requests | WCU | RCU | posts |\n|---|---|---|---|---|")
    with database() as client:
        for name in SCENARIOS:
            cost = measure(client, name, people=max(2, options.people))
            told = json.dumps({"action": name, **asdict(cost)}) if options.json else row(name, cost)
            print(told, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
