"""One connection to the server, and what the server says of it in its welcome."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Protocol, Self

from chatclient.frames import Frame, seconds_of, text_of, texts_of
from chatclient.settings import Settings


class Phase(Enum):
    """The life of a link; one at most is live, and one at most on its way to it."""

    OPENING = "opening"
    GREETING = "greeting"
    RESUMING = "resuming"  # greeted while another is live
    LIVE = "live"
    DRAINING = "draining"  # finishes what is under way


@dataclass(slots=True, eq=False)
class Link:
    """One connection; times as the clock tells them, None: never.

    Attributes:
        session_end: Until when the server lets it do anything.
        expires_at, renew_at: When that has to be seen to: late, and in time.
        is_over: Whether it may do nothing until its session is renewed.
        offset: The server's time less the clock's.
    """

    number: int
    phase: Phase
    deadline: float | None
    live_since: float | None = None
    beat_at: float | None = None
    move_at: float | None = None
    heartbeat: float = 0.0
    session_end: float | None = None
    expires_at: float | None = None
    renew_at: float | None = None
    refreshed_at: float | None = None
    is_over: bool = False
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Welcome:
    """The answer to hello, as far as it is needed.

    `server_time` and `expires_at` are epoch seconds; without both, the session has no end.
    """

    user: str
    rooms: list[str]
    heartbeat: float
    lifetime: float
    guest: bool
    server_time: float
    expires_at: float | None

    @classmethod
    def read(cls, frame: Frame, settings: Settings) -> Self | None:
        """Read the answer; None if it does not even tell the name."""
        heartbeat = seconds_of(frame, "heartbeat_ms", least=1.0, most=3600.0)
        lifetime = seconds_of(frame, "reconnect_after_ms", least=1.0, most=86_400.0)
        user = text_of(frame, "user")
        now = epoch_of(text_of(frame, "server_time"))
        until = epoch_of(text_of(frame, "expires_at"))
        if not user:
            return None
        return cls(
            user,
            texts_of(frame, "rooms"),
            settings.heartbeat if heartbeat is None else heartbeat,
            settings.lifetime if lifetime is None else lifetime,
            frame.get("guest") is True,
            now or 0.0,
            None if now is None else until,
        )


class Listener(Protocol):
    """What has to happen when a link becomes usable."""

    def greeted(self, link: Link, welcome: Welcome) -> None:
        """Learn what the server says of a link that is usable now."""

    def identified(self, user: str, *, guest: bool) -> None:
        """Learn this client's name; nothing has been sent on the new link."""

    def resume(self, link: int, rooms: list[str], done: Callable[[], None]) -> None:
        """Catch up on a link; done() once nothing is missing any more."""

    def beat(self, link: int) -> None:
        """Send a ping."""

    def gone(self, link: int) -> None:
        """Learn that nothing is answered on this link any more."""


def epoch_of(text: str) -> float | None:
    """Return an ISO 8601 time in epoch seconds, None for what is none."""
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
