"""An HTTP endpoint that takes posts as API Gateway does, after a latency and next to no work.

Prints its URL and that of a dead endpoint beside it, then serves until it is told to stop. `GET
/answers` returns the seconds of CPU spent, how many answers were given and the time of the last
one to each connection id, all since it was last asked. Connection ids that start with `hang` are
never answered, those with `throttled` get 429 every other time.
"""

import argparse
import asyncio
import datetime as dt
import ipaddress
import itertools
import json
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HANGS = "hang"
THROTTLED = "throttled"
CERTIFICATE = "certificate.pem"
_KEY = "key.pem"
_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_TOO_MANY = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n"
_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


class Log:
    """When each connection id was answered for the last time, by the machine's monotonic clock."""

    def __init__(self) -> None:
        self._answers: dict[str, float] = {}
        self._posts = 0
        self._cpu = time.process_time()

    def note(self, connection_id: str) -> None:
        """Note that it is being answered now."""
        self._answers[connection_id] = time.monotonic()
        self._posts += 1

    def take(self) -> bytes:
        """Return what was noted, and start again."""
        before, self._cpu = self._cpu, time.process_time()
        taken, self._answers = self._answers, {}
        posts, self._posts = self._posts, 0
        cpu_s = self._cpu - before
        return json.dumps({"cpu_s": cpu_s, "posts": posts, "answers": taken}).encode()


class Connection(asyncio.Protocol):
    """Answers one request after the other, pipelined or not; knows no chunked bodies."""

    def __init__(self, log: Log, latency: float) -> None:
        self._log = log
        self._latency = latency
        self._later = asyncio.get_running_loop().call_later
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        """Keep what to write to."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take every request that is complete."""
        self._buffer += data
        while self._take():
            pass

    def _take(self) -> bool:
        end = self._buffer.find(_END)
        if end < 0:
            return False
        end += len(_END)
        head = self._buffer[:end]
        stop = end + _length(head)
        if len(self._buffer) < stop:
            return False
        self._buffer = self._buffer[stop:]
        self._handle(head.split(b" ", 2)[1])
        return True

    def _handle(self, target: bytes) -> None:
        connection_id = target.rpartition(b"/")[2].decode()
        if connection_id == "answers":
            body = self._log.take()
            self._write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        elif not connection_id.startswith(HANGS):
            throttled = connection_id.startswith(THROTTLED) and next(_THROTTLES)
            answer = _TOO_MANY if throttled else _OK
            self._later(self._latency, self._answer, connection_id, answer)

    def _answer(self, connection_id: str, answer: bytes) -> None:
        self._log.note(connection_id)
        self._write(answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


# Of all connections: who tries again may do so over another one.
_THROTTLES = itertools.cycle((True, False))


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(_LENGTH)
    return int(rest.partition(b"\r\n")[0]) if found else 0


def write_certificate(directory: Path) -> ssl.SSLContext:
    """Write a certificate for this machine, signed by itself; return what serves with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (directory / CERTIFICATE).write_bytes(certificate.public_bytes(pem))
    (directory / _KEY).write_bytes(key.private_bytes(pem, *plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / CERTIFICATE, directory / _KEY)
    return context


async def _main(latency: float, directory: Path | None) -> None:
    log = Log()
    context = write_certificate(directory) if directory else None
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(log, latency), "127.0.0.1", 0, backlog=1024, ssl=context
    )
    scheme = "https" if directory else "http"
    # Bound, so that nobody else gets the port, and not listening, so that it refuses.
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        ports = server.sockets[0].getsockname()[1], dead.getsockname()[1]
        print(*(f"{scheme}://localhost:{port}/api" for port in ports), flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.endpoint", description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=8.0, help="before each answer")
    parser.add_argument("--tls", type=Path, metavar="DIRECTORY", help="where its certificate goes")
    options = parser.parse_args()
    uvloop.run(_main(options.latency_ms / 1000, options.tls))
