"""The in-process test client, against an app that knows nothing of it and apps made for a test."""

import importlib.util
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from chalice import Chalice, Response, WebsocketDisconnectedError
from moto import mock_aws

from localgateway.authorizers import Authorizer
from localgateway.errors import AuthorizerError, ProjectError
from localgateway.limits import Beliefs, Limits
from localgateway.testing import ConnectionClosed, HandshakeRefused, TestClient, TestSocket
from tests.gateway.fakes import ManualClock

TUTORIAL = Path(__file__).parent / "apps" / "tutorial"


class Echo:
    """An app that notes its events and answers what it is told to."""

    def __init__(self) -> None:
        self.app = Chalice("echo")
        self.events: list[dict[str, Any]] = []
        self.connect_answer: Any = None
        self.close_on_connect: str | None = None
        self._handle(self.app)
        self._route(self.app)

    def _handle(self, app: Chalice) -> None:
        @app.on_ws_connect()
        def connect(event: Any) -> Any:
            self.events.append(event.to_dict())
            if self.close_on_connect:
                app.websocket_api.close(self.close_on_connect)
            return self.connect_answer

        @app.on_ws_message()
        def message(event: Any) -> None:
            self.events.append(event.to_dict())
            if event.body == "crash":
                raise RuntimeError("crashed")
            if event.body.startswith("close "):
                app.websocket_api.close(event.body.removeprefix("close "))
            else:
                app.websocket_api.send(event.connection_id, event.body)

        @app.on_ws_disconnect()
        def disconnect(event: Any) -> None:
            self.events.append(event.to_dict())

    def _route(self, app: Chalice) -> None:
        @app.route("/close/{identifier}", methods=["POST"])
        def close(identifier: str) -> dict[str, bool]:
            app.websocket_api.close(identifier)
            return {"closed": True}

        @app.lambda_function()
        def publish(event: Any, _context: Any) -> Any:
            app.websocket_api.send(event["to"], event["message"])
            return {"sent": True}

    def codes(self) -> list[int]:
        """The close codes that $disconnect was told."""
        contexts = [event["requestContext"] for event in self.events]
        return [c["disconnectStatusCode"] for c in contexts if c["eventType"] == "DISCONNECT"]


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def client(echo: Echo, tmp_path: Path, clock: ManualClock) -> Iterator[TestClient]:
    with TestClient(echo.app, project_dir=tmp_path, clock=clock) as client:
        yield client


# -- a foreign app, unchanged --------------------------------------------------------------------


