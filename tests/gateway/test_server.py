"""The server: handshakes, messages, @connections, Invoke and REST, through real sockets."""

import datetime as dt
import http.client
import itertools
import json
import logging
import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close
from websockets.sync.client import connect

from localgateway import server as server_module
from localgateway.authorizers import Authorizer
from localgateway.errors import PortError
from localgateway.limits import Beliefs, Limits
from localgateway.server import listen
from localgateway.websocket import WebSocket
from tests.gateway.servers import (
    PATIENCE,
    RawClient,
    Served,
    eventually,
    identify,
    serving,
    text,
)

UNKNOWN = "AAAAAAAAAAAAAAA="


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.fixture(scope="module")
def hasty() -> Iterator[Served]:
    """A server that waits a moment for handlers, not 29 seconds."""
    limits = Limits(connects_per_second=0, requests_per_second=0, integration_seconds=0.3)
    with serving(limits) as served:
        yield served


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What clients do wrong is their business: no traceback of the server's on the terminal."""
    yield
    records = caplog.get_records("call")
    ours = [record for record in records if record.name != "localgateway.runtime"]
    assert [record.getMessage() for record in ours if record.levelno >= logging.WARNING] == []


def refusal(server: Served, query: str) -> tuple[int, Any]:
    with pytest.raises(InvalidStatus) as refused, server.connect(query):
        pass
    response = refused.value.response
    return response.status_code, json.loads(response.body or b"null")


def request(
    server: Served, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, fields)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


# -- the handshake -------------------------------------------------------------------------------


def test_two_clients_chat_both_ways(server: Served) -> None:
    with server.connect() as alice, server.connect() as bob:
        alice.send("hello, bob")
        bob_heard = bob.recv(PATIENCE)
        bob.send("hello, alice")
        alice_heard = [alice.recv(PATIENCE), alice.recv(PATIENCE)]

    assert bob_heard == "hello, bob"
    assert alice_heard == ["hello, bob", "hello, alice"]


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_the_status_that_connect_returns_refuses_the_handshake(server: Served, status: int) -> None:
    assert refusal(server, f"?status={status}")[0] == status


def test_a_connect_handler_that_raises_refuses_with_502(server: Served) -> None:
    assert refusal(server, "?fail") == (502, {"message": "Internal server error"})


def test_a_connect_handler_that_hangs_refuses_with_504(hasty: Served) -> None:
    assert refusal(hasty, "?hang=1") == (504, {"message": "Endpoint request timed out"})


def test_too_many_connects_are_refused_with_429() -> None:
    with serving(Limits(connects_per_second=0.001)) as server, server.connect():
        assert refusal(server, "") == (429, {"message": "Too Many Requests"})


# -- the authorizer ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded() -> Iterator[Served]:
    """A server that asks an authorizer first, and waits a moment for it."""
    limits = Limits(connects_per_second=0, requests_per_second=0, integration_seconds=0.3)
    sources = ("route.request.querystring.ticket", "route.request.header.x-app")
    with serving(limits, authorizer=Authorizer("authorize", identity_sources=sources)) as served:
        yield served


APP_HEADER = {"X-App": "web"}


def test_an_authorizer_is_asked_before_connect_and_names_the_client(guarded: Served) -> None:
    with guarded.connect("?ticket=t1", additional_headers=APP_HEADER) as client:
        identifier = identify(client)
        client.send("/who")
        who = json.loads(client.recv(PATIENCE))
    guarded.farewell(identifier)

    [question, connect, goodbye] = [
        event
        for event in (*guarded.app.questions, *guarded.app.connects, *guarded.app.disconnects)
        if event["requestContext"]["connectionId"] == identifier
    ]
    assert who.pop("integrationLatency") >= 0
    assert who == {"principalId": "alice", "guest": "false", "level": "7", "ticket": "t1"}
    assert connect["requestContext"]["authorizer"].items() >= who.items()
    assert goodbye["requestContext"]["authorizer"].items() >= who.items()
    assert question["headers"]["X-App"] == "web"
    assert question["headers"]["Upgrade"] == "websocket"
    assert question["methodArn"].endswith(":123456789012:localgatew/api/$connect")


