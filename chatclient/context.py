"""What all parts of the core share: time, chance, settings, and where effects and updates go."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from chatclient.entries import Entry
from chatclient.settings import Settings
from chatclient.updates import Changed, Update


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask for a ticket for a connection; answer with ticketed() or denied()."""

    link: int


@dataclass(frozen=True, slots=True)
class Renew:
    """Ask for a newer token; answer with authorized() or not_renewed()."""


@dataclass(frozen=True, slots=True)
class Open:
    """Open a connection; answer with opened(), refused() or lost().

    Attributes:
        link: The connection.
        ticket: To be let in with; it is good for this one, and secret. "" for guests by name.
        url: Where the server says that the ticket is good, with the ticket; "" if it does not.
    """

    link: int
    ticket: str = field(default="", repr=False)
    url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Send:
    """Send a text frame on a connection; if that fails, answer with lost()."""

    link: int
    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """Close a connection, or stop opening it or asking for its ticket; no answer is needed."""

    link: int


Effect: TypeAlias = Ask | Renew | Open | Send | Close


@dataclass(slots=True)
class Context:
    """Time in seconds, random numbers from 0 up to 1, and what has yet to be fetched."""

    clock: Callable[[], float]
    random: Callable[[], float]
    settings: Settings
    effects: list[Effect] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)

    def later(self, seconds: float) -> float:
        """Return the time in so many seconds."""
        return self.clock() + seconds

    def pause(self, attempt: int) -> float:
        """Return how long to wait before attempt 0, 1, 2, ..."""
        return self.settings.pause(attempt, self.random)

    def around(self, seconds: float) -> float:
        """Return the time in about so many seconds, so that a crowd does not move at once."""
        return self.later(seconds * (0.75 + 0.5 * self.random()))

    def tell(
        self, room: str, kind: Literal["new", "older", "reset"], entries: Sequence[Entry]
    ) -> None:
        """Tell the application of what has changed in a timeline, if anything has."""
        if entries or kind == "reset":
            self.updates.append(Changed(room, kind, tuple(entries)))
