"""The server in memory behind real sockets of this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server as Listener
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.client.desks import Desk
from tests.client.servers import Server

# Seconds; a test that takes so long has failed.
PATIENCE = 20.0


class Site:
    """A chat server at `url`; `status` is what handshakes are answered with instead of 101.

    `desk` answers the HTTP routes, once it has been opened; then tickets are asked for.
    """

    def __init__(self) -> None:
        self.server = Server()
        self.desk = Desk(self.server)
        self.url = ""
        self.port = 0
        self.status = 0
        self.paths: list[str] = []
        self._sockets: dict[int, ServerConnection] = {}
        self._listener: Listener | None = None

    async def open(self) -> None:
        self._listener = await serve(
            self._talk, "127.0.0.1", self.port, process_request=self._greet, close_timeout=1
        )
        self.port = next(iter(self._listener.sockets)).getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/api"

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            await self._listener.wait_closed()
            self._listener = None

    async def say(self, user: str, room: str, *texts: str) -> None:
        self.server.say(user, room, *texts)
        await self._deliver()

    async def kick(self) -> None:
        """Close every connection."""
        for socket in list(self._sockets.values()):
            await socket.close()

    async def _greet(self, socket: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        ticket = parse_qs(urlsplit(request.path).query).get("ticket", [""])[0]
        if self.desk.url and ticket not in self.desk.tickets:
            return socket.respond(HTTPStatus.UNAUTHORIZED, "no\n")
        if self.status:
            return socket.respond(HTTPStatus(self.status), "no\n")
        return None

    async def _talk(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        query = parse_qs(urlsplit(socket.request.path).query)
        user, until = self.desk.tickets.pop(query.get("ticket", [""])[0], ("", None))
        number = self.server.connect(user or query.get("name", ["guest"])[0], until=until)
        self._sockets[number] = socket
        try:
            async for text in socket:
                self.server.receive(number, str(text))
                await self._deliver()
        except ConnectionClosed:
            pass
        finally:
            self.server.disconnect(number)
            del self._sockets[number]

    async def _deliver(self) -> None:
        while self.server.out:
            number, text = self.server.out.popleft()
            if number in self._sockets:
                await self._sockets[number].send(text)


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    place = Site()
    await place.open()
    try:
        async with asyncio.timeout(PATIENCE):
            yield place
    finally:
        await place.desk.close()
        await place.close()
