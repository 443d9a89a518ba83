"""The command behind `make redrive`, against a Lambda of the test's own."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from tools import redrive

ANSWER = {"rooms": {"lobby": 7}, "recipients": 7, "poison": 1, "oldest_seconds": 60}
Lambda = tuple[str, list[tuple[str, Any]], list[Any]]


@pytest.fixture
def functions() -> Iterator[Lambda]:
    """Where it is, what it is asked, and what it will answer."""
    asked: list[tuple[str, Any]] = []
    answers: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path.split("/")[3], json.loads(body)))
            status, answer = answers.pop(0)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked, answers
        server.shutdown()
        thread.join()


@pytest.fixture
def run(functions: Lambda) -> Callable[..., int]:
    return lambda *argv: redrive.main(["--stage", "prod", "--endpoint-url", functions[0], *argv])


def test_it_tells_what_is_there(
    run: Callable[..., int], functions: Lambda, capsys: pytest.CaptureFixture[str]
) -> None:
    functions[2].append((200, {"seen": 3, "left": 3, **ANSWER}))

    assert run() == 0

    told = capsys.readouterr().out
    assert "3 messages seen, about 3 in the dead-letter queue" in told
    assert "1 are no jobs" in told
    assert "lobby: 7 recipients" in told
    assert functions[1] == [("dynamowave-prod-redrive", {"limit": 100})]


def test_it_moves_until_nothing_is_left(
    run: Callable[..., int], functions: Lambda, capsys: pytest.CaptureFixture[str]
) -> None:
    functions[2][:] = [
        (200, {"moved": 2, "left": 1, **ANSWER}),
        (200, {"moved": 1, "left": 0, **ANSWER}),
    ]

    assert run("--move", "--limit", "2") == 0

    assert "3 messages moved, about 0 left" in capsys.readouterr().out
    assert [payload for _, payload in functions[1]] == [{"move": True, "limit": 2}] * 2


def test_it_ends_although_what_it_moves_fails_again_and_stops_where_nothing_can_be_moved(
    run: Callable[..., int], functions: Lambda
) -> None:
    functions[2][:] = [(200, {"moved": 1, "left": 1, **ANSWER})] * 2
    assert run("--move") == 0
    functions[2][:] = [(200, {"moved": 0, "left": 2, **ANSWER})]
    assert run("--move") == 0

    assert functions[2] == []


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (200, {"error": {"code": "unavailable", "message": "try again"}}, "try again"),
        (404, {"Message": "Function not found"}, "cannot be invoked"),
    ],
)
def test_what_goes_wrong_is_one_line(
    run: Callable[..., int],
    functions: Lambda,
    capsys: pytest.CaptureFixture[str],
    *,
    status: int,
    answer: dict[str, Any],
    said: str,
) -> None:
    functions[2].append((status, answer))

    assert run() == 2

    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
