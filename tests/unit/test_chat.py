"""The chat, from the events of API Gateway to the frames that are posted."""

import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.chat import ChatService
from chalicelib.commands import COMMANDS
from chalicelib.connections import ConnectionRepository
from chalicelib.gateway import Outcome
from chalicelib.models import ConnectionId, RoomName
from chalicelib.protocol import MAX_FRAME_BYTES
from tests.unit.fakes import (
    ENDPOINT,
    Clock,
    Faulty,
    RecordingGateway,
    ServiceFactory,
    cancelled,
    client_error,
    new_session,
)

DOWN = client_error("InternalServerError", status=500)
MISSING = client_error("ResourceNotFoundException")
NOW = "2026-01-02T03:04:05.678Z"


def event(connection_id: str, **rest: Any) -> dict[str, Any]:
    context = {"connectionId": connection_id, "apiId": "a1b2c3", "stage": "api"}
    return {"requestContext": context, "isBase64Encoded": False, **rest}


class Client:
    """One connection, as it looks from outside."""

    def __init__(self, chat: ChatService, gateway: RecordingGateway, connection_id: str) -> None:
        self._chat = chat
        self._gateway = gateway
        self._seen = 0
        self.id = connection_id

    def connect(self, name: str | None = None) -> int:
        query = {} if name is None else {"queryStringParameters": {"name": name}}
        return self._chat.connect(event(self.id, **query))["statusCode"]

    def disconnect(self) -> None:
        self._chat.disconnect(event(self.id))

    def send(self, action: str, **fields: Any) -> list[dict[str, Any]]:
        return self.send_text(json.dumps({"action": action, **fields}))

    def send_text(self, text: object) -> list[dict[str, Any]]:
        self._chat.receive(event(self.id, body=text))
        return self.received()

    def received(self) -> list[dict[str, Any]]:
        """What came since the last look."""
        frames = self._gateway.frames(self.id)[self._seen :]
        self._seen += len(frames)
        assert all(len(frame) <= MAX_FRAME_BYTES for frame in frames)
        return [json.loads(frame) for frame in frames]


@pytest.fixture
def chat(build_service: ServiceFactory) -> ChatService:
    return build_service(MAX_SUBSCRIPTIONS="3", PRESENCE_LIST_LIMIT="2")


@pytest.fixture
def alice(chat: ChatService, gateway: RecordingGateway) -> Client:
    client = Client(chat, gateway, "A=")
    assert client.connect("alice") == 200
    return client


@pytest.fixture
def bob(chat: ChatService, gateway: RecordingGateway) -> Client:
    client = Client(chat, gateway, "B=")
    assert client.connect("bob") == 200
    return client


@pytest.fixture
def stranger(chat: ChatService, gateway: RecordingGateway) -> Client:
    return Client(chat, gateway, "S=")


# Connecting


def test_connecting_registers_the_connection_in_the_lobby(
    alice: Client, connections: ConnectionRepository
) -> None:
    session = connections.session(ConnectionId(alice.id))

    assert session is not None
    assert session.user == "alice"
    assert session.endpoint == ENDPOINT
    assert session.rooms == {"lobby", "@alice"}
    assert alice.received() == []


def test_a_stage_may_have_no_lobby(
    build_service: ServiceFactory, gateway: RecordingGateway
) -> None:
    client = Client(build_service(LOBBY=""), gateway, "A=")
    client.connect("alice")

    welcome = client.send("hello")[0]
    refusal = client.send("sendmessage", message="x", id=1)[0]

    assert welcome["rooms"] == []
    assert refusal["message"] == "room is missing, and there is no lobby"


def test_two_guests_never_share_a_name(alice: Client, stranger: Client) -> None:

    assert stranger.connect("Alice") == 200

    assert alice.send("hello")[0]["user"] == "alice"
    assert stranger.send("hello")[0]["user"] == "alice-hhhh"


def test_a_name_is_free_again_after_its_guest_left(alice: Client, stranger: Client) -> None:
    alice.disconnect()

    stranger.connect("alice")

    assert stranger.send("hello")[0]["user"] == "alice"


def test_when_every_variant_of_a_name_is_taken_the_client_may_try_again(
    chat: ChatService, gateway: RecordingGateway
) -> None:
    # The random numbers of this fixture are all the same.
    statuses = [Client(chat, gateway, f"{n}=").connect("alice") for n in range(3)]

    assert statuses == [200, 200, 503]


