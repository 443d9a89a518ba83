"""Small documents over HTTP: what the issuer of tokens publishes about itself.

The standard library will do: two documents an hour. Its client follows no redirects, sends no
cookies and knows no other schemes, so there is nothing to switch off.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import SHUT_RDWR
from urllib.parse import urlsplit

from chalicelib.errors import Unavailable

MAX_BYTES = 256 * 1024
_SECONDS = 3.0


def download(url: str, *, seconds: float = _SECONDS) -> bytes:
    """Return the document at an http or https URL, of at most 256 KB.

    Takes at most so many seconds in all, the look-up of the name included.

    Raises:
        Unavailable: there was no such answer in time; a redirect is none.
    """
    try:
        return _within(seconds, _connection(url, seconds), url)
    except (OSError, HTTPException, ValueError) as error:
        raise Unavailable(service="the identity provider") from error


def _connection(url: str, seconds: float) -> HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not an http or https URL")
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    return kind(parts.hostname, parts.port, timeout=seconds)


def _within(seconds: float, connection: HTTPConnection, url: str) -> bytes:
    """Bound the whole: a socket's timeout starts again with every byte, and spares the resolver."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="download")
    try:
        return executor.submit(_get, connection, url).result(seconds)
    except TimeoutError:
        _cut(connection)
        raise
    finally:
        executor.shutdown(wait=False)


def _cut(connection: HTTPConnection) -> None:
    """End what waits for this connection; closing it would not wake a thread that reads."""
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(SHUT_RDWR)


def _get(connection: HTTPConnection, url: str) -> bytes:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with closing(connection):
        connection.request("GET", target, headers={"Accept": "application/json"})
        with connection.getresponse() as response:
            if response.status != HTTPStatus.OK:
                raise ValueError(f"the answer has status {response.status}")
            body = response.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise ValueError(f"the answer has more than {MAX_BYTES} bytes")
    return body
