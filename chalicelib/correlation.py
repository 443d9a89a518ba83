"""The id that ties together all that one event sets off, across functions and queues."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
