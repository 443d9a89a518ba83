"""A WebSocket on an aiohttp transport, framed by the sans-I/O protocol of the websockets library.

aiohttp's own WebSocketResponse hides what API Gateway's limits are about, single frames, and
negotiates the subprotocol by itself. The protocol class of websockets has both in the open.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web
from websockets.datastructures import Headers
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Protocol, Side, State
from websockets.server import ServerProtocol

from localgateway.limits import Limits

# Seconds, for a client that does not answer a close frame or does not read.
_CLOSE_TIMEOUT = 5.0

_HANDSHAKE_HEADERS = ("Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version")
# One for all: accepting leaves nothing behind that the next handshake would see.
_HANDSHAKE = ServerProtocol(extensions=[])


def answer_upgrade(request: web.BaseRequest) -> Response:
    """Check an upgrade request: 101 with the headers to send, or another status (RFC 6455, 4.2)."""
    offered = {name: request.headers.getall(name, ()) for name in _HANDSHAKE_HEADERS}
    headers = Headers([(name, value) for name, values in offered.items() for value in values])
    return _HANDSHAKE.accept(Request(request.raw_path, headers))


async def upgrade(
    request: web.BaseRequest, answer: Response, subprotocol: str | None
) -> web.StreamResponse:
    """Write the 101; from here on the transport carries WebSocket frames.

    Raises:
        ConnectionError: The client has left meanwhile.
    """
    response = web.StreamResponse(status=HTTPStatus.SWITCHING_PROTOCOLS)
    for name, value in answer.headers.raw_items():
        if name.lower() in ("upgrade", "connection", "sec-websocket-accept"):
            response.headers[name] = value
    if subprotocol is not None:
        response.headers["Sec-WebSocket-Protocol"] = subprotocol
    await response.prepare(request)
    if request.transport is None:
        raise ConnectionResetError
    return response


class Outbox:
    """Hands what any thread sends to the thread of the event loop, one wake-up for many frames."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self._jobs: deque[Callable[[], None]] = deque()
        self._awake = False

    def put(self, job: Callable[[], None]) -> None:
        """Run a job in the loop's thread, after all that were put before."""
        self._jobs.append(job)
        if self._awake:
            return
        self._awake = True
        if threading.get_ident() == self._thread:
            self._loop.call_soon(self._run)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        # Lowered first: a job put after the last popleft wakes the loop again.
        self._awake = False
        while self._jobs:
            self._jobs.popleft()()


class WebSocket:
    """One accepted socket: the gateway's port for sending, and aiohttp's parser for receiving.

    on_text and on_ping are called for each message and ping, on_binary at the first binary frame;
    `ended` is set once, with the client's close code (None: a close frame without one; 1006: none
    came) and reason. All in the thread of the event loop.
    """

    def __init__(
        self,
        request: web.BaseRequest,
        outbox: Outbox,
        limits: Limits,
        *,
        on_text: Callable[[str], None],
        on_binary: Callable[[], None],
        on_ping: Callable[[], None],
    ) -> None:
        assert request.transport is not None  # noqa: S101 - upgrade() has checked
        self._transport: asyncio.Transport = request.transport
        self._outbox = outbox
        self._frame_bytes = limits.frame_bytes
        self._protocol = Protocol(
            Side.SERVER, state=State.OPEN, max_size=(limits.message_bytes, limits.frame_bytes)
        )
        self._on_text = on_text
        self._on_binary = on_binary
        self._on_ping = on_ping
        self._parts: list[bytes] = []
        self._deaf = False
        self._queued = 0
        self._counting = threading.Lock()
        self._timeout: asyncio.TimerHandle | None = None
        self.ended: asyncio.Future[tuple[int | None, str]] = (
            asyncio.get_running_loop().create_future()
        )

    # -- the gateway's port ----------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Queue a text message; in frames of at most 32 KB, as API Gateway sends it."""
        self._count(len(data))
        self._outbox.put(lambda: self._write(data))

    def close(self, code: int, reason: str) -> None:
        """Queue a close frame."""
        self._outbox.put(lambda: self._close(code, reason))

    def buffered(self) -> int:
        """Count the bytes that wait in the outbox and in the transport."""
        return self._queued + self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """Drop the connection without a word."""
        self._transport.abort()

    def _count(self, difference: int) -> None:
        # Handlers' threads add while the loop's subtracts, and += is not atomic.
        with self._counting:
            self._queued += difference

    def _write(self, data: bytes) -> None:
        self._count(-len(data))
        if self._protocol.state is not State.OPEN:
            return
        size = self._frame_bytes
        self._protocol.send_text(data[:size], fin=len(data) <= size)
        for start in range(size, len(data), size):
            chunk = data[start : start + size]
            self._protocol.send_continuation(chunk, fin=start + size >= len(data))
        self._flush()

    def _close(self, code: int, reason: str) -> None:
        if self._protocol.state is State.OPEN:
            self._deaf = True
            self._protocol.send_close(code, reason)
            self._flush()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()
        # A transport that closes waits for a client that does not read: for ever, unless told.
        if self._timeout is None and self._protocol.close_expected():
            loop = asyncio.get_running_loop()
            self._timeout = loop.call_later(_CLOSE_TIMEOUT, self.abort)

    # -- aiohttp's parser ------------------------------------------------------------------------

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take bytes off the wire."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            # What came before the client's own close frame counts, even in one segment with it.
            if isinstance(event, Frame) and not self._deaf:
                self._take(event)
        self._flush()
        return False, b""

    def feed_eof(self) -> None:
        """Take the end of the transport, however it came."""
        if self._timeout is not None:
            self._timeout.cancel()
        if not self.ended.done():
            self.ended.set_result(self._end())

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PING:
            self._on_ping()
        elif frame.opcode is Opcode.BINARY:
            self._on_binary()
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT):
            self._parts.append(bytes(frame.data))
            if frame.fin:
                self._complete()

    def _complete(self) -> None:
        message = b"".join(self._parts)
        self._parts.clear()
        try:
            text = message.decode()
        except UnicodeDecodeError:
            self._deaf = True
            self._protocol.fail(CloseCode.INVALID_DATA, "Invalid UTF-8")
        else:
            self._on_text(text)

    def _end(self) -> tuple[int | None, str]:
        close = self._protocol.close_rcvd or self._protocol.close_sent
        if close is None:
            return CloseCode.ABNORMAL_CLOSURE, ""
        if close.code == CloseCode.NO_STATUS_RCVD:
            return None, ""
        return close.code, close.reason
