"""What can go wrong in the chat, as one tree.

::

    ChatError
    ├── BadRequest        bad_request      not JSON, a wrong field, too long
    ├── UnknownAction     unknown_action
    ├── Unauthorized      unauthorized     no session, or it is over
    │   └── Unregistered
    ├── Forbidden         forbidden        somebody else's
    ├── NotFound          not_found        no such thing
    ├── Conflict          conflict         the state does not allow it
    │   ├── TooManySubscriptions
    │   └── TooManyConnections
    ├── RateLimited       rate_limited     retryable: too often; says how long to wait
    ├── TooLarge          too_large        more bytes than a frame carries
    ├── Unavailable       unavailable      retryable: the database, for the moment
    └── Internal          internal         retryable: a fault of ours; tells no detail
"""

# ruff: noqa: N818 - the names are those of the protocol's codes, and the base says Error

from collections.abc import Iterable
from typing import ClassVar


class ChatError(Exception):
    """The answer to a request that failed.

    Attributes:
        code: the name of the error in the protocol.
        retryable: whether the same request can succeed later.
        status: the HTTP status where there is no frame to answer with.
        retry_after_ms: how long to wait before trying again, where that is known.
        id, action: what the failed request said of itself, as far as it could be read.
    """

    code: ClassVar[str]
    retryable: ClassVar[bool] = False
    status: ClassVar[int] = 400

    def __init__(self, message: str, *, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_ms = retry_after_ms
        self.id: str | int | None = None
        self.action: str | None = None

    def regarding(self, *, id: str | int | None, action: str | None) -> None:  # noqa: A002
        """Note the request that this error answers."""
        self.id = id
        self.action = action


class BadRequest(ChatError):
    """The request can never succeed as it is; `field` names the part that is wrong."""

    code = "bad_request"

    def __init__(self, *, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field


class UnknownAction(ChatError):
    """The request names an action that this version does not have."""

    code = "unknown_action"

    def __init__(self, *, known: Iterable[str]) -> None:
        super().__init__(f"unknown action; the actions are {', '.join(known)}")


class Unauthorized(ChatError):
    """The caller has no live session."""

    code = "unauthorized"
    status = 401

    def __init__(self, *, reason: str = "the session is over: connect again") -> None:
        super().__init__(reason)


class Unregistered(Unauthorized):
    """The connection has no session any more: there is nothing to renew, only to connect again."""


class Forbidden(ChatError):
    """The caller may not do this to what belongs to others."""

    code = "forbidden"
    status = 403


class NotFound(ChatError):
    """What the request names does not exist."""

    code = "not_found"
    status = 404


class Conflict(ChatError):
    """The request contradicts the state of things."""

    code = "conflict"
    status = 409


class TooManySubscriptions(Conflict):
    """The connection is subscribed to as many rooms as it may be."""

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"a connection may be subscribed to at most {limit} rooms")
        self.limit = limit


class TooManyConnections(Conflict):
    """The person is connected as often as they may be."""

    status = 429

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"a person may have at most {limit} connections")
        self.limit = limit


class RateLimited(ChatError):
    """Too much of something in too little time; `what` names it in the plural."""

    code = "rate_limited"
    retryable = True
    status = 429

    def __init__(self, *, what: str, retry_after_ms: int) -> None:
        super().__init__(
            f"too many {what}: try again in {retry_after_ms} ms", retry_after_ms=retry_after_ms
        )


class TooLarge(ChatError):
    """More bytes than the protocol carries."""

    code = "too_large"
    status = 413

    def __init__(self, *, field: str, limit: int) -> None:
        super().__init__(f"{field} must be at most {limit} bytes as JSON in UTF-8")
        self.limit = limit


class Unavailable(ChatError):
    """A service that the chat stands on did not do its work in time."""

    code = "unavailable"
    retryable = True
    status = 503

    def __init__(self, *, service: str = "the database", retry_after_ms: int = 1000) -> None:
        super().__init__(
            f"{service} is busy or unavailable: try again", retry_after_ms=retry_after_ms
        )


class Internal(ChatError):
    """Anything unforeseen: its cause is in the log of the function, never in the answer."""

    code = "internal"
    retryable = True
    status = 500

    def __init__(self) -> None:
        super().__init__("something went wrong here: try again")