def test_a_guest_without_a_name_is_given_one(stranger: Client) -> None:
    assert stranger.connect() == 200

    assert stranger.send("hello")[0]["user"].startswith("guest-")


@pytest.mark.parametrize("name", ["", "a b", "@bob", "x" * 33, "é"])
def test_what_is_no_name_is_a_bad_request(stranger: Client, name: str) -> None:
    assert stranger.connect(name) == 400


def test_where_guests_are_off_nobody_is_let_in(
    build_service: ServiceFactory, gateway: RecordingGateway, dynamodb: Faulty
) -> None:
    client = Client(build_service(GUESTS="false"), gateway, "A=")

    assert client.connect("alice") == 401
    assert dynamodb.calls == []


@pytest.mark.parametrize(
    ("failure", "status"), [(DOWN, 503), (cancelled("TransactionConflict"), 503), (MISSING, 500)]
)
def test_connecting_without_the_database_is_a_status(
    stranger: Client,
    dynamodb: Faulty,
    failure: Exception,
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    dynamodb.always("transact_write_items", failure)

    assert stranger.connect("alice") == status
    assert type(failure).__name__ in caplog.text or status == 503


def test_an_event_that_makes_no_sense_raises_nothing(chat: ChatService) -> None:
    assert chat.connect({}) == {"statusCode": 500}
    chat.receive({"body": "{}"})
    chat.disconnect({})


# Leaving


def test_disconnecting_removes_every_subscription(
    alice: Client, bob: Client, connections: ConnectionRepository
) -> None:
    alice.send("subscribe", room="games")

    alice.disconnect()

    assert connections.session(ConnectionId(alice.id)) is None
    assert connections.users(RoomName("games")) == []
    assert connections.users(RoomName("lobby")) == ["bob"]
    assert bob.send("sendmessage", message="x", id=1)[0]["type"] == "ack"
    assert alice.received() == []


def test_a_disconnect_that_fails_is_logged(
    alice: Client, dynamodb: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    dynamodb.always("delete_item", DOWN)

    alice.disconnect()

    assert "the database is busy or unavailable" in caplog.text
    assert "InternalServerError" in caplog.text


# Actions


def test_hello_is_welcomed(alice: Client, clock: Clock) -> None:
    alice.send("subscribe", room="games")
    clock.now += 100

    answers = alice.send("hello", id=7)

    assert answers == [
        {
            "type": "welcome",
            "id": 7,
            "connection_id": "A=",
            "user": "alice",
            "rooms": ["games", "lobby"],
            "protocol": 1,
            "server_time": "2026-01-02T03:05:45.678Z",
            "heartbeat_ms": 240_000,
            "reconnect_after_ms": 6_500_000,
        }
    ]


def test_the_time_to_reconnect_is_never_negative(alice: Client, clock: Clock) -> None:
    clock.now += 7000

    assert alice.send("hello")[0]["reconnect_after_ms"] == 0


def test_ping_tells_the_last_seq_of_rooms(alice: Client) -> None:
    alice.send("sendmessage", message="x")
    alice.send("sendmessage", message="y")

    assert alice.send("ping") == [{"type": "pong", "rooms": {}}]
    assert alice.send("ping", id="p", rooms={"lobby": 1, "games": 0}) == [
        {"type": "pong", "id": "p", "rooms": {"lobby": 2, "games": 0}}
    ]


def test_the_frame_of_the_aws_tutorial_reaches_everyone_in_the_lobby(
    alice: Client, bob: Client
) -> None:
    answers = alice.send_text('{"action":"sendmessage","message":"hello, everyone!"}')

    assert answers == []
    assert bob.received() == [
        {
            "type": "message",
            "room": "lobby",
            "seq": 1,
            "user": "alice",
            "message": "hello, everyone!",
            "at": NOW,
        }
    ]


def test_the_sender_gets_the_ack_and_the_others_the_message_in_one_batch(
    alice: Client, bob: Client, gateway: RecordingGateway
) -> None:
    answers = alice.send("sendmessage", message="hi", id=7, cid="c1")

    assert answers == [
        {
            "type": "ack",
            "id": 7,
            "action": "sendmessage",
            "room": "lobby",
            "seq": 1,
            "at": NOW,
            "duplicate": False,
        }
    ]
    assert bob.received()[0]["cid"] == "c1"
    assert len(gateway.batches) == 1


def test_an_id_of_zero_or_an_empty_one_is_an_id(alice: Client) -> None:
    assert alice.send("sendmessage", message="x", id=0)[0]["id"] == 0
    assert alice.send("sendmessage", message="x", id="")[0]["id"] == ""


def test_the_senders_other_devices_get_the_message(
    chat: ChatService,
    gateway: RecordingGateway,
    connections: ConnectionRepository,
    clock: Clock,
) -> None:
    for connection_id in ("P=", "L="):
        connections.add(new_session(connection_id, "ann", "lobby", now=clock.now))
    phone, laptop = (Client(chat, gateway, connection_id) for connection_id in ("P=", "L="))

    answers = phone.send("sendmessage", message="x", id=1)

    assert [answer["type"] for answer in answers] == ["ack"]
    assert [push["type"] for push in laptop.received()] == ["message"]


def test_who_is_not_in_a_room_may_say_something_there(alice: Client, bob: Client) -> None:
    bob.send("subscribe", room="games")

    answers = alice.send("sendmessage", room="games", message="x", id=1)

    assert answers[0]["room"] == "games"
    assert bob.received()[0]["room"] == "games"
    assert alice.received() == []


def test_a_message_sent_twice_shows_once(alice: Client, bob: Client, clock: Clock) -> None:
    alice.send("sendmessage", message="x", id=1, cid="c1")
    bob.received()
    clock.now += 9

    answers = alice.send("sendmessage", message="x", id=2, cid="c1")

    assert (answers[0]["seq"], answers[0]["at"], answers[0]["duplicate"]) == (1, NOW, True)
    assert bob.received() == []
    assert alice.send("sendmessage", message="x", cid="c1") == []


@pytest.mark.parametrize("length", [1, 8000])
def test_a_message_may_have_up_to_8000_characters(alice: Client, bob: Client, length: int) -> None:
    assert alice.send("sendmessage", message="x" * length, id=1)[0]["type"] == "ack"
    assert len(bob.received()[0]["message"]) == length


def test_a_longer_message_is_refused_with_the_limit(alice: Client, bob: Client) -> None:
    answers = alice.send("sendmessage", message="x" * 8001, id=1)

    assert answers == [
        {
            "type": "error",
            "id": 1,
            "action": "sendmessage",
            "code": "bad_request",
            "message": "message must be at most 8000 characters",
            "retryable": False,
        }
    ]
    assert bob.received() == []


def test_8000_emoji_arrive(alice: Client, bob: Client) -> None:
    text = json.dumps({"action": "sendmessage", "message": "🌊" * 8000}, ensure_ascii=False)

    assert alice.send_text(text) == []
    assert bob.received()[0]["message"] == "🌊" * 8000


def test_a_text_that_swells_beyond_a_frame_is_too_large(alice: Client, bob: Client) -> None:
    text = json.dumps({"action": "sendmessage", "message": "\x01" * 5400})

    assert alice.send_text(text)[0]["code"] == "too_large"
    assert bob.received() == []


def test_subscribing_answers_the_last_seq_and_pushes_what_follows(
    alice: Client, bob: Client
) -> None:
    bob.send("sendmessage", room="games", message="before")

    answers = alice.send("subscribe", room="games", id=1)
    bob.send("sendmessage", room="games", message="after")

    assert answers == [{"type": "ack", "id": 1, "action": "subscribe", "room": "games", "seq": 1}]
    assert [push["seq"] for push in alice.received()] == [2]


def test_subscribing_to_too_many_rooms_is_a_conflict(alice: Client) -> None:
    for room in ("r1", "r2"):
        assert alice.send("subscribe", room=room) == []

    answers = alice.send("subscribe", room="r3")

    assert answers[0]["code"] == "conflict"
    assert answers[0]["message"] == "a connection may be subscribed to at most 3 rooms"


def test_a_message_between_writing_and_reading_of_a_subscription_is_not_missed(
    alice: Client, bob: Client, dynamodb: Faulty
) -> None:
    def meanwhile(arguments: dict[str, Any]) -> Any:
        bob.send("sendmessage", room="games", message="meanwhile")
        return dynamodb.client.query(**arguments)

    dynamodb.plan("query", meanwhile)

    answers = alice.send("subscribe", room="games", id=1)

    # Pushed and counted: the client drops one of the two.
    assert [answer["type"] for answer in answers] == ["message", "ack"]
    assert [answer["seq"] for answer in answers] == [1, 1]


def test_unsubscribing_ends_the_pushes(alice: Client, bob: Client) -> None:
    answers = alice.send("unsubscribe", room="lobby", id=1)
    bob.send("sendmessage", message="x")

    assert answers == [{"type": "ack", "id": 1, "action": "unsubscribe", "room": "lobby"}]
    assert alice.received() == []
    assert alice.send("unsubscribe", room="lobby") == []


def test_presence_tells_who_is_there(alice: Client, bob: Client) -> None:
    answers = bob.send("presence", room="lobby", id=1)

    assert answers == [
        {
            "type": "ack",
            "id": 1,
            "action": "presence",
            "room": "lobby",
            "users": ["alice", "bob"],
            "count": 2,
        }
    ]
    assert alice.send("presence", room="empty")[0]["count"] == 0


@pytest.mark.usefixtures("alice", "bob")
def test_of_a_full_room_presence_tells_only_the_count(stranger: Client) -> None:
    stranger.connect("carol")

    answer = stranger.send("presence", room="lobby")[0]

    assert (answer["users"], answer["count"]) == ([], 3)


def test_every_command_has_a_use_case(chat: ChatService) -> None:
    assert set(chat._use_cases) == set(COMMANDS.values())


# What goes wrong


def test_a_frame_without_a_session_is_unauthorized(stranger: Client) -> None:
    answers = stranger.send("sendmessage", message="x", id=7)

    assert answers == [
        {
            "type": "error",
            "id": 7,
            "action": "sendmessage",
            "code": "unauthorized",
            "message": "the session is over: connect again",
            "retryable": False,
        }
    ]


def test_a_frame_after_the_session_expired_is_unauthorized(alice: Client, clock: Clock) -> None:
    clock.now += 7800

    assert alice.send("hello")[0]["code"] == "unauthorized"


def test_a_bad_frame_costs_no_call_to_the_database(stranger: Client, dynamodb: Faulty) -> None:
    assert stranger.send_text("None")[0]["code"] == "bad_request"
    assert dynamodb.calls == []


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("hello", {}),
        ("ping", {"rooms": {"lobby": 1}}),
        ("sendmessage", {"message": "x"}),
        ("subscribe", {"room": "games"}),
        ("unsubscribe", {"room": "games"}),
        ("presence", {"room": "games"}),
    ],
)
def test_without_the_database_every_action_is_unavailable(
    alice: Client, dynamodb: Faulty, action: str, fields: dict[str, Any]
) -> None:
    for operation in ("get_item", "query", "transact_write_items"):
        dynamodb.always(operation, DOWN)

    answers = alice.send(action, id=7, **fields)

    assert answers == [
        {
            "type": "error",
            "id": 7,
            "action": action,
            "code": "unavailable",
            "message": "the database is busy or unavailable: try again",
            "retryable": True,
            "retry_after_ms": 1000,
        }
    ]