@pytest.mark.parametrize(
    ("query", "headers", "refused"),
    [
        ("", APP_HEADER, (401, "Unauthorized")),
        ("?ticket=", APP_HEADER, (401, "Unauthorized")),
        ("?ticket=t", {}, (401, "Unauthorized")),
        ("?ticket=stale", APP_HEADER, (401, "Unauthorized")),
        ("?ticket=banned", APP_HEADER, (403, "Forbidden")),
        ("?ticket=fail", APP_HEADER, (500, "Internal server error")),
        ("?ticket=hang", APP_HEADER, (500, "Internal server error")),
    ],
)
def test_whom_the_authorizer_refuses_never_connects(
    guarded: Served, query: str, headers: dict[str, str], refused: tuple[int, str]
) -> None:
    before = len(guarded.app.connects)

    with pytest.raises(InvalidStatus) as error:
        guarded.connect(query, additional_headers=headers)

    response = error.value.response
    status, message = refused
    assert (response.status_code, json.loads(response.body or b"")) == (
        status,
        {"message": message},
    )
    assert len(guarded.app.connects) == before
    assert guarded.gateway.connections() == []


def test_connect_is_asked_after_the_authorizer(guarded: Served) -> None:
    with pytest.raises(InvalidStatus) as error:
        guarded.connect("?ticket=t&status=404", additional_headers=APP_HEADER)

    assert error.value.response.status_code == 404
    assert guarded.gateway.connections() == []


def test_what_is_believed_of_refusals_can_be_changed() -> None:
    with serving(beliefs=Beliefs(connect_error_status=500)) as server:
        assert refusal(server, "?fail")[0] == 500


def test_a_refused_connection_is_forgotten_without_disconnect(server: Served) -> None:
    before = len(server.app.connects)
    refusal(server, "?status=401")
    connection = server.app.connects[before]["requestContext"]["connectionId"]

    with server.connect() as other:
        identify(other)

    assert server.disconnects_of(connection) == []
    assert connection not in [row.id for row in server.gateway.connections()]


def test_the_subprotocol_is_the_one_that_connect_returned(server: Served) -> None:
    with server.connect("?protocol=chat", subprotocols=["other", "chat"]) as client:
        assert client.subprotocol == "chat"


def test_a_subprotocol_that_connect_did_not_return_is_not_agreed_to(server: Served) -> None:
    with server.connect(subprotocols=["chat"]) as client:
        assert client.subprotocol is None


def test_no_compression_is_agreed_to(server: Served) -> None:
    with server.connect() as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers


def test_connect_is_told_the_query_the_headers_and_the_caller(server: Served) -> None:
    with server.connect("?name=alice&room=a&room=b", additional_headers={"x-from": "test"}):
        event = eventually(lambda: server.app.connects[-1])

    assert event["multiValueQueryStringParameters"] == {"name": ["alice"], "room": ["a", "b"]}
    assert event["headers"]["X-From"] == "test"
    assert event["headers"]["X-Forwarded-Port"] == str(server.port)
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    assert event["requestContext"]["domainName"] == f"127.0.0.1:{server.port}"


def test_a_slash_after_the_stage_is_the_same_address(server: Served) -> None:
    with RawClient(server.port) as client:
        client.upgrade("/api/?name=alice")

        assert client.identify()


@pytest.mark.parametrize("target", ["/", "/other", "/api/more", "/apix", "/chat?stage=/api"])
def test_a_handshake_at_another_path_is_forbidden(server: Served, target: str) -> None:
    with RawClient(server.port) as client:
        client.ask(target)

        assert client.head().startswith("HTTP/1.1 403 ")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_WebSocket_Key": ""}, 400),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Sec_WebSocket_Version": "8"}, 400),
        ({"Connection": "close"}, 426),
    ],
)
def test_a_handshake_that_breaks_the_protocol_never_reaches_the_handler(
    server: Served, headers: dict[str, Any], status: int
) -> None:
    before = len(server.app.connects)

    with RawClient(server.port) as client:
        client.ask("/api", **headers)
        head = client.head()

    assert head.startswith(f"HTTP/1.1 {status} ")
    assert len(server.app.connects) == before


