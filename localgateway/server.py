"""The server: REST, WebSockets, @connections and Lambda's Invoke API on one port, over aiohttp."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from websockets.http11 import Response as UpgradeResponse

from localgateway.connections import Connection
from localgateway.errors import PortError
from localgateway.events import Handshake
from localgateway.functions import Invocation
from localgateway.gateway import Gateway, Task
from localgateway.handshakes import Refusal
from localgateway.invocations import Invocations, function_name
from localgateway.management import Response, connection_id
from localgateway.rest import RestGateway
from localgateway.runtime import Runtime
from localgateway.shortcut import ShortcutServer
from localgateway.websocket import Outbox, WebSocket, answer_upgrade, upgrade

_HTTP_LOG = logging.getLogger(f"{__name__}.http")
_HTTP_LOG.addFilter(lambda record: not _is_of_the_client(record))

# REST APIs of API Gateway take at most 10 MB.
_MAX_BODY = 10 * 1024 * 1024
_BACKLOG = 1024
_REQUEST_THREADS = 256
# Without its signature: the first arguments are passed through.
_BaseRequest: Any = web.BaseRequest
_GRACE = 5.0


def listen(host: str, port: int) -> socket.socket:
    """Bind the address; done first of all, because everything else takes longer.

    Raises:
        PortError: The address is taken or not of this machine.
    """
    try:
        if ":" in host:
            # On `::` both families, as 0.0.0.0 users would expect.
            family, both = socket.AF_INET6, host == "::" and socket.has_dualstack_ipv6()
            return socket.create_server(
                (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=both
            )
        return socket.create_server((host, port), backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        # socket.create_server names the address once more, in brackets.
        reason = str(getattr(error, "strerror", None) or error).partition(" (while")[0]
        raise PortError(f"cannot listen on {host}:{port}: {reason} (see --port)") from error


class Server:
    """Serves one gateway; everything but its handlers runs in one event loop."""

    def __init__(
        self,
        gateway: Gateway,
        runtime: Runtime,
        rest: RestGateway,
        *,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._gateway = gateway
        self._runtime = runtime
        self._rest = rest
        self._invocations = Invocations(runtime)
        self._ready = ready
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        # Not the loop's own executor, for whose threads, hanging handlers and all, a loop waits.
        self._threads = ThreadPoolExecutor(_REQUEST_THREADS, thread_name_prefix="http")
        self._websocket_paths = (f"/{gateway.api.stage}", f"/{gateway.api.stage}/")

    async def serve(self, listener: socket.socket, stop: asyncio.Event) -> None:
        """Serve until stop is set; then close every connection and run its $disconnect."""
        loop = asyncio.get_running_loop()
        self._outbox = Outbox(loop)
        self._port = listener.getsockname()[1]
        server = ShortcutServer(
            self._handle,
            self._gateway,
            request_factory=_request,
            access_log=None,
            logger=_HTTP_LOG,
        )
        site = await loop.create_server(server, sock=listener, backlog=_BACKLOG)
        sweeper = loop.create_task(self._sweep())
        self._ready()
        await stop.wait()
        site.close()
        sweeper.cancel()
        self._gateway.close_all()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                while self._gateway.connections() or self._tasks:  # noqa: ASYNC110 - shutting down
                    await asyncio.sleep(0.01)
        await server.shutdown(timeout=1)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._gateway.sweep()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path
        if connection_id(path, self._gateway.api.stage) is not None:
            body = await request.read()
            return _response(self._gateway.manage(request.method, path, request.headers, body))
        if request.method == "GET" and request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._handshake(request)
        loop = asyncio.get_running_loop()
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _message(413, "Request Too Long")
        name = function_name(path)
        if name is not None and request.method == "POST":
            headers = {key.lower(): value for key, value in request.headers.items()}
            invoke = self._invocations.invoke
            return _response(await loop.run_in_executor(self._threads, invoke, name, headers, body))
        return await self._respond(request, body)

    async def _respond(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        headers = list(request.headers.items())
        work = asyncio.get_running_loop().run_in_executor(
            self._threads,
            self._rest.respond,
            request.method,
            request.raw_path,
            headers,
            body,
            request.remote or "",
        )
        try:
            answer = await asyncio.wait_for(
                asyncio.shield(work), self._gateway.limits.integration_seconds
            )
        except TimeoutError:
            return _message(HTTPStatus.GATEWAY_TIMEOUT, "Endpoint request timed out")
        response = web.Response(status=answer.status, body=answer.body)
        for name, value in answer.headers:
            response.headers.add(name, value)
        return response

    # -- WebSockets ------------------------------------------------------------------------------

    async def _handshake(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path.partition("?")[0] not in self._websocket_paths:
            return _message(HTTPStatus.FORBIDDEN, "Forbidden")
        answer = answer_upgrade(request)
        if answer.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            return _message(answer.status_code, answer.reason_phrase)
        started = self._gateway.connecting(self._describe(request))
        if isinstance(started, Refusal):
            return _message(started.status, started.message)
        connection, task = started
        verdict = self._gateway.connected(connection, await self._run(task) if task else None)
        while isinstance(verdict, Task):
            verdict = self._gateway.connected(connection, await self._run(verdict))
        if isinstance(verdict, Refusal):
            return _message(verdict.status, verdict.message)
        return await self._converse(request, connection, answer, verdict.subprotocol)

    async def _converse(
        self,
        request: web.BaseRequest,
        connection: Connection,
        answer: UpgradeResponse,
        subprotocol: str | None,
    ) -> web.StreamResponse:
        try:
            response = await upgrade(request, answer, subprotocol)
        except ConnectionError:
            # $connect has run, so $disconnect does: the app has registered the connection.
            self._finish(connection, 1006, "")
            raise
        websocket = WebSocket(
            request,
            self._outbox,
            self._gateway.limits,
            on_text=lambda text: self._receive(connection, text),
            on_binary=lambda: self._gateway.received_binary(connection),
            on_ping=lambda: self._gateway.pinged(connection),
        )
        self._gateway.opened(connection, websocket)
        request.protocol.set_parser(websocket)  # type: ignore[arg-type]
        request.protocol.keep_alive(val=False)
        code, reason = await websocket.ended
        self._finish(connection, code, reason)
        return response

    def _receive(self, connection: Connection, text: str) -> None:
        task = self._gateway.received(connection, text)
        if task is not None:
            self._spawn(self._answer(connection, task))

    async def _answer(self, connection: Connection, task: Task) -> None:
        self._gateway.handled(connection, task, await self._run(task))

    def _finish(self, connection: Connection, code: int | None, reason: str) -> None:
        task = self._gateway.disconnected(connection, code, reason)
        if task is not None:
            self._spawn(self._discard(task))

    async def _discard(self, task: Task) -> None:
        await self._run(task)

    async def _run(self, task: Task) -> Invocation:
        name = task.function
        timeout = min(
            self._runtime.functions[name].timeout, self._gateway.limits.integration_seconds
        )
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Invocation] = loop.create_future()

        def settle(invocation: Invocation) -> None:
            if not outcome.done():
                outcome.set_result(invocation)

        def then(invocation: Invocation) -> None:
            # A handler that was given up may return when the loop has gone.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, invocation)

        self._runtime.submit(name, task.event, then=then)
        try:
            async with asyncio.timeout(timeout):
                return await outcome
        except TimeoutError:
            return self._runtime.timed_out(name)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _describe(self, request: web.BaseRequest) -> Handshake:
        return Handshake(
            headers=tuple(request.headers.items()),
            query=tuple(request.query.items()),
            source_ip=request.remote or "",
            port=self._port,
        )


def _is_of_the_client(record: logging.LogRecord) -> bool:
    """Tell what a client did wrong, or that it left: aiohttp would print a traceback of it."""
    error = record.exc_info[1] if record.exc_info else None
    return isinstance(error, (HttpProcessingError, ConnectionError))


def _request(*parts: Any) -> web.BaseRequest:
    request: web.BaseRequest = _BaseRequest(
        *parts, asyncio.get_running_loop(), client_max_size=_MAX_BODY
    )
    return request


def _response(answer: Response) -> web.Response:
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


def _message(status: int, text: str) -> web.Response:
    return web.json_response({"message": text}, status=status)
