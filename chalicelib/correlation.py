"""The id that ties together all that one event sets off, across functions and queues."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_LONGEST = 128  # characters of an id that comes with an event; the service's own have 36
_current: ContextVar[str | None] = ContextVar("correlation_id", default=None)


def correlation_id() -> str | None:
    """Return the id of what is being handled, or None if nothing is."""
    return _current.get()


@contextmanager
def correlated(identifier: str | None) -> Iterator[None]:
    """Handle something under an id."""
    token = _current.set(identifier)
    try:
        yield
    finally:
        _current.reset(token)


def request_id(event: Mapping[str, Any]) -> str | None:
    """Return the id that API Gateway has given to an event, or None if there is none.

    The extended one where there is one: what REST APIs call requestId, their clients can choose.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
    """
    context = event.get("requestContext")
    if not isinstance(context, Mapping):
        return None
    found = context.get("extendedRequestId") or context.get("requestId")
    return found[:_LONGEST] if isinstance(found, str) else None