def test_only_a_get_can_be_upgraded(server: Served) -> None:
    with RawClient(server.port) as client:
        client.ask("/api", method="POST", Content_Length="0")

        assert client.head().startswith("HTTP/1.1 403 ")


def test_a_connection_that_was_refused_an_upgrade_serves_the_next_request(server: Served) -> None:
    with RawClient(server.port) as client:
        client.ask("/api?status=401")
        refused = client.head()
        length = int(refused.lower().partition("content-length: ")[2].partition("\r\n")[0])
        client.socket.recv(length)
        client.socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

        assert client.head().startswith("HTTP/1.1 200 ")


def test_a_client_that_vanishes_during_the_handshake_is_disconnected() -> None:
    with serving() as server, RawClient(server.port) as client:
        client.ask("/api?hang=1")
        [event] = eventually(lambda: server.app.connects)
        connection = event["requestContext"]["connectionId"]
        client.reset()
        server.app.release.set()

        assert server.farewell(connection) == (1006, "")
        assert server.gateway.connections() == []


def test_a_post_to_a_connection_whose_connect_handler_runs_is_gone() -> None:
    with serving() as server, RawClient(server.port) as client:
        client.ask("/api?hang=1")
        [event] = eventually(lambda: server.app.connects)
        connection = event["requestContext"]["connectionId"]
        api = server.client("apigatewaymanagementapi")

        with pytest.raises(api.exceptions.GoneException):
            api.post_to_connection(ConnectionId=connection, Data=b"too early")


# -- messages ------------------------------------------------------------------------------------


def test_a_frame_whose_handler_hangs_is_answered_and_the_socket_lives(hasty: Served) -> None:
    with hasty.connect() as client:
        connection = identify(client)
        client.send("/hang")
        answer = json.loads(client.recv(PATIENCE))

        assert answer["message"] == "Endpoint request timed out"
        assert answer["connectionId"] == connection
        assert identify(client) == connection


def test_a_frame_whose_handler_raises_is_answered_and_the_socket_lives(server: Served) -> None:
    with server.connect() as client:
        connection = identify(client)
        client.send("/fail")
        answer = json.loads(client.recv(PATIENCE))

        assert answer["message"] == "Internal server error"
        assert identify(client) == connection


def test_two_thousand_connections_are_served_at_once() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with serving() as server:
        clients = [RawClient(server.port) for _ in range(2_000)]
        try:
            for client in clients:
                client.ask("/api")
            for client in clients:
                client.head()
            clients[0].send(text("for all of you"))

            assert {client.text() for client in clients} == {"for all of you"}
        finally:
            for client in clients:
                client.reset()
        eventually(lambda: len(server.app.disconnects) == 2_000)
        assert server.gateway.connections() == []


# -- @connections --------------------------------------------------------------------------------


def test_a_post_arrives(server: Served) -> None:
    api = server.client("apigatewaymanagementapi")
    with server.connect() as client:
        api.post_to_connection(ConnectionId=identify(client), Data="grüße".encode())

        assert client.recv(PATIENCE) == "grüße"


