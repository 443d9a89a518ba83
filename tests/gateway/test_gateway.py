"""The gateway core: handshakes, frames, closes and limits, as API Gateway has them."""

import itertools
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from localgateway.connections import State
from localgateway.events import Handshake
from localgateway.functions import FunctionError, Invocation
from localgateway.gateway import Gateway, Task
from localgateway.handshakes import Acceptance, Refusal
from localgateway.limits import Beliefs, Limits
from localgateway.routing import CONNECT, DEFAULT, DISCONNECT
from tests.gateway.conftest import MakeGateway, Open
from tests.gateway.fakes import CountingEntropy, ManualClock, RecordingSocket

OK = Invocation(payload={"statusCode": 200})
RAISED = Invocation(error=FunctionError("ValueError", "no"))
THROTTLED = Invocation(throttled=True)
TIMED_OUT = Invocation(error=FunctionError("Sandbox.Timedout", "late"), timed_out=True)
COMPLAINT = re.compile(
    rb'\{"message": "([^"]+)", '
    rb'"connectionId":"([A-Za-z0-9_-]{15}=)", "requestId":"([A-Za-z0-9_-]{15}=)"\}'
)


def judge(gateway: Gateway, outcome: Invocation | None) -> Acceptance | Refusal:
    started = gateway.connecting(Handshake())
    assert not isinstance(started, Refusal)
    verdict = gateway.connected(started[0], outcome)
    assert not isinstance(verdict, Task)
    return verdict


def context(task: Task | None) -> dict[str, Any]:
    assert task is not None
    found: dict[str, Any] = task.event["requestContext"]
    return found


# -- the handshake -------------------------------------------------------------------------------


def test_a_handshake_begins_with_the_connect_event(
    make_gateway: MakeGateway, entropy: CountingEntropy
) -> None:
    gateway = make_gateway(entropy=entropy)
    handshake = Handshake(
        headers=(("user-agent", "wscat"),), query=(("name", "alice"),), source_ip="192.0.2.7"
    )

    started = gateway.connecting(handshake)

    assert not isinstance(started, Refusal)
    connection, task = started
    assert task is not None
    assert (connection.id, connection.state) == (entropy.id(0), State.CONNECTING)
    assert (task.route_key, task.request_id) == (CONNECT, entropy.id(1))
    assert task.event["queryStringParameters"] == {"name": "alice"}
    assert context(task) == {
        "routeKey": "$connect",
        "eventType": "CONNECT",
        "extendedRequestId": entropy.id(1),
        "requestTime": "02/Jan/2026:03:04:05 +0000",
        "messageDirection": "IN",
        "stage": "api",
        "connectedAt": 1_767_323_045_500,
        "requestTimeEpoch": 1_767_323_045_500,
        "identity": {"sourceIp": "192.0.2.7", "userAgent": "wscat"},
        "requestId": entropy.id(1),
        "domainName": "chat.example",
        "connectionId": entropy.id(0),
        "apiId": "localgatew",
    }


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_of_connect_accepts(gateway: Gateway, status: int) -> None:
    assert judge(gateway, Invocation(payload={"statusCode": status})) == Acceptance(None)


@pytest.mark.parametrize("status", [300, 400, 401, 403, 404, 429, 500, 503])
def test_another_status_of_connect_is_the_handshake_s(gateway: Gateway, status: int) -> None:
    verdict = judge(gateway, Invocation(payload={"statusCode": status, "body": "secret"}))

    assert verdict == Refusal(status, "Forbidden")


@pytest.mark.parametrize(
    ("outcome", "refusal"),
    [
        (RAISED, Refusal(502, "Internal server error")),
        (TIMED_OUT, Refusal(504, "Endpoint request timed out")),
        (THROTTLED, Refusal(429, "Too Many Requests")),
    ],
)
def test_a_connect_handler_that_fails_refuses(
    gateway: Gateway, outcome: Invocation, refusal: Refusal
) -> None:
    assert judge(gateway, outcome) == refusal


@pytest.mark.parametrize(("outcome", "status"), [(RAISED, 500), (TIMED_OUT, 408), (THROTTLED, 503)])
def test_which_status_a_failing_connect_has_is_a_switch(
    make_gateway: MakeGateway, outcome: Invocation, status: int
) -> None:
    beliefs = Beliefs(
        connect_error_status=500, connect_timeout_status=408, connect_throttled_status=503
    )

    verdict = judge(make_gateway(beliefs=beliefs), outcome)

    assert isinstance(verdict, Refusal)
    assert verdict.status == status


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "200",
        200,
        [],
        [{"statusCode": 200}],
        {},
        {"statusCode": None},
        {"statusCode": "200"},
        {"statusCode": 200.0},
        {"statusCode": True},
        {"statusCode": 0},
        {"statusCode": 101},
        {"statusCode": 600},
        {"statusCode": 200, "headers": "x"},
        {"statusCode": 200, "multiValueHeaders": ["x"]},
    ],
)
def test_what_is_no_proxy_response_is_an_error(gateway: Gateway, payload: Any) -> None:
    verdict = judge(gateway, Invocation(payload=payload))

    assert verdict == Refusal(502, "Internal server error")
    assert gateway.connections() == []


