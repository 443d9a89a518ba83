"""An in-process WebSocket test client for Chalice apps: no sockets, no threads, no AWS.

    with TestClient(app) as client:
        alice = client.connect("/?name=alice")
        alice.send({"action": "hello", "id": 1})
        assert alice.receive_json()["type"] == "welcome"

Handlers run in the caller's thread, before `connect`, `send` and `close` return, on the events and
under the limits of the same gateway core as the server. What they send through `app.websocket_api`
or through boto3 arrives at the test's sockets.
"""

import json
import os
import queue
import time
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from chalice import Chalice
from chalice.config import Config

from localgateway import callbacks, environment, projects
from localgateway.authorizers import Authorizer
from localgateway.connections import Connection
from localgateway.events import Api, Handshake
from localgateway.functions import Invocation
from localgateway.gateway import Clock, Gateway, Task
from localgateway.handshakes import Refusal
from localgateway.limits import Beliefs, Limits
from localgateway.management import Response
from localgateway.rest import RestGateway, RestResponse
from localgateway.runtime import Runtime


class HandshakeRefused(Exception):  # noqa: N818 - the name of what happened
    """The handshake was answered with another status than 101."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status


class ConnectionClosed(Exception):  # noqa: N818 - the name of what happened
    """The socket is closed, and nothing is left to receive."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class TestClient:
    """Chats with a Chalice app through the gateway core, as `localgateway` would serve it.

    Args:
        app: The app; it needs WebSocket handlers.
        stage_name: The Chalice stage whose configuration and environment apply.
        project_dir: Where `.chalice/config.json` is; without one, Chalice's defaults apply.
        authorizer: The Lambda authorizer of $connect, a function of the app; none by default.
        limits: Quotas; AWS's by default.
        beliefs: Behaviour that AWS does not document.
        clock: Seconds since the epoch, for ids, throttles, idle and duration limits.

    Raises:
        ProjectError: The app has no WebSocket handlers, the configuration cannot be read, or does
            not know the stage.
        AuthorizerError: The app has no such function, or no $connect handler.
    """

    __test__ = False

    def __init__(
        self,
        app: Chalice,
        *,
        stage_name: str = "dev",
        project_dir: str | Path = ".",
        authorizer: Authorizer | None = None,
        limits: Limits | None = None,
        beliefs: Beliefs | None = None,
        clock: Clock = time.time,
    ) -> None:
        directory = Path(project_dir)
        if (directory / ".chalice" / "config.json").exists():
            config = projects.configure(directory, stage_name)
        else:
            config = Config(stage_name, config_from_disk={"app_name": app.app_name})
        project = projects.adopt(app, config, directory)
        if authorizer is not None:
            authorizer.verify(project.functions)
        api = Api(domain_name="127.0.0.1:8000", stage=project.api_stage)
        self.gateway = Gateway(
            api,
            routes=set(app.websocket_handlers),
            authorizer=authorizer,
            limits=limits,
            beliefs=beliefs,
            clock=clock,
        )
        self._app = app
        self._variables = dict(config.environment_variables)
        self._environ = environment.FunctionEnviron(os.environ)
        self.runtime = Runtime(project.functions, scope=self._environ.scoped)
        self._rest = RestGateway(project, self.runtime)
        self._ended: deque[tuple[Connection, int | None, str]] = deque()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(callbacks.intercepted(self.gateway))
        self._stack.enter_context(callbacks.attached(self._app, self.gateway))
        self._stack.enter_context(environment.replaced(self._environ, self._variables))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.runtime.close()
        self._stack.close()

    def connect(self, url: str = "/", *, headers: Mapping[str, str] | None = None) -> "TestSocket":
        """Open a WebSocket; only the query of the URL matters.

        Raises:
            HandshakeRefused: The authorizer, $connect or a limit refused it.
        """
        query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
        handshake = Handshake(
            headers=(("Host", self.gateway.api.domain_name), *(headers or {}).items()),
            query=tuple(query),
        )
        started = self.gateway.connecting(handshake)
        if isinstance(started, Refusal):
            raise HandshakeRefused(started.status, started.message)
        connection, task = started
        verdict = self.gateway.connected(connection, self._run(task) if task else None)
        while isinstance(verdict, Task):
            verdict = self.gateway.connected(connection, self._run(verdict))
        self.settle()
        if isinstance(verdict, Refusal):
            raise HandshakeRefused(verdict.status, verdict.message)
        socket = TestSocket(self, connection, verdict.subprotocol)
        self.gateway.opened(connection, _Port(socket))
        return socket

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> RestResponse:
        """Call the app's REST API."""
        lines = list((headers or {}).items())
        answer = self._rest.respond(method, path, lines, body, "127.0.0.1")
        self.settle()
        return answer

    def invoke(self, name: str, event: Any) -> Invocation:
        """Invoke a function by its short or deployed name.

        Raises:
            LookupError: There is no such function.
        """
        function = self.runtime.find(name)
        if function is None:
            raise LookupError(f"no function {name!r}: {', '.join(self.runtime.functions)}")
        outcome = self.runtime.call(function.name, event)
        self.settle()
        return outcome

    def manage(self, method: str, identifier: str, body: bytes = b"") -> Response:
        """Send a signed request to @connections, as any AWS SDK would."""
        path = f"/{self.gateway.api.stage}/@connections/{identifier}"
        answer = self.gateway.manage(method, path, {"authorization": "AWS4-HMAC-SHA256"}, body)
        self.settle()
        return answer

    def sweep(self) -> None:
        """Close what is idle or too old by the clock, as the server does every second."""
        self.gateway.sweep()
        self.settle()

    # -- what sockets need -----------------------------------------------------------------------

    def take(self, connection: Connection, text: str) -> None:
        """Handle one message of a socket."""
        task = self.gateway.received(connection, text)
        if task is not None:
            self.gateway.handled(connection, task, self._run(task))
        self.settle()

    def end(self, connection: Connection, code: int | None, reason: str) -> None:
        """Note the end of a socket; its $disconnect runs when no handler does."""
        self._ended.append((connection, code, reason))

    def settle(self) -> None:
        """Run the $disconnect of every socket that has ended."""
        with suppress(IndexError):  # another thread may have taken the last one
            while True:
                task = self.gateway.disconnected(*self._ended.popleft())
                if task is not None:
                    self._run(task)

    def _run(self, task: Task) -> Invocation:
        return self.runtime.call(task.function, task.event)


