"""How often, and after what pauses, something is tried again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential backoff with full jitter, bounded by attempts and by time.

    Full jitter spreads clients that collided once best, see
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Attributes:
        clock: the time in seconds.
        sleep: waits for some seconds.
        random: a number from 0 up to 1.
        attempts: how often at most, the first time included.
        base, cap: the pause before attempt n + 1 is up to base * 2**n seconds, never over cap.
        deadline: no attempt starts later than this many seconds after the first.
    """

    clock: Callable[[], float]
    sleep: Callable[[float], object]
    random: Callable[[], float]
    attempts: int = 20
    base: float = 0.01
    cap: float = 0.5
    deadline: float = 5.0

    def against_others(self) -> "Backoff":
        """Return the policy for what fails because somebody else was faster.

        One of those who collide gets through at each attempt, so there is less to wait for than
        where the service is short of capacity. Measured in docs/performance.md.
        """
        return replace(self, base=0.005, cap=0.05, attempts=100)

    def pause(self, attempt: int) -> float:
        """Return the seconds to pause after an attempt, the first of which is 0."""
        longest: float = min(self.cap, self.base * 2**attempt)
        return self.random() * longest

    def tries(self) -> Iterator[int]:
        """Yield 0, 1, 2, ... and pause in between; the caller leaves the loop when it is done."""
        end = self.clock() + self.deadline
        for attempt in range(self.attempts - 1):
            yield attempt
            pause = self.pause(attempt)
            if self.clock() + pause > end:
                return
            self.sleep(pause)
        yield self.attempts - 1
