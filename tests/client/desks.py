"""The HTTP routes for accounts of the server in memory, on a real socket of this machine."""

import asyncio
from collections import deque
from itertools import count

from aiohttp import web

from tests.client.servers import Frame, Server

PASSWORD = "correct horse"


class Desk:
    """Hands out tokens and tickets at `url`.

    Attributes:
        lifetime: For how many seconds a token is good.
        tickets: Those that were not used yet: whose they are, and how long the session lasts.
        replies: Next answers, instead of what would be answered: status, headers and text.
        requests: The route, headers and body of all that was asked.
        pause: For how many seconds a new password's token is held back.
        socket_url: What is told of where to connect to; "" if nothing.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._numbers = count(1)
        self._runner: web.AppRunner | None = None
        self.url = ""
        self.socket_url = ""
        self.lifetime = 3600.0
        self.pause = 0.0
        self.users: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.tickets: dict[str, tuple[str, float | None]] = {}
        self.replies: deque[tuple[int, dict[str, str], str]] = deque()
        self.requests: list[tuple[str, dict[str, str], Frame]] = []

    async def open(self, socket_url: str = "") -> None:
        self.socket_url = socket_url
        app = web.Application()
        app.router.add_post("/stage/{route}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/stage"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def routes(self) -> list[str]:
        return [route for route, _, _ in self.requests]

    def revoke(self) -> None:
        self.users.clear()
        self._server.tokens.clear()

    async def _answer(self, request: web.Request) -> web.Response:
        route, fields = request.match_info["route"], await request.json()
        self.requests.append((route, dict(request.headers), fields))
        if self.replies:
            status, headers, text = self.replies.popleft()
            return web.Response(status=status, headers=headers, text=text)
        if route in ("login", "register", "guest"):
            return self._enter(route, fields)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        user = self.users.get(token)
        if user is None:
            return _error(401, "the token is not valid")
        if route in ("logout", "password"):
            self.revoke()
            await asyncio.sleep(self.pause)
        return self._serve(route, user, token)

    def _enter(self, route: str, fields: Frame) -> web.Response:
        user = fields.get("username", "guest-1")
        if route == "register" and user in self.names:
            return _error(409, "the name is taken")
        if route == "register":
            self.names[user] = fields["password"]
        if route == "login" and self.names.get(user, PASSWORD) != fields["password"]:
            return _error(401, "user name or password is wrong")
        return self._issue(user)

    def _serve(self, route: str, user: str, token: str) -> web.Response:
        if route == "ticket":
            ticket = f"ticket{next(self._numbers)}"
            self.tickets[ticket] = user, self._server.tokens[token]
            url = f"{self.socket_url}?ticket={ticket}" if self.socket_url else None
            return web.json_response({"ticket": ticket, "expires_in": 30, "url": url})
        return web.json_response({}) if route == "logout" else self._issue(user)

    def _issue(self, user: str) -> web.Response:
        token = f"token{next(self._numbers)}"
        self.users[token] = user
        self._server.tokens[token] = self._server.now + self.lifetime
        answer = {"user": user, "token": token, "expires_in": self.lifetime}
        return web.json_response(answer)


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"Code": "Error", "Message": message}, status=status)