@pytest.mark.parametrize(
    ("answer", "subprotocol"),
    [
        ({"headers": {"Sec-WebSocket-Protocol": "chat"}}, "chat"),
        ({"headers": {"sec-websocket-protocol": "chat"}}, "chat"),
        ({"headers": {"SEC-WEBSOCKET-PROTOCOL": "chat", "X-Other": "x"}}, "chat"),
        ({"multiValueHeaders": {"Sec-WebSocket-Protocol": ["chat", "other"]}}, "chat"),
        ({"headers": {}, "multiValueHeaders": {"sec-websocket-protocol": ["chat"]}}, "chat"),
        ({"multiValueHeaders": {"Sec-WebSocket-Protocol": []}}, None),
        ({"multiValueHeaders": {"Sec-WebSocket-Protocol": "chat"}}, None),
        ({"multiValueHeaders": {"X-Other": ["chat"]}}, None),
        ({"headers": {"X-Other": "chat"}, "body": "chat"}, None),
        ({"headers": None, "multiValueHeaders": None}, None),
        ({}, None),
    ],
)
def test_only_the_subprotocol_that_connect_returns_is_echoed(
    gateway: Gateway, answer: dict[str, Any], subprotocol: str | None
) -> None:
    verdict = judge(gateway, Invocation(payload={"statusCode": 200, **answer}))

    assert verdict == Acceptance(subprotocol)


def test_the_subprotocol_that_a_client_asks_for_is_not_echoed_by_itself(gateway: Gateway) -> None:
    started = gateway.connecting(Handshake(headers=(("Sec-WebSocket-Protocol", "chat"),)))
    assert not isinstance(started, Refusal)

    assert gateway.connected(started[0], OK) == Acceptance(None)


