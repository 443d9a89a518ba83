"""The connections to one origin, and the exchanges that wait for one.

The runtime's Python binding has no connection manager, so each origin has a small pool here. A
connection carries one request at a time; the callback that ends one request starts the next.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from chalicelib.exchanges import outcome_of
from chalicelib.gateway import Outcome
from chalicelib.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from chalicelib.exchanges import Attempt, Exchange
    from chalicelib.pacing import Pace

_TOO_MANY_REQUESTS = int(HTTPStatus.TOO_MANY_REQUESTS)
_thread = threading.local()


class Pool:
    """As many requests at a time as the pace allows, each on a connection of its own.

    What waits for its turn, or for its next attempt, takes up no place.
    """

    def __init__(
        self, connect: Callable[[], Future[Any]], pace: Pace, stream: Callable[..., Any] = Stream
    ) -> None:
        self._new_connection = connect
        self._new_stream = stream
        self._pace = pace
        self._lock = threading.Lock()
        self._idle: list[Any] = []
        self._waiting: deque[Exchange] = deque()
        self._busy = 0
        self._closed = False

    def submit(self, exchange: Exchange) -> None:
        """Begin an attempt, or keep the exchange until there is room for one."""
        with self._lock:
            if self._busy >= self._pace.limit:
                self._waiting.append(exchange)
                return
            self._busy += 1
            connection = self._take_idle()
        self._begin(exchange, connection)

    def close(self) -> None:
        """Close the idle connections; those in use close when their request ends."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take_idle(self) -> Any:
        """Return the idle connection used last: the others may then be dropped by the server."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open():
                return connection
        return None

    def _take_waiting(self) -> Exchange | None:
        """Return who is next, unless the pace has slowed down."""
        while self._waiting and self._busy <= self._pace.limit:
            exchange = self._waiting.popleft()
            if exchange.outcome is None:
                return exchange
        return None

    def _begin(self, exchange: Exchange, connection: Any) -> None:
        attempt = exchange.begin(self._pace.epoch)
        if connection:
            self._send(attempt, connection, reused=True)
        else:
            self._connect(attempt)

    def _connect(self, attempt: Attempt) -> None:
        self._new_connection().add_done_callback(partial(self._connected, attempt))

    def _connected(self, attempt: Attempt, connecting: Future[Any]) -> None:
        _keep_thread_state()
        if connecting.exception() is None:
            self._send(attempt, connecting.result(), reused=False)
            return
        attempt.end(Outcome.RETRYABLE)
        for each in self._lose_place():
            each.strand()
        self._begin_next(on_idle=True)

    def _lose_place(self) -> list[Exchange]:
        """Return who is stranded when there is no connection left, nor one on the way.

        Nobody would serve those who wait: one failed connection a place is proof enough, and an
        attempt at a dead origin costs no more than that.
        """
        with self._lock:
            self._busy -= 1
            if self._busy or self._idle:
                return []
            stranded = list(self._waiting)
            self._waiting.clear()
        return stranded

    def _send(self, attempt: Attempt, connection: Any, *, reused: bool) -> None:
        if attempt.expired:
            self._release(connection)
            return
        try:
            completed = partial(self._completed, attempt, reused=reused)
            attempt.stream = stream = self._new_stream(connection, attempt.request(), completed)
            stream.activate()
        except Exception as error:  # noqa: BLE001 - the slot must be freed whatever went wrong
            self._failed(attempt, connection, error, reused=reused)
            return
        if attempt.expired:  # between the check above and the assignment
            connection.close()

    def _completed(self, attempt: Attempt, error: Exception | None, *, reused: bool) -> None:
        # Breaks the cycle of stream, callback and attempt, which is dear to collect.
        stream, attempt.stream = attempt.stream, None
        if stream.status is None:
            self._failed(attempt, stream.connection, error, reused=reused)
            return
        in_time = attempt.end(outcome_of(stream.status))
        faster = self._count(attempt, stream.status)
        if in_time and error is None and stream.connection.is_open():
            self._release(stream.connection)
        else:
            self._replace(stream.connection, None)
        if faster:
            self._begin_next()

    def _count(self, attempt: Attempt, status: int) -> bool:
        with self._lock:
            return self._pace.count(attempt.epoch, throttled=status == _TOO_MANY_REQUESTS)

    def _begin_next(self, *, on_idle: bool = False) -> None:
        with self._lock:
            possible = self._busy < self._pace.limit and (self._idle or not on_idle)
            exchange = self._take_waiting() if possible else None
            if exchange is None:
                return
            self._busy += 1
            connection = self._take_idle()
        self._begin(exchange, connection)

    def _failed(
        self, attempt: Attempt, connection: Any, error: BaseException | None, *, reused: bool
    ) -> None:
        garbage = getattr(error, "name", "") == "AWS_ERROR_HTTP_PROTOCOL_ERROR"
        if reused and not garbage and not attempt.expired:
            self._replace(connection, attempt)
        else:
            attempt.end(Outcome.RETRYABLE)
            self._replace(connection, None)

    def _release(self, connection: Any) -> None:
        with self._lock:
            exchange = self._take_waiting()
            if exchange is None:
                self._busy -= 1
            surplus = exchange is None and self._closed
            if exchange is None and not surplus:
                self._idle.append(connection)
        if exchange:
            self._begin(exchange, connection)
        elif surplus:
            connection.close()

    def _replace(self, connection: Any, attempt: Attempt | None) -> None:
        """Give the place of a dead connection to a fresh one, if there is work for it."""
        connection.close()
        if attempt:
            self._connect(attempt)
            return
        with self._lock:
            exchange = self._take_waiting()
            if exchange is None:
                self._busy -= 1
            connection = exchange and self._take_idle()
        if exchange:
            self._begin(exchange, connection)


def _keep_thread_state() -> None:
    """Let Python's state of the runtime's thread outlive the callback.

    Else each callback from C makes one and unmaps it again, which doubles the cost of a post.
    """
    if not hasattr(_thread, "kept"):
        _thread.kept = True
        ctypes.pythonapi.PyGILState_Ensure()
