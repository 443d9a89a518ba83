"""SDK calls answered by a gateway: botocore's real clients, and Chalice's own."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError
from chalice import Chalice, WebsocketDisconnectedError
from moto import mock_aws

from localgateway import callbacks
from localgateway.gateway import Gateway
from localgateway.limits import Limits
from tests.gateway.conftest import MakeGateway, Open
from tests.gateway.fakes import ManualClock

ABSENT = "JC1dgf9yoAMCK-g="
ENDPOINT = "https://chat.example/api"


def make_client(endpoint: str = ENDPOINT, **config: Any) -> Any:
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Any]:
    with callbacks.intercepted(gateway):
        yield make_client()


# -- botocore ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"hi", "hi", bytearray(b"hi"), io.BytesIO(b"hi")])
def test_a_post_reaches_the_socket_once(
    gateway: Gateway, connect: Open, client: Any, data: Any
) -> None:
    connection, socket = connect(gateway)

    answer = client.post_to_connection(ConnectionId=connection.id, Data=data)

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert socket.sent == [b"hi"]


@pytest.mark.parametrize(
    ("operation", "extra"),
    [("post_to_connection", {"Data": b"x"}), ("get_connection", {}), ("delete_connection", {})],
)
def test_a_connection_that_is_gone_is_a_gone_exception(
    client: Any, operation: str, extra: dict[str, Any]
) -> None:
    with pytest.raises(client.exceptions.GoneException) as caught:
        getattr(client, operation)(ConnectionId=ABSENT, **extra)

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 410


def test_128_kb_are_posted_and_a_byte_more_is_too_large(
    gateway: Gateway, connect: Open, client: Any
) -> None:
    connection, socket = connect(gateway)
    client.post_to_connection(ConnectionId=connection.id, Data=b"x" * 131_072)

    with pytest.raises(client.exceptions.PayloadTooLargeException) as caught:
        client.post_to_connection(ConnectionId=connection.id, Data=b"x" * 131_073)

    assert caught.value.response["Error"]["Code"] == "PayloadTooLargeException"
    assert [len(data) for data in socket.sent] == [131_072]


def test_a_malformed_id_is_a_bad_request(client: Any) -> None:
    with pytest.raises(ClientError) as caught:
        client.post_to_connection(ConnectionId="me", Data=b"x")

    assert caught.value.response["Error"] == {
        "Code": "BadRequestException",
        "Message": "Invalid connectionId: me",
    }
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_slow_client_is_a_limit_exceeded(gateway: Gateway, connect: Open, client: Any) -> None:
    connection, socket = connect(gateway)
    socket.queued = gateway.limits.buffer_bytes + 1

    with pytest.raises(client.exceptions.LimitExceededException) as caught:
        client.post_to_connection(ConnectionId=connection.id, Data=b"x")

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429


@pytest.mark.parametrize("endpoint", ["https://chat.example/prod", "https://chat.example"])
def test_the_wrong_stage_is_forbidden(gateway: Gateway, endpoint: str) -> None:
    with callbacks.intercepted(gateway):
        client = make_client(endpoint)

    with pytest.raises(client.exceptions.ForbiddenException):
        client.post_to_connection(ConnectionId=ABSENT, Data=b"x")


def test_a_client_that_does_not_sign_is_refused(gateway: Gateway) -> None:
    with callbacks.intercepted(gateway):
        client = make_client(signature_version=UNSIGNED)

    with pytest.raises(ClientError) as caught:
        client.post_to_connection(ConnectionId=ABSENT, Data=b"x")

    assert caught.value.response["Error"]["Code"] == "MissingAuthenticationTokenException"


def test_the_times_of_a_connection_are_parsed(
    gateway: Gateway, connect: Open, client: Any, clock: ManualClock
) -> None:
    connection, _ = connect(gateway, headers=(("User-Agent", "wscat"),), source_ip="192.0.2.7")
    clock.advance(1.25)
    client.post_to_connection(ConnectionId=connection.id, Data=b"x")

    found = client.get_connection(ConnectionId=connection.id)

    assert found["ConnectedAt"] == datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)
    assert found["LastActiveAt"] == datetime(2026, 1, 2, 3, 4, 6, 750_000, tzinfo=UTC)
    assert found["Identity"] == {"SourceIp": "192.0.2.7", "UserAgent": "wscat"}


def test_a_connection_can_be_deleted(gateway: Gateway, connect: Open, client: Any) -> None:
    connection, socket = connect(gateway)

    answer = client.delete_connection(ConnectionId=connection.id)

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert socket.closed == [(1000, "Connection Closed Normally")]


def test_a_client_for_an_endpoint_on_aws_is_answered_before_moto_does(
    gateway: Gateway, connect: Open
) -> None:
    connection, socket = connect(gateway)

    with mock_aws(), callbacks.intercepted(gateway):
        client = make_client("https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/api")
        client.post_to_connection(ConnectionId=connection.id, Data=b"x")
        with pytest.raises(client.exceptions.GoneException):
            client.get_connection(ConnectionId=ABSENT)

    assert socket.sent == [b"x"]


def test_clients_of_other_services_are_left_alone(gateway: Gateway) -> None:
    with callbacks.intercepted(gateway):
        client = boto3.client("sqs", region_name="us-east-1")

    assert not hasattr(client, "localgateway")


def test_clients_made_afterwards_are_left_alone(gateway: Gateway) -> None:
    with callbacks.intercepted(gateway):
        pass

    assert not hasattr(make_client(), "localgateway")


def test_interception_ends_after_an_error(gateway: Gateway) -> None:
    with pytest.raises(RuntimeError), callbacks.intercepted(gateway):
        raise RuntimeError

    assert not hasattr(make_client(), "localgateway")


def test_of_two_gateways_the_inner_one_answers_alone(
    make_gateway: MakeGateway, connect: Open
) -> None:
    limits = Limits(requests_per_second=1, requests_burst=1)
    outer, inner = make_gateway(limits=limits), make_gateway(limits=limits)
    there, _ = connect(outer)
    connection, socket = connect(inner)
    with callbacks.intercepted(outer), callbacks.intercepted(inner):
        client = make_client()

    client.post_to_connection(ConnectionId=connection.id, Data=b"x")

    assert socket.sent == [b"x"]
    assert outer.post(there.id, b"x").status == 200  # its one token was not spent


# -- Chalice -------------------------------------------------------------------------------------


@pytest.fixture
def app() -> Chalice:
    app = Chalice("chat")
    app.websocket_api.configure("chat.example", "api")
    return app


def test_chalice_sends_asks_and_closes(gateway: Gateway, connect: Open, app: Chalice) -> None:
    connection, socket = connect(gateway)

    with callbacks.attached(app, gateway):
        app.websocket_api.send(connection.id, "h\u00e9")
        info = app.websocket_api.info(connection.id)
        app.websocket_api.close(connection.id)

    assert socket.sent == ["h\u00e9".encode()]
    assert info["ConnectedAt"] == datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)
    assert socket.closed == [(1000, "Connection Closed Normally")]


@pytest.mark.parametrize(("method", "extra"), [("send", ["x"]), ("info", []), ("close", [])])
def test_chalice_raises_its_own_error_for_a_connection_that_is_gone(
    gateway: Gateway, app: Chalice, method: str, extra: list[str]
) -> None:
    with callbacks.attached(app, gateway), pytest.raises(WebsocketDisconnectedError) as caught:
        getattr(app.websocket_api, method)(ABSENT, *extra)

    assert caught.value.connection_id == ABSENT


def test_other_errors_come_as_from_botocore(gateway: Gateway, connect: Open, app: Chalice) -> None:
    connection, socket = connect(gateway)

    with callbacks.attached(app, gateway):
        with pytest.raises(ClientError, match="PayloadTooLargeException"):
            app.websocket_api.send(connection.id, "x" * 131_073)
        with pytest.raises(ClientError, match="BadRequestException"):
            app.websocket_api.send("me", "x")

    assert socket.sent == []


def test_one_call_is_one_request_to_the_gateway(
    make_gateway: MakeGateway, connect: Open, app: Chalice
) -> None:
    gateway = make_gateway(limits=Limits(requests_per_second=1, requests_burst=2))
    connection, _ = connect(gateway)

    with callbacks.intercepted(gateway), callbacks.attached(app, gateway):
        app.websocket_api.info(connection.id)

    answers = [gateway.post(connection.id, b"x").status for _ in range(2)]
    assert answers == [200, 429]


def test_what_is_no_data_is_told_by_botocore(gateway: Gateway, connect: Open, app: Chalice) -> None:
    connection, _ = connect(gateway)
    wrong: Any = 5

    with (
        callbacks.attached(app, gateway),
        pytest.raises(Exception, match="Invalid type for parameter Data"),
    ):
        app.websocket_api.send(connection.id, wrong)


def test_an_app_attached_again_uses_the_second_gateway_and_then_the_first(
    make_gateway: MakeGateway, connect: Open, app: Chalice
) -> None:
    first, second = make_gateway(), make_gateway()
    one, first_socket = connect(first)
    two, second_socket = connect(second)

    with callbacks.attached(app, first):
        app.websocket_api.send(one.id, "1")
        with callbacks.attached(app, second):
            app.websocket_api.send(two.id, "2")
            with pytest.raises(WebsocketDisconnectedError):
                app.websocket_api.send(one.id, "lost")
        app.websocket_api.send(one.id, "3")

    assert (first_socket.sent, second_socket.sent) == ([b"1", b"3"], [b"2"])


def test_afterwards_the_app_has_its_own_session_back(gateway: Gateway, app: Chalice) -> None:
    class Session:
        region_name = "eu-west-1"

        def client(self, _service: str, **_options: Any) -> BaseClient:
            raise LookupError("its own")

    own = app.websocket_api.session = Session()

    with callbacks.attached(app, gateway), pytest.raises(WebsocketDisconnectedError):
        app.websocket_api.send(ABSENT, "x")

    assert app.websocket_api.session is own
    with pytest.raises(LookupError, match="its own"):
        app.websocket_api.send(ABSENT, "x")