def test_the_errors_of_connections_are_the_exceptions_of_the_sdk(server: Served) -> None:
    api = server.client("apigatewaymanagementapi")
    with server.connect() as client:
        connection = identify(client)

        with pytest.raises(api.exceptions.GoneException):
            api.post_to_connection(ConnectionId=UNKNOWN, Data=b"x")
        with pytest.raises(api.exceptions.GoneException):
            api.get_connection(ConnectionId=UNKNOWN)
        with pytest.raises(api.exceptions.GoneException):
            api.delete_connection(ConnectionId=UNKNOWN)
        with pytest.raises(api.exceptions.PayloadTooLargeException):
            api.post_to_connection(ConnectionId=connection, Data=b"x" * (128 * 1024 + 1))
        with pytest.raises(ClientError) as malformed:
            api.post_to_connection(ConnectionId="nonsense", Data=b"x")

    error = malformed.value.response
    assert error["Error"]["Code"] == "BadRequestException"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_request_without_a_signature_is_forbidden(server: Served) -> None:
    api = server.client("apigatewaymanagementapi", signature_version=UNSIGNED)

    with pytest.raises(ClientError) as unsigned:
        api.post_to_connection(ConnectionId=UNKNOWN, Data=b"x")

    assert unsigned.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_stage_that_is_not_served_is_forbidden(server: Served) -> None:
    status, _, _ = request(server, "POST", f"/prod/@connections/{UNKNOWN}", b"x")

    assert status == 403


def test_the_times_of_a_connection_are_parsed_by_the_sdk(server: Served) -> None:
    api = server.client("apigatewaymanagementapi")
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
    with server.connect(user_agent_header="tests") as client:
        found = api.get_connection(ConnectionId=identify(client))
    after = dt.datetime.now(dt.UTC)

    assert before <= found["ConnectedAt"] <= found["LastActiveAt"] <= after
    assert found["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "tests"}


def test_a_connection_is_closed_by_delete(server: Served) -> None:
    api = server.client("apigatewaymanagementapi")
    with server.connect() as client:
        connection = identify(client)
        api.delete_connection(ConnectionId=connection)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(PATIENCE)

    assert closed.value.rcvd == Close(1000, "Connection Closed Normally")
    assert server.farewell(connection) == (1000, "Connection Closed Normally")
    with pytest.raises(api.exceptions.GoneException):
        api.post_to_connection(ConnectionId=connection, Data=b"x")


@pytest.mark.parametrize(
    "form",
    ["/api/@connections/{raw}", "/api/%40connections/{raw}", "/api/@connections/{encoded}"],
)
def test_people_and_sdks_write_the_path_in_several_ways(server: Served, form: str) -> None:
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=x"}
    with server.connect() as client:
        connection = identify(client)
        path = form.format(raw=connection, encoded=connection.replace("=", "%3D"))

        assert request(server, "POST", path, b"by hand", **signed)[::2] == (200, b"")
        assert client.recv(PATIENCE) == "by hand"
        assert request(server, "GET", path, **signed)[0] == 200
        assert request(server, "PUT", path, b"x", **signed)[0] == 403
        assert request(server, "DELETE", path, **signed)[::2] == (204, b"")


@pytest.mark.parametrize(
    "cuts",
    [
        pytest.param([], id="whole"),
        pytest.param([30], id="within the path"),
        pytest.param([-1], id="within the body"),
    ],
)
def test_posts_on_one_connection_are_answered_however_they_are_cut(
    server: Served, cuts: list[int]
) -> None:
    with server.connect() as receiver, RawClient(server.port) as client:
        head = f"POST /api/@connections/{identify(receiver)} HTTP/1.1\r\nHost: x\r\n"
        post = f"{head}Authorization: AWS4-x\r\nContent-Length: 5\r\n\r\nhello".encode()
        bounds = [0, *(cut % len(post) for cut in cuts), len(post)]
        for _ in range(2):
            for start, end in itertools.pairwise(bounds):
                client.socket.sendall(post[start:end])
                # So that the parts are read one by one, on whatever connection the server reads.
                request(server, "GET", "/")
            assert client.head().startswith("HTTP/1.1 200 ")
        client.socket.sendall(post * 2)
        pipelined = [client.head().split()[1] for _ in range(2)]

        assert pipelined == ["200", "200"]
        assert [receiver.recv(PATIENCE) for _ in range(4)] == ["hello"] * 4


def test_a_410_has_an_empty_body_and_the_header_that_names_the_exception(server: Served) -> None:
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=x"}

    status, headers, body = request(server, "POST", f"/api/@connections/{UNKNOWN}", b"x", **signed)

    assert (status, body) == (410, b"")
    assert headers["x-amzn-errortype"] == "GoneException"


def test_unsigned_requests_can_be_allowed() -> None:
    with serving(beliefs=Beliefs(unsigned_callbacks=True)) as server, server.connect() as client:
        path = f"/api/@connections/{identify(client)}"

        assert request(server, "POST", path, b"unsigned")[0] == 200
        assert client.recv(PATIENCE) == "unsigned"


# -- Invoke --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["job", "memory-dev-job", "arn:aws:lambda:us-east-1:123456789012:function:memory-dev-job"],
)
def test_a_function_is_invoked_by_any_of_its_names(server: Served, name: str) -> None:
    answer = server.client("lambda").invoke(FunctionName=name, Payload=b'{"n": 1}')

    assert answer["StatusCode"] == 200
    assert json.load(answer["Payload"]) == {"event": {"n": 1}, "name": "memory-dev-job"}


