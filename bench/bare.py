"""Posts over bare sockets, signed by hand: the least that sending a frame to many can take.

One thread, HTTP/1.1 keep-alive, next to no checks. It is a floor to compare with and not a client:
nothing is tried again, and an answer is expected to be one read without a body.
"""

import hmac
import selectors
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote, urlsplit

_SERVICE = "execute-api"
_MAX_ANSWER = 4096


class Signer:
    """Makes the signed requests for one frame and one endpoint.

    By https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    with the signing key derived once a day and what the requests share made once.
    """

    def __init__(self, endpoint: str, frame: bytes, *, region: str, key: str, secret: str) -> None:
        parts = urlsplit(endpoint)
        self._host = parts.netloc
        self._path = f"{parts.path}/@connections/"
        self._frame = frame
        self._hash = sha256(frame).hexdigest()
        self._region, self._key, self._secret = region, key, secret

    def requests(self, ids: Iterable[str], at: float) -> Iterator[bytes]:
        """Yield a request for each connection id, signed when it is asked for, dated `at`."""
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
        scope = f"{date[:8]}/{self._region}/{_SERVICE}/aws4_request"
        signing_key = _signing_key(self._secret, date[:8], self._region)
        twice = quote(self._path, safe="/~")  # the "@"; an id's "=" is encoded on the wire as well
        canonical_tail = (
            f"\n\nhost:{self._host}\nx-amz-date:{date}\n\nhost;x-amz-date\n{self._hash}"
        )
        to_sign = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n"
        head = (
            f" HTTP/1.1\r\nhost: {self._host}\r\nx-amz-date: {date}\r\n"
            f"content-length: {len(self._frame)}\r\nauthorization: AWS4-HMAC-SHA256 "
            f"Credential={self._key}/{scope}, SignedHeaders=host;x-amz-date, Signature="
        )
        for each in ids:
            once = quote(each, safe="")
            canonical = f"POST\n{twice}{quote(once, safe='~')}{canonical_tail}"
            text = to_sign + sha256(canonical.encode()).hexdigest()
            signature = hmac.digest(signing_key, text.encode(), "sha256").hex()
            yield f"POST {self._path}{once}{head}{signature}\r\n\r\n".encode() + self._frame


@cache
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, _SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


class _Line(NamedTuple):
    socket: socket.socket
    sent: list[int]  # the number of the request that is under way


class BareSockets:
    """So many connections to one origin, all open from the start."""

    def __init__(self, endpoint: str, *, sockets: int, certificate: str | None = None) -> None:
        parts = urlsplit(endpoint)
        context = ssl.create_default_context(cafile=certificate) if certificate else None
        self._selector = selectors.DefaultSelector()
        self._lines = []
        for _ in range(sockets):
            opened = socket.create_connection((parts.hostname or "", parts.port or 80))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context:
                opened = context.wrap_socket(opened, server_hostname=parts.hostname)
            opened.settimeout(0)
            line = _Line(opened, [-1])
            self._lines.append(line)
            self._selector.register(opened, selectors.EVENT_READ, line)

    def exchange(self, requests: Iterable[bytes]) -> list[int]:
        """Send every request, one at a time on a connection; return their statuses in order.

        Raises:
            OSError: The endpoint closed a connection.
        """
        waiting = enumerate(requests)
        statuses: list[int] = []
        under_way = sum(self._send(line, waiting, statuses) for line in self._lines)
        while under_way:
            for key, _ in self._selector.select():
                line = key.data
                answer = _read(line.socket)
                if answer:
                    statuses[line.sent[0]] = int(answer[9:12])
                    under_way -= not self._send(line, waiting, statuses)
        return statuses

    def close(self) -> None:
        """Close every connection."""
        for line in self._lines:
            line.socket.close()
        self._selector.close()

    def _send(self, line: _Line, waiting: Iterator[tuple[int, bytes]], statuses: list[int]) -> bool:
        number, request = next(waiting, (-1, b""))
        if number < 0:
            return False
        statuses.append(0)
        line.sent[0] = number
        line.socket.send(request)
        return True


def _read(connection: socket.socket) -> bytes:
    """Return an answer, or nothing if what came was TLS's own."""
    try:
        answer = connection.recv(_MAX_ANSWER)
    except ssl.SSLWantReadError:
        return b""
    if not answer:
        raise ConnectionResetError("the endpoint closed a connection")
    return answer
