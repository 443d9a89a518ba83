"""Every permission of every function is used by some call.

That every call of these tests is allowed is held where the chat ends: see Ledger.check.
"""

import json
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

import app as app_module
from chalicelib.gateway import Outcome
from chalicelib.settings import Settings
from localgateway.policies import allows
from localgateway.testing import HandshakeRefused
from tests.functional.chats import ENVIRON, LEDGER, Chat
from tests.functional.grants import Need, Use
from tests.functional.workers import SCHEDULED, notification, work
from tests.stores.memory import MemoryClient
from tests.stores.tables import STAGE
from tests.unit.people import PASSWORD
from tools.policies import USES, uses

WARMS = Settings.from_environ(ENVIRON).warmer.functions
LIMITED = {"VISITS_PER_HOUR": "1000", "ADDRESS_RATE": "1000"}
HELLO = {"room": "lobby", "message": "hello"}


@pytest.fixture
def chat(start: Callable[..., Chat]) -> Chat:
    return start(
        dynamodb=MemoryClient(),
        authorizer="authorize",
        DIRECT_FANOUT="3",
        MAX_CONNECTIONS="2",
        **LIMITED,
    )


@pytest.fixture
def used() -> Iterator[set[Use]]:
    with LEDGER.apart() as used:
        yield used


def ghost(chat: Chat, name: str) -> None:
    """Let somebody come, and vanish without a word, and let time pass until that can be noticed."""
    chat.join(name).socket.lose(disconnect=False)
    chat.clock.now += 60


def crowd(chat: Chat) -> None:
    """Fill the lobby, so that its messages go through the queue."""
    for number in range(5):
        chat.join(f"person-{number}")


def unused(function: str, used: set[Use]) -> set[Need]:
    """Return what of a function's policy no call has needed, but for what Lambda itself uses."""
    calls = [(action, arn) for name, action, arn in used if name == function]
    return {
        (action, resource)
        for use in uses(function, warms=WARMS, traced=True)
        if not use.by_lambda
        for statement in [use.statement(STAGE, function)]
        for action, resource in product(statement["Action"], statement["Resource"])
        if not any(allows(only(action, resource), action=act, resource=arn) for act, arn in calls)
    }


def only(action: str, resource: str) -> dict[str, Any]:
    """Return a policy that allows nothing else."""
    return {"Statement": {"Effect": "Allow", "Action": action, "Resource": resource}}


def test_all_that_http_requests_may_do(chat: Chat, used: set[Use]) -> None:
    token = chat.register("ada")
    chat.connect(token).socket.lose(disconnect=False)
    chat.connect(token)
    chat.clock.now += 60
    chat.post("/login", username="ada", password=PASSWORD)
    guest = chat.post("/guest", name="gil")
    chat.post("/ticket", token=guest["token"])
    chat.post("/logout", token=token)

    assert unused("api_handler", used) == set()


def test_all_that_connecting_may_do(chat: Chat, start: Callable[..., Chat], used: set[Use]) -> None:
    chat.join("bo")
    guest = chat.post("/guest", name="gil")["token"]
    chat.connect(guest)
    token = chat.register("ada")
    chat.connect(token).socket.lose(disconnect=False)
    chat.clock.now += 60
    chat.connect(token)
    chat.connect(token)
    with pytest.raises(HandshakeRefused):
        chat.connect(token)
    # As `chalice deploy` has it: without an authorizer.
    start(dynamodb=MemoryClient()).member("ada")

    assert unused("websocket_connect", used) == set()
    assert unused("authorize", used) == set()


def test_all_that_disconnecting_may_do(chat: Chat, used: set[Use]) -> None:
    ada = chat.join("ada")
    ghost(chat, "bo")
    ada.socket.leave()

    assert unused("websocket_disconnect", used) == set()


def test_all_that_frames_may_do(chat: Chat, used: set[Use]) -> None:
    token = chat.register("ada")
    ada, bo = chat.connect(token), chat.member("bo")
    ada.ask("createroom", room="tea")
    ada.ask("subscribe", room="tea")
    ada.ask("invite", room="tea", user="bo")
    bo.ask("subscribe", room="tea")
    for role in ("moderator", "member"):
        ada.ask("setrole", room="tea", user="bo", role=role)
    seq = ada.say("hello", room="tea", cid="1")
    ada.say("hello", room="tea", cid="1")
    ada.ask("editmessage", room="tea", target=seq, message="hallo")
    bo.ask("subscribe", room="tea", after=seq)
    bo.ask("read", room="tea", seq=seq)
    bo.ask("rooms")
    ada.ask("kick", room="tea", user="bo")
    ada.ask("sendmessage", to="nobody", message="are you there?")
    ada.ask("refresh", token=chat.post("/token", token=token)["token"])
    ghost(chat, "cy")
    chat.clock.now += 700
    ada.ask("presence", room="lobby")
    for outcome in (Outcome.RETRYABLE, Outcome.REFUSED):
        chat.gateway.outcome = outcome
        ada.send("sendmessage", message="hello")
    chat.gateway.outcome = None
    chat.clock.now += 8000
    ada.send("ping")

    assert unused("websocket_message", used) == set()


def publish() -> None:
    app_module.publish({**HELLO, "cid": "1"}, None)


def announce() -> None:
    app_module.publish_event({"Records": [notification(json.dumps(HELLO))]}, None)


@pytest.mark.parametrize(
    ("function", "publishes"), [("publish", publish), ("publish_event", announce)]
)
def test_all_that_publishing_may_do(
    chat: Chat, used: set[Use], function: str, publishes: Callable[[], None]
) -> None:
    chat.join("ada")
    ghost(chat, "bo")
    for outcome in (None, Outcome.RETRYABLE, Outcome.REFUSED):
        chat.gateway.outcome = outcome
        publishes()

    assert unused(function, used) == set()


def test_all_that_workers_may_do(chat: Chat, used: set[Use]) -> None:
    crowd(chat)
    ghost(chat, "ada")
    for outcome in (None, Outcome.RETRYABLE, Outcome.REFUSED):
        publish()
        app_module.publish(HELLO, None)
        chat.gateway.outcome = outcome
        work(chat.sqs)

    assert unused("deliver", used) == set()


def test_all_that_redriving_may_do(chat: Chat, used: set[Use]) -> None:
    chat.join("ada")
    chat.gateway.outcome = Outcome.REFUSED
    publish()
    app_module.redrive({}, None)
    app_module.redrive({"move": True}, None)

    assert unused("redrive", used) == set()


@pytest.mark.usefixtures("chat")
def test_all_that_warming_may_do(used: set[Use]) -> None:
    app_module.warm(SCHEDULED, None)

    assert unused("warm", used) == set()


def test_no_function_is_left_out(request: pytest.FixtureRequest) -> None:
    source = request.path.read_text(encoding="utf-8")

    assert {function for function in USES if f'"{function}"' not in source} == set()
