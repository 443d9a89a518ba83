"""How often something may happen, by the generic cell rate algorithm (GCRA).

A cell has one number, the theoretical arrival time: when it will be idle if nothing more happens.
Each event moves it on by the interval; one that would move it too far ahead of now is refused, and
moves nothing. No window has an edge at which twice as much gets through.
https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm (ITU-T I.371, annex A)
"""

import math
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Rate:
    """One event every `interval` seconds in the long run, and up to `burst` of them at once.

    An interval of 0 allows any number.
    """

    interval: float
    burst: int = 1

    @classmethod
    def per(cls, seconds: float, count: int, *, burst: int | None = None) -> Self:
        """Return the rate of `count` events in so many seconds; 0 of them switches a limit off.

        As many may come at once, unless `burst` says otherwise.
        """
        return cls(seconds / count, burst or count) if count else cls(0.0)

    @property
    def step(self) -> int:
        """The interval in microseconds: whole ones, so that all who count come to the same."""
        return microseconds(self.interval)

    @property
    def tolerance(self) -> int:
        """How far ahead of now the arrival time may be for one more event, in microseconds."""
        return self.step * (self.burst - 1)

    def wait_ms(self, arrival: int, now: int) -> int:
        """Return in how many milliseconds one more event is allowed; not above 0 if it is now.

        Both times in microseconds.
        """
        return math.ceil((arrival - self.tolerance - now) / 1000)


UNLIMITED = Rate(0)


def microseconds(seconds: float) -> int:
    """Return a time in whole microseconds."""
    return round(seconds * 1_000_000)