def test_a_fault_of_ours_is_logged_and_tells_no_detail(
    alice: Client, dynamodb: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    dynamodb.always("transact_write_items", RuntimeError("secret table name"))

    answers = alice.send("sendmessage", message="x", id=7)

    assert answers == [
        {
            "type": "error",
            "id": 7,
            "action": "sendmessage",
            "code": "internal",
            "message": "something went wrong here: try again",
            "retryable": True,
        }
    ]
    assert "secret table name" in caplog.text
    assert "Traceback" in caplog.text


def test_a_message_that_is_durable_is_acknowledged_even_if_nobody_could_be_told(
    alice: Client, dynamodb: Faulty
) -> None:
    alice.send("sendmessage", message="x")  # from here on the position is known
    dynamodb.always("query", DOWN)

    assert alice.send("sendmessage", message="x", id=7)[0]["seq"] == 2


def test_posting_that_breaks_raises_nothing(
    alice: Client, gateway: RecordingGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.failure = RuntimeError("no credentials")

    assert alice.send("hello") == []
    assert alice.send("sendmessage", message="x", id=1) == []
    assert "no credentials" in caplog.text


@pytest.mark.parametrize(
    ("outcome", "logged"),
    [(Outcome.RETRYABLE, True), (Outcome.REFUSED, True), (Outcome.GONE, False)],
)
def test_an_answer_that_is_lost_is_logged(
    alice: Client,
    gateway: RecordingGateway,
    caplog: pytest.LogCaptureFixture,
    outcome: Outcome,
    logged: bool,  # noqa: FBT001
) -> None:
    gateway.outcomes = {alice.id: outcome}

    alice.send("hello")

    assert ("an answer to A= was lost" in caplog.text) is logged


# Publishing


def test_publishing_reaches_the_room_and_counts(
    chat: ChatService, alice: Client, bob: Client, gateway: RecordingGateway, clock: Clock
) -> None:
    clock.now += 60
    gateway.outcomes = {bob.id: Outcome.GONE}

    answer = chat.publish({"room": "lobby", "message": "deploy done", "cid": "d1"})

    assert answer == {
        "room": "lobby",
        "seq": 1,
        "delivered": 1,
        "queued": 0,
        "gone": 1,
        "failed": 0,
    }
    assert alice.received()[0]["user"] == "system"


def test_publishing_again_pushes_nothing(chat: ChatService, alice: Client) -> None:
    payload = {"room": "lobby", "message": "x", "user": "robot", "cid": "d1"}
    chat.publish(payload)
    alice.received()

    answer = chat.publish(payload)

    assert (answer["seq"], answer["delivered"]) == (1, 0)
    assert alice.received() == []


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (None, "the payload must be an object"),
        ({"room": "lobby"}, "message is missing"),
        ({"room": "lobby", "message": "x" * 8001}, "message must be at most 8000 characters"),
    ],
)
def test_a_wrong_publication_is_answered_with_what_is_wrong(
    chat: ChatService, payload: object, message: str
) -> None:
    assert chat.publish(payload) == {
        "error": {"code": "bad_request", "message": message, "retryable": False}
    }