@pytest.fixture
def tutorial(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chalice]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        template = yaml.safe_load((TUTORIAL / "template.yaml").read_text())
        for resource in template["Resources"].values():
            boto3.client("dynamodb").create_table(**resource["Properties"])
        spec = importlib.util.spec_from_file_location("tutorial_app", TUTORIAL / "app.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module.app


@pytest.fixture
def chat(tutorial: Chalice) -> Iterator[TestClient]:
    with TestClient(tutorial, project_dir=TUTORIAL) as client:
        yield client


def rows() -> list[str]:
    items = boto3.resource("dynamodb").Table("tutorial-connections").scan()["Items"]
    return sorted(str(item["connection_id"]) for item in items)


def test_two_people_talk_through_the_tutorial_s_app(chat: TestClient) -> None:
    alice, bob = chat.connect(), chat.connect()

    alice.send("hello, everyone!")

    assert (alice.receive(), bob.receive()) == ("hello, everyone!", "hello, everyone!")
    assert rows() == sorted([alice.id, bob.id])


def test_leaving_is_noticed_by_the_app(chat: TestClient) -> None:
    alice, bob = chat.connect(), chat.connect()

    bob.leave()

    assert rows() == [alice.id]


def test_somebody_who_was_lost_without_notice_is_pruned_by_the_next_message(
    chat: TestClient,
) -> None:
    alice, bob = chat.connect(), chat.connect()
    bob.lose(disconnect=False)
    before = rows()

    alice.send("anybody?")

    assert before == sorted([alice.id, bob.id])
    assert alice.receive() == "anybody?"
    assert rows() == [alice.id]


def test_a_variable_of_one_function_is_seen_by_it_alone(chat: TestClient) -> None:
    alice = chat.connect()

    alice.send("/greeting")

    assert alice.receive() == "hello from the message function"
    assert "GREETING" not in os.environ


def test_a_client_that_a_handler_makes_with_boto3_arrives_too(chat: TestClient) -> None:
    alice = chat.connect()

    alice.send("/boto3")

    assert alice.receive() == "through boto3"


def test_a_handler_can_ask_about_a_connection(chat: TestClient) -> None:
    alice = chat.connect()

    alice.send("/info")

    expected = ["ConnectedAt", "Identity", "LastActiveAt", "ResponseMetadata"]
    assert alice.receive() == repr(expected)


def test_a_handler_can_close_its_connection(chat: TestClient) -> None:
    alice = chat.connect()

    alice.send("/close")

    with pytest.raises(ConnectionClosed) as caught:
        alice.receive()
    assert (caught.value.code, caught.value.reason) == (1000, "Connection Closed Normally")
    assert rows() == []


def test_a_crash_is_an_error_frame_and_the_socket_lives_on(chat: TestClient) -> None:
    alice = chat.connect()

    alice.send("/crash")
    alice.send("/greeting")

    frame = alice.receive_json()
    assert set(frame) == {"message", "connectionId", "requestId"}
    assert (frame["message"], frame["connectionId"]) == ("Internal server error", alice.id)
    assert alice.receive() == "hello from the message function"


def test_its_rest_route_answers(chat: TestClient) -> None:
    chat.connect()

    answer = chat.request("GET", "/")

    assert (answer.status, answer.body) == (200, b'{"connections":1}')


def test_a_second_client_of_the_same_app_has_its_own_gateway(tutorial: Chalice) -> None:
    with TestClient(tutorial, project_dir=TUTORIAL) as first:
        first.connect().leave()
    with TestClient(tutorial, project_dir=TUTORIAL) as second:
        alice = second.connect()
        alice.send("hello")
        alice.send("/boto3")

        assert [alice.receive(), alice.receive()] == ["hello", "through boto3"]


def test_a_client_inside_another_leaves_it_as_it_was(tutorial: Chalice) -> None:
    with TestClient(tutorial, project_dir=TUTORIAL) as outer:
        alice = outer.connect()
        with TestClient(tutorial, project_dir=TUTORIAL) as inner:
            bob = inner.connect()
            bob.send("/greeting")
        alice.send("/greeting")
        alice.send("/boto3")

        assert bob.receive() == "hello from the message function"
        assert [alice.receive(), alice.receive()] == [
            "hello from the message function",
            "through boto3",
        ]


def test_afterwards_the_environment_is_as_before(tutorial: Chalice) -> None:
    original, before = os.environ, dict(os.environ)

    with TestClient(tutorial, project_dir=TUTORIAL):
        during = os.environ.get("TABLE_NAME")

    assert during == "tutorial-connections"
    assert os.environ is original
    assert dict(os.environ) == before


# -- the handshake -------------------------------------------------------------------------------


def test_the_example_of_the_module_works() -> None:
    app = Chalice("example")

    @app.on_ws_message()
    def message(event: Any) -> None:
        assert event.json_body == {"action": "hello", "id": 1}
        app.websocket_api.send(event.connection_id, '{"type": "welcome"}')

    with TestClient(app, project_dir="/nowhere") as client:
        alice = client.connect("/?name=alice")
        alice.send({"action": "hello", "id": 1})

        assert alice.receive_json()["type"] == "welcome"


def test_query_and_headers_reach_connect(echo: Echo, client: TestClient) -> None:
    client.connect("/?name=alice&room=a&room=b&empty=", headers={"origin": "https://a.example"})

    (event,) = echo.events
    assert event["multiValueQueryStringParameters"] == {
        "name": ["alice"],
        "room": ["a", "b"],
        "empty": [""],
    }
    assert event["headers"]["Origin"] == "https://a.example"
    assert event["headers"]["Host"] == "127.0.0.1:8000"


def test_a_handshake_that_connect_refuses_raises_with_its_status(
    echo: Echo, client: TestClient
) -> None:
    echo.connect_answer = {"statusCode": 401}

    with pytest.raises(HandshakeRefused, match="401 Forbidden") as caught:
        client.connect()

    assert caught.value.status == 401
    assert client.gateway.connections() == []


def test_a_response_of_chalice_refuses_too(echo: Echo, client: TestClient) -> None:
    echo.connect_answer = Response("no", status_code=403)

    with pytest.raises(HandshakeRefused) as caught:
        client.connect()

    assert caught.value.status == 403


def test_the_subprotocol_is_what_connect_returned(echo: Echo, client: TestClient) -> None:
    asked = {"Sec-WebSocket-Protocol": "chat"}
    without = client.connect(headers=asked)
    echo.connect_answer = {"statusCode": 200, "headers": asked}

    assert (without.subprotocol, client.connect(headers=asked).subprotocol) == (None, "chat")


def test_too_many_handshakes_are_throttled(echo: Echo, tmp_path: Path, clock: ManualClock) -> None:
    limits = Limits(connects_per_second=1)
    beliefs = Beliefs(connect_throttled_status=503)
    with TestClient(
        echo.app, project_dir=tmp_path, limits=limits, beliefs=beliefs, clock=clock
    ) as client:
        client.connect()

        with pytest.raises(HandshakeRefused, match="503 Too Many Requests"):
            client.connect()


def test_a_connect_handler_may_close_another_connection(echo: Echo, client: TestClient) -> None:
    alice = client.connect()
    echo.close_on_connect = alice.id

    client.connect()

    assert alice.closed is not None
    assert echo.codes() == [1000]


# -- frames --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "fragments", "code"),
    [
        (32 * 1024, 1, None),
        (32 * 1024 + 1, 1, 1009),
        (33 * 1024, 1, 1009),
        (33 * 1024, 2, None),
        (64 * 1024 + 1, 2, 1009),
        (128 * 1024, 4, None),
        (130 * 1024, 5, 1009),
        (128 * 1024 + 1, 5, 1009),
    ],
)
def test_frames_up_to_32_kb_and_messages_up_to_128_kb_pass(
    echo: Echo, client: TestClient, size: int, fragments: int, code: int | None
) -> None:
    alice = client.connect()

    alice.send("x" * size, fragments=fragments)

    if code is None:
        assert len(alice.receive()) == size
    else:
        assert alice.closed is not None
        assert (alice.closed.code, echo.codes()) == (code, [code])


