"""Many WebSocket clients in one event loop, with next to no work for each frame.

They know no more of RFC 6455 than that takes: no extensions, pings answered, everything sent is
masked. A fleet of them counts the frames that hold the marker of the current broadcast.
"""

import asyncio
import base64
import os
import struct
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Protocol
from urllib.parse import urlsplit

_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_LENGTH_16, _LENGTH_64 = 126, 127


class HandshakeError(Exception):
    """The server did not answer 101 Switching Protocols."""


class Listener(Protocol):
    """Hears of what arrives at a socket, or at many of them."""

    def received(self, data: bytes) -> bool:
        """Take what one read has brought, if it can be told what it is; it is parsed otherwise."""
        ...

    def received_frame(self, frame: bytes, payload: bytes) -> None:
        """Take a text frame, and what is in it."""
        ...

    def lost_one(self) -> None:
        """Take note that the server has closed a socket."""
        ...


async def open_socket(listener: Listener, url: str) -> "Socket":
    """Open a WebSocket.

    Raises:
        HandshakeError: The server refused it.
        OSError: The server cannot be reached.
    """
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host, port = parts.hostname or "", parts.port or 80
    _, opened = await loop.create_connection(
        lambda: Socket(listener, parts.netloc, target, ready), host, port
    )
    await ready
    return opened


async def side_by_side(work: Callable[[int], Awaitable[None]], count: int, at_once: int) -> None:
    """Do something with the numbers below `count`, with `at_once` of them at a time."""
    numbers = iter(range(count))

    async def one_by_one() -> None:
        for number in numbers:
            await work(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(at_once, count)):
            group.create_task(one_by_one())


class Fleet:
    """Opens the sockets, sends one frame over one of them and times its last arrival."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._sockets: list[Socket] = []
        self.lost = 0
        self._marker = b""
        self._fast: bytes | None = None
        self._missing = 0
        self._all_arrived: asyncio.Future[float] | None = None

    async def connect(self, count: int, concurrency: int, opened: Callable[[int], None]) -> None:
        """Open `count` sockets, `concurrency` at a time; `{n}` in the URL becomes a number.

        Raises:
            HandshakeError: The server refused one.
            OSError: The server cannot be reached.
        """

        async def open_one(number: int) -> None:
            url = self._url.replace("{n}", str(number))
            self._sockets.append(await open_socket(self, url))
            opened(len(self._sockets))

        await side_by_side(open_one, count, concurrency)

    async def broadcast(self, text: str, marker: str) -> float:
        """Send a frame; return the seconds until everybody has got one with the marker in it."""
        self._marker, self._fast = marker.encode(), None
        self._missing = len(self._sockets) - self.lost
        self._all_arrived = asyncio.get_running_loop().create_future()
        sender = next(each for each in self._sockets if each.alive)
        started = perf_counter()
        sender.send(text.encode())
        return await self._all_arrived - started

    @property
    def state(self) -> str:
        """How far the run has come, in words."""
        if self._all_arrived is None:
            return f"{len(self._sockets)} sockets were open"
        return f"{self._missing} of {len(self._sockets)} had not got a broadcast"

    def close(self) -> None:
        """Close every socket without ceremony."""
        for each in self._sockets:
            each.abort()

    def received(self, data: bytes) -> bool:
        """Count the read if it is, byte for byte, the frame that others have got already."""
        if data != self._fast:
            return False
        self._count()
        return True

    def received_frame(self, frame: bytes, payload: bytes) -> None:
        """Count a text frame if it belongs to the current broadcast."""
        if self._marker and self._marker in payload:
            self._fast = frame
            self._count()

    def lost_one(self) -> None:
        """Note that the server closed a socket: nobody need wait for it any more."""
        self.lost += 1
        self._count()

    def _count(self) -> None:
        self._missing -= 1
        if not self._missing and self._all_arrived and not self._all_arrived.done():
            self._all_arrived.set_result(perf_counter())


class Socket(asyncio.Protocol):
    """One client: the handshake, then frames.

    Attributes:
        alive: The handshake is done, and the server has not closed it.
    """

    def __init__(
        self, listener: Listener, host: str, target: str, ready: asyncio.Future[None]
    ) -> None:
        self._listener = listener
        self._host = host
        self._target = target
        self._ready = ready
        self._buffer = b""
        self.alive = False

    def send(self, payload: bytes) -> None:
        """Send a text frame."""
        self._write(_TEXT, payload)

    def abort(self) -> None:
        """Close it without ceremony."""
        self.alive = False
        self._transport.abort()

    def connection_made(self, transport: Any) -> None:
        """Ask for the upgrade."""
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            f"GET {self._target} HTTP/1.1",
            f"Host: {self._host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        )
        transport.write("\r\n".join((*lines, "", "")).encode())

    def data_received(self, data: bytes) -> None:
        """Take what has arrived."""
        if self.alive and not self._buffer and self._listener.received(data):
            return
        self._buffer += data
        if not self.alive:
            self._finish_handshake()
        while self.alive and self._take_frame():
            pass

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits, or listens."""
        if not self._ready.done():
            self._ready.set_exception(exc or HandshakeError("closed during the handshake"))
        elif self.alive:
            self.alive = False
            self._listener.lost_one()

    def _finish_handshake(self) -> None:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end or self._ready.done():
            return
        status = head.split(b"\r\n", 1)[0]
        if status.split(b" ")[1:2] == [b"101"]:
            self.alive, self._buffer = True, rest
            self._ready.set_result(None)
        else:
            self._ready.set_exception(HandshakeError(status.decode("latin-1")))
            self._transport.abort()

    def _take_frame(self) -> bool:
        buffer = self._buffer
        if len(buffer) < 2:  # noqa: PLR2004 - the least a frame has
            return False
        start, size = 2, buffer[1] & 0x7F
        if size == _LENGTH_16:
            start, size = 4, int.from_bytes(buffer[2:4], "big")
        elif size == _LENGTH_64:
            start, size = 10, int.from_bytes(buffer[2:10], "big")
        if len(buffer) < start + size:
            return False
        self._handle(buffer[: start + size], buffer[start : start + size])
        self._buffer = buffer[start + size :]
        return True

    def _handle(self, frame: bytes, payload: bytes) -> None:
        opcode = frame[0] & 0xF
        if opcode == _TEXT:
            self._listener.received_frame(frame, payload)
        elif opcode == _PING:
            self._write(_PONG, payload)
        elif opcode == _CLOSE:
            self._transport.close()

    def _write(self, opcode: int, payload: bytes) -> None:
        # A mask of zeros is a mask: the payload stays as it is.
        size = len(payload)
        if size < _LENGTH_16:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        else:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | _LENGTH_16, size)
        self._transport.write(head + bytes(4) + payload)
