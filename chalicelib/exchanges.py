"""What the CrtGateway has under way: batches of exchanges, and the connections that carry them.

The runtime's Python binding has no connection manager, so each origin has a small pool here. A
connection carries one request at a time; the callback that ends one request starts the next.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.gateway import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from awscrt.http import HttpRequest

    from chalicelib.models import ConnectionId

MAX_FRAME = 128 * 1024
_thread = threading.local()


class Endpoint(NamedTuple):
    """Where calls go: a pool, the Host header, and the path before the connection's id."""

    pool: Pool
    host: str
    path: str


class Call(NamedTuple):
    """What a post and a probe are on the wire: an HTTP method, and a body or none."""

    method: str
    endpoint: str
    connection_id: ConnectionId
    body: bytes = b""


class Batch:
    """What the exchanges of one call share; `answered` is set when each has its outcome."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.answered = threading.Event()
        self.sign: Any = None
        self._unanswered = 0

    def expect(self, exchanges: int, sign: Callable[[Endpoint, Call], HttpRequest]) -> None:
        """Say how many exchanges there are, and what makes their requests."""
        self._unanswered = exchanges
        self.sign = sign

    def count_answer(self) -> None:
        """Note that one more has its outcome; under the lock."""
        self._unanswered -= 1
        if not self._unanswered:
            self.answered.set()


class Exchange:
    """One call and its outcome, which is set once."""

    __slots__ = ("_batch", "_call", "endpoint", "expired", "outcome", "stream")

    def __init__(self, batch: Batch, call: Call, endpoint: Endpoint | None) -> None:
        self._batch = batch
        self._call = call
        self.endpoint: Any = endpoint  # None only in one that is refused from the start
        self.stream: Any = None
        self.expired = False
        sendable = endpoint is not None and len(call.body) <= MAX_FRAME
        self.outcome = None if sendable else Outcome.REFUSED

    def request(self) -> HttpRequest:
        """Make the signed request."""
        return self._batch.sign(self.endpoint, self._call)

    def settle(self, outcome: Outcome) -> None:
        """Set the outcome, if there is none yet."""
        with self._batch.lock:
            if self.outcome is None:
                self.outcome = outcome
                self._batch.count_answer()

    def conclude(self) -> Outcome:
        """Return the outcome; what has none by now is given up and its connection closed."""
        with self._batch.lock:
            if self.outcome is None:
                self.expired = True
                self.outcome = Outcome.RETRYABLE
            stream = self.stream if self.expired else None
        if stream:
            stream.connection.close()
        return self.outcome


class Pool:
    """The connections to one origin, and the exchanges that wait for one."""

    def __init__(self, connect: Callable[[], Future[Any]], limit: int) -> None:
        self._new_connection = connect
        self._limit = limit
        self._lock = threading.Lock()
        self._idle: list[Any] = []
        self._waiting: deque[Exchange] = deque()
        self._open = 0
        self._closed = False

    def submit(self, exchange: Exchange) -> None:
        """Begin an exchange, or keep it until a connection is free."""
        with self._lock:
            connection = self._take_idle()
            if connection is None:
                if self._open >= self._limit:
                    self._waiting.append(exchange)
                    return
                self._open += 1
        if connection:
            self._send(exchange, connection, reused=True)
        else:
            self._connect(exchange)

    def close(self) -> None:
        """Close the idle connections; those in use close when their request ends."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            self._open -= len(idle)
        for connection in idle:
            connection.close()

    def _take_idle(self) -> Any:
        """Return the idle connection used last: the others may then be dropped by the server."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open():
                return connection
            self._open -= 1
        return None

    def _take_waiting(self) -> Exchange | None:
        while self._waiting:
            exchange = self._waiting.popleft()
            if not exchange.expired:
                return exchange
        return None

    def _connect(self, exchange: Exchange) -> None:
        self._new_connection().add_done_callback(partial(self._connected, exchange))

    def _connected(self, exchange: Exchange, connecting: Future[Any]) -> None:
        _keep_thread_state()
        if connecting.exception() is None:
            self._send(exchange, connecting.result(), reused=False)
            return
        with self._lock:
            self._open -= 1
            stranded = [exchange]
            # With no connection left nobody would serve those who wait: one failed connection a
            # slot is proof enough, and a dead origin costs no more than that.
            if not self._open:
                stranded += self._waiting
                self._waiting.clear()
        for each in stranded:
            each.settle(Outcome.RETRYABLE)

    def _send(self, exchange: Exchange, connection: Any, *, reused: bool) -> None:
        if exchange.expired:
            self._release(connection)
            return
        try:
            stream = connection.request(exchange.request())
            done = partial(self._completed, exchange, stream, reused=reused)
            stream.completion_future.add_done_callback(done)
            exchange.stream = stream
            stream.activate()
        except Exception as error:  # noqa: BLE001 - the slot must be freed whatever went wrong
            self._failed(exchange, connection, error, reused=reused)
            return
        if exchange.expired:  # between the check above and the assignment
            connection.close()

    def _completed(
        self, exchange: Exchange, stream: Any, completion: Future[int], *, reused: bool
    ) -> None:
        exchange.stream = None  # breaks the cycle stream, callback, exchange
        error, status = completion.exception(), stream.response_status_code
        if status is None:
            self._failed(exchange, stream.connection, error, reused=reused)
            return
        exchange.settle(_outcome(status))
        if error is None and stream.connection.is_open():
            self._release(stream.connection)
        else:
            self._replace(stream.connection, None)

    def _failed(
        self, exchange: Exchange, connection: Any, error: BaseException | None, *, reused: bool
    ) -> None:
        garbage = getattr(error, "name", "") == "AWS_ERROR_HTTP_PROTOCOL_ERROR"
        if reused and not garbage and not exchange.expired:
            self._replace(connection, exchange)
        else:
            exchange.settle(Outcome.RETRYABLE)
            self._replace(connection, None)

    def _release(self, connection: Any) -> None:
        with self._lock:
            exchange = self._take_waiting()
            surplus = exchange is None and self._closed
            if surplus:
                self._open -= 1
            elif exchange is None:
                self._idle.append(connection)
        if exchange:
            self._send(exchange, connection, reused=True)
        elif surplus:
            connection.close()

    def _replace(self, connection: Any, exchange: Exchange | None) -> None:
        """Give the place of a dead connection to a fresh one, if there is work for it."""
        connection.close()
        with self._lock:
            exchange = exchange or self._take_waiting()
            if exchange is None:
                self._open -= 1
        if exchange:
            self._connect(exchange)


def _keep_thread_state() -> None:
    """Let Python's state of the runtime's thread outlive the callback.

    Else each callback from C makes one and unmaps it again, which doubles the cost of a post.
    """
    if not hasattr(_thread, "kept"):
        _thread.kept = True
        ctypes.pythonapi.PyGILState_Ensure()


def _outcome(status: int) -> Outcome:
    if status == HTTPStatus.GONE:
        return Outcome.GONE
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Outcome.RETRYABLE
    successful = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    return Outcome.DELIVERED if successful else Outcome.REFUSED
