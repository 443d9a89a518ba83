"""Queues as event sources: batches, failures, redrive, and the records that functions get."""

import hashlib
import logging
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from localgateway.functions import Invocation
from localgateway.moto_queues import newest_receipts, strict_bodies
from localgateway.polling import Health, SourceUnavailable, poll
from localgateway.queues import QueueSource
from tests.gateway.invokers import (
    FAILURE,
    THROTTLED,
    RecordingInvoker,
    StopAfter,
    failed_items,
)


@pytest.fixture
def sqs() -> Iterator[Any]:
    with mock_aws():
        session = boto3.Session("key", "secret", region_name="us-east-1")
        yield session.client("sqs")


def _queue(sqs: Any, name: str = "jobs", **attributes: str) -> str:
    created = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "0"} | attributes)
    return str(created["QueueUrl"])


def _source(sqs: Any, invoker: RecordingInvoker, **options: Any) -> QueueSource:
    settings = {"queue": "jobs", "region": "us-east-1"} | options
    return QueueSource(sqs=sqs, invoker=invoker, function="work", **settings)


def _send(sqs: Any, url: str, *bodies: str) -> list[str]:
    return [sqs.send_message(QueueUrl=url, MessageBody=body)["MessageId"] for body in bodies]


def _left(sqs: Any, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(int(number) for number in answer["Attributes"].values())


def _bodies(invoker: RecordingInvoker) -> list[list[str]]:
    return [[record["body"] for record in records] for records in invoker.records()]


def test_a_record_has_the_keys_that_lambda_sends(sqs: Any) -> None:
    url = _queue(sqs)
    sent = sqs.send_message(
        QueueUrl=url,
        MessageBody="hello",
        MessageAttributes={
            "colour": {"DataType": "String", "StringValue": "red"},
            "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        },
    )
    invoker = RecordingInvoker()

    _source(sqs, invoker).poll_once(wait=0)

    name, event = invoker.calls[0]
    record = event["Records"][0]
    attributes = record.pop("attributes")
    assert name == "work"
    assert record.pop("receiptHandle")
    assert record == {
        "messageId": sent["MessageId"],
        "body": "hello",
        "md5OfBody": hashlib.md5(b"hello", usedforsecurity=False).hexdigest(),
        "md5OfMessageAttributes": sent["MD5OfMessageAttributes"],
        "messageAttributes": {
            "colour": {
                "stringValue": "red",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "String",
            },
            "blob": {
                "binaryValue": "AP8=",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "Binary",
            },
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:jobs",
        "awsRegion": "us-east-1",
    }
    assert set(attributes) == {
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SenderId",
        "ApproximateFirstReceiveTimestamp",
    }
    assert attributes["ApproximateReceiveCount"] == "1"


def test_a_record_without_attributes_has_no_digest_of_them(sqs: Any) -> None:
    _send(sqs, _queue(sqs), "plain")
    invoker = RecordingInvoker()

    _source(sqs, invoker).poll_once(wait=0)

    record = invoker.records()[0][0]
    assert record["messageAttributes"] == {}
    assert "md5OfMessageAttributes" not in record


def test_a_handled_batch_is_deleted(sqs: Any) -> None:
    url = _queue(sqs)
    _send(sqs, url, "a", "b")
    invoker = RecordingInvoker()

    handled = _source(sqs, invoker).poll_once(wait=0)

    assert handled == 2
    assert _left(sqs, url) == 0


def test_an_empty_queue_invokes_nothing(sqs: Any) -> None:
    _queue(sqs)
    invoker = RecordingInvoker()

    handled = _source(sqs, invoker).poll_once(wait=0)

    assert handled == 0
    assert invoker.calls == []


def test_a_queue_may_be_given_by_its_arn(sqs: Any) -> None:
    _send(sqs, _queue(sqs), "a")
    invoker = RecordingInvoker()

    _source(sqs, invoker, queue="arn:aws:sqs:eu-west-1:1:jobs").poll_once(wait=0)

    assert _bodies(invoker) == [["a"]]


def test_a_batch_has_at_most_ten_messages_without_a_batching_window(sqs: Any) -> None:
    url = _queue(sqs, VisibilityTimeout="30")
    _send(sqs, url, *(str(number) for number in range(15)))
    invoker = RecordingInvoker()
    source = _source(sqs, invoker, batch_size=100)

    sizes = [source.poll_once(wait=0), source.poll_once(wait=0)]

    assert sizes == [10, 5]


def test_a_small_batch_size_is_kept(sqs: Any) -> None:
    url = _queue(sqs, VisibilityTimeout="30")
    _send(sqs, url, "a", "b", "c")
    invoker = RecordingInvoker()

    _source(sqs, invoker, batch_size=1).poll_once(wait=0)

    assert _bodies(invoker) == [["a"]]


def test_a_large_batch_is_gathered_within_its_window_and_deleted_whole(sqs: Any) -> None:
    url = _queue(sqs, VisibilityTimeout="30")
    _send(sqs, url, *(str(number) for number in range(25)))
    invoker = RecordingInvoker()

    _source(sqs, invoker, batch_size=25, batching_window=5).poll_once(wait=0)

    assert [len(records) for records in invoker.records()] == [25]
    assert _left(sqs, url) == 0


def test_a_batch_that_does_not_fill_is_handed_over_when_the_window_ends(sqs: Any) -> None:
    url = _queue(sqs, VisibilityTimeout="30")
    _send(sqs, url, *(str(number) for number in range(12)))
    times = iter([0.0, 0.0, 9.5])
    invoker = RecordingInvoker()

    _source(sqs, invoker, batch_size=50, batching_window=10, clock=lambda: next(times)).poll_once(
        wait=0
    )

    assert [len(records) for records in invoker.records()] == [12]


@pytest.mark.parametrize("outcome", [FAILURE, THROTTLED])
def test_a_batch_that_fails_comes_back(sqs: Any, outcome: Invocation) -> None:
    url = _queue(sqs)
    _send(sqs, url, "a")
    invoker = RecordingInvoker(outcome)
    source = _source(sqs, invoker)

    source.poll_once(wait=0)
    source.poll_once(wait=0)

    counts = [records[0]["attributes"]["ApproximateReceiveCount"] for records in invoker.records()]
    assert counts == ["1", "2"]
    assert _left(sqs, url) == 0


def test_a_message_that_always_fails_moves_to_the_dead_letter_queue(sqs: Any) -> None:
    dead = _queue(sqs, "dead")
    policy = (
        '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dead", "maxReceiveCount": 3}'
    )
    url = _queue(sqs, RedrivePolicy=policy)
    _send(sqs, url, "poison")
    invoker = RecordingInvoker(*[FAILURE] * 9)
    source = _source(sqs, invoker)

    for _ in range(5):
        source.poll_once(wait=0)

    moved = sqs.receive_message(QueueUrl=dead)["Messages"]
    assert [message["Body"] for message in moved] == ["poison"]
    assert len(invoker.calls) == 3
    assert _left(sqs, url) == 0


def test_only_reported_failures_come_back_when_partial_failures_are_on(sqs: Any) -> None:
    url = _queue(sqs)
    _, second, _ = _send(sqs, url, "a", "b", "c")
    invoker = RecordingInvoker(failed_items(second))
    source = _source(sqs, invoker, partial_batch_failures=True)

    source.poll_once(wait=0)
    source.poll_once(wait=0)

    assert _bodies(invoker) == [["a", "b", "c"], ["b"]]
    assert _left(sqs, url) == 0


@pytest.mark.parametrize(
    ("payload", "left"),
    [
        (None, 0),
        ({}, 0),
        ({"batchItemFailures": []}, 0),
        ({"batchItemFailures": None}, 0),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, 2),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, 2),
        ({"batchItemFailures": [{"id": "x"}]}, 2),
        ({"batchItemFailures": [{"itemIdentifier": "unknown"}]}, 2),
        ({"batchItemFailures": ["x"]}, 2),
        ({"batchItemFailures": {"itemIdentifier": "x"}}, 2),
        ("done", 2),
    ],
)
def test_an_answer_is_read_as_lambda_reads_it(sqs: Any, payload: Any, left: int) -> None:
    url = _queue(sqs)
    _send(sqs, url, "a", "b")
    invoker = RecordingInvoker(Invocation(payload=payload))

    _source(sqs, invoker, partial_batch_failures=True).poll_once(wait=0)

    assert _left(sqs, url) == left


def test_reported_failures_are_ignored_with_one_warning_when_partial_failures_are_off(
    sqs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    url = _queue(sqs)
    first, second = _send(sqs, url, "a", "b")
    invoker = RecordingInvoker(failed_items(first), failed_items(second))
    source = _source(sqs, invoker, batch_size=1)

    source.poll_once(wait=0)
    source.poll_once(wait=0)

    assert _left(sqs, url) == 0
    assert caplog.text.count("FunctionResponseTypes") == 1


def test_a_message_that_cannot_be_deleted_is_named(
    sqs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    url = _queue(sqs)
    (message,) = _send(sqs, url, "a")
    failed = {"Failed": [{"Id": "0", "Code": "Expired", "SenderFault": True}]}
    sqs.delete_message_batch = lambda **_request: failed

    _source(sqs, RecordingInvoker()).poll_once(wait=0)

    assert f"message {message} cannot be deleted: Expired" in caplog.text


def test_a_queue_that_does_not_exist_yet_is_found_later(sqs: Any) -> None:
    invoker = RecordingInvoker()
    source = _source(sqs, invoker)

    with pytest.raises(SourceUnavailable):
        source.poll_once(wait=0)
    _send(sqs, _queue(sqs), "a")
    source.poll_once(wait=0)

    assert _bodies(invoker) == [["a"]]


def test_a_queue_that_was_deleted_and_made_again_is_looked_up_again(sqs: Any) -> None:
    url = _queue(sqs)
    invoker = RecordingInvoker()
    source = _source(sqs, invoker)
    source.poll_once(wait=0)

    sqs.delete_queue(QueueUrl=url)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        source.poll_once(wait=0)
    with pytest.raises(SourceUnavailable):
        source.poll_once(wait=0)
    _send(sqs, _queue(sqs), "a")
    source.poll_once(wait=0)

    assert _bodies(invoker) == [["a"]]


def test_a_missing_queue_is_warned_of_once_and_its_appearance_is_logged(
    sqs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    source = _source(sqs, RecordingInvoker())
    stop = threading.Event()

    class Appearing(StopAfter):
        def wait(self, seconds: float) -> bool:
            if len(self.waits) == 3:
                _queue(sqs)
                stop.set()
            return super().wait(seconds)

    waits = Appearing(5)
    poll(
        lambda: source.poll_once(wait=0) if not stop.is_set() else _last(source, waits),
        waits,  # type: ignore[arg-type]
        health=Health("queue jobs"),
    )

    assert [record.getMessage() for record in caplog.records] == [
        "queue jobs: does not exist (yet); looking for it again",
        "queue jobs: working again",
    ]


def _last(source: QueueSource, stop: StopAfter) -> None:
    source.poll_once(wait=0)
    stop.waits += [0] * 5


def test_pauses_between_errors_grow_up_to_five_seconds() -> None:
    def failing() -> None:
        raise SourceUnavailable("no")

    stop = StopAfter(7)

    poll(failing, stop, health=Health("x"))  # type: ignore[arg-type]

    assert stop.waits == [0.25, 0.5, 1, 2, 4, 5, 5]


def test_an_error_of_our_own_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise KeyError("oops")

    poll(broken, StopAfter(3), health=Health("x"))  # type: ignore[arg-type]

    assert caplog.text.count("Traceback") == 1


def test_successful_steps_are_apart_by_the_interval() -> None:
    stop = StopAfter(2)

    poll(lambda: None, stop, health=Health("x"), interval=7)  # type: ignore[arg-type]

    assert stop.waits == [7, 7]


def test_it_runs_until_it_is_stopped(sqs: Any) -> None:
    url = _queue(sqs)
    _send(sqs, url, "a")
    stop = threading.Event()

    class Stopping(RecordingInvoker):
        def invoke(self, name: str, event: dict[str, Any]) -> Invocation:
            stop.set()
            return super().invoke(name, event)

    invoker = Stopping()
    _source(sqs, invoker, batch_size=20, batching_window=60).run(_after_first_message(sqs, stop))

    assert _bodies(invoker) == [["a"]]
    assert _left(sqs, url) == 0


def _after_first_message(sqs: Any, stop: threading.Event) -> threading.Event:
    """Sets the event with the first receive, in the middle of a batching window."""
    receive = sqs.receive_message

    def receive_and_stop(**request: Any) -> Any:
        stop.set()
        return receive(**request)

    sqs.receive_message = receive_and_stop
    return stop


def test_a_message_that_came_again_is_not_deleted_by_who_had_it_before(sqs: Any) -> None:
    url = _queue(sqs)
    _send(sqs, url, "a")

    class Overtaken(RecordingInvoker):
        def invoke(self, name: str, event: dict[str, Any]) -> Invocation:
            sqs.receive_message(QueueUrl=url, VisibilityTimeout=30)
            return super().invoke(name, event)

    with newest_receipts():
        _source(sqs, Overtaken()).poll_once(wait=0)

    assert _left(sqs, url) == 1


def test_a_visibility_timeout_that_aws_would_refuse_is_warned_of_once(
    sqs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    _queue(sqs, VisibilityTimeout="5")
    source = _source(sqs, RecordingInvoker(), timeout=29.0)

    source.poll_once(wait=0)
    source.poll_once(wait=0)

    assert caplog.text.count("(5 s) is less than the timeout of work (29 s)") == 1


def test_a_visibility_timeout_as_long_as_the_function_may_take_is_right(
    sqs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    _queue(sqs, VisibilityTimeout="29")

    _source(sqs, RecordingInvoker(), timeout=29.0).poll_once(wait=0)

    assert caplog.text == ""


@pytest.mark.parametrize("body", ["\ufffe", "a\uffff", "\x00", "\x1f"])
def test_characters_that_sqs_refuses_keep_the_whole_batch_out_of_the_queue(
    sqs: Any, body: str
) -> None:
    url = _queue(sqs)
    entries = [{"Id": "0", "MessageBody": "fine"}, {"Id": "1", "MessageBody": body}]

    with strict_bodies(), pytest.raises(ClientError, match="InvalidMessageContents"):
        sqs.send_message_batch(QueueUrl=url, Entries=entries)

    assert _left(sqs, url) == 0


@pytest.mark.parametrize("body", ["\t\r\n ~\x7f", "\ud7ff\ue000\ufffd", "\U0001f600\U0010ffff"])
def test_characters_that_sqs_takes_are_taken(sqs: Any, body: str) -> None:
    url = _queue(sqs)

    with strict_bodies():
        _send(sqs, url, body)

    assert _left(sqs, url) == 1


def test_a_body_is_as_long_as_its_bytes(sqs: Any) -> None:
    url = _queue(sqs, MaximumMessageSize="1024")

    with strict_bodies():
        _send(sqs, url, "\u00e4" * 512)
        with pytest.raises(ClientError, match="shorter than 1024 bytes"):
            _send(sqs, url, "\u00e4" * 513)

    assert _left(sqs, url) == 1
