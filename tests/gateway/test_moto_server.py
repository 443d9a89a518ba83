"""The moto server: transactions are atomic, cheap, and rolled back right."""

import copy
import io
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends
from moto.dynamodbstreams.models import DynamoDBStreamsBackend
from moto.sqs.models import Message, Queue

from localgateway.moto_queues import newest_receipts
from localgateway.moto_server import (
    SerialisedApplication,
    bounded_iterators,
    build,
    exit_with_parent,
    listen,
    main,
    polite_long_polls,
)
from localgateway.moto_transactions import cheap_transactions

TABLE = "things"


@pytest.fixture
def backend() -> Iterator[DynamoDBBackend]:
    with cheap_transactions():
        backend = DynamoDBBackend("us-east-1", "123456789012")
        _create(backend, TABLE, range_key="sk")
        yield backend


def _create(backend: DynamoDBBackend, name: str, range_key: str | None = None) -> None:
    keys = {"pk": "HASH"} | ({range_key: "RANGE"} if range_key else {})
    backend.create_table(
        name,
        schema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
        attr=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        throughput=None,
        indexes=[],
        global_indexes=[],
        streams={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        billing_mode="PAY_PER_REQUEST",
        sse_specification=None,
        tags=[],
        deletion_protection_enabled=False,
        warm_throughput=None,
    )


def _item(sk: str, **attributes: Any) -> dict[str, Any]:
    return {"pk": {"S": "p"}, "sk": {"S": sk}} | attributes


def _put(sk: str, **attributes: Any) -> dict[str, Any]:
    return {"Put": {"TableName": TABLE, "Item": _item(sk, **attributes)}}


def _delete(sk: str) -> dict[str, Any]:
    return {"Delete": {"TableName": TABLE, "Key": _item(sk)}}


def _update(sk: str, expression: str, **values: Any) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": TABLE,
            "Key": _item(sk),
            "UpdateExpression": expression,
            "ExpressionAttributeValues": {f":{name}": value for name, value in values.items()},
        }
    }


REFUSED = {
    "ConditionCheck": {
        "TableName": TABLE,
        "Key": _item("missing"),
        "ConditionExpression": "attribute_exists(pk)",
    }
}


def _content(backend: DynamoDBBackend, table: str = TABLE) -> list[dict[str, Any]]:
    return [item.to_json()["Attributes"] for item in backend.tables[table].all_items()]


def _stream(backend: DynamoDBBackend) -> list[str]:
    shard = backend.tables[TABLE].stream_shard
    assert shard
    return [record.record["eventName"] for record in shard.items]


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(_put("new"), id="put of a new item"),
        pytest.param(_put("old", n={"N": "9"}), id="put over an item"),
        pytest.param(_delete("old"), id="delete"),
        pytest.param(_delete("absent"), id="delete of nothing"),
        pytest.param(_update("old", "SET n = :n", n={"N": "2"}), id="update in place"),
        pytest.param(_update("old", "ADD tags :t", t={"SS": ["b"]}), id="update of a set"),
        pytest.param(
            _update("old", "SET deep.a.b = :n", n={"N": "2"}), id="update of a nested map"
        ),
        pytest.param(_update("new", "SET n = :n", n={"N": "2"}), id="update that creates"),
    ],
)
def test_a_failed_transaction_leaves_items_and_stream_as_they_were(
    backend: DynamoDBBackend, operation: dict[str, Any]
) -> None:
    deep = {"M": {"a": {"M": {"b": {"N": "1"}}}}}
    backend.put_item(TABLE, _item("old", n={"N": "1"}, tags={"SS": ["a"]}, deep=deep))
    backend.put_item(TABLE, _item("other"))
    before = copy.deepcopy((_content(backend), _stream(backend)))

    with pytest.raises(Exception, match="Transaction cancelled"):
        backend.transact_write_items([operation, REFUSED])

    assert (_content(backend), _stream(backend)) == before


