"""A token bucket, the algorithm API Gateway names for its throttles."""

from collections.abc import Callable


class TokenBucket:
    """`burst` tokens, at least one, refilled at `rate` a second; a rate of 0 never refuses.

    Not thread-safe by itself: the gateway takes tokens under its own lock.
    """

    def __init__(self, *, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        # With less than one token, a rate below 1 a second would refuse everything for ever.
        self._burst = max(1.0, burst)
        self._clock = clock
        self._tokens = self._burst
        self._updated = clock()

    def take(self) -> bool:
        """Take one token; False when there is none, that is: throttle this request."""
        if self._rate <= 0:
            return True
        now = self._clock()
        # The time of day can be set back.
        elapsed = max(0.0, now - self._updated)
        self._tokens = min(self._burst, self._tokens + elapsed * self._rate)
        self._updated = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
