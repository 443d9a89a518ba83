"""One connection to the server, and what the server says of it in its welcome."""

from dataclasses import dataclass
from enum import Enum
from typing import Self

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
    """One connection; times as the clock tells them, None: never."""

    number: int
    phase: Phase
    deadline: float | None
    live_since: float | None = None
    beat_at: float | None = None
    move_at: float | None = None
    heartbeat: float = 0.0


@dataclass(frozen=True, slots=True)
class Welcome:
    """The answer to hello, as far as it is needed."""

    user: str
    rooms: list[str]
    heartbeat: float
    lifetime: float

    @classmethod
    def read(cls, frame: Frame, settings: Settings) -> Self | None:
        """Read the answer; None if it does not even tell the name."""
        heartbeat = seconds_of(frame, "heartbeat_ms", least=1.0, most=3600.0)
        lifetime = seconds_of(frame, "reconnect_after_ms", least=1.0, most=86_400.0)
        user = text_of(frame, "user")
        if not user:
            return None
        return cls(
            user,
            texts_of(frame, "rooms"),
            settings.heartbeat if heartbeat is None else heartbeat,
            settings.lifetime if lifetime is None else lifetime,
        )