def test_a_successful_transaction_changes_everything_and_tells_the_stream(
    backend: DynamoDBBackend,
) -> None:
    backend.put_item(TABLE, _item("gone"))
    backend.put_item(TABLE, _item("kept", n={"N": "1"}))

    backend.transact_write_items(
        [_put("new"), _delete("gone"), _update("kept", "SET n = :n", n={"N": "2"})]
    )

    assert _content(backend) == [_item("kept", n={"N": "2"}), _item("new")]
    assert _stream(backend) == ["INSERT", "INSERT", "INSERT", "REMOVE", "MODIFY"]


def test_a_failed_transaction_over_two_tables_restores_both(backend: DynamoDBBackend) -> None:
    _create(backend, "single")
    backend.put_item("single", {"pk": {"S": "a"}})
    put = {"Put": {"TableName": "single", "Item": {"pk": {"S": "b"}}}}
    delete = {"Delete": {"TableName": "single", "Key": {"pk": {"S": "a"}}}}

    with pytest.raises(Exception, match="Transaction cancelled"):
        backend.transact_write_items([put, delete, _put("new"), REFUSED])

    assert _content(backend, "single") == [{"pk": {"S": "a"}}]
    assert _content(backend) == []


def test_naming_an_item_twice_is_refused_and_restores_the_first_change(
    backend: DynamoDBBackend,
) -> None:
    backend.put_item(TABLE, _item("old", n={"N": "1"}))

    with pytest.raises(Exception, match="multiple operations"):
        backend.transact_write_items([_update("old", "SET n = :n", n={"N": "2"}), _put("old")])

    assert _content(backend) == [_item("old", n={"N": "1"})]


@pytest.mark.parametrize(
    "operation",
    [
        {"Put": {"TableName": TABLE, "Item": {"pk": {"S": "p"}}}},
        {"Delete": {"TableName": TABLE, "Key": {"sk": {"S": "p"}}}},
        {"Delete": {"TableName": "nowhere", "Key": {"pk": {"S": "p"}}}},
        {"Delete": {"TableName": TABLE}},
    ],
)
def test_a_wrong_operation_is_refused_by_moto_itself(
    backend: DynamoDBBackend, operation: dict[str, Any]
) -> None:
    with pytest.raises(Exception, match=r"Transaction cancelled|ValidationException"):
        backend.transact_write_items([_put("new"), operation])

    assert _content(backend) == []


def test_a_stream_is_readable_after_a_failed_transaction_with_an_iterator_from_before(
    backend: DynamoDBBackend,
) -> None:
    table = backend.tables[TABLE]

    with pytest.raises(Exception, match="Transaction cancelled"):
        backend.transact_write_items([_put("new"), REFUSED])
    backend.put_item(TABLE, _item("later"))

    assert backend.tables[TABLE] is table
    assert _stream(backend) == ["INSERT"]


def test_outside_of_transactions_a_table_is_still_copied(backend: DynamoDBBackend) -> None:
    backend.transact_write_items([_put("new")])

    copied = copy.deepcopy(backend.tables[TABLE])

    assert copied is not backend.tables[TABLE]
    assert len(copied) == 1


def test_the_cost_of_a_transaction_does_not_grow_with_the_table(backend: DynamoDBBackend) -> None:
    small = _cost(backend)
    for number in range(2_000):
        backend.put_item(TABLE, _item(f"{number:05}", text={"S": "x" * 50}))

    large = _cost(backend)

    # Copying 2,000 items takes tens of milliseconds; the margin is for a busy machine.
    assert large < small + 0.01


def _cost(backend: DynamoDBBackend) -> float:
    costs = []
    for number in range(9):
        start = time.process_time()
        backend.transact_write_items([_put(f"cost-{number}", n={"N": "1"})])
        costs.append(time.process_time() - start)
    return min(costs)


