"""People chat through app.py, on the test client of localgateway: events and limits as on AWS."""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.commands import COMMANDS
from chalicelib.connections import HANDSHAKE_SECONDS
from localgateway.testing import ConnectionClosed, HandshakeRefused, TestClient, TestSocket
from tests.functional.chats import Chat

TUTORIAL_FRAME = '{"action":"sendmessage","message":"hello, everyone!"}'
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
ACTIONS = [*COMMANDS, "nothing"]
FIELDS = sorted({name for command in COMMANDS.values() for name in command.__struct_fields__})
PUSHES = {"message", "edit", "delete", "reaction", "presence", "typing", "read"}
PLAUSIBLE = st.sampled_from(["lobby", "dm:alice:bob", "alice", 0, 1, 2**53, True, "\U0001f44d"])
FRAMES = st.builds(
    lambda action, fields: json.dumps({"action": action, **fields}),
    st.sampled_from(ACTIONS),
    st.dictionaries(st.sampled_from(FIELDS), JSON | PLAUSIBLE, max_size=5),
)


ROOMS = {"lobby", "tea", "@alice", "@bob"}


@pytest.fixture
def chat(start: Callable[..., Chat]) -> Chat:
    """The chat on moto."""
    return start()


@pytest.fixture
def client(chat: Chat) -> TestClient:
    return chat.client


def ask(socket: TestSocket, **frame: Any) -> dict[str, Any]:
    """Send a frame and return its answer, whatever is pushed meanwhile."""
    socket.send(frame)
    return next(frame for frame in socket.received() if frame["type"] not in PUSHES)


def taking_arrays(chat: Chat) -> list[tuple[str, str]]:
    """Return who takes several pushes in one frame, and where."""
    rows = chat.rows("connections")
    found = [(row["pk"].partition("#")[2], row["user"]) for row in rows if "arrays" in row]
    return sorted((room, user) for room, user in found if room in ROOMS)


def said(socket: TestSocket) -> list[str]:
    """Return the messages that have arrived."""
    return [frame["message"] for frame in socket.received() if frame["type"] == "message"]


def test_a_newcomer_is_greeted(client: TestClient) -> None:
    alice = client.connect("/?name=Alice")

    welcome = ask(alice, action="hello", id=1)

    assert welcome["type"] == "welcome"
    assert (welcome["connection_id"], welcome["user"]) == (alice.id, "alice")
    assert welcome["rooms"] == ["lobby"]


def test_the_frame_of_the_aws_tutorial_reaches_everyone_else_in_the_lobby(
    client: TestClient,
) -> None:
    sender, *others = [client.connect() for _ in range(3)]

    sender.send(TUTORIAL_FRAME)

    frames = [frame for other in others for frame in other.received()]
    pushes = [frame for frame in frames if frame["type"] == "message"]
    assert [frame["message"] for frame in pushes] == ["hello, everyone!"] * 2
    assert {(frame["room"], frame["seq"]) for frame in pushes} == {("lobby", 1)}
    assert said(sender) == []


def test_only_who_is_in_a_room_hears_it(client: TestClient) -> None:
    alice, bob, carol = (client.connect(f"/?name={name}") for name in ("alice", "bob", "carol"))
    ask(alice, action="subscribe", room="tea", id=1)
    ask(bob, action="subscribe", room="tea", id=1)

    ack = ask(alice, action="sendmessage", room="tea", message="milk?", id=2)

    assert (ack["type"], ack["room"], ack["seq"]) == ("ack", "tea", 1)
    assert said(bob) == ["milk?"]
    assert said(carol) == []


def test_who_left_a_room_hears_no_more(client: TestClient) -> None:
    alice, bob = client.connect("/?name=alice"), client.connect("/?name=bob")
    ask(bob, action="unsubscribe", room="lobby", id=1)

    alice.send(TUTORIAL_FRAME)

    assert said(bob) == []
    assert ask(alice, action="presence", room="lobby")["users"] == ["alice"]


def test_a_disconnect_leaves_nothing_behind(client: TestClient, chat: Chat) -> None:
    alice = client.connect("/?name=alice")
    for room in ("tea", "coffee"):
        ask(alice, action="subscribe", room=room, id=1)

    alice.leave()

    assert chat.rows("connections") == []