def test_without_a_connect_handler_everybody_is_let_in(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(routes={DEFAULT})

    started = gateway.connecting(Handshake())

    assert not isinstance(started, Refusal)
    connection, task = started
    assert (task, gateway.connected(connection, None)) == (None, Acceptance(None))


def test_routes_can_be_deployed_later(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(routes=frozenset())

    gateway.deploy({CONNECT})

    started = gateway.connecting(Handshake())
    assert not isinstance(started, Refusal)
    assert started[1] is not None


def test_a_refused_connection_is_forgotten_and_never_disconnects(gateway: Gateway) -> None:
    started = gateway.connecting(Handshake())
    assert not isinstance(started, Refusal)
    connection, _ = started

    gateway.connected(connection, Invocation(payload={"statusCode": 403}))

    assert gateway.connections() == []
    assert gateway.disconnected(connection, 1006, "") is None


def test_a_connection_is_gone_to_posts_until_its_handshake_is_through(gateway: Gateway) -> None:
    started = gateway.connecting(Handshake())
    assert not isinstance(started, Refusal)
    connection, _ = started

    during = gateway.post(connection.id, b"x").status
    gateway.connected(connection, OK)
    before_101 = gateway.post(connection.id, b"x").status
    gateway.opened(connection, RecordingSocket())

    assert (during, before_101, gateway.post(connection.id, b"x").status) == (410, 410, 200)


def test_frames_before_the_handshake_is_through_are_not_taken(gateway: Gateway) -> None:
    started = gateway.connecting(Handshake())
    assert not isinstance(started, Refusal)

    assert gateway.received(started[0], "x") is None


def test_connections_above_the_rate_are_refused_until_the_next_second(
    make_gateway: MakeGateway, clock: ManualClock
) -> None:
    gateway = make_gateway(limits=Limits(connects_per_second=2))

    three = [gateway.connecting(Handshake()) for _ in range(3)]
    clock.advance(0.5)

    assert [isinstance(one, Refusal) for one in three] == [False, False, True]
    assert three[2] == Refusal(429, "Too Many Requests")
    assert not isinstance(gateway.connecting(Handshake()), Refusal)
    assert len(gateway.connections()) == 3


def test_aws_s_rate_is_500_new_connections_a_second(gateway: Gateway) -> None:
    refused = [isinstance(gateway.connecting(Handshake()), Refusal) for _ in range(501)]

    assert refused == [False] * 500 + [True]


def test_rates_of_0_are_no_rates(make_gateway: MakeGateway, connect: Open) -> None:
    gateway = make_gateway(
        limits=Limits(connects_per_second=0, requests_per_second=0, requests_burst=1)
    )

    opened = [connect(gateway) for _ in range(1000)]

    assert all(gateway.received(connection, "x") for connection, _ in opened)


# -- frames --------------------------------------------------------------------------------------


def test_a_frame_becomes_a_message_event(
    make_gateway: MakeGateway, connect: Open, entropy: CountingEntropy, clock: ManualClock
) -> None:
    gateway = make_gateway(entropy=entropy)
    connection, _ = connect(gateway)
    clock.advance(1)

    task = gateway.received(connection, "hello")

    assert task == Task(
        DEFAULT,
        {
            "requestContext": {
                "routeKey": "$default",
                "eventType": "MESSAGE",
                "messageId": entropy.id(3),
                "extendedRequestId": entropy.id(2),
                "requestTime": "02/Jan/2026:03:04:06 +0000",
                "messageDirection": "IN",
                "stage": "api",
                "connectedAt": 1_767_323_045_500,
                "requestTimeEpoch": 1_767_323_046_500,
                "identity": {"sourceIp": "127.0.0.1"},
                "requestId": entropy.id(2),
                "domainName": "chat.example",
                "connectionId": connection.id,
                "apiId": "localgatew",
            },
            "body": "hello",
            "isBase64Encoded": False,
        },
        entropy.id(2),
    )


def test_a_route_is_named_in_its_event(make_gateway: MakeGateway, connect: Open) -> None:
    gateway = make_gateway(routes={"join"})
    connection, _ = connect(gateway)

    task = gateway.received(connection, '{"action":"join"}')

    assert task is not None
    assert (task.route_key, context(task)["routeKey"]) == ("join", "join")


def test_a_frame_without_a_route_is_forbidden_in_exactly_these_bytes(
    make_gateway: MakeGateway, connect: Open, entropy: CountingEntropy
) -> None:
    gateway = make_gateway(routes={CONNECT, "join"}, entropy=entropy)
    connection, socket = connect(gateway)

    assert gateway.received(connection, "hello") is None

    expected = (
        f'{{"message": "Forbidden", "connectionId":"{entropy.id(0)}", '
        f'"requestId":"{entropy.id(2)}"}}'
    )
    assert socket.sent == [expected.encode()]
    assert socket.closed == []


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (RAISED, b"Internal server error"),
        (THROTTLED, b"Internal server error"),
        (TIMED_OUT, b"Endpoint request timed out"),
    ],
)
def test_a_handler_that_fails_is_reported_and_the_socket_stays_open(
    gateway: Gateway, connect: Open, outcome: Invocation, message: bytes
) -> None:
    connection, socket = connect(gateway)
    task = gateway.received(connection, "x")
    assert task is not None

    gateway.handled(connection, task, outcome)

    (frame,) = socket.sent
    said = COMPLAINT.fullmatch(frame)
    assert said is not None
    assert said.groups() == (message, connection.id.encode(), task.request_id.encode())
    assert (socket.closed, connection.state) == ([], State.OPEN)


@pytest.mark.parametrize("payload", [None, "hi", {"statusCode": 200, "body": "hi"}, {"body": "x"}])
def test_what_a_handler_returns_is_discarded(gateway: Gateway, connect: Open, payload: Any) -> None:
    connection, socket = connect(gateway)
    task = gateway.received(connection, "x")
    assert task is not None

    gateway.handled(connection, task, Invocation(payload=payload))

    assert socket.sent == []


def test_a_failure_after_the_close_is_told_to_nobody(gateway: Gateway, connect: Open) -> None:
    connection, socket = connect(gateway)
    task = gateway.received(connection, "x")
    assert task is not None
    gateway.disconnected(connection, None, "")

    gateway.handled(connection, task, RAISED)

    assert socket.sent == []


def test_frames_and_callbacks_share_the_account_s_rate(
    make_gateway: MakeGateway, connect: Open, clock: ManualClock
) -> None:
    gateway = make_gateway(limits=Limits(requests_per_second=10, requests_burst=2))
    connection, socket = connect(gateway)
    gateway.post(connection.id, b"posted")

    passed, throttled = (gateway.received(connection, "x") for _ in range(2))
    clock.advance(0.125)

    assert (passed is None, throttled is None) == (False, True)
    assert socket.sent[0] == b"posted"
    said = COMPLAINT.fullmatch(socket.sent[1])
    assert said is not None
    assert said[1] == b"Too Many Requests"
    assert gateway.received(connection, "x") is not None


