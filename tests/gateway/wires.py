"""A wire to a server on this machine, which a test can break: for tests only."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

FAILURE = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
_REQUEST = b"\r\n\r\n"


class Wire:
    """Hands on what comes to a port of its own, unless it is broken; runs in an event loop.

    Attributes:
        port: Where it listens, also after it was cut and mended.
        opened: How many connections it has taken.
        failures: When it answered requests with 500, by the monotonic clock.
        pause: Seconds before each read is handed on.
    """

    def __init__(self) -> None:
        self.port = 0
        self.opened = 0
        self.failures: list[float] = []
        self.pause = 0.0
        self._target = 0
        self._take: Callable[[bytes, asyncio.StreamWriter], Awaitable[bool]] | None = None
        self._server: asyncio.Server | None = None
        self._live: set[asyncio.StreamWriter] = set()

    @property
    def live(self) -> int:
        """How many connections are open."""
        return len(self._live)

    async def lay(self) -> None:
        """Listen, always at the same port."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def lead_to(self, port: int) -> None:
        """Say where it leads."""
        self._target = port

    async def cut(self) -> None:
        """End all connections and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.hang_up()

    def hang_up(self) -> None:
        """End all connections, as a server does with those that are idle for too long."""
        for writer in self._live:
            writer.close()

    def fail(self) -> None:
        """Answer every request with 500."""
        self._take = self._answer_500

    def swallow(self) -> None:
        """Let all that comes disappear, for good as for the connections of now."""
        self._take = self._ignore

    async def mend(self) -> None:
        """Be a wire again, for new connections and those that were not swallowed."""
        self._take = None
        if self._server is None:
            await self.lay()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self._live.add(writer)
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hand_on(reader, writer, back))
                group.create_task(self._hand_back(there, writer))
        finally:
            self._live.discard(writer)
            for each in (writer, back):
                each.close()

    async def _hand_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
    ) -> None:
        lost = False
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                take = self._take
                lost = lost or take == self._ignore
                if lost:
                    continue
                if take is not None and await take(data, writer):
                    continue
                await asyncio.sleep(self.pause)
                back.write(data)
        back.close()

    async def _hand_back(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await there.read(1 << 16):
                writer.write(data)
        writer.close()

    async def _answer_500(self, data: bytes, writer: asyncio.StreamWriter) -> bool:
        for _ in range(data.count(_REQUEST)):
            self.failures.append(time.monotonic())
            writer.write(FAILURE)
        return True

    async def _ignore(self, _data: bytes, _writer: asyncio.StreamWriter) -> bool:
        return True