def test_what_is_patched_is_put_back() -> None:
    before = DynamoDBBackend.transact_write_items, Queue.wait_for_messages

    with cheap_transactions(), polite_long_polls(threading.Lock()):
        during = DynamoDBBackend.transact_write_items, Queue.wait_for_messages

    assert (DynamoDBBackend.transact_write_items, Queue.wait_for_messages) == before
    assert during != before


def _received(queue: Queue, times: int) -> list[str]:
    """Put a message on a queue and return its receipts."""
    message = Message("id", "body")
    queue.add_message(message)
    receipts = []
    for _ in range(times):
        message.mark_received()
        receipts.append(str(message.receipt_handle))
    return receipts


def test_a_receipt_that_is_not_the_newest_does_not_delete() -> None:
    queue = Queue("jobs", "us-east-1", "123456789012")  # type: ignore[abstract]

    with newest_receipts():
        old, newest = _received(queue, 2)
        queue.delete_message(old)
        kept = len(queue.messages)
        queue.delete_message(newest)

    assert (kept, len(queue.messages)) == (1, 0)


def test_deleting_again_by_the_newest_receipt_is_no_error() -> None:
    queue = Queue("jobs", "us-east-1", "123456789012")  # type: ignore[abstract]

    with newest_receipts():
        (receipt,) = _received(queue, 1)
        queue.delete_message(receipt)
        queue.delete_message(receipt)

    assert queue.messages == []


def _store(lock: Any) -> tuple[DynamoDBBackend, SerialisedApplication]:
    """A backend behind WSGI: /failing is a transaction that fails after a pause, / is a write."""
    backend = DynamoDBBackend("us-east-1", "123456789012")
    _create(backend, TABLE, range_key="sk")

    def app(environ: dict[str, Any], _start: Callable[..., Any]) -> Iterable[bytes]:
        sk = environ["wsgi.input"].read().decode()
        if environ["PATH_INFO"] == "/failing":
            with pytest.raises(Exception, match="Transaction cancelled"):
                backend.transact_write_items([_Slow(_put(sk), environ["pause"]), REFUSED])
        else:
            backend.put_item(TABLE, _item(sk))
        return [b"done"]

    return backend, SerialisedApplication(app, lock)


class _Slow(dict[str, Any]):
    """A transaction item that lets others act once the transaction has begun."""

    def __init__(self, item: dict[str, Any], pause: Callable[[], object]) -> None:
        super().__init__(item)
        self._pause = pause

    def keys(self) -> Any:
        self._pause()
        return super().keys()