def test_publishing_without_the_database_may_be_tried_again(
    chat: ChatService, dynamodb: Faulty
) -> None:
    dynamodb.always("query", DOWN)

    error = chat.publish({"room": "lobby", "message": "x"})["error"]

    assert (error["code"], error["retryable"]) == ("unavailable", True)


@pytest.mark.usefixtures("alice")
def test_a_publication_that_is_stored_but_told_nobody_says_so(
    chat: ChatService, dynamodb: Faulty
) -> None:
    chat.publish({"room": "lobby", "message": "x"})
    dynamodb.always("query", DOWN)

    answer = chat.publish({"room": "lobby", "message": "x"})

    assert (answer["seq"], answer["delivered"]) == (2, 0)
    assert answer["error"]["code"] == "unavailable"
    assert answer["error"]["retryable"] is False


# Whatever comes


JSONISH = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.text(alphabet=st.characters(categories=["Cs", "Cc"]), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
NAMES = st.sampled_from(["lobby", "games", "@alice", "", "x" * 70])
FRAMES = st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from([*COMMANDS, "dance"]) | JSONISH,
        "id": st.integers() | st.text(max_size=70) | JSONISH,
        "room": NAMES | JSONISH,
        "message": st.text() | JSONISH,
        "cid": st.text(max_size=70) | JSONISH,
        "rooms": st.dictionaries(NAMES, st.integers()) | JSONISH,
        "to": JSONISH,
        "after": JSONISH,
        "other": JSONISH,
    },
)


@pytest.mark.parametrize("broken", [None, DOWN, MISSING, RuntimeError("bug")])
def test_no_frame_makes_the_handler_raise_and_every_answer_is_a_frame(
    chat: ChatService,
    gateway: RecordingGateway,
    dynamodb: Faulty,
    broken: Exception | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    client = Client(chat, gateway, "A=")
    client.connect("alice")
    for operation in ("get_item", "query", "transact_write_items") if broken else ():
        dynamodb.always(operation, broken)  # type: ignore[arg-type]

    @settings(
        max_examples=150,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(FRAMES.map(json.dumps) | st.text() | JSONISH)
    def throw(body: object) -> None:
        answers = client.send_text(body)

        assert all(answer["type"] in {"ack", "error", "pong", "welcome"} for answer in answers)
        fields = _object(body)
        expected = broken is not None or fields is None or fields.get("id") is not None
        assert len(answers) == 1 or (not expected and len(answers) <= 1)

    throw()


def _object(body: object) -> dict[str, Any] | None:
    try:
        value = json.loads(body) if isinstance(body, str) else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
