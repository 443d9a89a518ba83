"""What comes of a handshake: whether API Gateway answers 101, and with what else."""

from dataclasses import dataclass
from typing import Any

from localgateway.functions import Invocation
from localgateway.limits import Beliefs

_OK = range(200, 300)
# A final status; 1xx is HTTP's own business, the rest of the numbers nobody's.
_STATUSES = range(200, 600)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A handshake answered with this HTTP status instead of 101."""

    status: int
    message: str


UNAUTHORIZED = Refusal(401, "Unauthorized")


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A handshake answered with 101; the subprotocol is the one $connect returned, if any."""

    subprotocol: str | None = None


def judge(outcome: Invocation | None, beliefs: Beliefs) -> Acceptance | Refusal:
    """Judge what $connect returned; None where there is no such handler."""
    if outcome is None:
        return Acceptance()
    if outcome.throttled:
        return Refusal(beliefs.connect_throttled_status, "Too Many Requests")
    if outcome.timed_out:
        return Refusal(beliefs.connect_timeout_status, "Endpoint request timed out")
    status = _status(outcome.payload)
    if outcome.error is not None or status is None:
        return Refusal(beliefs.connect_error_status, "Internal server error")
    if status not in _OK:
        return Refusal(status, "Forbidden")
    return Acceptance(_subprotocol(outcome.payload))


def _status(answer: Any) -> int | None:
    """Return the HTTP status of a proxy response, None when it is malformed."""
    if not isinstance(answer, dict):
        return None
    status = answer.get("statusCode")
    maps = (answer.get("headers") or {}, answer.get("multiValueHeaders") or {})
    if type(status) is not int or status not in _STATUSES:
        return None
    return status if all(isinstance(headers, dict) for headers in maps) else None


def _subprotocol(answer: dict[str, Any]) -> str | None:
    """Return the one header of a $connect answer that reaches the client."""
    for name, value in (answer.get("headers") or {}).items():
        if name.lower() == "sec-websocket-protocol":
            return str(value)
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        if name.lower() == "sec-websocket-protocol" and values and isinstance(values, list):
            return str(values[0])
    return None
