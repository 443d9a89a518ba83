"""Who is banned from where since when, and that nothing is pushed to them."""

import json
from dataclasses import dataclass
from typing import Any

from tests.chaos.audits import Auditor
from tests.chaos.trace import Trace

# What was said before a ban may be under way: in invocations that had begun, and in the queue for
# as long as a job counts as fresh; clocks differ by a second.
_UNDER_WAY = 5.0 + 1.0


@dataclass(frozen=True, slots=True)
class Ban:
    """A ban that was acknowledged at a time, when the log of the room ended with `last`."""

    since: float
    last: int


class Bans:
    """Keeps bans from their acks until somebody begins to lift them (G5).

    Attributes:
        ever: All rooms and people of bans, also of those that may not have come about.
    """

    def __init__(self, audit: Auditor, trace: Trace) -> None:
        self._audit = audit
        self._trace = trace
        self._bans: dict[tuple[str, str], Ban] = {}
        self.ever = audit.unmarked

    def begin(self, room: str, person: str, now: float) -> None:
        """Note that a ban has been acknowledged."""
        self._trace.counts["bans"] += 1
        self._bans[room, person] = Ban(now, self._audit.last(room))

    def end(self, room: str, person: str) -> None:
        """Note that a ban is about to be lifted."""
        self._bans.pop((room, person), None)

    def posted(self, person: str, frame: bytes, began: float) -> None:
        """Check what goes to somebody from an invocation that began at a time."""
        if self._bans:
            told = json.loads(frame)
            for each in told if isinstance(told, list) else [told]:
                self._check(person, each, began)

    def _check(self, person: str, told: dict[str, Any], began: float) -> None:
        room = told.get("room", "")
        ban = self._bans.get((room, person))
        if ban is None or told["type"] not in self._audit.kinds:
            return
        if told["seq"] > ban.last or began > ban.since + _UNDER_WAY:
            since = f"since {ban.since:.3f}, when {ban.last} was the last"
            self._trace.find(f"{person} is banned {since}, and was pushed {told}", room)
