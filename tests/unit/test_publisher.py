"""Publishing: durable first, then shown; and what is sent twice is shown twice."""

import json
from typing import Any

import pytest

from chalicelib.broadcaster import Broadcaster
from chalicelib.connections import ConnectionRepository
from chalicelib.database import Database
from chalicelib.drafts import Appended, Deletion, Edit, Message
from chalicelib.errors import BadRequest
from chalicelib.gateway import Outcome, Post
from chalicelib.memberships import MembershipRepository
from chalicelib.messages import MessageLog
from chalicelib.models import ConnectionId, Delivery, RoomName, UserName
from chalicelib.publisher import Publisher
from tests.unit.fakes import (
    ENDPOINT,
    MESSAGES_TABLE,
    Clock,
    Faulty,
    RecordingGateway,
    client_error,
    new_session,
)

pytestmark = pytest.mark.memory

ALICE, BOB = UserName("alice"), UserName("bob")
LOBBY, DIRECT = RoomName("lobby"), RoomName("dm:alice:bob")
A, B = ConnectionId("A="), ConnectionId("B=")
NOW = "2026-01-02T03:04:05.678Z"
DOWN = client_error("InternalServerError", status=500)


@pytest.fixture
def publisher(
    log: MessageLog, memberships: MembershipRepository, broadcaster: Broadcaster
) -> Publisher:
    return Publisher(log, memberships, broadcaster, max_length=10, is_known=lambda _: True)


@pytest.fixture(autouse=True)
def room(connections: ConnectionRepository, clock: Clock) -> None:
    for connection_id, user in ((A, "alice"), (B, "bob")):
        connections.add(new_session(connection_id, user, "lobby", now=clock.now - 60))


def said(text: str, room: RoomName = LOBBY, *, cid: str | None = None) -> Message:
    return Message(room=room, user=ALICE, text=text, cid=cid)


def told(gateway: RecordingGateway, connection_id: str) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in gateway.frames(connection_id)]


# Appending


def test_what_is_appended_is_durable_and_nobody_is_told_yet(
    publisher: Publisher, log: MessageLog, gateway: RecordingGateway
) -> None:
    appended = publisher.append(said("0123456789"))

    assert appended == Appended(LOBBY, 1, NOW)
    assert log.last(LOBBY).seq == 1
    assert gateway.batches == []


def test_a_text_that_is_too_long_is_refused_in_a_message_and_in_an_edit(
    publisher: Publisher, log: MessageLog
) -> None:
    publisher.append(said("short"))
    edit = Edit(room=LOBBY, user=ALICE, target=1, text="x" * 11)

    for content in (said("x" * 11), edit):
        with pytest.raises(BadRequest, match="message must be at most 10 characters"):
            publisher.append(content)

    assert log.last(LOBBY).seq == 1


def test_what_has_no_text_has_no_length(publisher: Publisher) -> None:
    publisher.append(said("short"))

    assert publisher.append(Deletion(room=LOBBY, user=ALICE, target=1)).seq == 2


@pytest.mark.clause("M2")
def test_the_first_direct_message_makes_both_people_members_and_the_second_writes_nothing_more(
    publisher: Publisher, memberships: MembershipRepository, dynamodb: Faulty
) -> None:
    publisher.append(said("one", DIRECT))
    publisher.append(said("two", DIRECT))

    for user in (ALICE, BOB):
        joined, _ = memberships.of(user, after=None, limit=10)
        assert [membership.room for membership in joined] == [DIRECT]
    writes = [
        len(arguments["TransactItems"])
        for name, arguments in dynamodb.calls
        if name == "transact_write_items"
    ]
    assert writes[-2:] == [3, 1]


def test_a_message_to_a_room_makes_nobody_a_member(
    publisher: Publisher, memberships: MembershipRepository
) -> None:
    publisher.append(said("one"))

    assert memberships.of(ALICE, after=None, limit=10) == ([], False)


# Pushing


@pytest.mark.clause("L4")
def test_a_push_shows_the_entry_to_all_but_its_author_who_gets_the_answer_with_it(
    publisher: Publisher, gateway: RecordingGateway
) -> None:
    message = said("hi", cid="c1")
    ack = Post(ENDPOINT, A, b"ack")

    delivery = publisher.push(message, publisher.append(message), skip=A, also=[ack])

    assert delivery == Delivery(delivered=1)
    assert [post.connection_id for post in gateway.batches[0]] == [A, B]
    assert gateway.frames(A) == [b"ack"]
    assert told(gateway, B) == [
        {
            "type": "message",
            "room": "lobby",
            "seq": 1,
            "user": "alice",
            "message": "hi",
            "at": NOW,
            "cid": "c1",
        }
    ]


