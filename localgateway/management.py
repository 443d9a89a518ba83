"""The @connections API: what it accepts and the exact answers that AWS SDKs parse.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from localgateway.connections import Connection


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer; header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def connection_id(path: str, stage: str) -> str | None:
    """Return the id named by a raw request path, None when it is no @connections path.

    SDKs percent-encode both `@` and `=`; people at a shell do not.
    """
    decoded = unquote(path.partition("?")[0])
    prefix = f"/{stage}/@connections/"
    return decoded.removeprefix(prefix) if decoded.startswith(prefix) else None


POSTED = Response(200)
DELETED = Response(204)
# The body of a 410 is empty: botocore finds the exception by the header alone.
GONE = Response(410, {"x-amzn-errortype": "GoneException"})


def described(connection: Connection) -> Response:
    """Answer a GET; the times are ISO 8601 with Z."""
    body = {
        "connectedAt": _iso(connection.connected_at),
        "identity": {
            "sourceIp": connection.source_ip,
            "userAgent": connection.user_agent or "",
        },
        "lastActiveAt": _iso(connection.last_active_at),
    }
    return Response(200, {"content-type": "application/json"}, json.dumps(body).encode())


def _error(status: int, kind: str, message: str) -> Response:
    headers = {"content-type": "application/json", "x-amzn-errortype": kind}
    return Response(status, headers, json.dumps({"message": message}).encode())


MISSING_TOKEN = _error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
FORBIDDEN = _error(403, "ForbiddenException", "Forbidden")
TOO_LARGE = _error(413, "PayloadTooLargeException", "Message too long")
LIMITED = _error(429, "LimitExceededException", "Too many requests")


def malformed(identifier: str) -> Response:
    """Answer an id that API Gateway cannot have made."""
    return _error(400, "BadRequestException", f"Invalid connectionId: {identifier}")


def _iso(moment: float) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
    return f"{seconds}.{int(moment * 1000) % 1000:03d}Z"
