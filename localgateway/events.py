"""The events that API Gateway sends to the handlers of a WebSocket API.

Shapes follow captured events and
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html.
"""

import copy
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localgateway.identifiers import new_trace_id
from localgateway.routing import CONNECT, DISCONNECT

Event = dict[str, Any]
Pairs = Sequence[tuple[str, str]]

# API Gateway consumes the hop-by-hop headers of the upgrade.
_DROPPED = frozenset({"connection", "upgrade"})
# An authorizer gets them, in this spelling, and other headers in the spelling of the client.
_UPGRADE = (("Connection", "upgrade"), ("content-length", "0"), ("Upgrade", "websocket"))
_ADDED = ("X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto")


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The WebSocket API being emulated, as events name it.

    domain_name is where the emulator listens (`127.0.0.1:8000`), so that nothing built from it can
    reach AWS by accident; on AWS it is `{api_id}.execute-api.{region}.amazonaws.com`.
    """

    domain_name: str
    api_id: str = "localgatew"
    stage: str = "api"
    region: str = "us-east-1"
    account: str = "123456789012"
    route_selection_expression: str = "$request.body.action"

    @property
    def connect_arn(self) -> str:
        """Name $connect, as the policy of an authorizer has to name it."""
        where = f"{self.region}:{self.account}:{self.api_id}/{self.stage}"
        return f"arn:aws:execute-api:{where}/{CONNECT}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """An upgrade request: headers and query as they came, repeated names kept."""

    headers: Pairs = ()
    query: Pairs = ()
    source_ip: str = "127.0.0.1"
    port: int = 8000
    scheme: str = "http"

    def header(self, name: str) -> str | None:
        """Return the first value of a header, compared without case."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One invocation on behalf of a connection: its ids, its moment (epoch seconds) and its user.

    The user is what an authorizer said of the connection; None where there is none.
    """

    connection_id: str
    connected_at: float
    source_ip: str
    user_agent: str | None
    request_id: str
    route_key: str
    now: float
    authorizer: Mapping[str, str | int] | None = None


def connect_event(api: Api, call: Call, handshake: Handshake) -> Event:
    """Build the $connect event: headers in Title-Case, query only when there is one, no body."""
    headers = _forwarded(handshake, call)
    event: Event = {
        "headers": dict(headers),
        "multiValueHeaders": _multi(headers),
        "requestContext": _context(api, call, "CONNECT"),
        "isBase64Encoded": False,
    }
    if handshake.query:
        event["queryStringParameters"] = dict(handshake.query)
        event["multiValueQueryStringParameters"] = _multi(handshake.query)
    return event


def authorizer_event(api: Api, connect: Event, handshake: Handshake) -> Event:
    """Build the event of the authorizer that runs before a $connect event.

    It is of the same request, so the ids and the times are the same, but it keeps the headers of
    the upgrade, and has its query even when there is none:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html.
    """
    headers = [
        *_UPGRADE,
        *((name, value) for name, value in handshake.headers if not _is_replaced(name)),
        *((name, connect["headers"][name]) for name in _ADDED),
    ]
    return {
        "type": "REQUEST",
        "methodArn": api.connect_arn,
        "headers": dict(headers),
        "multiValueHeaders": _multi(headers),
        "queryStringParameters": dict(handshake.query),
        "multiValueQueryStringParameters": _multi(handshake.query),
        "stageVariables": {},
        "requestContext": copy.deepcopy(connect["requestContext"]),
    }


def message_event(api: Api, call: Call, message_id: str, body: str) -> Event:
    """Build the event of one frame: neither headers nor query."""
    context = _context(api, call, "MESSAGE")
    context["messageId"] = message_id
    return {"requestContext": context, "body": body, "isBase64Encoded": False}


def disconnect_event(api: Api, call: Call, code: int, reason: str) -> Event:
    """Build the $disconnect event, sent after the close."""
    headers = [
        ("Host", api.domain_name),
        ("x-api-key", ""),
        ("X-Forwarded-For", ""),
        ("x-restapi", ""),
    ]
    context = _context(api, call, "DISCONNECT")
    context["disconnectStatusCode"] = code
    context["disconnectReason"] = reason
    return {
        "headers": dict(headers),
        "multiValueHeaders": _multi(headers),
        "requestContext": context,
        "isBase64Encoded": False,
    }


def _context(api: Api, call: Call, event_type: str) -> Event:
    identity = {"sourceIp": call.source_ip}
    if call.user_agent is not None:
        identity["userAgent"] = call.user_agent
    context: Event = {
        "routeKey": {"CONNECT": CONNECT, "DISCONNECT": DISCONNECT}.get(event_type, call.route_key),
        "eventType": event_type,
        "extendedRequestId": call.request_id,
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(call.now)),
        "messageDirection": "IN",
        "stage": api.stage,
        "connectedAt": int(call.connected_at * 1000),
        "requestTimeEpoch": int(call.now * 1000),
        "identity": identity,
        "requestId": call.request_id,
        "domainName": api.domain_name,
        "connectionId": call.connection_id,
        "apiId": api.api_id,
    }
    if call.authorizer is not None:
        # A copy: handlers may change what they are given.
        context["authorizer"] = dict(call.authorizer)
    return context


def _forwarded(handshake: Handshake, call: Call) -> list[tuple[str, str]]:
    kept = [
        (_title(name), value)
        for name, value in handshake.headers
        if name.lower() not in _DROPPED and not name.lower().startswith("x-forwarded-")
    ]
    return [
        *kept,
        ("X-Amzn-Trace-Id", new_trace_id(call.now)),
        ("X-Forwarded-For", handshake.source_ip),
        ("X-Forwarded-Port", str(handshake.port)),
        ("X-Forwarded-Proto", handshake.scheme),
    ]


def _is_replaced(name: str) -> bool:
    name = name.lower()
    replaced = _DROPPED | {"content-length", "x-amzn-trace-id"}
    return name in replaced or name.startswith("x-forwarded-")


def _title(name: str) -> str:
    titled = "-".join(part.capitalize() for part in name.split("-"))
    return titled.replace("Sec-Websocket-", "Sec-WebSocket-")


def _multi(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values