class TestSocket:
    """The client's end of a connection; `id` is its connection id."""

    __test__ = False

    def __init__(self, client: TestClient, connection: Connection, subprotocol: str | None) -> None:
        self.id = connection.id
        self.subprotocol = subprotocol
        self.closed: ConnectionClosed | None = None
        self._client = client
        self._connection = connection
        self._frames: queue.SimpleQueue[str] = queue.SimpleQueue()
        # What a client has not taken off the wire: set it to play a slow one.
        self.unread_bytes = 0

    def send(self, message: str | bytes | dict[str, Any], *, fragments: int = 1) -> None:
        """Send one message: text, an object as JSON, or bytes as a binary frame.

        Args:
            message: What to send.
            fragments: In how many WebSocket frames; the limit of 32 KB is one frame's.

        Raises:
            ConnectionClosed: The socket is closed already.
        """
        if self.closed is not None:
            raise self.closed
        if isinstance(message, bytes):
            self._client.gateway.received_binary(self._connection)
            self._client.settle()
            return
        text = message if isinstance(message, str) else json.dumps(message)
        size = len(text.encode())
        limits = self._client.gateway.limits
        if size > limits.message_bytes or size / fragments > limits.frame_bytes:
            self._finish(1009, "")
            self._client.settle()
        else:
            self._client.take(self._connection, text)

    def receive(self, timeout: float = 0) -> str:
        """Return the next message.

        Args:
            timeout: Seconds to wait, for tests with threads.

        Raises:
            ConnectionClosed: Nothing is left, and the socket is closed.
            LookupError: Nothing has arrived.
        """
        try:
            return self._frames.get(timeout=timeout) if timeout else self._frames.get_nowait()
        except queue.Empty:
            if self.closed is not None:
                raise self.closed from None
            raise LookupError("nothing has arrived on this socket") from None

    def receive_json(self, timeout: float = 0) -> dict[str, Any]:
        """Return the next message, an object of JSON."""
        message: dict[str, Any] = json.loads(self.receive(timeout))
        return message

    def received(self) -> list[dict[str, Any]]:
        """Return all that has arrived and was not received yet."""
        return [self.receive_json() for _ in range(self._frames.qsize())]

    def leave(self, code: int | None = None, reason: str = "") -> None:
        """Close as a client does, with a code or without one."""
        if self.closed is None:
            self._finish(code, reason)
            self._client.settle()

    def lose(self, *, disconnect: bool = True) -> None:
        """Break the connection without a close frame.

        Args:
            disconnect: Whether $disconnect runs; AWS promises no more than its best effort.
        """
        if disconnect:
            self.leave(1006)
        elif self.closed is None:
            self.closed = ConnectionClosed(1006, "")
            self._client.gateway.abandon(self._connection)

    def _finish(self, code: int | None, reason: str) -> None:
        self.closed = ConnectionClosed(1005 if code is None else code, reason)
        self._client.end(self._connection, code, reason)

    def take(self, text: str) -> None:
        """Keep a message of the gateway for `receive`."""
        self._frames.put(text)

    def closed_by_gateway(self, code: int, reason: str) -> None:
        """Note that the gateway has closed the connection."""
        if self.closed is None:
            self._finish(code, reason)


class _Port:
    """The gateway's end of a TestSocket."""

    def __init__(self, socket: TestSocket) -> None:
        self._socket = socket

    def send(self, data: bytes) -> None:
        try:
            self._socket.take(data.decode())
        except UnicodeDecodeError:
            self._socket.closed_by_gateway(1007, "")

    def close(self, code: int, reason: str) -> None:
        self._socket.closed_by_gateway(code, reason)

    def buffered(self) -> int:
        return self._socket.unread_bytes
