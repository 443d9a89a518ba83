"""What the CrtGateway has under way: batches of exchanges, and the attempts of each.

Nothing here knows connections. A batch belongs to the thread that waits for it, which is also the
one that begins what is due again and ends what takes too long.
"""

from __future__ import annotations

import threading
from collections import deque
from heapq import heappop, heappush
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from chalicelib.gateway import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from awscrt.http import HttpRequest

    from chalicelib.backoff import Backoff
    from chalicelib.models import ConnectionId

MAX_FRAME = 128 * 1024
# Looked up once: an enum's members take as long to find as the rest of what a post does with them.
_OK, _MULTIPLE_CHOICES = int(HTTPStatus.OK), int(HTTPStatus.MULTIPLE_CHOICES)
_DELIVERED, _RETRYABLE = Outcome.DELIVERED, Outcome.RETRYABLE


class Queue(Protocol):
    """What carries exchanges out."""

    def submit(self, exchange: Exchange) -> None:
        """Begin an attempt, now or when there is room for it."""
        ...


class Endpoint(NamedTuple):
    """Where calls go: a pool, the Host header, and the path before the connection's id."""

    pool: Queue
    host: str
    path: str


class Call(NamedTuple):
    """What a post, a probe and an end are on the wire: an HTTP method, and a body or none."""

    method: str
    endpoint: str
    connection_id: ConnectionId
    body: bytes = b""


class Batch:
    """What the exchanges of one call share: the deadline, and the timers of their attempts.

    An attempt may take `attempt_timeout` seconds. Of `backoff` the number of attempts and the
    pauses count, not its deadline; nor does it sleep here.
    """

    def __init__(self, deadline: float, attempt_timeout: float, backoff: Backoff) -> None:
        self.lock = threading.Lock()
        self.sign: Any = None
        self._deadline = deadline
        self._attempt_timeout = attempt_timeout
        self._backoff = backoff
        self._changed = threading.Condition(self.lock)
        self._unanswered = 0
        self._begun: deque[tuple[float, Attempt]] = deque()
        self._postponed: list[tuple[float, int, Exchange]] = []
        self._postponements = 0

    def expect(self, exchanges: int, sign: Callable[[Endpoint, Call], HttpRequest]) -> None:
        """Say how many exchanges there are, and what makes their requests."""
        self._unanswered = exchanges
        self.sign = sign

    def wait(self) -> None:
        """Run the timers until each exchange has its outcome, or until the deadline."""
        while self._turn():
            pass
        self._begun.clear()  # else batch, attempts and exchanges were a cycle
        self._postponed.clear()

    def note(self, attempt: Attempt) -> None:
        """Remember when an attempt began; under the lock."""
        self._begun.append((self._backoff.clock(), attempt))

    def postpone(self, exchange: Exchange, attempts: int) -> bool:
        """Plan the attempt after so many; False if it would be one too many, or too late.

        Under the lock.
        """
        due = self._backoff.clock() + self._backoff.pause(attempts - 1)
        if attempts >= self._backoff.attempts or due >= self._deadline:
            return False
        self._postponements += 1  # of two that are due at once, the first is first
        heappush(self._postponed, (due, self._postponements, exchange))
        if self._postponed[0][2] is exchange:
            self._changed.notify()
        return True

    def count_answer(self) -> None:
        """Note that one more has its outcome; under the lock."""
        self._unanswered -= 1
        if not self._unanswered:
            self._changed.notify()

    def _turn(self) -> bool:
        with self.lock:
            now = self._backoff.clock()
            if not self._unanswered or now >= self._deadline:
                return False
            overdue, due = self._overdue(now), self._due(now)
            if not overdue and not due:
                self._changed.wait(self._next(now) - now)
        for attempt in overdue:
            attempt.expire()
        for exchange in due:
            exchange.submit()
        return True

    def _overdue(self, now: float) -> list[Attempt]:
        overdue = []
        while self._begun:
            began, attempt = self._begun[0]
            if not attempt.over and began + self._attempt_timeout > now:
                break
            self._begun.popleft()
            if not attempt.over:
                overdue.append(attempt)
        return overdue

    def _due(self, now: float) -> list[Exchange]:
        due = []
        while self._postponed and self._postponed[0][0] <= now:
            due.append(heappop(self._postponed)[2])
        return due

    def _next(self, now: float) -> float:
        """Return the time of the next timer; what begins later than now expires later, too."""
        began = self._begun[0][0] if self._begun else now
        due = self._postponed[0][0] if self._postponed else self._deadline
        return min(began + self._attempt_timeout, due, self._deadline)


