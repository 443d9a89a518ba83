"""What people say, hold secret and call their rooms is in no log and no metric, come what may."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

import app as app_module
from chalicelib.gateway import Outcome
from chalicelib.logs import structure
from chalicelib.notifications import UnpublishedError
from chalicelib.settings import Settings
from localgateway.testing import HandshakeRefused
from tests.functional.chats import ENVIRON, Chat, Person
from tests.functional.workers import notification, work
from tests.stores.memory import MemoryClient
from tests.stores.tables import DELIVERIES_QUEUE
from tests.unit.fakes import client_error

SECRET = "zq7-secret-of-enough-characters-for-a-key-7qz"
FRAMES = [
    {"action": "sendmessage", "message": SECRET, "cid": SECRET},
    {"action": "sendmessage", "message": SECRET, "to": "bob"},
    {"action": "sendmessage", "message": SECRET, "room": f"No room! {SECRET}"},
    {"action": "sendmessage", "message": [SECRET]},
    {"action": "sendmessage", "message": SECRET + "\ud800"},
    {"action": "sendmessage", "message": SECRET * 600},
    {"action": "edit", "room": "lobby", "seq": 1, "message": SECRET},
    {"action": "react", "room": "lobby", "seq": 1, "emoji": SECRET},
    {"action": "refresh", "token": SECRET},
    {"action": "refresh", "token": f"e30.{SECRET}.e30"},
    {"action": SECRET},
    {"action": "ping", "id": SECRET},
    {"action": "ping", SECRET: SECRET},
    {"action": "subscribe", "room": "lobby", "after": SECRET},
    {"action": "rooms", "after": SECRET},
    {"action": "subscribe", "room": SECRET, "after": 0},
    {"action": "sendmessage", "room": SECRET, "message": "x"},
    {"action": "ping", "rooms": {SECRET: 0}},
    {"action": "typing", "room": SECRET},
    {"action": "presence", "room": SECRET},
    {"action": "createroom", "room": f"{SECRET}-2", "private": True},
    {"action": "kick", "room": SECRET, "user": "bob"},
    {"action": "leave", "room": SECRET},
]
MALFORMED = [f'{{"action":"sendmessage","message":"{SECRET}', SECRET, f'"{SECRET}"', f"[{SECRET}]"]
CREDENTIALS: list[tuple[str, dict[str, Any]]] = [
    ("/register", {"username": "carol", "password": SECRET}),
    ("/register", {"username": f"No! {SECRET}", "password": SECRET}),
    ("/login", {"username": "alice", "password": SECRET}),
    ("/login", {"username": "alice", "password": [SECRET]}),
    ("/ticket", {"token": SECRET}),
    ("/token", {"token": f"e30.{SECRET}.e30"}),
    ("/guest", {"key": SECRET}),
    ("/password", {"token": SECRET, "password": SECRET, "new_password": SECRET}),
]


class Quoting:
    """A database whose calls may fail with an error that quotes all that they were given."""

    def __init__(self) -> None:
        self._client = MemoryClient()
        self._calls = 0
        self.fails: Callable[[int], bool] = lambda _: False
        self.error: Callable[[str], Exception] = ValueError
        self.failed = 0

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            self._calls += 1
            if self.fails(self._calls):
                self.failed += 1
                raise self.error(f"{operation} of {request} {SECRET}")
            return getattr(self._client, operation)(**request)

        return call


class Records(logging.Handler):
    """Keeps the messages of the records and what they were made of."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.getMessage()} {record.msg!r} {record.args!r}")