def test_an_error_of_a_function_is_in_its_answer(server: Served) -> None:
    answer = server.client("lambda").invoke(FunctionName="job", Payload=b'"fail"')
    error = json.load(answer["Payload"])

    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "no such job")


def test_an_event_is_accepted_at_once_and_run_later(server: Served) -> None:
    answer = server.client("lambda").invoke(
        FunctionName="job", InvocationType="Event", Payload=b'"later"'
    )

    assert answer["StatusCode"] == 202
    assert eventually(lambda: "later" in server.app.jobs)


def test_a_dry_run_runs_nothing(server: Served) -> None:
    answer = server.client("lambda").invoke(
        FunctionName="job", InvocationType="DryRun", Payload=b'"dry"'
    )

    assert answer["StatusCode"] == 204
    assert "dry" not in server.app.jobs


def test_a_function_that_does_not_exist_is_not_found(server: Served) -> None:
    api = server.client("lambda")

    with pytest.raises(api.exceptions.ResourceNotFoundException, match="there are: api_handler"):
        api.invoke(FunctionName="nothing")


def test_a_function_beyond_its_reserved_concurrency_is_throttled() -> None:
    with serving() as server, ThreadPoolExecutor(1) as threads:
        api = server.client("lambda")
        running = threads.submit(api.invoke, FunctionName="job", Payload=b'"hang"')
        eventually(lambda: "hang" in server.app.jobs)

        with pytest.raises(api.exceptions.TooManyRequestsException):
            api.invoke(FunctionName="job")
        server.app.release.set()

        assert running.result(PATIENCE)["StatusCode"] == 200


# -- REST ----------------------------------------------------------------------------------------


def test_rest_routes_are_served_on_the_same_port(server: Served) -> None:
    status, headers, body = request(server, "GET", "/")

    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body)["version"] == "one"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 403),
        ("GET", "//", 403),
        ("GET", "/%ff%00", 403),
        ("GET", "/2015-03-31/functions/job/invocations", 403),
        ("GET", "/api/@connections", 403),
        ("DELETE", "/", 405),
        ("HEAD", "/", 405),
        ("OPTIONS", "/cors", 200),
    ],
)
def test_what_chalice_does_not_route_is_refused(
    server: Served, method: str, path: str, status: int
) -> None:
    assert request(server, method, path)[0] == status


def test_a_body_of_ten_megabytes_is_taken_and_one_byte_more_is_not(server: Served) -> None:
    largest = b"x" * (10 * 1024 * 1024)
    kind = {"Content_Type": "text/plain"}

    taken = request(server, "POST", "/length", largest, **kind)
    refused = request(server, "POST", "/length", largest + b"x", **kind)

    assert (taken[0], json.loads(taken[2])) == (200, {"length": len(largest)})
    assert (refused[0], json.loads(refused[2])) == (413, {"message": "Request Too Long"})


def test_a_rest_handler_that_hangs_is_answered_504(hasty: Served) -> None:
    status, _, body = request(hasty, "GET", "/hang")

    assert (status, json.loads(body)) == (504, {"message": "Endpoint request timed out"})


