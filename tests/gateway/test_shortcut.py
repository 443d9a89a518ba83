"""A post off the wire is answered as one that goes through aiohttp."""

import http.client
import socket
from collections.abc import Iterator

import pytest

from tests.gateway.servers import PATIENCE, Served, identify, serving

SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=x"}
UNKNOWN = "JC1dgf9yoAMCK-g="


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serving() as served:
        yield served


def post(
    server: Served, path: str, headers: dict[str, str], body: bytes, *, whole: bool
) -> tuple[int, str | None, bytes]:
    """Send a request in one segment or in two; only one that comes whole takes the shortcut."""
    fields = {"Host": "127.0.0.1", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    request = f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.sendall(request[:9] if not whole else request)
        if not whole:
            # Through aiohttp for sure: the first piece is not a whole request.
            wire.sendall(request[9:])
        answer = http.client.HTTPResponse(wire)
        answer.begin()
        return answer.status, answer.getheader("x-amzn-errortype"), answer.read()


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        ("@connections/{alice}", SIGNED, b"hi", 200),
        ("%40connections/{alice}", SIGNED, b"", 200),
        ("@connections/{alice}", {}, b"hi", 403),
        (f"@connections/{UNKNOWN}", SIGNED, b"hi", 410),
        ("@connections/nobody", SIGNED, b"hi", 400),
    ],
)
def test_both_ways_give_the_same_answer(
    server: Served, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    with server.connect() as alice:
        path = "/api/" + path.format(alice=identify(alice))

        answers = [post(server, path, headers, body, whole=whole) for whole in (True, False)]

    assert answers[0] == answers[1]
    assert answers[0][0] == status


def test_several_requests_in_one_segment_are_all_answered(server: Served) -> None:
    one = f"POST /api/@connections/{UNKNOWN} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
    one += f"Authorization: {SIGNED['Authorization']}\r\n\r\nhi"
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as wire:
        wire.sendall(one.encode() * 3)

        answers = b""
        while answers.count(b"HTTP/1.1 410 Gone") < 3:
            answers += wire.recv(4096)

    assert answers.count(b"GoneException") == 3