def test_a_client_that_vanished_is_pruned_by_the_next_message(
    client: TestClient, chat: Chat
) -> None:
    alice, ghost = client.connect("/?name=alice"), client.connect("/?name=ghost")
    ghost.lose(disconnect=False)
    chat.clock.now += HANDSHAKE_SECONDS + 1

    ack = ask(alice, action="sendmessage", message="anyone?", id=1)

    assert ack["seq"] == 1
    assert not any(ghost.id in str(row) for row in chat.rows("connections"))


def test_a_message_to_someone_who_is_arriving_does_not_throw_them_out(
    client: TestClient, chat: Chat
) -> None:
    alice, newcomer = client.connect("/?name=alice"), client.connect("/?name=newcomer")
    newcomer.lose(disconnect=False)  # a post answers 410, as during $connect

    alice.send(TUTORIAL_FRAME)

    assert any(newcomer.id in str(row) for row in chat.rows("connections"))


def test_a_slow_client_costs_the_others_nothing(client: TestClient) -> None:
    alice, slow, bob = (client.connect(f"/?name={name}") for name in ("alice", "slow", "bob"))
    slow.unread_bytes = 10**9

    ack = ask(alice, action="sendmessage", message="hi", id=1)

    assert ack["type"] == "ack"
    assert said(bob) == ["hi"]


def test_two_guests_never_share_a_name(client: TestClient) -> None:
    first, second = client.connect("/?name=alice"), client.connect("/?name=alice")

    names = [ask(socket, action="hello")["user"] for socket in (first, second)]

    assert names[0] == "alice"
    assert names[1].startswith("alice-")


@pytest.mark.parametrize("name", ["", "-alice", "a" * 33, "al%20ice", "%00", "ålice"])
def test_a_name_that_is_none_is_refused(client: TestClient, name: str) -> None:
    with pytest.raises(HandshakeRefused) as refused:
        client.connect(f"/?name={name}")

    assert refused.value.status == HTTPStatus.BAD_REQUEST


@pytest.mark.clause("R3")
@pytest.mark.parametrize(
    ("frame", "code", "says"),
    [
        ("hello", "bad_request", "JSON"),
        ("", "bad_request", ""),
        ("[]", "bad_request", "object"),
        ('"hello"', "bad_request", "object"),
        ("{}", "bad_request", "action"),
        ('{"action":7}', "bad_request", "action"),
        ('{"action":"dance"}', "unknown_action", "sendmessage"),
        ('{"action":"sendmessage"}', "bad_request", "message"),
        ('{"action":"sendmessage","message":7}', "bad_request", "message"),
        ('{"action":"sendmessage","message":""}', "bad_request", "message"),
        ('{"action":"sendmessage","message":"x","room":"No Room"}', "bad_request", "room"),
        ('{"action":"sendmessage","message":"x","to":"No User"}', "bad_request", "to"),
        ('{"action":"sendmessage","message":"x","to":"bob","room":"tea"}', "bad_request", "to"),
        ('{"action":"subscribe","room":"tea","after":-1}', "bad_request", "after"),
        ('{"action":"subscribe","room":"tea","after":1e300}', "bad_request", "after"),
        ('{"action":"history","room":"tea","before":0}', "bad_request", "before"),
        ('{"action":"history","room":"tea","limit":101}', "bad_request", "limit"),
        ('{"action":"editmessage","room":"tea","target":-7,"message":"x"}', "bad_request", "targ"),
        ('{"action":"deletemessage","room":"tea"}', "bad_request", "target"),
        ('{"action":"react","room":"tea","target":1,"emoji":"so nice"}', "bad_request", "emoji"),
        ('{"action":"react","room":"tea","target":1,"emoji":""}', "bad_request", "emoji"),
        ('{"action":"rooms","after":"No Room"}', "bad_request", "after"),
        (json.dumps({"action": "sendmessage", "message": "a" * 9000}), "bad_request", "8000"),
        ('{"action":"sendmessage","message":"\\ud800"}', "bad_request", "message"),
        ("[" * 20_000, "bad_request", "nested"),
        ('{"action":' * 3_000, "bad_request", "the frame is n"),  # by the Python: nested, not JSON
    ],
)
def test_a_hostile_frame_is_answered_and_the_socket_lives(
    client: TestClient, frame: str, code: str, says: str
) -> None:
    mallory = client.connect("/?name=mallory")

    mallory.send(frame)

    (error,) = mallory.received()
    assert (error["type"], error["code"]) == ("error", code)
    assert says in error["message"]
    assert ask(mallory, action="hello")["type"] == "welcome"