def test_the_size_of_a_frame_is_counted_in_bytes(echo: Echo, client: TestClient) -> None:
    alice = client.connect()

    alice.send("\u00e9" * (16 * 1024 + 1))

    assert echo.codes() == [1009]


def test_a_binary_frame_closes_with_1003(echo: Echo, client: TestClient) -> None:
    alice = client.connect()

    alice.send(b"\x00")

    assert alice.closed is not None
    assert (alice.closed.code, echo.codes()) == (1003, [1003])


def test_an_object_is_sent_as_json(echo: Echo, client: TestClient) -> None:
    alice = client.connect()

    alice.send({"a": 1})

    assert alice.received() == [{"a": 1}]
    assert alice.received() == []
    assert echo.events[-1]["body"] == '{"a": 1}'


def test_frames_above_the_rate_are_refused_in_a_frame(
    echo: Echo, tmp_path: Path, clock: ManualClock
) -> None:
    limits = Limits(requests_per_second=1, requests_burst=2)
    with TestClient(echo.app, project_dir=tmp_path, limits=limits, clock=clock) as client:
        alice = client.connect()
        alice.send("first")  # one token for the frame, one for its answer
        alice.send("second")

        assert alice.receive() == "first"
        assert alice.receive_json()["message"] == "Too Many Requests"


def test_a_slow_client_limits_posts_to_it(client: TestClient) -> None:
    alice, bob = client.connect(), client.connect()
    alice.unread_bytes = client.gateway.limits.buffer_bytes + 1

    answers = [client.manage("POST", socket.id, b"x").status for socket in (alice, bob)]

    assert answers == [429, 200]


def test_bytes_that_are_no_text_make_a_client_leave_with_1007(
    echo: Echo, client: TestClient
) -> None:
    alice = client.connect()

    assert client.manage("POST", alice.id, b"\xff").status == 200

    assert alice.closed is not None
    assert (alice.closed.code, echo.codes()) == (1007, [1007])


