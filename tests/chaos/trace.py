"""What happened in a round, line by line, and what was found to be wrong."""

import sys
from collections import Counter, deque
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

_LONGEST = 300
_DULL = ('"ping"', '"pong"', '"presence"', " FOUND: ")


class Finding(NamedTuple):
    """Something that must not be; `room` is where, if it is about a room."""

    what: str
    room: str = ""


class Trace:
    """The lines of one round, of which the last ones are kept; the digest is that of all.

    Args:
        clock: The virtual time.
        keep: How many lines are kept.
        show: Whether each line is printed as well.
    """

    def __init__(
        self, clock: Callable[[], float], *, keep: int = 30_000, show: bool = False
    ) -> None:
        self._clock = clock
        self._lines: deque[str] = deque(maxlen=keep)
        self._digest = sha256()
        self._show = show
        self.counts: Counter[str] = Counter()
        self.findings: list[Finding] = []

    def note(self, who: str, what: str) -> None:
        """Add a line."""
        line = f"{self._clock():10.3f} {who}: {what[:_LONGEST]}"
        self._lines.append(line)
        self._digest.update(line.encode())
        if self._show:
            sys.stdout.write(f"{line}\n")

    def find(self, what: str, room: str = "") -> None:
        """Add something that must not be."""
        self.findings.append(Finding(what, room))
        self.note("FOUND", what)

    def digest(self) -> str:
        """Return what only the same lines have."""
        return self._digest.hexdigest()[:16]

    def last(self, count: int, about: str = "") -> list[str]:
        """Return the last lines that mention something, but for pings."""
        lines = (line for line in self._lines if not any(dull in line for dull in _DULL))
        return [line for line in lines if about in line][-count:]
