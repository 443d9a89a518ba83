"""What an HTTP request is answered: the outcome of a use case as status, headers and body."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from chalicelib.attempts import attempt, counted
from chalicelib.errors import ChatError
from chalicelib.telemetry import Telemetry

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Content-Type": "application/json",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in JSON."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]


def reply(use_case: Callable[[], Mapping[str, Any]], telemetry: Telemetry) -> Reply:
    """Run a use case and answer what it returns, or the error it ends in; see attempt.

    What is answered 429 is counted.
    """
    outcome = counted(attempt(use_case), telemetry)
    if isinstance(outcome, ChatError):
        return refusal(outcome)
    return Reply(HTTPStatus.OK, HEADERS, outcome)


def refusal(error: ChatError) -> Reply:
    """Answer an error, in the shape of Chalice's own (Code, Message) with what else is known."""
    body = {"Code": error.code, "Message": error.message, "retryable": error.retryable}
    if error.retry_after_ms is not None:
        body["retry_after_ms"] = error.retry_after_ms
    return Reply(error.status, {**HEADERS, **_hints(error)}, body)


def _hints(error: ChatError) -> dict[str, str]:
    hints = {}
    if error.retry_after_ms is not None:
        hints["Retry-After"] = str(math.ceil(error.retry_after_ms / 1000))
    if error.status == HTTPStatus.UNAUTHORIZED:
        hints["WWW-Authenticate"] = "Bearer"
    return hints
