"""The warmer and what it warms: real paths, walked by nobody, that change nothing."""

import json
from collections.abc import Callable

import pytest

import app as app_module
from chalicelib.warmups import WARMABLE, warmup
from localgateway.testing import HandshakeRefused
from tests.functional.chats import LEDGER, Chat
from tests.functional.workers import SCHEDULED
from tests.stores.memory import MemoryClient
from tests.stores.tables import STAGE

READS = {
    "dynamodb:Query",
    "secretsmanager:GetSecretValue",
    "sqs:GetQueueUrl",
}


def stored(chat: Chat) -> str:
    return chat.everything() + json.dumps(chat.rows("accounts"), default=str)


@pytest.mark.parametrize("function", WARMABLE)
def test_a_function_is_warmed_by_reads_alone(chat: Chat, function: str) -> None:
    ada = chat.join("ada")
    before = stored(chat)

    with LEDGER.apart() as used:
        outcome = chat.client.invoke(function, warmup(0))

    assert list(outcome.payload) == ["environment"]
    assert {name for name, _, _ in used} == {function}
    assert {action for _, action, _ in used} <= READS
    assert (stored(chat), ada.heard(), chat.sqs.calls) == (before, [], [])


def test_the_same_environment_says_so_again(chat: Chat) -> None:
    answers = [chat.client.invoke("publish", warmup(0)).payload for _ in range(2)]

    assert answers[0] == answers[1]


def test_lambda_finds_what_is_warmable_in_app_py_and_localgateway_the_same() -> None:
    for name in set(WARMABLE) - {"api_handler"}:
        assert getattr(app_module, name) is app_module.app.handler_map[name]


@pytest.mark.usefixtures("chat")
def test_a_warmup_that_fails_is_answered_with_the_reason() -> None:
    answer = app_module.publish({"warmup": {"hold_ms": "long"}}, None)

    assert answer["error"]["code"] == "bad_request"


def test_no_client_can_bring_a_warmup_about(start: Callable[..., Chat]) -> None:
    chat = start(dynamodb=MemoryClient(), authorizer="authorize")
    ada = chat.join("ada")

    ada.socket.send(json.dumps(warmup(5000)))
    (refused,) = ada.heard("error")
    posted = chat.post("/login", **warmup(5000))
    invoked = app_module.publish({**warmup(5000), "room": "lobby", "message": "hello"}, None)

    assert refused["code"] == "bad_request"
    assert (posted["status"], posted["Code"]) == (400, "bad_request")
    assert invoked["seq"] == 1
    with pytest.raises(HandshakeRefused):
        chat.client.connect("/?warmup=1&ticket=x")


def test_the_schedule_warms_what_the_settings_name(start: Callable[..., Chat]) -> None:
    start(dynamodb=MemoryClient(), WARM_AT_ONCE="3", WARM_FUNCTIONS="deliver authorize")

    report = app_module.warm(SCHEDULED, None)

    assert report == {
        "warmed": 6,
        "failed": 0,
        "environments": {f"dynamowave-{STAGE}-{name}": 1 for name in ("deliver", "authorize")},
    }


def test_a_function_that_fails_does_not_leave_the_others_cold(chat: Chat) -> None:
    chat.functions.broken = "authorize"

    report = app_module.warm(SCHEDULED, None)

    assert (report["warmed"], report["failed"]) == (10, 2)
    assert {name for name, met in report["environments"].items() if not met} == {
        f"dynamowave-{STAGE}-authorize"
    }
