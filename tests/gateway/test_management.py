"""The @connections API: its paths and the exact answers that SDKs parse."""

import json

import pytest

from localgateway.gateway import Gateway
from localgateway.limits import Beliefs, Limits
from localgateway.management import Response, connection_id
from tests.gateway.conftest import MakeGateway, Open
from tests.gateway.fakes import ManualClock

SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=x"}
ABSENT = "JC1dgf9yoAMCK-g="
GONE = Response(410, {"x-amzn-errortype": "GoneException"}, b"")
LIMITED = Response(
    429,
    {"content-type": "application/json", "x-amzn-errortype": "LimitExceededException"},
    b'{"message": "Too many requests"}',
)
UNSIGNED = Response(
    403,
    {"content-type": "application/json", "x-amzn-errortype": "MissingAuthenticationTokenException"},
    b'{"message": "Missing Authentication Token"}',
)


def manage(gateway: Gateway, method: str, identifier: str, body: bytes = b"") -> Response:
    return gateway.manage(method, f"/api/@connections/{identifier}", SIGNED, body)


@pytest.mark.parametrize(
    ("path", "identifier"),
    [
        ("/api/@connections/JC1dgf9yoAMCK-g=", ABSENT),
        ("/api/%40connections/JC1dgf9yoAMCK-g%3D", ABSENT),
        ("/api/%40connections/JC1dgf9yoAMCK-g%3d?x=1", ABSENT),
        ("/api/@connections/", ""),
        ("/api/@connections", None),
        ("/prod/@connections/JC1dgf9yoAMCK-g=", None),
        ("/@connections/JC1dgf9yoAMCK-g=", None),
        ("/api", None),
        ("/", None),
    ],
)
def test_a_path_names_a_connection_of_the_stage(path: str, identifier: str | None) -> None:
    assert connection_id(path, "api") == identifier


@pytest.mark.parametrize("encoded", ["=", "%3D"])
def test_a_post_reaches_the_client_and_is_answered_with_nothing(
    gateway: Gateway, connect: Open, encoded: str
) -> None:
    connection, socket = connect(gateway)

    answer = manage(gateway, "POST", connection.id.replace("=", encoded), b'{"a":1}')

    assert answer == Response(200, {}, b"")
    assert socket.sent == [b'{"a":1}']


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_a_connection_that_is_not_there_is_gone_with_a_header_and_without_a_body(
    gateway: Gateway, method: str
) -> None:
    assert manage(gateway, method, ABSENT, b"x") == GONE


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize("identifier", ["", "me", "JC1dgf9yoAMCK-g", "JC1dgf9yoAMCK-g=/x"])
def test_an_id_that_api_gateway_cannot_have_made_is_a_bad_request(
    gateway: Gateway, method: str, identifier: str
) -> None:
    answer = manage(gateway, method, identifier)

    assert answer == Response(
        400,
        {"content-type": "application/json", "x-amzn-errortype": "BadRequestException"},
        json.dumps({"message": f"Invalid connectionId: {identifier}"}).encode(),
    )


def test_another_stage_is_forbidden(gateway: Gateway) -> None:
    answer = gateway.manage("POST", f"/prod/@connections/{ABSENT}", SIGNED, b"x")

    assert answer == Response(
        403,
        {"content-type": "application/json", "x-amzn-errortype": "ForbiddenException"},
        b'{"message": "Forbidden"}',
    )


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer x"}])
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_an_unsigned_request_is_refused(
    gateway: Gateway, connect: Open, method: str, headers: dict[str, str]
) -> None:
    connection, socket = connect(gateway)

    answer = gateway.manage(method, f"/api/@connections/{connection.id}", headers, b"x")

    assert answer == UNSIGNED
    assert (socket.sent, socket.closed) == ([], [])