def test_a_binary_frame_closes_with_1003(gateway: Gateway, connect: Open) -> None:
    connection, socket = connect(gateway)

    gateway.received_binary(connection)

    assert [code for code, _ in socket.closed] == [1003]
    assert context(gateway.disconnected(connection, 1005, ""))["disconnectStatusCode"] == 1003


# -- the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [
        (None, "", (1005, "Client-side close frame status not set")),
        (1001, "", (1001, "")),
        (1000, "bye", (1000, "bye")),
        (4001, "mine", (4001, "mine")),
        (1006, "", (1006, "")),
        (1009, "", (1009, "")),
    ],
)
def test_disconnect_is_told_how_the_client_left(
    gateway: Gateway, connect: Open, code: int | None, reason: str, told: tuple[int, str]
) -> None:
    connection, _ = connect(gateway)

    task = gateway.disconnected(connection, code, reason)

    found = context(task)
    assert (found["disconnectStatusCode"], found["disconnectReason"]) == told
    assert task is not None
    assert task.route_key == DISCONNECT
    assert set(task.event) == {"headers", "multiValueHeaders", "requestContext", "isBase64Encoded"}


def test_the_code_of_a_lost_connection_is_a_switch(
    make_gateway: MakeGateway, connect: Open
) -> None:
    gateway = make_gateway(beliefs=Beliefs(lost_code=1001))
    connection, _ = connect(gateway)

    assert context(gateway.disconnected(connection, 1006, ""))["disconnectStatusCode"] == 1001


@pytest.mark.parametrize("reported", [None, 1000, 1001, 1006])
def test_after_a_delete_it_is_told_1000_whatever_the_socket_reports(
    gateway: Gateway, connect: Open, reported: int | None
) -> None:
    connection, _ = connect(gateway)
    gateway.manage("DELETE", f"/api/@connections/{connection.id}", {"authorization": "AWS4-"})

    found = context(gateway.disconnected(connection, reported, "whatever"))

    told = found["disconnectStatusCode"], found["disconnectReason"]
    assert told == (1000, "Connection Closed Normally")


def test_a_connection_ends_once(gateway: Gateway, connect: Open) -> None:
    connection, _ = connect(gateway)

    first, second = (gateway.disconnected(connection, None, "") for _ in range(2))

    assert (first is None, second is None) == (False, True)
    assert gateway.post(connection.id, b"x").status == 410


def test_without_a_disconnect_handler_a_connection_just_ends(
    make_gateway: MakeGateway, connect: Open
) -> None:
    gateway = make_gateway(routes={DEFAULT})
    connection, _ = connect(gateway)

    assert gateway.disconnected(connection, None, "") is None
    assert gateway.connections() == []


def test_an_abandoned_connection_can_be_abandoned_again(gateway: Gateway, connect: Open) -> None:
    connection, _ = connect(gateway)

    gateway.abandon(connection)
    gateway.abandon(connection)

    assert gateway.connections() == []


def test_a_connection_idle_for_ten_minutes_is_going_away(
    gateway: Gateway, connect: Open, clock: ManualClock
) -> None:
    connection, socket = connect(gateway)
    clock.advance(599.75)
    gateway.sweep()
    early = list(socket.closed)

    clock.advance(0.25)
    gateway.sweep()
    gateway.sweep()

    assert (early, socket.closed) == ([], [(1001, "Going away")])
    found = context(gateway.disconnected(connection, 1005, ""))
    told = found["disconnectStatusCode"], found["disconnectReason"]
    assert told == (1001, "Going away")


def test_a_post_and_a_frame_are_activity(
    gateway: Gateway, connect: Open, clock: ManualClock
) -> None:
    posted_to, first = connect(gateway)
    sending, second = connect(gateway)
    _, silent = connect(gateway)
    clock.advance(599)
    gateway.post(posted_to.id, b"x")
    gateway.received(sending, "x")

    clock.advance(599)
    gateway.sweep()

    assert (first.closed, second.closed) == ([], [])
    assert silent.closed == [(1001, "Going away")]


@pytest.mark.parametrize("counts", [False, True])
def test_whether_a_ping_is_activity_is_a_switch(
    make_gateway: MakeGateway, connect: Open, clock: ManualClock, *, counts: bool
) -> None:
    gateway = make_gateway(beliefs=Beliefs(ping_resets_idle=counts))
    connection, socket = connect(gateway)
    clock.advance(599)
    gateway.pinged(connection)

    clock.advance(1)
    gateway.sweep()

    assert (socket.closed == []) is counts


