"""The chat, from the events of API Gateway to the frames that are posted."""

import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.chat import ChatService
from chalicelib.commands import COMMANDS
from chalicelib.connections import ConnectionRepository
from chalicelib.gateway import Outcome, Post, Recipient
from chalicelib.models import ConnectionId, RoomName
from tests.unit.fakes import (
    CONNECTIONS_TABLE,
    ENDPOINT,
    Client,
    Clock,
    Faulty,
    RecordingGateway,
    ServiceFactory,
    cancelled,
    client_error,
    new_session,
)

pytestmark = pytest.mark.memory

DOWN = client_error("InternalServerError", status=500)
MISSING = client_error("ResourceNotFoundException")


class WatchingGateway(RecordingGateway):
    """Notes who is in the lobby whenever something is posted."""

    def __init__(self, connections: ConnectionRepository) -> None:
        super().__init__()
        self._connections = connections
        self.found: list[list[str]] = []

    def post(self, posts: Sequence[Post], *, within: float | None = None) -> list[Outcome]:
        self.found.append(members(self._connections))
        return super().post(posts)


class MuteGateway(RecordingGateway):
    """Can end connections, and nothing else."""

    def post(self, posts: Sequence[Post], *, within: float | None = None) -> list[Outcome]:
        raise RuntimeError(f"{len(posts)} posts cannot be signed within {within}")


@pytest.fixture
def chat(build_service: ServiceFactory) -> ChatService:
    return build_service()


@pytest.fixture
def alice(chat: ChatService, gateway: RecordingGateway) -> Client:
    client = Client(chat, gateway, "A=")
    assert client.connect("alice") == 200
    return client


@pytest.fixture
def bob(chat: ChatService, gateway: RecordingGateway, alice: Client) -> Client:
    client = Client(chat, gateway, "B=")
    assert client.connect("bob") == 200
    alice.received()  # that bob has come
    return client


@pytest.fixture
def stranger(chat: ChatService, gateway: RecordingGateway) -> Client:
    return Client(chat, gateway, "S=")


def members(connections: ConnectionRepository, room: str = "lobby") -> list[str]:
    return [member.user for member in connections.members(RoomName(room))]


