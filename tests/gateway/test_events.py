"""The event dictionaries, compared whole: every key, every value, and no key more."""

from dataclasses import replace
from typing import Any

import pytest

from localgateway.events import (
    Api,
    Call,
    Handshake,
    authorizer_event,
    connect_event,
    disconnect_event,
    message_event,
)

API = Api(domain_name="chat.example", api_id="a1b2c3d4e5", stage="prod")
CALL = Call(
    connection_id="JC1dgf9yoAMCK-g=",
    connected_at=1_767_323_045.25,
    source_ip="192.0.2.7",
    user_agent=None,
    request_id="JC1dgHaFoAMFb_A=",
    route_key="$default",
    now=1_767_323_105.5,
)
CONTEXT = {
    "extendedRequestId": "JC1dgHaFoAMFb_A=",
    "requestTime": "02/Jan/2026:03:05:05 +0000",
    "messageDirection": "IN",
    "stage": "prod",
    "connectedAt": 1_767_323_045_250,
    "requestTimeEpoch": 1_767_323_105_500,
    "identity": {"sourceIp": "192.0.2.7"},
    "requestId": "JC1dgHaFoAMFb_A=",
    "domainName": "chat.example",
    "connectionId": "JC1dgf9yoAMCK-g=",
    "apiId": "a1b2c3d4e5",
}
BROWSER = Handshake(
    headers=(
        ("host", "chat.example"),
        ("connection", "keep-alive, Upgrade"),
        ("Upgrade", "websocket"),
        ("user-agent", "Firefox/1"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-Websocket-Version", "13"),
        ("SEC-WEBSOCKET-PROTOCOL", "chat"),
        ("x-forwarded-for", "203.0.113.9"),
        ("Cookie", "a=1"),
        ("cookie", "b=2"),
    ),
    query=(("name", "alice"), ("room", "a"), ("room", "b"), ("empty", "")),
    source_ip="192.0.2.7",
    port=443,
    scheme="https",
)


def with_user_agent(agent: str) -> Call:
    return Call(
        connection_id=CALL.connection_id,
        connected_at=CALL.connected_at,
        source_ip=CALL.source_ip,
        user_agent=agent,
        request_id=CALL.request_id,
        route_key=CALL.route_key,
        now=CALL.now,
    )


def without_trace(event: dict[str, Any]) -> dict[str, Any]:
    """The event without its trace id, which is random but for its time."""
    trace = event["headers"].pop("X-Amzn-Trace-Id")
    assert trace.startswith("Root=1-695735e1-")
    assert event["multiValueHeaders"].pop("X-Amzn-Trace-Id") == [trace]
    return event


def test_a_connect_event_has_these_keys_and_values() -> None:
    event = connect_event(API, with_user_agent("Firefox/1"), BROWSER)

    assert without_trace(event) == {
        "headers": {
            "Host": "chat.example",
            "User-Agent": "Firefox/1",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": "chat",
            "Cookie": "b=2",
            "X-Forwarded-For": "192.0.2.7",
            "X-Forwarded-Port": "443",
            "X-Forwarded-Proto": "https",
        },
        "multiValueHeaders": {
            "Host": ["chat.example"],
            "User-Agent": ["Firefox/1"],
            "Sec-WebSocket-Key": ["dGhlIHNhbXBsZSBub25jZQ=="],
            "Sec-WebSocket-Version": ["13"],
            "Sec-WebSocket-Protocol": ["chat"],
            "Cookie": ["a=1", "b=2"],
            "X-Forwarded-For": ["192.0.2.7"],
            "X-Forwarded-Port": ["443"],
            "X-Forwarded-Proto": ["https"],
        },
        "queryStringParameters": {"name": "alice", "room": "b", "empty": ""},
        "multiValueQueryStringParameters": {"name": ["alice"], "room": ["a", "b"], "empty": [""]},
        "requestContext": {
            **CONTEXT,
            "routeKey": "$connect",
            "eventType": "CONNECT",
            "identity": {"sourceIp": "192.0.2.7", "userAgent": "Firefox/1"},
        },
        "isBase64Encoded": False,
    }


def test_a_connect_event_without_a_query_has_neither_of_its_keys() -> None:
    event = connect_event(API, CALL, Handshake())

    assert without_trace(event) == {
        "headers": {
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Port": "8000",
            "X-Forwarded-Proto": "http",
        },
        "multiValueHeaders": {
            "X-Forwarded-For": ["127.0.0.1"],
            "X-Forwarded-Port": ["8000"],
            "X-Forwarded-Proto": ["http"],
        },
        "requestContext": {**CONTEXT, "routeKey": "$connect", "eventType": "CONNECT"},
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize("body", ['{"action":"hello"}', "not JSON", ""])
def test_a_message_event_has_these_keys_and_values(body: str) -> None:
    assert message_event(API, CALL, "JC1dgHAZoAMCJPA=", body) == {
        "requestContext": {
            **CONTEXT,
            "routeKey": "$default",
            "eventType": "MESSAGE",
            "messageId": "JC1dgHAZoAMCJPA=",
        },
        "body": body,
        "isBase64Encoded": False,
    }


def test_a_disconnect_event_has_these_keys_and_values() -> None:
    event = disconnect_event(API, with_user_agent("Firefox/1"), 1001, "Going away")

    assert event == {
        "headers": {
            "Host": "chat.example",
            "x-api-key": "",
            "X-Forwarded-For": "",
            "x-restapi": "",
        },
        "multiValueHeaders": {
            "Host": ["chat.example"],
            "x-api-key": [""],
            "X-Forwarded-For": [""],
            "x-restapi": [""],
        },
        "requestContext": {
            **CONTEXT,
            "routeKey": "$disconnect",
            "eventType": "DISCONNECT",
            "identity": {"sourceIp": "192.0.2.7", "userAgent": "Firefox/1"},
            "disconnectStatusCode": 1001,
            "disconnectReason": "Going away",
        },
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize("name", ["User-Agent", "user-agent", "USER-AGENT"])
def test_headers_of_a_handshake_are_found_in_any_case(name: str) -> None:
    assert BROWSER.header(name) == "Firefox/1"
    assert BROWSER.header("cookie") == "a=1"
    assert BROWSER.header("Origin") is None


# -- the authorizer ------------------------------------------------------------------------------


def test_an_authorizer_is_asked_about_the_whole_upgrade() -> None:
    connect = connect_event(API, CALL, BROWSER)

    event = authorizer_event(API, connect, BROWSER)

    trace = connect["headers"]["X-Amzn-Trace-Id"]
    assert event == {
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/$connect",
        "headers": {
            "Connection": "upgrade",
            "content-length": "0",
            "Upgrade": "websocket",
            "host": "chat.example",
            "user-agent": "Firefox/1",
            "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-Websocket-Version": "13",
            "SEC-WEBSOCKET-PROTOCOL": "chat",
            "Cookie": "a=1",
            "cookie": "b=2",
            "X-Amzn-Trace-Id": trace,
            "X-Forwarded-For": "192.0.2.7",
            "X-Forwarded-Port": "443",
            "X-Forwarded-Proto": "https",
        },
        "multiValueHeaders": {
            "Connection": ["upgrade"],
            "content-length": ["0"],
            "Upgrade": ["websocket"],
            "host": ["chat.example"],
            "user-agent": ["Firefox/1"],
            "sec-websocket-key": ["dGhlIHNhbXBsZSBub25jZQ=="],
            "Sec-Websocket-Version": ["13"],
            "SEC-WEBSOCKET-PROTOCOL": ["chat"],
            "Cookie": ["a=1"],
            "cookie": ["b=2"],
            "X-Amzn-Trace-Id": [trace],
            "X-Forwarded-For": ["192.0.2.7"],
            "X-Forwarded-Port": ["443"],
            "X-Forwarded-Proto": ["https"],
        },
        "queryStringParameters": {"name": "alice", "room": "b", "empty": ""},
        "multiValueQueryStringParameters": {
            "name": ["alice"],
            "room": ["a", "b"],
            "empty": [""],
        },
        "stageVariables": {},
        "requestContext": connect["requestContext"],
    }


def test_an_authorizer_gets_the_maps_of_a_query_even_without_one() -> None:
    event = authorizer_event(API, connect_event(API, CALL, Handshake()), Handshake())

    assert event["queryStringParameters"] == {}
    assert event["multiValueQueryStringParameters"] == {}


def test_an_authorizer_cannot_change_what_connect_is_told() -> None:
    connect = connect_event(API, CALL, BROWSER)

    authorizer_event(API, connect, BROWSER)["requestContext"]["identity"].clear()

    assert connect["requestContext"]["identity"] == {"sourceIp": "192.0.2.7"}


def test_a_client_cannot_bring_the_headers_that_the_gateway_adds() -> None:
    handshake = Handshake(headers=(("x-amzn-trace-id", "mine"), ("X-Forwarded-Proto", "ftp")))

    event = authorizer_event(API, connect_event(API, CALL, handshake), handshake)

    assert "x-amzn-trace-id" not in event["headers"]
    assert event["multiValueHeaders"]["X-Forwarded-Proto"] == ["http"]


def test_what_an_authorizer_said_is_in_every_later_event() -> None:
    said: dict[str, str | int] = {"principalId": "alice", "integrationLatency": 7}
    call = replace(CALL, authorizer=said)
    events = [message_event(API, call, "id", "hi"), disconnect_event(API, call, 1001, "")]

    events[0]["requestContext"]["authorizer"].clear()

    assert said == {"principalId": "alice", "integrationLatency": 7}
    assert events[1]["requestContext"]["authorizer"] == said
