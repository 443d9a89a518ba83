"""How long the client waits for what, and how much it keeps."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All times are in seconds.

    Attributes:
        answer_timeout: after this long without an answer a request is sent again, and a link
            whose ping is not answered is given up.
        open_timeout: how long a link may take until it is open.
        drain_timeout: how long an old link may finish what is under way after a hand-over.
        stable_after: a connection that lasted as long resets the backoff.
        quick: the first attempt to reconnect starts within this time.
        backoff_base, backoff_cap: attempt n after it within base * 2**n, never over the cap.
        hole_wait: how long a missing entry is waited for before it is asked for; varies by 25 %.
        heartbeat, lifetime: until the server has told its own.
        resend_within: a server remembers a cid for a day; nothing is sent again after this time.
        keep: how many entries a timeline keeps.
        initial: how many entries of a room are read when it is joined; 0 for none.
        page: how many more are read with load_history, at most 100.
        typing_interval: `typing` is sent at most this often per room.
        frames_a_second, frames_at_once: no link sends more than this, so that it stays below the
            server's limit (10 a second, 50 at once).
        limited_within: what the server refuses as too much is sent again when it says, but not
            later than so long after the first refusal: then it fails, as `rate_limited`.
    """

    answer_timeout: float = 10.0
    open_timeout: float = 20.0
    drain_timeout: float = 5.0
    stable_after: float = 10.0
    quick: float = 0.25
    backoff_base: float = 1.0
    backoff_cap: float = 20.0
    hole_wait: float = 1.0
    heartbeat: float = 240.0
    lifetime: float = 6600.0
    resend_within: float = 23 * 3600.0
    keep: int = 2000
    initial: int = 50
    page: int = 50
    typing_interval: float = 3.0
    frames_a_second: float = 8.0
    frames_at_once: int = 40
    limited_within: float = 300.0

    def pause(self, attempt: int, random: Callable[[], float]) -> float:
        """Return how long to wait before attempt 0, 1, 2, ...: exponential, with full jitter.

        https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        # 2**32 is beyond any cap, and a float for any attempt.
        return random() * min(self.backoff_cap, self.backoff_base * 2.0 ** min(attempt, 32))
