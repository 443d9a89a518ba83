"""DynamoDB and SQS on loopback, with next to no work of their own, for bench.room.

They speak the protocols of AWS, so what boto3 takes to speak them is measured. What they answer
comes from the database and the queue in memory that the tests have, but for reading all members of
the room that is measured: each page, of at most 1 MB as DynamoDB would make it, is written once and
kept. So but for the first of several messages the time of a request is the latency that is asked
for, however full the room is.
"""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from bench.metering import item_size
from chalicelib.database import Item
from tests.functional.sqs import MemorySqs, as_record
from tests.stores.memory import MemoryClient
from tests.stores.tables import CONNECTIONS_TABLE, DEAD_LETTER_QUEUE, DELIVERIES_QUEUE

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
_PAGE_BYTES = 1024**2
_BATCH = 10
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


class Services:
    """What the functions call; threads may use it at once.

    Args:
        latency: Seconds before each answer.
        members: The items of the subscriptions of one room, in the order of their keys.
    """

    def __init__(self, latency: float, members: Iterable[Item]) -> None:
        self._latency = latency
        self._dynamodb = MemoryClient()
        self._sqs = MemorySqs(time.time, redrive=(DELIVERIES_QUEUE, DEAD_LETTER_QUEUE))
        self._changed = threading.Condition()
        self._counts: Counter[str] = Counter()
        items = list(members)
        self._room = _Room(items)
        for item in items:  # a worker that comes late asks for each of them
            self.put(CONNECTIONS_TABLE, item)

    def put(self, table: str, item: Item) -> None:
        """Write an item past the functions."""
        self._dynamodb.put_item(TableName=table, Item=item)

    def take(self) -> Counter[str]:
        """Return how many requests there were by operation, and `jobs`, and start again."""
        with self._changed:
            counts, self._counts = self._counts, Counter()
        return counts

    def answer(self, operation: str, request: Mapping[str, Any]) -> bytes:
        """Return the answer to a request. Raises what boto3 raises for it."""
        time.sleep(self._latency)
        with self._changed:
            self._counts[operation] += 1
            self._counts["jobs"] += len(request.get("Entries", ()))
            self._changed.notify_all()
            if _asks_for_members(operation, request):
                start = request.get("ExclusiveStartKey", {}).get("sk", {}).get("S")
                return self._room.page(start, request.get("Limit"))
            service, _, name = operation.partition(".")
            client = self._sqs if service == "AmazonSQS" else self._dynamodb
            called = getattr(client, _CAPITAL.sub("_", name).lower())
            return json.dumps(called(**request)).encode()

    def receive(self, timeout: float) -> list[dict[str, Any]]:
        """Return the next jobs as a function gets them from SQS, none if none come in time."""
        with self._changed:
            messages = self._receive()
            if not messages:
                self._changed.wait(timeout)
                messages = self._receive()
        return list(map(as_record, messages))

    def delete(self, message_ids: Iterable[str]) -> None:
        """Take away jobs that have been done."""
        entries = [{"ReceiptHandle": each} for each in message_ids]
        with self._changed:
            self._sqs.delete_message_batch(QueueUrl=DELIVERIES_QUEUE, Entries=entries)

    def waiting(self) -> int:
        """Return how many jobs are there, in work or not, the dead ones among them."""
        with self._changed:
            return sum(map(len, self._sqs.queues.values()))

    def _receive(self) -> list[Any]:
        asked = self._sqs.receive_message(QueueUrl=DELIVERIES_QUEUE, MaxNumberOfMessages=_BATCH)
        messages: list[Any] = asked["Messages"]
        return messages

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve on a port of their own, and yield the URL."""

        class Handler(_Handler):
            services = self

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()


def _asks_for_members(operation: str, request: Mapping[str, Any]) -> bool:
    if operation.rpartition(".")[2] != "Query" or request["TableName"] != CONNECTIONS_TABLE:
        return False
    if "IndexName" in request:
        raise NotImplementedError("only the members of a room are made ready")
    return True


class _Room:
    """The members of a room in pages, each made when it is first asked for, and kept."""

    def __init__(self, members: Sequence[Item]) -> None:
        self._members = members
        self._places = {item["sk"]["S"]: place for place, item in enumerate(members)}
        self._pages: dict[tuple[str | None, int | None], bytes] = {}

    def page(self, start: str | None, limit: int | None) -> bytes:
        """Return the answer to a query that goes on from a sort key, of so many items at most."""
        key = start, limit
        if key not in self._pages:
            first = 0 if start is None else self._places[start] + 1
            rows = list(_fitting(islice(self._members, first, None), limit))
            more = first + len(rows) < len(self._members)
            self._pages[key] = _page(rows, last=rows[-1] if more else None)
        return self._pages[key]


def _fitting(members: Iterable[Item], limit: int | None) -> Iterator[Item]:
    size = 0
    for item in islice(members, limit):
        size += item_size(item)
        if size > _PAGE_BYTES:
            return
        yield item


def _page(rows: list[Item], *, last: Item | None = None) -> bytes:
    projected = [
        {name: value for name, value in row.items() if name not in _LEFT_OUT} for row in rows
    ]
    more = {"LastEvaluatedKey": {name: last[name] for name in ("pk", "sk")}} if last else {}
    return json.dumps({"Items": projected, "Count": len(rows), **more}).encode()


# By the projection of ConnectionRepository.members.
_LEFT_OUT = {"pk", "pushed_until", "expires_at"}


class _Handler(BaseHTTPRequestHandler):
    """One request of the JSON protocols of AWS after the other."""

    services: Services
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # the head and the body in one piece
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer a request."""
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            body = self.services.answer(self.headers["x-amz-target"], request)
        except ClientError as error:
            told = {"__type": error.response["Error"]["Code"], **error.response}
            self._send(HTTPStatus.BAD_REQUEST, json.dumps(told).encode())
        else:
            self._send(HTTPStatus.OK, body)

    def _send(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Keep silent."""