class Exchange:
    """One call and its outcome, which is set once, after one attempt or several."""

    __slots__ = ("_attempt", "_attempts", "_batch", "_call", "endpoint", "outcome")

    def __init__(self, batch: Batch, call: Call, endpoint: Endpoint | None) -> None:
        self._batch = batch
        self._call = call
        self._attempts = 0
        self._attempt: Attempt | None = None
        self.endpoint: Any = endpoint  # None only in one that is refused from the start
        sendable = endpoint is not None and len(call.body) <= MAX_FRAME
        self.outcome = None if sendable else Outcome.REFUSED

    def submit(self) -> None:
        """Have the pool begin an attempt."""
        self.endpoint.pool.submit(self)

    def begin(self, epoch: int) -> Attempt:
        """Return a new attempt, which is over at once when there is an outcome."""
        with self._batch.lock:
            self._attempts += 1
            self._attempt = attempt = Attempt(self, self._batch.lock, epoch)
            self._batch.note(attempt)
        return attempt

    def request(self) -> HttpRequest:
        """Make the signed request."""
        return self._batch.sign(self.endpoint, self._call)

    def strand(self) -> None:
        """Note that there is no way to the origin: as bad as an attempt that failed."""
        with self._batch.lock:
            self._attempts += 1
            self.answer(Outcome.RETRYABLE)

    def answer(self, outcome: Outcome) -> None:
        """Set the outcome if there is none yet, or plan another attempt; under the lock."""
        self._attempt = None
        if self.outcome is not None:
            return
        if outcome is _RETRYABLE and self._batch.postpone(self, self._attempts):
            return
        self.outcome = outcome
        self._batch.count_answer()

    def conclude(self) -> Outcome:
        """Return the outcome; what has none by now is given up and its connection closed."""
        with self._batch.lock:
            self.outcome = self.outcome or Outcome.RETRYABLE
            stream = self._attempt.give_up() if self._attempt else None
            self._attempt = None
        if stream:
            stream.connection.close()
        return self.outcome


class Attempt:
    """One try at an exchange, on one connection or on a fresh one after a dead one.

    Attributes:
        epoch: that of the pace when it began.
        over: it has ended, whatever the reason.
        expired: it has ended too late: its connection is closed, and nothing else is to be sent.
        stream: the request under way.
    """

    __slots__ = ("_exchange", "_lock", "epoch", "expired", "over", "stream")

    def __init__(self, exchange: Exchange, lock: threading.Lock, epoch: int) -> None:
        self._exchange = exchange
        self._lock = lock
        self.epoch = epoch
        self.over = self.expired = exchange.outcome is not None
        self.stream: Any = None

    def request(self) -> HttpRequest:
        """Make the signed request."""
        return self._exchange.request()

    def end(self, outcome: Outcome) -> bool:
        """Answer the exchange; False, and nothing changes, if this was over before."""
        with self._lock:
            if self.over:
                return False
            self.over = True
            self._exchange.answer(outcome)
            return True

    def expire(self) -> None:
        """Fail, and close the connection: the answer takes too long."""
        with self._lock:
            stream = self.give_up()
            if self.expired:
                self._exchange.answer(Outcome.RETRYABLE)
        if stream:
            stream.connection.close()

    def give_up(self) -> Any:
        """Be over, if this was not before; return the stream to close, or None; under the lock."""
        if self.over:
            return None
        self.over = self.expired = True
        return self.stream


def outcome_of(status: int) -> Outcome:
    """Return what an HTTP status means; redirects are REFUSED, as they leave the signed host."""
    if _OK <= status < _MULTIPLE_CHOICES:
        return _DELIVERED
    if status == HTTPStatus.GONE:
        return Outcome.GONE
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Outcome.RETRYABLE
    return Outcome.REFUSED