class _NoLock:
    """What the server would do without a lock."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_error: object) -> None: ...


def _race(lock: Any) -> list[str]:
    """Write while a transaction that is going to fail is under way; what is in the table then."""
    backend, app = _store(lock)
    begun, written = threading.Event(), threading.Event()

    def pause() -> None:
        begun.set()
        written.wait(0.3)

    def request(path: str, body: bytes) -> None:
        environ = {
            "PATH_INFO": path,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "pause": pause,
        }
        assert app(environ, lambda *_args: None) == [b"done"]

    failing = threading.Thread(target=request, args=("/failing", b"rolled-back"))
    failing.start()
    begun.wait()
    request("/", b"written")
    written.set()
    failing.join()
    return [item["sk"]["S"] for item in _content(backend)]


def test_a_write_during_a_failing_transaction_is_kept() -> None:
    kept = _race(threading.Lock())

    assert kept == ["written"]


def test_without_the_lock_moto_loses_a_write_during_a_failing_transaction() -> None:
    kept = _race(_NoLock())

    assert kept == []


def test_a_request_without_a_body_is_served() -> None:
    app = SerialisedApplication(lambda environ, _start: [environ["PATH_INFO"]], threading.Lock())

    answer = app({"PATH_INFO": b"/x", "CONTENT_LENGTH": ""}, lambda *_args: None)

    assert answer == [b"/x"]


def test_a_long_poll_lets_go_of_the_lock_while_it_waits() -> None:
    lock = threading.Lock()
    queue = Queue("jobs", "us-east-1", "123456789012")  # type: ignore[abstract]
    seen: list[bool] = []

    with polite_long_polls(lock), lock:
        checker = threading.Timer(0.05, lambda: seen.append(lock.acquire(timeout=1)))
        checker.start()
        threading.Timer(0.1, lock.release).start()
        queue.wait_for_messages(1)
        held_again = lock.locked()
        checker.join()

    assert seen == [True]
    assert held_again


def test_only_the_newest_stream_iterators_are_kept() -> None:
    with cheap_transactions(), bounded_iterators(limit=3):
        streams = DynamoDBStreamsBackend("eu-west-3", "123456789012")
        backend = dynamodb_backends["123456789012"]["eu-west-3"]
        _create(backend, TABLE, range_key="sk")
        table = backend.tables[TABLE]
        assert table.stream_shard
        iterator = streams.get_shard_iterator(
            f"{table.table_arn}/stream/x", table.stream_shard.id, "TRIM_HORIZON"
        ).arn
        for _ in range(10):
            iterator = streams.get_records(iterator, 5)["NextShardIterator"]

        kept = list(streams.shard_iterators)
        backend.delete_table(TABLE)

    assert len(kept) == 3
    assert kept[-1] == iterator


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(SystemExit) as exit_:
            main(["--port", str(port)])

    assert str(exit_.value) == f"cannot listen on 127.0.0.1:{port}: Address already in use"


def test_ipv6_is_listened_on_too() -> None:
    with listen("::1", 0) as listener:
        assert listener.family == socket.AF_INET6


def test_the_server_ends_when_its_standard_input_does() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "localgateway.moto_server", "--port", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    try:
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()

    assert (process.returncode, out, err) == (0, b"", b"")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (
            "application/x-amz-json-1.0",
            b'{"__type": "InternalFailure", "message": "moto failed: KeyError: \'<oops>\'"}',
        ),
        (
            "application/x-www-form-urlencoded",
            (
                b"<ErrorResponse><Error><Code>InternalFailure</Code><Message>"
                b"moto failed: KeyError: '&lt;oops&gt;'</Message></Error></ErrorResponse>"
            ),
        ),
    ],
)
def test_what_moto_trips_over_is_answered_with_its_cause(kind: str, body: bytes) -> None:
    def broken(_environ: dict[str, Any], _start: Callable[..., Any]) -> Iterable[bytes]:
        raise KeyError("<oops>")

    statuses: list[str] = []
    app = SerialisedApplication(broken, threading.Lock())

    answer = app({"CONTENT_TYPE": kind}, lambda status, _headers: statuses.append(status))

    assert (statuses, answer) == (["500 Internal Server Error"], [body])


def test_it_serves_quietly_in_one_process_too(capfd: pytest.CaptureFixture[str]) -> None:
    server = build("127.0.0.1", 0, threading.Lock())
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    config = Config(retries={"total_max_attempts": 1})
    url = f"http://127.0.0.1:{server.port}"
    sqs = boto3.Session("key", "secret", region_name="us-east-1").client(
        "sqs", endpoint_url=url, config=config
    )

    queues = sqs.list_queues(QueueNamePrefix="nothing-like-it")
    server.shutdown()
    thread.join()

    assert "QueueUrls" not in queues
    assert capfd.readouterr() == ("", "")


def test_the_end_of_standard_input_is_waited_for() -> None:
    read, write = os.pipe()
    os.write(write, b"ignored")
    ends: list[int] = []
    watcher = threading.Thread(target=exit_with_parent, args=(read, ends.append))
    watcher.start()

    before = list(ends)
    os.close(write)
    watcher.join()
    os.close(read)

    assert (before, ends) == ([], [0])