def test_unsigned_requests_can_be_allowed(make_gateway: MakeGateway, connect: Open) -> None:
    gateway = make_gateway(beliefs=Beliefs(unsigned_callbacks=True))
    connection, socket = connect(gateway)

    answer = gateway.manage("POST", f"/api/@connections/{connection.id}", {}, b"x")

    assert (answer.status, socket.sent) == (200, [b"x"])


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD"])
def test_there_are_no_other_methods(gateway: Gateway, connect: Open, method: str) -> None:
    connection, _ = connect(gateway)

    assert manage(gateway, method, connection.id) == UNSIGNED
    assert manage(gateway, method, ABSENT) == UNSIGNED


def test_exactly_128_kb_are_accepted(gateway: Gateway, connect: Open) -> None:
    connection, socket = connect(gateway)

    answer = manage(gateway, "POST", connection.id, b"x" * 131_072)

    assert (answer.status, len(socket.sent[0])) == (200, 131_072)


def test_a_byte_more_is_too_large(gateway: Gateway, connect: Open) -> None:
    connection, socket = connect(gateway)

    answer = manage(gateway, "POST", connection.id, b"x" * 131_073)

    assert answer == Response(
        413,
        {"content-type": "application/json", "x-amzn-errortype": "PayloadTooLargeException"},
        b'{"message": "Message too long"}',
    )
    assert socket.sent == []


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_calls_above_the_account_s_rate_are_limited(
    make_gateway: MakeGateway, connect: Open, method: str
) -> None:
    gateway = make_gateway(limits=Limits(requests_per_second=1, requests_burst=1))
    connection, socket = connect(gateway)
    manage(gateway, "GET", connection.id)

    answer = manage(gateway, method, connection.id)

    assert answer == LIMITED
    assert (socket.sent, socket.closed) == ([], [])


def test_a_client_that_does_not_read_limits_posts_to_it_alone(
    gateway: Gateway, connect: Open
) -> None:
    slow, slow_socket = connect(gateway)
    fast, fast_socket = connect(gateway)
    slow_socket.queued = gateway.limits.buffer_bytes + 1

    refused = manage(gateway, "POST", slow.id, b"x")
    posted = manage(gateway, "POST", fast.id, b"x")

    assert (refused, posted.status) == (LIMITED, 200)
    assert (slow_socket.sent, fast_socket.sent) == ([], [b"x"])


def test_a_full_buffer_is_not_yet_one_too_many(gateway: Gateway, connect: Open) -> None:
    connection, socket = connect(gateway)
    socket.queued = gateway.limits.buffer_bytes

    assert manage(gateway, "POST", connection.id, b"x").status == 200


def test_a_get_tells_who_and_since_when_in_iso_times(
    gateway: Gateway, connect: Open, clock: ManualClock
) -> None:
    connection, _ = connect(gateway, source_ip="192.0.2.7", headers=(("user-agent", "wscat"),))
    clock.advance(60.25)
    gateway.received(connection, "x")

    answer = manage(gateway, "GET", connection.id)

    assert (answer.status, answer.headers) == (200, {"content-type": "application/json"})
    assert json.loads(answer.body) == {
        "connectedAt": "2026-01-02T03:04:05.500Z",
        "identity": {"sourceIp": "192.0.2.7", "userAgent": "wscat"},
        "lastActiveAt": "2026-01-02T03:05:05.750Z",
    }


def test_a_get_of_a_client_without_a_user_agent_has_an_empty_one(
    gateway: Gateway, connect: Open
) -> None:
    connection, _ = connect(gateway)

    answer = manage(gateway, "GET", connection.id)

    assert json.loads(answer.body)["identity"] == {"sourceIp": "127.0.0.1", "userAgent": ""}


def test_a_get_is_no_activity(gateway: Gateway, connect: Open, clock: ManualClock) -> None:
    connection, _ = connect(gateway)
    clock.advance(9)

    manage(gateway, "GET", connection.id)

    assert connection.last_active_at == connection.connected_at


def test_a_delete_closes_with_1000_once(gateway: Gateway, connect: Open) -> None:
    connection, socket = connect(gateway)

    first, second = (manage(gateway, "DELETE", connection.id) for _ in range(2))

    assert (first, second) == (Response(204, {}, b""), GONE)
    assert socket.closed == [(1000, "Connection Closed Normally")]