@pytest.mark.parametrize(
    ("frame", "code"),
    [(b"\x00\xff", 1003), ("x" * 33 * 1024, 1009), ("x" * 130 * 1024, 1009)],
)
def test_what_api_gateway_does_not_take_closes_only_that_socket(
    client: TestClient, frame: str | bytes, code: int
) -> None:
    mallory, alice = client.connect("/?name=mallory"), client.connect("/?name=alice")
    mallory.received()

    mallory.send(frame)

    with pytest.raises(ConnectionClosed) as closed:
        mallory.receive()
    assert closed.value.code == code
    assert ask(alice, action="presence", room="lobby")["users"] == ["alice"]


def test_a_back_end_publishes(client: TestClient) -> None:
    alice = client.connect("/?name=alice")

    report = client.invoke("publish", {"room": "lobby", "message": "deployed", "user": "ops"})

    assert report.payload == {
        "room": "lobby",
        "seq": 1,
        "delivered": 1,
        "queued": 0,
        "gone": 0,
        "failed": 0,
    }
    assert alice.receive_json()["user"] == "ops"


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(frame=FRAMES | st.text(max_size=200))
def test_no_frame_makes_the_handler_raise(client: TestClient, frame: str) -> None:
    socket = client.connect()

    socket.send(frame.encode(errors="replace").decode())

    for answer in socket.received():
        assert answer["type"] in {"welcome", "pong", "ack", "error"} | PUSHES
        assert answer.get("code") != "internal"
    socket.leave()


@pytest.mark.clause("D5")
def test_who_has_the_key_keeps_the_name(client: TestClient, chat: Chat) -> None:
    key = "abcdefghijklmnop"
    lost = client.connect(f"/?name=alice&key={key}")
    lost.lose(disconnect=False)

    back = client.connect(f"/?name=alice&key={key}")
    thief = client.connect(f"/?name=alice&key={key[::-1]}")
    stranger = client.connect("/?name=alice")
    names = [ask(socket, action="hello")["user"] for socket in (back, thief, stranger)]

    assert names[0] == "alice"
    assert all(name.startswith("alice-") for name in names[1:])
    assert key not in chat.everything()


@pytest.mark.clause("D4")
def test_a_name_with_a_key_is_free_when_its_holder_could_not_be_connected_any_more(
    client: TestClient, chat: Chat
) -> None:
    client.connect("/?name=alice&key=abcdefghijklmnop").leave()
    taken = ask(client.connect("/?name=alice"), action="hello")["user"]
    chat.clock.now += 7800

    free = ask(client.connect("/?name=alice"), action="hello")["user"]

    assert (taken == "alice", free) == (False, "alice")


@pytest.mark.parametrize("key", ["", "short", "a" * 65, "with%20a%20space%20in%20it", "%00" * 16])
def test_a_key_that_is_none_is_refused(client: TestClient, key: str) -> None:
    with pytest.raises(HandshakeRefused) as refused:
        client.connect(f"/?name=alice&key={key}")

    assert refused.value.status == HTTPStatus.BAD_REQUEST


@pytest.mark.clause("R4")
def test_hello_says_of_one_connection_that_it_takes_several_pushes_in_one(chat: Chat) -> None:
    alice, bob = chat.join("alice"), chat.join("bob", "tea")
    bob.ask("hello", arrays=False)
    before = taking_arrays(chat)

    alice.ask("hello", arrays=True)
    alice.ask("subscribe", room="tea")
    alice.ask("unsubscribe", room="lobby")
    alice.ask("subscribe", room="lobby")

    assert before == []
    assert taking_arrays(chat) == [("@alice", "alice"), ("lobby", "alice"), ("tea", "alice")]