class Ear:
    """Hears all that is logged by a deployed stage, and what its metrics are."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.records = Records()
        self.stream = io.StringIO()

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the log."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def heard(self) -> str:
        """Return all of it, as text to search."""
        output = self._capsys.readouterr()
        return "\n".join([self.stream.getvalue(), *self.records.texts, output.out, output.err])


@pytest.fixture
def ear(capsys: pytest.CaptureFixture[str]) -> Iterator[Ear]:
    """Log as the stage dev does at LOG_LEVEL=DEBUG; all is put back afterwards."""
    ear, root, ours = Ear(capsys), logging.getLogger(), logging.getLogger("chalicelib")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    root.handlers[:] = [logging.StreamHandler(ear.stream)]
    deployed = {"STAGE": "dev", "LOG_LEVEL": "DEBUG", "TOKEN_SECRET_ARN": "tokens"}
    structure(Settings.from_environ({**ENVIRON, **deployed}))
    root.addHandler(ear.records)
    yield ear
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def send_all(person: Person) -> None:
    """Send all frames."""
    for frame in [*map(json.dumps, FRAMES), *MALFORMED]:
        person.socket.send(frame)


def ask_all(chat: Chat) -> None:
    """Send what is secret where there is no socket."""
    for path, fields in CREDENTIALS:
        chat.post(path, **fields)
    for query in (f"?name=carol&key={SECRET}", f"?name=No!{SECRET}", f"?ticket={SECRET}"):
        with suppress(HandshakeRefused):
            chat.client.connect(f"/{query}")
    app_module.publish({"room": "lobby", "message": SECRET, "cid": SECRET}, None)
    app_module.publish({"room": SECRET + "!", "message": [SECRET]}, None)
    left = ({"room": "lobby", "message": SECRET}, {"room": SECRET + "!"}, {SECRET: SECRET}, SECRET)
    for number, each in enumerate(left):
        record = notification(json.dumps(each), f"notification-{number}")
        with suppress(UnpublishedError):
            app_module.publish_event({"Records": [record]}, None)


def test_nothing_that_is_said_is_logged(start: Callable[..., Chat], ear: Ear) -> None:
    logging.getLogger().setLevel(logging.DEBUG)  # every library's, too

    chat = start(dynamodb=MemoryClient(), METRICS="true", FRAME_RATE="1", FRAME_BURST="18")
    send_all(chat.join("alice"))
    ask_all(chat)

    heard = ear.heard()
    assert '"Limited"' in heard
    assert SECRET not in heard


def test_nothing_that_is_written_to_the_database_is_logged_by_its_client(
    start: Callable[..., Chat], ear: Ear
) -> None:
    chat = start(METRICS="true")
    send_all(chat.join("alice"))
    ask_all(chat)

    assert SECRET not in ear.heard()


@pytest.mark.parametrize(
    "error",
    [
        ValueError,
        KeyError,
        lambda text: client_error("ValidationException", Message=text),
        lambda text: client_error(
            "TransactionCanceledException", CancellationReasons=[{"Code": text, "Message": text}]
        ),
        lambda text: client_error("ThrottlingException", Message=text),
    ],
    ids=["value", "key", "refused", "cancelled", "throttled"],
)
@pytest.mark.parametrize("every", [1, 2, 3, 5, 7])
def test_nothing_is_logged_of_what_a_failing_database_quotes(
    start: Callable[..., Chat], ear: Ear, error: Callable[[str], Exception], every: int
) -> None:
    database = Quoting()
    chat = start(dynamodb=database, METRICS="true")
    alice = chat.join("alice")
    database.error = error
    database.fails = lambda call: call % every == 0

    send_all(alice)
    ask_all(chat)

    assert database.failed
    told = [line for line in ear.lines() if "exception" in line]
    assert told or every > 1  # what is tried again may succeed
    assert all(line.get("correlation_id") for line in told)
    assert SECRET not in ear.heard()


def test_what_waits_in_the_queue_is_neither_logged_nor_told_by_redrive(
    start: Callable[..., Chat], ear: Ear
) -> None:
    chat = start(dynamodb=MemoryClient(), METRICS="true", DIRECT_FANOUT="0", MAX_DELIVERIES="2")
    alice, _ = chat.join("alice"), chat.join("bob")
    chat.gateway.outcome = Outcome.RETRYABLE
    alice.send("sendmessage", message=SECRET)
    poison = [{"Id": "0", "MessageBody": SECRET}, {"Id": "1", "MessageBody": f'["{SECRET}"]'}]
    chat.sqs.send_message_batch(QueueUrl=DELIVERIES_QUEUE, Entries=poison)
    assert SECRET in "".join(chat.sqs.bodies(DELIVERIES_QUEUE))

    for _ in range(10):
        work(chat.sqs)
        chat.clock.now += 200
    told = [app_module.redrive({"move": moved}, None) for moved in (False, True)]

    assert (told[0]["poison"], told[0]["rooms"]) == (2, {"lobby": 1})
    assert SECRET not in json.dumps(told)
    assert SECRET not in ear.heard()


def test_what_a_failing_queue_quotes_is_not_logged(
    start: Callable[..., Chat], ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = start(dynamodb=MemoryClient(), METRICS="true", DIRECT_FANOUT="0")
    alice, bob = chat.join("alice"), chat.join("bob")

    def fail(**request: Any) -> None:
        raise client_error("InternalError", Message=str(request))

    monkeypatch.setattr(chat.sqs, "send_message_batch", fail)
    alice.say(SECRET)

    assert [push["message"] for push in bob.heard("message")] == [SECRET]
    assert any("could not be queued" in line["message"] for line in ear.lines())
    assert SECRET not in ear.heard()
