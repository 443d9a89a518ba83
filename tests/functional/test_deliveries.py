"""Large rooms and deliveries that fail: through the queue, once to each, and never lost."""

import json
from collections.abc import Callable
from typing import Any

import pytest

import app as app_module
from chalicelib.gateway import Outcome
from chalicelib.models import ConnectionId, RoomName, Session, UserName
from tests.functional.chats import Chat, Person
from tests.functional.sqs import MOST_RECEIVES, VISIBILITY
from tests.functional.workers import work
from tests.stores.memory import MemoryClient
from tests.stores.tables import DEAD_LETTER_QUEUE, DELIVERIES_QUEUE

HOUR = 3600


@pytest.fixture
def chat(start: Callable[..., Chat]) -> Chat:
    return start(dynamodb=MemoryClient(), DIRECT_FANOUT="3")


@pytest.fixture
def people(chat: Chat) -> list[Person]:
    joined = [chat.join(f"person-{number}") for number in range(6)]
    for person in joined:
        person.heard()
    return joined


def work_on(chat: Chat, *, times: int, every: float) -> None:
    for _ in range(times):
        work(chat.sqs)
        chat.clock.now += every


def texts(person: Person) -> list[tuple[int, str]]:
    return [(push["seq"], push["message"]) for push in person.heard("message")]


def test_a_room_of_many_gets_each_message_once_and_its_author_the_ack_before(
    chat: Chat, people: list[Person]
) -> None:
    answer = people[0].ask("sendmessage", message="hello")

    assert answer["seq"] == 1
    assert [texts(person) for person in people] == [[]] * 6
    assert work(chat.sqs) == 1
    assert [texts(person) for person in people] == [[], *[[(1, "hello")]] * 5]
    assert chat.sqs.bodies(DELIVERIES_QUEUE) == []


def test_a_room_of_few_does_without_the_queue(chat: Chat) -> None:
    ada, bo = chat.join("ada"), chat.join("bo")

    ada.say("hello")

    assert texts(bo) == [(1, "hello")]
    assert chat.sqs.calls == []


def test_an_endpoint_that_fails_for_a_minute_delays_messages_and_loses_none(
    chat: Chat, people: list[Person]
) -> None:
    chat.gateway.outcome = Outcome.RETRYABLE
    people[0].send("sendmessage", message="hello")
    work_on(chat, times=6, every=10)

    chat.gateway.outcome = None
    work_on(chat, times=60, every=10)

    assert [texts(person) for person in people[1:]] == [[(1, "hello")]] * 5
    assert chat.sqs.bodies(DELIVERIES_QUEUE) == []
    assert chat.sqs.bodies(DEAD_LETTER_QUEUE) == []


def test_a_delivery_that_fails_in_a_small_room_is_made_later(chat: Chat) -> None:
    ada, bo = chat.join("ada"), chat.join("bo")
    bo.heard()
    chat.gateway.outcome = Outcome.RETRYABLE
    ada.send("sendmessage", message="hello")
    chat.gateway.outcome = None

    chat.clock.now += 2
    work(chat.sqs)

    assert texts(bo) == [(1, "hello")]


def test_a_worker_that_dies_after_its_posts_costs_a_duplicate_and_nothing_else(
    chat: Chat, people: list[Person]
) -> None:
    people[0].say("hello")

    work(chat.sqs, dies=True)
    chat.clock.now += VISIBILITY
    work(chat.sqs)

    assert [texts(person) for person in people[1:]] == [[(1, "hello"), (1, "hello")]] * 5
    assert chat.sqs.bodies(DELIVERIES_QUEUE) == []


def test_what_fails_for_too_long_is_kept_and_delivered_by_redrive(
    chat: Chat, people: list[Person]
) -> None:
    chat.gateway.outcome = Outcome.RETRYABLE
    people[0].send("sendmessage", message="hello")
    work_on(chat, times=100, every=10)
    kept = app_module.redrive({}, None)

    chat.gateway.outcome = None
    moved = app_module.redrive({"move": True}, None)
    work(chat.sqs)

    assert (kept["seen"], kept["recipients"], kept["rooms"]) == (1, 5, {"lobby": 5})
    assert (moved["moved"], moved["left"]) == (1, 0)
    assert [texts(person) for person in people[1:]] == [[(1, "hello")]] * 5


def test_what_waits_for_a_client_that_takes_arrays_comes_as_one_frame(
    chat: Chat, people: list[Person]
) -> None:
    people[1].ask("hello", arrays=True)
    people[0].say("one")
    people[0].say("two")

    work(chat.sqs)

    array: Any
    (array,) = people[1].socket.received()
    assert [(push["seq"], push["message"]) for push in array] == [(1, "one"), (2, "two")]
    assert texts(people[2]) == [(1, "one"), (2, "two")]


def test_poison_ends_in_the_dead_letter_queue_and_harms_no_other_message(
    chat: Chat, people: list[Person]
) -> None:
    poison = {"Id": "0", "MessageBody": '{"room":'}
    chat.sqs.send_message_batch(QueueUrl=DELIVERIES_QUEUE, Entries=[poison])
    people[0].say("hello")

    work_on(chat, times=MOST_RECEIVES + 1, every=VISIBILITY)

    assert [texts(person) for person in people[1:]] == [[(1, "hello")]] * 5
    assert chat.sqs.bodies(DELIVERIES_QUEUE) == []
    assert chat.sqs.bodies(DEAD_LETTER_QUEUE) == ['{"room":']
    assert app_module.redrive({}, None)["poison"] == 1


def test_whoever_was_taken_out_of_the_room_meanwhile_is_not_told_what_was_said_in_it(
    chat: Chat,
) -> None:
    owner = chat.member("olga")
    owner.ask("createroom", room="tea")
    guests = [chat.member(name, "tea") for name in ("ana", "bea", "cyd", "dee")]
    owner.say("hello", "tea")

    owner.ask("kick", room="tea", user="ana")
    chat.clock.now += 10
    work(chat.sqs)

    assert texts(guests[0]) == []
    assert texts(guests[1]) == [(1, "hello")]


@pytest.mark.usefixtures("chat")
def test_redrive_says_what_is_wrong_with_a_wish() -> None:
    answer = app_module.redrive({"limit": 0}, None)

    assert answer["error"]["code"] == "bad_request"
    assert "limit" in answer["error"]["message"]


def test_a_room_of_20000_takes_as_many_jobs_batches_and_posts_as_predicted(
    start: Callable[..., Chat],
) -> None:
    chat = start(dynamodb=MemoryClient())
    ada = chat.join("ada")
    chat.gateway.counted = {}
    crowd(chat, 20_000)

    ada.say("hello")
    jobs = chat.sqs.bodies(DELIVERIES_QUEUE)
    sends = chat.sqs.calls.count("send_message_batch")
    batches = work(chat.sqs)

    assert (len(jobs), sends, batches) == (80, 8, 8)
    assert len(chat.gateway.counted) == 20_000
    assert set(chat.gateway.counted.values()) == {1}
    assert sum(len(json.loads(job)["connection_ids"]) for job in jobs) == 20_000


def crowd(chat: Chat, people: int) -> None:
    """Fill the lobby past the handshakes, which would take minutes."""
    registry = app_module.application()._connections
    now = chat.clock()
    for number in range(people):
        user = UserName(f"person-{number}")
        registry.add(
            Session(
                connection_id=ConnectionId(f"c{number}"),
                user=user,
                endpoint="https://api.example/local",
                connected_at=now,
                expires_at=int(now) + HOUR,
                session_expires_at=int(now) + HOUR,
                rooms=frozenset({RoomName("lobby")}),
            )
        )
