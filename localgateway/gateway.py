"""The gateway itself, without I/O: connections, routes, limits, events and @connections.

A shell (server.py, testing.py) brings sockets and runs handlers; it tells the gateway what happened
and does what the gateway answers. Every public method may be called from any thread.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from localgateway import events, management
from localgateway.authorizers import Authorizer
from localgateway.connections import Connection, Socket, State
from localgateway.events import Api, Call, Event, Handshake
from localgateway.functions import WEBSOCKET_FUNCTIONS, Invocation
from localgateway.handshakes import UNAUTHORIZED, Acceptance, Refusal, judge
from localgateway.identifiers import CONNECTION_ID, Entropy, new_id
from localgateway.limits import Beliefs, Limits
from localgateway.routing import CONNECT, DEFAULT, DISCONNECT, select_route
from localgateway.throttling import TokenBucket

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Task:
    """Invoke the function with this event, then tell the gateway how it went.

    The function is the handler of the route, or the authorizer where one is named.
    """

    route_key: str
    event: Event
    request_id: str
    authorizer: str | None = None

    @property
    def function(self) -> str:
        """The name of the function, as Chalice has it."""
        return self.authorizer or WEBSOCKET_FUNCTIONS[self.route_key]


class Gateway:
    """One deployed stage of a WebSocket API."""

    def __init__(
        self,
        api: Api,
        *,
        routes: AbstractSet[str] = frozenset(),
        authorizer: Authorizer | None = None,
        limits: Limits | None = None,
        beliefs: Beliefs | None = None,
        clock: Clock = time.time,
        entropy: Entropy = os.urandom,
    ) -> None:
        self.api = api
        self.limits = limits or Limits()
        self._beliefs = beliefs or Beliefs()
        self._routes = frozenset(routes)
        self._authorizer = authorizer
        self._clock = clock
        self._entropy = entropy
        self._connections: dict[str, Connection] = {}
        self._lock = threading.RLock()
        connects = self.limits.connects_per_second
        self._connects = TokenBucket(rate=connects, burst=connects, clock=clock)
        self._requests = TokenBucket(
            rate=self.limits.requests_per_second, burst=self.limits.requests_burst, clock=clock
        )

    def deploy(self, routes: AbstractSet[str]) -> None:
        """Serve these routes from now on."""
        self._routes = frozenset(routes)

    def connections(self) -> list[Connection]:
        """List the connections there are, whatever their state."""
        with self._lock:
            return list(self._connections.values())

    # -- the handshake ---------------------------------------------------------------------------

    def connecting(self, handshake: Handshake) -> tuple[Connection, Task | None] | Refusal:
        """Begin a connection; the handshake waits for the task, when there is one."""
        with self._lock:
            if not self._connects.take():
                return Refusal(self._beliefs.connect_throttled_status, "Too Many Requests")
            if self._authorizer is not None and not self._authorizer.admits(handshake):
                return UNAUTHORIZED
            now = self._clock()
            connection = Connection(
                id=new_id(self._entropy),
                source_ip=handshake.source_ip,
                user_agent=handshake.header("User-Agent"),
                connected_at=now,
                last_active_at=now,
            )
            self._connections[connection.id] = connection
        call = self._call(connection, CONNECT)
        event = events.connect_event(self.api, call, handshake)
        if self._authorizer is None:
            return connection, self._connect(event)
        connection.state, connection.connect_event = State.AUTHORIZING, event
        event = events.authorizer_event(self.api, event, handshake)
        return connection, Task(CONNECT, event, call.request_id, self._authorizer.function)

    def connected(
        self, connection: Connection, outcome: Invocation | None
    ) -> Task | Acceptance | Refusal:
        """Judge what the handshake's task came to (None: there was none).

        After an authorizer that lets the client in, $connect is the next task to wait for.
        """
        if connection.state is State.AUTHORIZING:
            return self._authorized(connection, outcome or Invocation())
        verdict = judge(outcome, self._beliefs)
        if isinstance(verdict, Refusal):
            self.abandon(connection)
        return verdict

    def _authorized(
        self, connection: Connection, outcome: Invocation
    ) -> Task | Acceptance | Refusal:
        assert self._authorizer is not None  # noqa: S101 - connecting() has seen it
        grant = self._authorizer.judge(outcome, self.api.connect_arn, self._beliefs)
        if isinstance(grant, Refusal):
            self.abandon(connection)
            return grant
        # The time of day can be set back.
        latency = max(0, round((self._clock() - connection.connected_at) * 1000))
        connection.authorizer = {**grant, "integrationLatency": latency}
        event, connection.connect_event = connection.connect_event, {}
        event["requestContext"]["authorizer"] = dict(connection.authorizer)
        connection.state = State.CONNECTING
        return self._connect(event) or Acceptance()

    def _connect(self, event: Event) -> Task | None:
        if CONNECT not in self._routes:
            return None
        return Task(CONNECT, event, event["requestContext"]["requestId"])

    def opened(self, connection: Connection, socket: Socket) -> None:
        """Attach the socket, after 101 was written: from now on posts reach it."""
        with self._lock:
            connection.socket = socket
            connection.state = State.OPEN

    def abandon(self, connection: Connection) -> None:
        """Forget a connection whose handshake failed; $disconnect does not run for it."""
        with self._lock:
            self._connections.pop(connection.id, None)

    # -- frames from the client ------------------------------------------------------------------

    def received(self, connection: Connection, text: str) -> Task | None:
        """Take one text message; None when it was answered without a handler."""
        with self._lock:
            if connection.state is not State.OPEN:
                return None
            connection.last_active_at = self._clock()
            allowed = self._requests.take()
        route_key = select_route(self.api.route_selection_expression, self._routes, text)
        call = self._call(connection, route_key or DEFAULT)
        if not allowed:
            self._complain(connection, call.request_id, "Too Many Requests")
            return None
        if route_key is None:
            self._complain(connection, call.request_id, "Forbidden")
            return None
        event = events.message_event(self.api, call, new_id(self._entropy), text)
        return Task(route_key, event, call.request_id)

    def received_binary(self, connection: Connection) -> None:
        """Close with 1003: WebSocket APIs of API Gateway take text only."""
        self._close(connection, 1003, "Binary is not supported")

    def pinged(self, connection: Connection) -> None:
        """Note a WebSocket ping; the socket answers it, no handler sees it."""
        if self._beliefs.ping_resets_idle:
            with self._lock:
                connection.last_active_at = self._clock()

    def handled(self, connection: Connection, task: Task, outcome: Invocation) -> None:
        """Tell the client of a handler that failed; what a handler returns is discarded."""
        if outcome.timed_out:
            self._complain(connection, task.request_id, "Endpoint request timed out")
        elif outcome.error is not None or outcome.throttled:
            self._complain(connection, task.request_id, "Internal server error")

    def _complain(self, connection: Connection, request_id: str, message: str) -> None:
        # The spacing is API Gateway's; neither ids nor messages need escaping.
        frame = (
            f'{{"message": "{message}", '
            f'"connectionId":"{connection.id}", "requestId":"{request_id}"}}'
        )
        with self._lock:
            if connection.socket is not None and connection.state is State.OPEN:
                connection.socket.send(frame.encode())

    # -- the end ---------------------------------------------------------------------------------

    def disconnected(self, connection: Connection, code: int | None, reason: str) -> Task | None:
        """Forget a connection whose socket has ended; the task is its $disconnect, best effort.

        Args:
            connection: The connection.
            code: Close code from the client; None when it sent a close frame without one. When
                the network was lost, 1006.
            reason: Close reason from the client.
        """
        with self._lock:
            if self._connections.pop(connection.id, None) is None:
                return None
            connection.state = State.CLOSING
        if DISCONNECT not in self._routes:
            return None
        if connection.close_code is not None:
            code, reason = connection.close_code, connection.close_reason
        elif code is None:
            code, reason = 1005, "Client-side close frame status not set"
        elif code == 1006:  # noqa: PLR2004 - RFC 6455, 7.4.1
            code = self._beliefs.lost_code
        call = self._call(connection, DISCONNECT)
        event = events.disconnect_event(self.api, call, code, reason)
        return Task(DISCONNECT, event, call.request_id)

    def sweep(self) -> None:
        """Close what has been idle for too long or has lived its two hours."""
        now = self._clock()
        for connection in self.connections():
            if now - connection.connected_at >= self.limits.duration_seconds:
                self._close(connection, self._beliefs.expired_code, "Connection duration exceeded")
            elif now - connection.last_active_at >= self.limits.idle_seconds:
                self._close(connection, 1001, "Going away")

    def close_all(self) -> None:
        """Close every connection, as at the end of the emulator."""
        for connection in self.connections():
            self._close(connection, 1001, "Going away")

    def _close(self, connection: Connection, code: int, reason: str) -> None:
        with self._lock:
            if connection.state is not State.OPEN or connection.socket is None:
                return
            connection.state = State.CLOSING
            connection.close_code, connection.close_reason = code, reason
            connection.socket.close(code, reason)

    # -- @connections ----------------------------------------------------------------------------

    def manage(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> management.Response:
        """Answer a request to @connections; header names are expected in lower case.

        The signature of a request is not verified, but there has to be one: AWS answers 403 to an
        unsigned request, and code that forgets to sign should find out here.
        """
        identifier = management.connection_id(path, self.api.stage)
        if identifier is None:
            return management.FORBIDDEN
        signed = headers.get("authorization", "").startswith("AWS4-")
        if not signed and not self._beliefs.unsigned_callbacks:
            return management.MISSING_TOKEN
        if CONNECTION_ID.fullmatch(identifier) is None:
            return management.malformed(identifier)
        if method == "POST":
            return self.post(identifier, body)
        return self._look_after(method, identifier)

    def post(self, identifier: str, body: bytes) -> management.Response:
        """Send a message to a connection: the hot path of every fan-out."""
        if len(body) > self.limits.message_bytes:
            return management.TOO_LARGE
        with self._lock:
            if not self._requests.take():
                return management.LIMITED
            connection = self._open(identifier)
            if connection is None or connection.socket is None:
                return management.GONE
            if connection.socket.buffered() > self.limits.buffer_bytes:
                return management.LIMITED
            connection.last_active_at = self._clock()
            connection.socket.send(body)
        return management.POSTED

    def _look_after(self, method: str, identifier: str) -> management.Response:
        if method not in ("GET", "DELETE"):
            return management.MISSING_TOKEN
        with self._lock:
            if not self._requests.take():
                return management.LIMITED
            connection = self._open(identifier)
            if connection is None:
                return management.GONE
            if method == "GET":
                return management.described(connection)
            self._close(connection, 1000, "Connection Closed Normally")
            return management.DELETED

    def _open(self, identifier: str) -> Connection | None:
        connection = self._connections.get(identifier)
        return connection if connection and connection.state is State.OPEN else None

    def _call(self, connection: Connection, route_key: str) -> Call:
        return Call(
            connection_id=connection.id,
            connected_at=connection.connected_at,
            source_ip=connection.source_ip,
            user_agent=connection.user_agent,
            request_id=new_id(self._entropy),
            route_key=route_key,
            now=self._clock(),
            authorizer=connection.authorizer,
        )
