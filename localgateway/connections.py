"""One WebSocket connection as API Gateway sees it, and the port to its socket."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Protocol


class Socket(Protocol):
    """What a shell lends the gateway for one connection.

    Every method may be called from any thread, must not block and must not raise: a socket that
    has gone ignores the call and reports its end through `Gateway.disconnected`.
    """

    def send(self, data: bytes) -> None:
        """Queue one text message for the client."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Send what is queued, then a close frame."""
        ...

    def buffered(self) -> int:
        """Count the bytes queued that the client has not taken yet."""
        ...


class State(Enum):
    """What a connection is waiting for.

    AUTHORIZING while an authorizer runs, CONNECTING while $connect runs, OPEN, then CLOSING until
    the socket reports its end.
    """

    AUTHORIZING = auto()
    CONNECTING = auto()
    OPEN = auto()
    CLOSING = auto()


@dataclass(slots=True, kw_only=True)
class Connection:
    """A row of the gateway's connection table; times are epoch seconds.

    `close_code` and `close_reason` are set when the gateway itself ends the connection: they, not
    what the socket reports, are what $disconnect is told. `authorizer` is what an authorizer said
    of the client, None without one; while it runs, `connect_event` waits for it.
    """

    id: str
    source_ip: str
    user_agent: str | None
    connected_at: float
    last_active_at: float
    state: State = State.CONNECTING
    socket: Socket | None = field(default=None, repr=False)
    close_code: int | None = None
    close_reason: str = ""
    authorizer: dict[str, str | int] | None = None
    connect_event: dict[str, Any] = field(default_factory=dict, repr=False)
