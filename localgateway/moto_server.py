"""moto's AWS emulator as a process of its own: serialised, with cheap transactions, never orphaned.

moto's own server (`python -m moto.server`) runs requests concurrently on backends that were
written for one thread. Some things are mended here, all in memory, none in moto's files:

- A failed DynamoDB transaction puts back the copy of the table that it took at its start, and with
  it loses what others wrote meanwhile. One lock for all requests makes transactions atomic.
- That copy is of the whole table, so a message costs more the longer the history. An undo log of
  the items that the transaction names replaces it, which also keeps the table object, and so the
  stream iterators that point to it, alive.
- A query sorts the whole table, so each costs more the more people are connected. It looks at its
  own partition instead. Its answer took milliseconds for each item, now a tenth of that.
- Stream iterators are kept for ever. Only the newest are.
- A message of a queue is deleted by any receipt it ever had. Only the newest does it.
- Queues take characters that SQS refuses, and count the length of a body in characters.
"""

import argparse
import io
import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from xml.sax.saxutils import escape

from flask import Flask
from moto.backends import SERVICE_NAMES
from moto.dynamodbstreams.models import DynamoDBStreamsBackend
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.sqs.models import Queue
from werkzeug.serving import BaseWSGIServer, make_server

from localgateway.moto_answers import cheap_answers
from localgateway.moto_queries import cheap_queries
from localgateway.moto_queues import newest_receipts, strict_bodies
from localgateway.moto_transactions import cheap_transactions, replaced

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Far more than the shards that one gateway reads; on AWS an iterator lives for 15 minutes.
MAX_ITERATORS = 1_000

_CODE = "InternalFailure"


class SerialisedApplication:
    """A WSGI application that handles one request at a time.

    The body is read before the lock is taken, so a slow client delays only itself.
    """

    def __init__(self, app: WSGIApp, lock: threading.Lock) -> None:
        self._app = app
        self._lock = lock

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request, when the ones before have been answered."""
        if length := environ.get("CONTENT_LENGTH"):
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(length)))
        with self._lock:
            try:
                return list(self._app(environ, start_response))
            except Exception as error:  # noqa: BLE001 - whatever moto trips over
                return internal_failure(environ, start_response, error)


def internal_failure(
    environ: dict[str, Any], start_response: Callable[..., Any], error: Exception
) -> Iterable[bytes]:
    """Answer with the cause in a form that SDKs parse; moto's own is a page of HTML without it."""
    message = f"moto failed: {type(error).__name__}: {error}"
    if environ.get("CONTENT_TYPE", "").startswith("application/x-amz-json"):
        kind, body = environ["CONTENT_TYPE"], json.dumps({"__type": _CODE, "message": message})
    else:
        error_ = f"<Code>{_CODE}</Code><Message>{escape(message)}</Message>"
        kind, body = "text/xml", f"<ErrorResponse><Error>{error_}</Error></ErrorResponse>"
    encoded = body.encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(encoded)))]
    start_response("500 Internal Server Error", headers)
    return [encoded]


def create_app(service: SERVICE_NAMES) -> Flask:
    """Make moto's application for one service, which lets exceptions through."""
    app = create_backend_app(service)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    return app


@contextmanager
def bounded_iterators(limit: int = MAX_ITERATORS) -> Iterator[None]:
    """Let moto forget all but the newest stream iterators: every poll makes one."""
    original = DynamoDBStreamsBackend.get_records

    def get_records(self: DynamoDBStreamsBackend, iterator_arn: str, limit_: int) -> dict[str, Any]:
        answer = original(self, iterator_arn, limit_)
        for arn in list(self.shard_iterators)[:-limit]:
            del self.shard_iterators[arn]
        return answer

    with replaced(DynamoDBStreamsBackend, "get_records", get_records):
        yield


@contextmanager
def polite_long_polls(lock: threading.Lock) -> Iterator[None]:
    """Let go of the lock while a long poll of a queue waits for a message."""
    original = Queue.wait_for_messages

    def wait_for_messages(self: Queue, timeout: int) -> None:
        lock.release()
        try:
            original(self, timeout)
        finally:
            lock.acquire()

    with replaced(Queue, "wait_for_messages", wait_for_messages):
        yield


@contextmanager
def mended(lock: threading.Lock) -> Iterator[None]:
    """Mend all that this module knows to be wrong with moto, for a time."""
    with (
        cheap_transactions(),
        cheap_queries(),
        cheap_answers(),
        bounded_iterators(),
        polite_long_polls(lock),
        newest_receipts(),
        strict_bodies(),
    ):
        yield


class QuietRequestHandler(MotoRequestHandler):
    """moto's request handler without a log line for each request."""

    # The answer's head and body are two writes: without this the second one waits for an
    # acknowledgement that the client delays by 40 ms.
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def exit_with_parent(stdin: int, end: Callable[[int], object] = os._exit) -> None:
    """End the process at the end of its standard input: the parent is gone, however it died."""
    while os.read(stdin, 1024):
        pass
    end(0)


def listen(host: str, port: int) -> socket.socket:
    """Listen on a TCP address, or exit with one line that says why not."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SystemExit(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.listen(128)
    return listener


def build(host: str, port: int, lock: threading.Lock) -> BaseWSGIServer:
    """Make the server, already listening, that handles one request at a time."""
    listener = listen(host, port)
    app = SerialisedApplication(DomainDispatcherApplication(create_app), lock)
    try:
        return make_server(
            host,
            port,
            app,
            threaded=True,
            request_handler=QuietRequestHandler,
            fd=listener.fileno(),
        )
    finally:
        listener.close()  # the server has its own copy


def main(arguments: list[str] | None = None) -> None:
    """Serve until standard input ends or a signal comes."""
    parser = argparse.ArgumentParser(prog="localgateway.moto_server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    options = parser.parse_args(arguments)
    lock = threading.Lock()
    server = build(options.host, options.port, lock)
    threading.Thread(target=exit_with_parent, args=(sys.stdin.fileno(),), daemon=True).start()
    with mended(lock):
        server.serve_forever()


if __name__ == "__main__":
    main()
