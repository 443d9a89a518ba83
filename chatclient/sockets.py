"""The core's links as WebSockets on asyncio."""

import asyncio
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from chatclient.context import Open
from chatclient.core import ChatCore

# Pages stay under 128 KB; more is no chat server's.
_MAX_FRAME_BYTES = 256 * 1024
# Seconds. Pings of the protocol itself find a dead path sooner than the heartbeat, for nothing.
_PING_INTERVAL = 30.0
_PING_TIMEOUT = 20.0
_CLOSE_TIMEOUT = 2.0


class Sockets:
    """Opens, feeds and closes connections.

    Args:
        address: Tells where to connect to, for each connection anew.
        tell: Calls a method of the core and carries out what comes of it.
    """

    def __init__(
        self, address: Callable[[Open], str], core: ChatCore, tell: Callable[..., None]
    ) -> None:
        self._address = address
        self._core = core
        self._tell = tell
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._outgoing: dict[int, asyncio.Queue[str]] = {}

    def open(self, link: int, opening: Open) -> None:
        """Begin to connect."""
        outgoing = self._outgoing[link] = asyncio.Queue()
        self._tasks[link] = asyncio.create_task(self._run(link, opening, outgoing))

    def send(self, link: int, text: str) -> None:
        """Send a frame, after all earlier ones."""
        if link in self._outgoing:
            self._outgoing[link].put_nowait(text)

    def close(self, link: int) -> None:
        """Close a connection, with the handshake that WebSockets have for it."""
        task = self._tasks.pop(link, None)
        self._outgoing.pop(link, None)
        if task is not None:
            task.cancel()
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def closed(self) -> None:
        """Wait until all that was closed is gone."""
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _run(self, link: int, opening: Open, outgoing: asyncio.Queue[str]) -> None:
        reason = "the connection was closed"
        try:
            async with connect(
                self._address(opening),
                compression=None,
                max_size=_MAX_FRAME_BYTES,
                ping_interval=_PING_INTERVAL,
                ping_timeout=_PING_TIMEOUT,
                close_timeout=_CLOSE_TIMEOUT,
            ) as socket:
                await self._talk(link, socket, outgoing)
                reason = f"the connection was closed ({socket.close_code})"
        except InvalidStatus as error:
            self._tell(self._core.refused, link, error.response.status_code)
        except (OSError, WebSocketException, EOFError, UnicodeError) as error:
            reason = str(error) or type(error).__name__
        self._tasks.pop(link, None)
        self._outgoing.pop(link, None)
        self._tell(self._core.lost, link, reason)

    async def _talk(
        self, link: int, socket: ClientConnection, outgoing: asyncio.Queue[str]
    ) -> None:
        self._tell(self._core.opened, link)
        writing = asyncio.create_task(_write(socket, outgoing))
        try:
            async for text in socket:
                self._tell(self._core.received, link, text)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            # Also when cancelled, which connect() would tell the server as its failure (1011).
            await socket.close()


async def _write(socket: ClientConnection, outgoing: asyncio.Queue[str]) -> None:
    while True:
        await socket.send(await outgoing.get())