@pytest.mark.clause("L3")
def test_a_duplicate_shows_the_original_once_more_with_its_newest_text(
    publisher: Publisher, gateway: RecordingGateway, clock: Clock
) -> None:
    publisher.append(said("hi", cid="c1"))
    clock.now += 1
    publisher.append(Edit(room=LOBBY, user=ALICE, target=1, text="hello"))

    duplicate = publisher.append(said("other", RoomName("games"), cid="c1"))
    delivery = publisher.push(said("other"), duplicate, skip=A)

    assert duplicate == Appended(LOBBY, 1, NOW, duplicate=True)
    assert delivery == Delivery(delivered=1)
    assert gateway.frames(A) == []
    shown = told(gateway, B)[0]
    assert (shown["seq"], shown["message"], shown["at"]) == (1, "hello", NOW)
    assert (shown["cid"], "changed" in shown) == ("c1", False)


@pytest.mark.clause("L9")
def test_an_original_that_has_expired_is_not_shown_again(
    database: Database,
    memberships: MembershipRepository,
    broadcaster: Broadcaster,
    gateway: RecordingGateway,
    clock: Clock,
) -> None:
    log = MessageLog(
        database, table=MESSAGES_TABLE, clock=clock, idempotency_ttl=86_400, retention=60
    )
    publisher = Publisher(log, memberships, broadcaster, max_length=10, is_known=lambda _: True)
    publisher.append(said("hi", cid="c1"))
    clock.now += 61

    duplicate = publisher.append(said("hi", cid="c1"))

    assert duplicate.duplicate
    assert publisher.push(said("hi"), duplicate) == Delivery()
    assert gateway.batches == []


@pytest.mark.clause("E1", "L3")
def test_where_the_original_cannot_be_read_only_the_author_is_answered(
    publisher: Publisher, dynamodb: Faulty, gateway: RecordingGateway
) -> None:
    publisher.append(said("hi", cid="c1"))
    duplicate = publisher.append(said("hi", cid="c1"))
    dynamodb.always("get_item", DOWN)

    ack = Post(ENDPOINT, A, b"ack")
    delivery = publisher.push(said("hi"), duplicate, also=[ack])

    assert delivery == Delivery()
    assert gateway.batches == [[ack]]


# For back ends


def test_a_publication_reaches_the_room_and_counts_what_became_of_it(
    publisher: Publisher,
    connections: ConnectionRepository,
    gateway: RecordingGateway,
    clock: Clock,
) -> None:
    connections.add(new_session("C=", "carol", "lobby", now=clock.now - 60))
    gateway.outcomes = {B: Outcome.GONE, "C=": Outcome.RETRYABLE}

    answer = publisher.publish({"room": "lobby", "message": "deployed", "cid": "d1"})

    assert answer == {
        "room": "lobby",
        "seq": 1,
        "delivered": 1,
        "queued": 1,
        "gone": 1,
        "failed": 0,
    }
    first = told(gateway, A)[0]
    assert (first["user"], first["message"], first["cid"]) == ("system", "deployed", "d1")


@pytest.mark.clause("L3")
def test_a_publication_sent_again_is_shown_again_and_counted(
    publisher: Publisher, gateway: RecordingGateway
) -> None:
    payload = {"room": "lobby", "message": "x", "user": "robot", "cid": "d1"}

    answers = [publisher.publish(payload) for _ in range(2)]

    assert [(answer["seq"], answer["delivered"]) for answer in answers] == [(1, 2), (1, 2)]
    assert told(gateway, A)[0] == told(gateway, A)[1]


def test_a_publication_that_is_stored_but_told_nobody_says_so(
    publisher: Publisher, dynamodb: Faulty
) -> None:
    publisher.publish({"room": "lobby", "message": "x"})
    dynamodb.always("query", DOWN)

    answer = publisher.publish({"room": "lobby", "message": "x"})

    assert (answer["seq"], answer["delivered"]) == (2, 0)
    assert (answer["error"]["code"], answer["error"]["retryable"]) == ("unavailable", False)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (None, "the payload must be an object"),
        ({"room": "lobby"}, "message is missing"),
        ({"room": "dm:alice:bob", "message": "x"}, "room must be"),
        ({"room": "lobby", "message": "x" * 11}, "message must be at most 10 characters"),
    ],
)
def test_a_wrong_publication_writes_nothing(
    publisher: Publisher, dynamodb: Faulty, payload: object, message: str
) -> None:
    calls = len(dynamodb.calls)

    with pytest.raises(BadRequest, match=message):
        publisher.publish(payload)

    assert len(dynamodb.calls) == calls
