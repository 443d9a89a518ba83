"""People chat through app.py, on the test client of localgateway: events and limits as on AWS."""

import json
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

import app as app_module
from chalicelib.bootstrap import build
from chalicelib.connections import HANDSHAKE_SECONDS
from chalicelib.gateway import Outcome, Post
from chalicelib.settings import Settings
from localgateway.testing import ConnectionClosed, HandshakeRefused, TestClient, TestSocket

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
START = 1_800_000_000.0

TUTORIAL_FRAME = '{"action":"sendmessage","message":"hello, everyone!"}'
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
ACTIONS = ["hello", "ping", "sendmessage", "subscribe", "unsubscribe", "presence", "nothing"]
FIELDS = ["id", "room", "message", "cid", "to", "after", "rooms"]
FRAMES = st.builds(
    lambda action, fields: json.dumps({"action": action, **fields}),
    st.sampled_from(ACTIONS),
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class InProcessGateway:
    """Posts to the test client's sockets, with API Gateway's answers."""

    client: TestClient

    def post(self, posts: Sequence[Post]) -> list[Outcome]:
        return [self._post(post) for post in posts]

    def _post(self, post: Post) -> Outcome:
        answer = self.client.manage("POST", post.connection_id, post.frame)
        if answer.status == HTTPStatus.OK:
            return Outcome.DELIVERED
        return Outcome.GONE if answer.status == HTTPStatus.GONE else Outcome.RETRYABLE


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    gateway = InProcessGateway()
    chat = TestClient(app_module.app, stage_name="local", project_dir=ROOT, clock=clock)
    gateway.client = chat
    with mock_aws():
        _create_tables("local")
        service = build(
            Settings.from_environ(
                {
                    "CONNECTIONS_TABLE": "dynamowave-local-connections",
                    "MESSAGES_TABLE": "dynamowave-local-messages",
                    "GUESTS": "true",
                    "AWS_REGION": REGION,
                }
            ),
            gateway=gateway,
            dynamodb=boto3.client("dynamodb", region_name=REGION),
            clock=clock,
        )
        monkeypatch.setattr(app_module, "service", lambda: service)
        with chat:
            yield chat


def _create_tables(stage: str) -> None:
    boto3.client("cloudformation", region_name=REGION).create_stack(
        StackName="data",
        TemplateBody=(ROOT / "infra" / "data.yaml").read_text(),
        Parameters=[{"ParameterKey": "Stage", "ParameterValue": stage}],
    )


def ask(socket: TestSocket, **frame: Any) -> dict[str, Any]:
    socket.send(frame)
    return socket.receive_json()


def rows() -> list[dict[str, Any]]:
    table = boto3.resource("dynamodb", region_name=REGION).Table("dynamowave-local-connections")
    items: list[dict[str, Any]] = table.scan()["Items"]
    return items


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

    frames = [other.receive_json() for other in others]
    assert [frame["message"] for frame in frames] == ["hello, everyone!"] * 2
    assert {(frame["room"], frame["seq"]) for frame in frames} == {("lobby", 1)}
    assert sender.received() == []


def test_only_who_is_in_a_room_hears_it(client: TestClient) -> None:
    alice, bob, carol = (client.connect(f"/?name={name}") for name in ("alice", "bob", "carol"))
    ask(alice, action="subscribe", room="tea", id=1)
    ask(bob, action="subscribe", room="tea", id=1)

    ack = ask(alice, action="sendmessage", room="tea", message="milk?", id=2)

    assert (ack["type"], ack["room"], ack["seq"]) == ("ack", "tea", 1)
    assert [frame["message"] for frame in bob.received()] == ["milk?"]
    assert carol.received() == []


def test_who_left_a_room_hears_no_more(client: TestClient) -> None:
    alice, bob = client.connect("/?name=alice"), client.connect("/?name=bob")
    ask(bob, action="unsubscribe", room="lobby", id=1)

    alice.send(TUTORIAL_FRAME)

    assert bob.received() == []
    assert ask(alice, action="presence", room="lobby")["users"] == ["alice"]


def test_a_disconnect_leaves_nothing_behind(client: TestClient) -> None:
    alice = client.connect("/?name=alice")
    for room in ("tea", "coffee"):
        ask(alice, action="subscribe", room=room, id=1)

    alice.leave()

    assert rows() == []


def test_a_client_that_vanished_is_pruned_by_the_next_message(
    client: TestClient, clock: Clock
) -> None:
    alice, ghost = client.connect("/?name=alice"), client.connect("/?name=ghost")
    ghost.lose(disconnect=False)
    clock.now += HANDSHAKE_SECONDS + 1

    ack = ask(alice, action="sendmessage", message="anyone?", id=1)

    assert ack["seq"] == 1
    assert not any(ghost.id in str(row) for row in rows())


def test_a_message_to_someone_who_is_arriving_does_not_throw_them_out(client: TestClient) -> None:
    alice, newcomer = client.connect("/?name=alice"), client.connect("/?name=newcomer")
    newcomer.lose(disconnect=False)  # a post answers 410, as during $connect

    alice.send(TUTORIAL_FRAME)

    assert any(newcomer.id in str(row) for row in rows())


def test_a_slow_client_costs_the_others_nothing(client: TestClient) -> None:
    alice, slow, bob = (client.connect(f"/?name={name}") for name in ("alice", "slow", "bob"))
    slow.unread_bytes = 10**9

    ack = ask(alice, action="sendmessage", message="hi", id=1)

    assert ack["type"] == "ack"
    assert [frame["message"] for frame in bob.received()] == ["hi"]


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
        ('{"action":"sendmessage","message":"x","to":"bob"}', "bad_request", "to"),
        ('{"action":"subscribe","room":"tea","after":3}', "bad_request", "after"),
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

    error = mallory.receive_json()
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
        assert answer["type"] in {"welcome", "pong", "ack", "message", "error"}
        assert answer.get("code") != "internal"
    socket.leave()
