"""Answers POST @connections off the wire, without aiohttp's parser, request object and task.

A broadcast to a room is one such request for each of its people, which makes this the one path
where the cost of an HTTP request decides: through aiohttp it is four times as dear. Whatever is not
plainly such a request, whole and alone in one read, goes aiohttp's way, with all that comes after
it on the same connection.
"""

from asyncio import BaseTransport, Transport
from typing import Any, cast

from aiohttp import web

from localgateway.gateway import Gateway
from localgateway.management import Response

# Headers that change how a request is read or answered.
_UNUSUAL = frozenset({b"connection", b"expect", b"transfer-encoding", b"upgrade"})
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 410: "Gone"}


class ShortcutServer(web.Server):
    """An aiohttp server whose connections know the shortcut."""

    def __init__(self, handler: Any, gateway: Gateway, **options: Any) -> None:
        super().__init__(handler, **options)
        self._gateway = gateway

    def __call__(self) -> web.RequestHandler:
        """Make the protocol of one connection, as asyncio asks for it."""
        return _RequestHandler(self._gateway, self, loop=self._loop, **self._kwargs)


class _RequestHandler(web.RequestHandler):
    def __init__(self, gateway: Gateway, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._gateway = gateway
        self._prefixes = tuple(
            f"POST /{gateway.api.stage}/{name}/".encode()
            for name in ("@connections", "%40connections")
        )
        self._plain = True

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self._wire = cast("Transport", transport)

    def data_received(self, data: bytes) -> None:
        answer = self._answer(data) if self._plain and data.startswith(self._prefixes) else None
        if answer is None:
            self._plain = False
            super().data_received(data)
        else:
            self._wire.write(_encoded(answer))

    def _answer(self, data: bytes) -> Response | None:
        head, _, body = data.partition(b"\r\n\r\n")
        start, *lines = head.split(b"\r\n")
        headers = dict(_header(line) for line in lines)
        words = start.split(b" ")
        if (
            len(words) != 3  # noqa: PLR2004 - method, path, version
            or words[2] != b"HTTP/1.1"
            or len(headers) != len(lines)
            or headers.keys() & _UNUSUAL
            or headers.get(b"content-length") != str(len(body)).encode()
        ):
            return None
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        path = words[1].decode("latin-1")
        return self._gateway.manage("POST", path, {"authorization": authorization}, body)


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower(), value.strip()


def _encoded(answer: Response) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Error')}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    lines += [f"content-length: {len(answer.body)}", "", ""]
    return "\r\n".join(lines).encode() + answer.body