def test_two_requests_are_handled_at_the_same_time(server: Served) -> None:
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda _: request(server, "GET", "/meet")[0], range(2)))

    assert answers == [200, 200]


def test_requests_on_one_connection_are_answered_in_turn(server: Served) -> None:
    with RawClient(server.port) as client:
        client.socket.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        first = client.head()
        client.socket.recv(int(first.lower().partition("content-length: ")[2].split("\r\n")[0]))

        assert client.head().startswith("HTTP/1.1 403 ")


def test_clients_that_leave_while_their_request_is_handled_harm_nobody() -> None:
    with serving() as server:
        for path in (b"/hang", b"/2015-03-31/functions/job/invocations"):
            with RawClient(server.port) as client:
                client.socket.sendall(
                    b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n"
                    if path == b"/hang"
                    else b"POST "
                    + path
                    + b' HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"hang"'
                )
                eventually(lambda: server.app.jobs.count("hang"))
                client.reset()
            server.app.jobs.clear()
        for start in (b"POST /length HTTP/1.1\r\n", b"POST /api/@connections/x HTTP/1.1\r\n"):
            with RawClient(server.port) as client:
                client.socket.sendall(start + b"Host: x\r\nContent-Length: 100\r\n\r\nhalf")
                request(server, "GET", "/")
                client.reset()
        server.app.release.set()

        assert request(server, "GET", "/")[0] == 200


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"HELO there\r\n\r\n", id="another protocol"),
        pytest.param(b"GET / HTTP/1.1\r\nno colon\r\n\r\n", id="a header that is none"),
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", id="HTTP of the future"),
        pytest.param(b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\n\r\n", id="a path of 9 KB"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", id="no length"),
    ],
)
def test_what_is_not_http_is_refused(server: Served, data: bytes) -> None:
    with RawClient(server.port) as client:
        client.socket.sendall(data)

        assert client.head().split()[1] == "400"
    assert request(server, "GET", "/")[0] == 200


# -- starting and stopping -----------------------------------------------------------------------


def test_an_address_that_is_taken_is_named() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(PortError, match=rf"127\.0\.0\.1:{port}: Address already in use"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_named(host: str) -> None:
    with pytest.raises(PortError, match=f"cannot listen on {host}:8000: "):
        listen(host, 8000)


@pytest.mark.parametrize(("host", "reached"), [("::1", "::1"), ("::", "127.0.0.1")])
def test_ipv6_is_listened_on_too(host: str, reached: str) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with listen(host, 0) as listener:
        socket.create_connection((reached, listener.getsockname()[1])).close()


def test_stopping_closes_every_socket_with_1001_and_runs_its_disconnect() -> None:
    with serving() as server, server.connect() as one, server.connect() as two:
        connections = {identify(one), identify(two)}
        server.stop()
        for client in (one, two):
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(PATIENCE)
            assert closed.value.rcvd == Close(1001, "Going away")

        assert {server.farewell(connection) for connection in connections} == {(1001, "Going away")}
        assert server.gateway.connections() == []


def test_nothing_new_is_accepted_after_stopping() -> None:
    with serving() as server:
        server.stop()

        with pytest.raises(OSError, match="refused"):
            connect(server.websocket, proxy=None)


def test_handlers_that_hang_do_not_keep_the_server_from_stopping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_module, "_GRACE", 0.2)
    with serving() as server, server.connect() as client, RawClient(server.port) as rest:
        client.send("/hang")
        rest.socket.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: "/hang" in server.app.messages and "hang" in server.app.jobs)

        started = time.monotonic()
        server.stop()

        assert time.monotonic() - started < 15


def test_stopping_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    with serving() as server, server.connect() as client:
        identify(client)
        request(server, "GET", "/")

    assert eventually(lambda: not set(threading.enumerate()) - before)


def test_a_websocket_that_was_never_used_costs_little(server: Served) -> None:
    with server.connect() as client:
        [row] = [row for row in server.gateway.connections() if row.id == identify(client)]

        assert isinstance(row.socket, WebSocket)
        assert row.socket.buffered() == 0