@pytest.mark.parametrize("code", [1001, 1000])
def test_after_two_hours_even_a_busy_connection_is_closed(
    make_gateway: MakeGateway, connect: Open, clock: ManualClock, code: int
) -> None:
    gateway = make_gateway(beliefs=Beliefs(expired_code=code))
    connection, socket = connect(gateway)
    for _ in range(15):
        gateway.received(connection, "x")
        gateway.sweep()
        clock.advance(480)
    assert socket.closed == []

    gateway.sweep()

    assert socket.closed == [(code, "Connection duration exceeded")]


def test_limits_of_time_can_be_set(
    make_gateway: MakeGateway, connect: Open, clock: ManualClock
) -> None:
    gateway = make_gateway(limits=Limits(idle_seconds=5, duration_seconds=8))
    _, socket = connect(gateway)

    clock.advance(5)
    gateway.sweep()

    assert [code for code, _ in socket.closed] == [1001]


def test_a_handshake_under_way_is_never_swept(gateway: Gateway, clock: ManualClock) -> None:
    gateway.connecting(Handshake())

    clock.advance(9999)
    gateway.sweep()

    assert [one.state for one in gateway.connections()] == [State.CONNECTING]


def test_at_the_end_all_are_closed(gateway: Gateway, connect: Open) -> None:
    sockets = [connect(gateway)[1] for _ in range(3)]

    gateway.close_all()

    assert [socket.closed for socket in sockets] == [[(1001, "Going away")]] * 3


def test_a_closing_connection_is_gone_and_takes_no_frames(gateway: Gateway, connect: Open) -> None:
    connection, socket = connect(gateway)
    gateway.close_all()

    assert gateway.post(connection.id, b"x").status == 410
    assert gateway.received(connection, "x") is None
    assert socket.sent == []


# -- threads -------------------------------------------------------------------------------------


def test_threads_that_post_close_and_sweep_neither_lose_nor_double_anything(
    make_gateway: MakeGateway, connect: Open, clock: ManualClock
) -> None:
    gateway = make_gateway(limits=Limits(requests_per_second=0, connects_per_second=0))
    opened = [connect(gateway) for _ in range(40)]
    barrier = threading.Barrier(6)
    ends: list[Task] = []

    def post() -> int:
        barrier.wait(10)
        ids = itertools.islice(itertools.cycle(c.id for c, _ in opened), 2000)
        return sum(gateway.post(identifier, b"x").status == 200 for identifier in ids)

    def end() -> int:
        barrier.wait(10)
        tasks = [gateway.disconnected(connection, 1001, "") for connection, _ in opened[::2]]
        ends.extend(task for task in tasks if task)
        return 0

    def sweep() -> int:
        barrier.wait(10)
        for _ in range(50):
            gateway.sweep()
            gateway.connections()
        return 0

    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(work) for work in (post, post, post, end, end, sweep)]
        posted = sum(future.result(30) for future in futures)

    assert sum(len(socket.sent) for _, socket in opened) == posted
    assert [len(socket.sent) for _, socket in opened[1::2]] == [150] * 20
    ids = [task.event["requestContext"]["connectionId"] for task in ends]
    assert sorted(ids) == sorted(connection.id for connection, _ in opened[::2])
    assert len(gateway.connections()) == 20
    assert clock() == connect(gateway)[0].connected_at


def test_threads_never_take_more_tokens_than_there_are(
    make_gateway: MakeGateway, connect: Open
) -> None:
    gateway = make_gateway(limits=Limits(requests_per_second=1, requests_burst=100))
    connection, socket = connect(gateway)
    barrier = threading.Barrier(8)

    def post() -> list[int]:
        barrier.wait(10)
        return [gateway.post(connection.id, b"x").status for _ in range(50)]

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(post) for _ in range(8)]
        statuses = [status for future in futures for status in future.result(30)]

    assert (statuses.count(200), statuses.count(429)) == (100, 300)
    assert len(socket.sent) == 100


def test_of_many_deletes_one_closes(gateway: Gateway, connect: Open) -> None:
    connection, socket = connect(gateway)
    barrier = threading.Barrier(8)

    def delete() -> int:
        barrier.wait(10)
        path = f"/api/@connections/{connection.id}"
        return gateway.manage("DELETE", path, {"authorization": "AWS4-"}).status

    with ThreadPoolExecutor(8) as pool:
        statuses = [future.result(30) for future in [pool.submit(delete) for _ in range(8)]]

    assert sorted(statuses) == [204] + [410] * 7
    assert len(socket.closed) == 1
