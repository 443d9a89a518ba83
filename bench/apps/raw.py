"""The least a WebSocket broadcast server can do: what the load client reaches here is its ceiling.

Prints its URL, then serves until it is told to stop.
"""

import asyncio
import base64
import hashlib
import re
from typing import Any

import uvloop

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SOCKETS: "set[_Socket]" = set()


class _Socket(asyncio.Protocol):
    """Takes one masked text frame of at most 125 bytes a read, which is what the client sends."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._open = False

    def data_received(self, data: bytes) -> None:
        if not self._open:
            self._accept(data)
            return
        size = data[1] & 0x7F
        mask, payload = data[2:6], data[6 : 6 + size]
        text = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        frame = bytes((0x81, size)) + text
        for each in _SOCKETS:
            each.transport.write(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        _SOCKETS.discard(self)

    def _accept(self, request: bytes) -> None:
        found = re.search(rb"Sec-WebSocket-Key: (\S+)", request)
        if found is None:
            self.transport.abort()
            return
        digest = hashlib.sha1(found[1] + _GUID, usedforsecurity=False).digest()
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )
        self._open = True
        _SOCKETS.add(self)


async def _main() -> None:
    server = await asyncio.get_running_loop().create_server(_Socket, "127.0.0.1", 0, backlog=1024)
    print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_main())