# -- the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [
        (None, "", (1005, "Client-side close frame status not set")),
        (1001, "", (1001, "")),
        (4000, "mine", (4000, "mine")),
    ],
)
def test_a_client_leaves_with_a_code_or_without(
    echo: Echo, client: TestClient, code: int | None, reason: str, told: tuple[int, str]
) -> None:
    client.connect().leave(code, reason)

    context = echo.events[-1]["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == told


def test_a_client_that_is_lost_is_told_as_1006(echo: Echo, client: TestClient) -> None:
    alice = client.connect()

    alice.lose()

    assert echo.codes() == [1006]
    assert client.manage("POST", alice.id, b"x").status == 410


def test_aws_may_never_tell(echo: Echo, client: TestClient) -> None:
    alice = client.connect()

    alice.lose(disconnect=False)
    alice.lose()
    alice.leave()

    assert echo.codes() == []
    assert client.manage("POST", alice.id, b"x").status == 410


@pytest.mark.parametrize("disconnect", [True, False])
def test_who_has_left_cannot_be_lost(echo: Echo, client: TestClient, *, disconnect: bool) -> None:
    alice = client.connect()
    alice.leave(1001)

    alice.lose(disconnect=disconnect)

    assert alice.closed is not None
    assert (alice.closed.code, echo.codes()) == (1001, [1001])


def test_what_arrived_before_the_close_can_still_be_received(client: TestClient) -> None:
    alice = client.connect()
    alice.send("hello")
    client.manage("DELETE", alice.id)

    assert alice.receive() == "hello"
    with pytest.raises(ConnectionClosed, match="1000 Connection Closed Normally"):
        alice.receive()


def test_nothing_can_be_sent_on_a_closed_socket(client: TestClient) -> None:
    alice = client.connect()
    alice.leave(1001, "bye")

    with pytest.raises(ConnectionClosed, match="1001 bye"):
        alice.send("x")


def test_an_idle_connection_is_swept(echo: Echo, client: TestClient, clock: ManualClock) -> None:
    alice = client.connect()
    clock.advance(600)

    client.sweep()

    assert alice.closed is not None
    assert (alice.closed.code, alice.closed.reason) == (1001, "Going away")
    assert echo.codes() == [1001]


def test_a_rest_route_may_close_a_connection(echo: Echo, client: TestClient) -> None:
    alice = client.connect()

    client.request("POST", f"/close/{alice.id}")

    assert echo.codes() == [1000]


def test_a_message_handler_may_close_another_connection(echo: Echo, client: TestClient) -> None:
    alice, bob = client.connect(), client.connect()

    alice.send(f"close {bob.id}")

    assert echo.codes() == [1000]
    assert (alice.closed, bob.closed is None) == (None, False)


# -- what a test gets wrong ----------------------------------------------------------------------


def test_receiving_what_has_not_arrived_is_told(client: TestClient) -> None:
    alice = client.connect()

    with pytest.raises(LookupError, match="nothing has arrived on this socket"):
        alice.receive()


def test_what_another_thread_sends_can_be_waited_for(client: TestClient) -> None:
    alice = client.connect()
    thread = threading.Thread(target=client.manage, args=("POST", alice.id, b"late"))

    thread.start()

    assert alice.receive(timeout=10) == "late"
    thread.join(10)


@pytest.mark.parametrize("name", ["publish", "echo-dev-publish"])
def test_functions_are_invoked_by_either_name(client: TestClient, name: str) -> None:
    alice = client.connect()

    outcome = client.invoke(name, {"to": alice.id, "message": "hi"})

    assert (outcome.payload, alice.receive()) == ({"sent": True}, "hi")


def test_an_error_of_a_function_is_in_its_outcome(client: TestClient) -> None:
    client.connect()  # Chalice learns its endpoint from the first WebSocket event

    outcome = client.invoke("publish", {"to": "JC1dgf9yoAMCK-g=", "message": "hi"})

    assert outcome.error is not None
    assert outcome.error.type == WebsocketDisconnectedError.__name__


def test_an_unknown_function_is_answered_with_those_there_are(client: TestClient) -> None:
    with pytest.raises(LookupError, match="no function 'other': api_handler, websocket_connect"):
        client.invoke("other", {})


def test_an_app_without_websockets_cannot_be_tested(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no WebSocket handlers"):
        TestClient(Chalice("rest"), project_dir=tmp_path)


def test_a_stage_that_is_not_configured_is_told(tutorial: Chalice) -> None:
    with pytest.raises(ProjectError, match="unknown stage 'prod'"):
        TestClient(tutorial, stage_name="prod", project_dir=TUTORIAL)


def test_a_configuration_that_cannot_be_read_is_told(echo: Echo, tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text("{")

    with pytest.raises(ProjectError, match="cannot be read"):
        TestClient(echo.app, project_dir=tmp_path)


def test_threads_may_close_at_the_same_time(echo: Echo, client: TestClient) -> None:
    sockets: list[TestSocket] = [client.connect() for _ in range(40)]
    barrier = threading.Barrier(4)
    errors: list[BaseException] = []

    def leave(mine: list[TestSocket]) -> None:
        barrier.wait(10)
        try:
            for socket in mine:
                socket.leave(1001)
        except IndexError as error:
            errors.append(error)

    threads = [threading.Thread(target=leave, args=(sockets[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert errors == []
    assert echo.codes() == [1001] * 40
    assert client.gateway.connections() == []


# -- authorizers ---------------------------------------------------------------------------------

TICKET = "route.request.querystring.ticket"


class Guarded(Echo):
    """The app with an authorizer, which lets in whom the ticket names."""

    def __init__(self) -> None:
        super().__init__()
        self.questions: list[dict[str, Any]] = []

        @self.app.lambda_function(name="authorize")
        def authorize(event: Any, _context: Any) -> Any:
            self.questions.append(event)
            ticket = event["queryStringParameters"]["ticket"]
            if ticket == "stale":
                raise PermissionError("Unauthorized")
            return {
                "principalId": ticket,
                "policyDocument": {
                    "Version": "2012-10-17",
                    "Statement": {
                        "Effect": "Deny" if ticket == "mallory" else "Allow",
                        "Action": "execute-api:Invoke",
                        "Resource": "*",
                    },
                },
                "context": {"region": os.environ.get("REGION", "none"), "guest": False},
            }


def guarded_client(app: Chalice, directory: Path) -> TestClient:
    authorizer = Authorizer("authorize", identity_sources=(TICKET,))
    return TestClient(app, project_dir=directory, authorizer=authorizer)


def test_an_authorizer_says_to_every_handler_who_the_client_is(tmp_path: Path) -> None:
    guarded = Guarded()

    with guarded_client(guarded.app, tmp_path) as client:
        alice = client.connect("/?ticket=alice")
        alice.send("hello")
        alice.leave()

    said = [event["requestContext"]["authorizer"] for event in guarded.events]
    latencies = [who.pop("integrationLatency") for who in said]
    assert said == [{"principalId": "alice", "region": "none", "guest": "false"}] * 3
    assert len(set(latencies)) == 1
    assert isinstance(latencies[0], int)
    assert [question["type"] for question in guarded.questions] == ["REQUEST"]
    assert guarded.questions[0]["requestContext"]["connectionId"] == alice.id


@pytest.mark.parametrize(
    ("url", "status", "asked"),
    [
        ("/", 401, 0),
        ("/?ticket=", 401, 0),
        ("/?ticket=stale", 401, 1),
        ("/?ticket=mallory", 403, 1),
    ],
)
def test_connect_does_not_run_for_whom_the_authorizer_refuses(
    url: str, status: int, asked: int, tmp_path: Path
) -> None:
    guarded = Guarded()

    with guarded_client(guarded.app, tmp_path) as client, pytest.raises(HandshakeRefused) as error:
        client.connect(url)

    assert error.value.status == status
    assert (len(guarded.questions), guarded.events) == (asked, [])
    assert client.gateway.connections() == []


def test_an_authorizer_is_a_function_with_a_configuration_of_its_own(tmp_path: Path) -> None:
    guarded = Guarded()
    configured = {"environment_variables": {"REGION": "north"}, "reserved_concurrency": 1}
    stages = {"dev": {"lambda_functions": {"authorize": configured}}}
    (tmp_path / "app.py").touch()
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(
        json.dumps({"version": "2.0", "app_name": "echo", "stages": stages})
    )

    with guarded_client(guarded.app, tmp_path) as client:
        client.connect("/?ticket=alice")
        assert client.runtime._admit("authorize")
        with pytest.raises(HandshakeRefused) as error:
            client.connect("/?ticket=bob")

    assert guarded.events[0]["requestContext"]["authorizer"]["region"] == "north"
    assert error.value.status == 500
    assert len(guarded.events) == 1


def test_an_authorizer_that_the_app_does_not_have_is_an_error(echo: Echo, tmp_path: Path) -> None:
    with pytest.raises(AuthorizerError, match="there are api_handler, publish, websocket_c"):
        guarded_client(echo.app, tmp_path)
