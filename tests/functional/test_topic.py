"""Publishing by way of a topic: once, however often it is delivered."""

import json
from collections.abc import Callable
from typing import Any

import pytest

import app as app_module
from chalicelib.notifications import UnpublishedError
from tests.functional.chats import Chat
from tests.functional.workers import notification
from tests.stores.memory import MemoryClient
from tests.unit.fakes import Faulty, client_error

HELLO = {"room": "lobby", "message": "hello"}


def record(payload: object, identifier: str = "95df01b4-ee98-5cb9-9903-4c221d41eb5e") -> Any:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return notification(text, identifier)


def deliver(*records: Any) -> Any:
    return app_module.publish_event({"Records": list(records)}, None)


def test_what_is_left_at_the_topic_reaches_the_room(chat: Chat) -> None:
    ada = chat.join("ada")

    answer = deliver(record({**HELLO, "user": "builder"}))

    (push,) = ada.heard("message")
    assert answer == {"published": 1, "rejected": 0}
    assert (push["seq"], push["user"], push["message"]) == (1, "builder", "hello")


def test_a_notification_that_is_delivered_twice_is_appended_once(chat: Chat) -> None:
    ada = chat.join("ada")

    deliver(record(HELLO))
    deliver(record(HELLO))
    deliver(record(HELLO, "another"))

    assert {push["seq"] for push in ada.heard("message")} == {1, 2}
    assert len(ada.ask("history", room="lobby")["events"]) == 2


def test_a_cid_of_its_own_counts_more_than_the_id_of_the_notification(chat: Chat) -> None:
    ada = chat.join("ada")

    deliver(record({**HELLO, "cid": "build-7"}, "first"))
    deliver(record({**HELLO, "cid": "build-7"}, "second"))

    assert len(ada.ask("history", room="lobby")["events"]) == 1


def test_a_bad_notification_keeps_nothing_from_the_others(chat: Chat) -> None:
    ada = chat.join("ada")

    answer = deliver(record(HELLO, "1"), record("no JSON", "2"), record({**HELLO, "room": 7}, "3"))

    assert answer == {"published": 1, "rejected": 2}
    assert len(ada.ask("history", room="lobby")["events"]) == 1


def test_an_event_that_fails_in_the_middle_comes_again_and_is_whole_then(
    start: Callable[..., Chat],
) -> None:
    database = Faulty(MemoryClient())
    chat = start(dynamodb=database)
    ada = chat.join("ada")
    database.plan("transact_write_items", None, client_error("InternalServerError", status=500))
    event = [record({**HELLO, "message": str(number)}, f"id-{number}") for number in range(3)]

    with pytest.raises(UnpublishedError):
        deliver(*event)
    answer = deliver(*event)

    said = [each["message"] for each in ada.ask("history", room="lobby")["events"]]
    assert answer == {"published": 3, "rejected": 0}
    assert sorted(said) == ["0", "1", "2"]