def changes(frames: Sequence[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(frame["room"], frame["user"], frame["status"]) for frame in frames]


# Connecting


def test_connecting_registers_the_connection_in_the_lobby(
    alice: Client, connections: ConnectionRepository, clock: Clock
) -> None:
    session = connections.touch(ConnectionId(alice.id))

    assert session.user == "alice"
    assert session.guest
    assert session.endpoint == ENDPOINT
    assert session.rooms == {"lobby", "@alice"}
    assert (session.connected_at, session.expires_at) == (clock.now, int(clock.now) + 7800)
    assert alice.received() == []


def test_a_stage_may_have_no_lobby(
    build_service: ServiceFactory, gateway: RecordingGateway
) -> None:
    client = Client(build_service(LOBBY=""), gateway, "A=")

    assert client.connect("alice") == 200

    assert client.send("hello")[0]["rooms"] == []


@pytest.mark.clause("P1")
def test_connecting_tells_those_in_the_lobby(alice: Client, stranger: Client) -> None:
    stranger.connect("Alice")

    assert changes(alice.received()) == [("lobby", "alice-hhhh", "joined")]
    assert stranger.received() == []


@pytest.mark.clause("P1")
@pytest.mark.usefixtures("alice")
def test_whoever_is_told_that_somebody_came_finds_them_there(
    dynamodb: Faulty, clock: Clock, connections: ConnectionRepository
) -> None:
    gateway = WatchingGateway(connections)
    chat = ServiceFactory(dynamodb, gateway, clock)()

    Client(chat, gateway, "S=").connect("sam")

    assert gateway.found == [["alice", "sam"]]


@pytest.mark.parametrize("failure", [DOWN, RuntimeError("bug")])
@pytest.mark.usefixtures("alice")
def test_connecting_never_fails_because_the_others_cannot_be_told(
    stranger: Client,
    dynamodb: Faulty,
    gateway: RecordingGateway,
    connections: ConnectionRepository,
    failure: Exception,
) -> None:
    dynamodb.plan("query", failure)
    gateway.failure = RuntimeError("no credentials")

    assert stranger.connect("sam") == 200

    assert members(connections) == ["alice", "sam"]


def test_two_guests_never_share_a_name(alice: Client, stranger: Client) -> None:
    assert stranger.connect("Alice") == 200
    alice.received()

    assert alice.send("hello")[0]["user"] == "alice"
    assert stranger.send("hello")[0]["user"] == "alice-hhhh"


@pytest.mark.clause("D4")
def test_a_name_is_free_again_after_its_guest_left(alice: Client, stranger: Client) -> None:
    alice.disconnect()

    stranger.connect("alice")

    assert stranger.send("hello")[0]["user"] == "alice"


@pytest.mark.clause("D5")
def test_a_guest_with_a_key_is_one_person_on_two_devices(
    chat: ChatService, alice: Client, gateway: RecordingGateway, clock: Clock
) -> None:
    phone, laptop = (Client(chat, gateway, connection_id) for connection_id in ("P=", "L="))

    for device in (phone, laptop):
        clock.now += 1
        assert device.connect("ann", key="k" * 16) == 200

    assert changes(alice.received()) == [("lobby", "ann", "joined")]
    alice.send("sendmessage", to="ann", message="psst")
    assert [device.received()[0]["message"] for device in (phone, laptop)] == ["psst"] * 2
    phone.send("sendmessage", message="x", cid="c1")
    assert laptop.send("sendmessage", message="x", cid="c1", id=1)[-1]["duplicate"] is True


@pytest.mark.clause("D4")
def test_a_guest_with_a_key_finds_the_name_after_a_loss(
    chat: ChatService, gateway: RecordingGateway
) -> None:
    Client(chat, gateway, "A=").connect("ann", key="k" * 16)
    stranger, ann = (Client(chat, gateway, connection_id) for connection_id in ("S=", "N="))

    stranger.connect("ann", key="j" * 16)
    ann.connect("ann", key="k" * 16)

    assert stranger.send("hello")[-1]["user"] == "ann-hhhh"
    assert ann.send("hello")[-1]["user"] == "ann"


def test_the_key_of_a_guest_is_nowhere_in_the_table(stranger: Client, dynamodb: Faulty) -> None:
    stranger.connect("ann", key="secret-" * 4)

    assert "secret-" not in str(dynamodb.client.scan(TableName=CONNECTIONS_TABLE)["Items"])


@pytest.mark.parametrize("key", ["short", "k" * 65, "k" * 15 + "!"])
def test_what_is_no_key_is_a_bad_request(stranger: Client, dynamodb: Faulty, key: str) -> None:
    assert stranger.connect("ann", key=key) == 400
    assert dynamodb.calls == []


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
def test_connecting_without_the_database_is_a_status_and_nobody_is_told(
    *,
    alice: Client,
    stranger: Client,
    dynamodb: Faulty,
    failure: Exception,
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    dynamodb.always("transact_write_items", failure)

    assert stranger.connect("sam") == status

    assert type(failure).__name__ in caplog.text or status == 503
    assert alice.received() == []


def test_an_event_that_makes_no_sense_raises_nothing(
    chat: ChatService, caplog: pytest.LogCaptureFixture
) -> None:
    assert chat.connect({}) == {"statusCode": 500}
    chat.receive({"body": "{}"})
    chat.disconnect({})

    assert caplog.text.count("a fault of ours") == 3


# Leaving


@pytest.mark.clause("P1")
def test_disconnecting_removes_every_subscription_and_tells_the_others(
    alice: Client, bob: Client, connections: ConnectionRepository
) -> None:
    for client in (alice, bob):
        client.send("subscribe", room="games")
    alice.received()

    alice.disconnect()

    assert changes(bob.received()) == [("games", "alice", "left"), ("lobby", "alice", "left")]
    assert members(connections) == members(connections, "games") == ["bob"]
    assert members(connections, "@alice") == []
    assert alice.received() == []


@pytest.mark.clause("P1")
def test_one_of_two_devices_disconnects_without_a_word(
    chat: ChatService,
    alice: Client,
    gateway: RecordingGateway,
    connections: ConnectionRepository,
    clock: Clock,
) -> None:
    for connection_id in ("P=", "L="):
        connections.add(new_session(connection_id, "ann", "lobby", now=clock.now))

    Client(chat, gateway, "P=").disconnect()

    assert alice.received() == []
    Client(chat, gateway, "L=").disconnect()
    assert changes(alice.received()) == [("lobby", "ann", "left")]


def test_disconnecting_twice_tells_once(alice: Client, bob: Client) -> None:
    for _ in range(2):
        alice.disconnect()

    assert len(bob.received()) == 1


def test_a_disconnect_that_fails_is_logged(
    alice: Client, dynamodb: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    dynamodb.always("delete_item", DOWN)

    alice.disconnect()

    assert "the database is busy or unavailable" in caplog.text
    assert "InternalServerError" in caplog.text


@pytest.mark.clause("P3")
def test_a_disconnect_that_was_interrupted_is_made_good_by_the_next_ping(
    *,
    alice: Client,
    bob: Client,
    dynamodb: Faulty,
    connections: ConnectionRepository,
    clock: Clock,
) -> None:
    clock.now += 30
    dynamodb.plan("batch_write_item", DOWN)
    alice.disconnect()
    assert bob.received() == []

    answers = bob.send("ping", rooms={"lobby": 0})

    assert changes(answers[:-1]) == [("lobby", "alice", "left")]
    assert members(connections) == ["bob"]


# What goes wrong


@pytest.mark.clause("R3")
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


@pytest.mark.clause("S7")
def test_who_has_no_session_is_told_so_and_closed_whatever_the_frame_is(
    stranger: Client, gateway: RecordingGateway
) -> None:
    for frame in ('{"action":"hello"}', '{"action":"refresh","token":"x"}', "None"):
        answers = stranger.send_text(frame)

        assert answers[-1]["code"] == "unauthorized"
        assert gateway.disconnected.pop() == Recipient(ENDPOINT, ConnectionId(stranger.id))
    assert gateway.disconnected == []


def test_who_is_gone_by_then_is_not_closed(stranger: Client, gateway: RecordingGateway) -> None:
    gateway.outcomes[stranger.id] = Outcome.GONE

    stranger.send("hello")

    assert gateway.disconnected == []


@pytest.mark.parametrize("outcome", [Outcome.RETRYABLE, Outcome.REFUSED])
def test_who_cannot_be_told_is_closed_all_the_same(
    stranger: Client, gateway: RecordingGateway, outcome: Outcome
) -> None:
    gateway.outcomes[stranger.id] = outcome

    stranger.send("hello")

    assert len(gateway.disconnected) == 1


def test_who_has_no_session_is_closed_even_if_posting_breaks(
    dynamodb: Faulty, clock: Clock
) -> None:
    gateway = MuteGateway()
    stranger = Client(ServiceFactory(dynamodb, gateway, clock)(), gateway, "S=")

    stranger.send("hello")

    assert gateway.disconnected == [Recipient(ENDPOINT, ConnectionId(stranger.id))]


def test_who_loses_the_session_in_the_middle_of_a_frame_is_closed(
    alice: Client, gateway: RecordingGateway, dynamodb: Faulty, connections: ConnectionRepository
) -> None:
    def remove_first(arguments: dict[str, Any]) -> Any:
        connections.remove(ConnectionId(alice.id))
        return dynamodb.client.transact_write_items(**arguments)

    dynamodb.plan("transact_write_items", remove_first)

    assert alice.send("subscribe", room="games")[-1]["code"] == "unauthorized"
    assert gateway.disconnected == [Recipient(ENDPOINT, ConnectionId(alice.id))]
    assert list(connections.members(RoomName("games"))) == []


def test_other_errors_close_nothing(alice: Client, gateway: RecordingGateway) -> None:
    for action in ("nonsense", "refresh", "editmessage"):
        assert alice.send(action, room="lobby", target=1, message="x", token="x")

    assert gateway.disconnected == []


def test_a_bad_frame_counts_like_any_other(alice: Client, dynamodb: Faulty) -> None:
    dynamodb.calls.clear()

    assert alice.send_text("None")[0]["code"] == "bad_request"

    assert [name for name, _ in dynamodb.calls] == ["update_item"]


def test_a_bad_frame_tells_nothing_to_who_has_no_session(stranger: Client) -> None:
    assert stranger.send_text("None")[0]["code"] == "unauthorized"


@pytest.mark.parametrize("action", ["hello", "typing"])
def test_without_the_session_nothing_can_be_done(
    alice: Client, dynamodb: Faulty, action: str
) -> None:
    dynamodb.always("update_item", DOWN)

    answers = alice.send(action, id=7, room="lobby")

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


def test_what_clients_do_wrong_is_not_logged(
    alice: Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert alice.send("sendmessage", message="", id=7)[0]["code"] == "bad_request"

    assert caplog.text == ""


@pytest.mark.clause("L2")
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


def test_publishing_reaches_the_room(chat: ChatService, alice: Client) -> None:
    answer = chat.publish({"room": "lobby", "message": "deploy done", "cid": "d1"})

    assert (answer["seq"], answer["delivered"]) == (1, 1)
    assert alice.received()[0]["message"] == "deploy done"


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


@pytest.mark.parametrize(("failure", "code"), [(DOWN, "unavailable"), (MISSING, "internal")])
def test_publishing_without_the_database_may_be_tried_again(
    chat: ChatService, dynamodb: Faulty, failure: Exception, code: str
) -> None:
    dynamodb.always("query", failure)

    error = chat.publish({"room": "lobby", "message": "x"})["error"]

    assert (error["code"], error["retryable"]) == (code, True)


@pytest.mark.clause("E1")
def test_a_publication_whose_original_cannot_be_read_is_reported_without_a_push(
    chat: ChatService, dynamodb: Faulty
) -> None:
    payload = {"room": "lobby", "message": "x", "cid": "d1"}
    chat.publish(payload)
    dynamodb.plan("get_item", DOWN)

    report = chat.publish(payload)

    assert (report["seq"], report["delivered"]) == (1, 0)


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
NAMES = st.sampled_from(["lobby", "games", "@alice", "dm:alice:bob", "dm:bob:carol", "", "x" * 70])
SEQS = st.integers(-1, 3) | st.just(2**53)
FRAMES = st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from([*COMMANDS, "dance"]) | JSONISH,
        "id": st.integers() | st.text(max_size=70) | JSONISH,
        "room": NAMES | JSONISH,
        "message": st.text() | JSONISH,
        "cid": st.text(max_size=70) | JSONISH,
        "rooms": st.dictionaries(NAMES, st.integers()) | JSONISH,
        "to": st.sampled_from(["alice", "bob", "Bob"]) | JSONISH,
        "after": NAMES | SEQS | JSONISH,
        "target": SEQS | JSONISH,
        "seq": SEQS | JSONISH,
        "before": SEQS | JSONISH,
        "limit": SEQS | JSONISH,
        "emoji": st.sampled_from(["👍", "x", ""]) | JSONISH,
        "remove": JSONISH,
        "other": JSONISH,
    },
)


OPERATIONS = (
    "get_item",
    "put_item",
    "update_item",
    "query",
    "transact_write_items",
    "batch_get_item",
)


@pytest.mark.clause("R1", "R3")
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
    for operation in OPERATIONS if broken else ():
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
        mute = fields is not None and (fields.get("id") is None or fields.get("action") == "typing")
        assert len(answers) == 1 or (broken is None and mute and not answers)

    throw()


def _object(body: object) -> dict[str, Any] | None:
    try:
        value = json.loads(body) if isinstance(body, str) else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
