"""localgateway's AWS emulator, with a tally of what it is asked for.

Prints its URL and serves until standard input ends. `GET /tally` returns how many requests there
were of each operation, and how many entries the batches sent to queues held.
"""

import io
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from localgateway.moto_server import WSGIApp, build, exit_with_parent, mended

ENTRIES = "entries"
_SEND = "AmazonSQS.SendMessageBatch"


class Tally:
    """A WSGI application that counts requests and hands them on."""

    def __init__(self, app: WSGIApp) -> None:
        self._app = app
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request."""
        if environ["PATH_INFO"] == "/tally":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self._counts).encode()]
        operation = environ.get("HTTP_X_AMZ_TARGET", "other")
        entries = _entries(environ) if operation == _SEND else 0
        with self._lock:
            self._counts.update({operation: 1, ENTRIES: entries})
        return self._app(environ, start_response)


def _entries(environ: dict[str, Any]) -> int:
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    environ["wsgi.input"] = io.BytesIO(body)
    return len(json.loads(body)["Entries"])


def main() -> None:
    """Serve until standard input ends."""
    lock = threading.Lock()
    server = build("127.0.0.1", 0, lock)
    server.app = Tally(server.app)
    threading.Thread(target=exit_with_parent, args=(sys.stdin.fileno(),), daemon=True).start()
    with mended(lock):
        print(f"http://127.0.0.1:{server.socket.getsockname()[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
