"""Streams as event sources: order, retries, checkpoints, shards, and the records."""

import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from localgateway.functions import Invocation
from localgateway.polling import SourceUnavailable
from localgateway.streams import StreamSource
from tests.gateway.invokers import FAILURE, THROTTLED, RecordingInvoker, failed_items

OLD_ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/things/stream/2020-01-01T00:00:00.000"


class Clock:
    """Starts now, for the records bear real times."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def session() -> Iterator[Any]:
    with mock_aws():
        yield boto3.Session("key", "secret", region_name="us-east-1")


@pytest.fixture
def dynamodb(session: Any) -> Any:
    return session.client("dynamodb")


@pytest.fixture
def streams(session: Any) -> Any:
    # moto does not know the endpoints per account that botocore makes of stream ARNs.
    return session.client("dynamodbstreams", config=Config(account_id_endpoint_mode="disabled"))


@pytest.fixture
def table(dynamodb: Any) -> str:
    return _create(dynamodb)


def _create(dynamodb: Any, *, stream: bool = True) -> str:
    """Create the table; the ARN of its stream."""
    answer = dynamodb.create_table(
        TableName="things",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        if stream
        else {"StreamEnabled": False},
    )
    return str(answer["TableDescription"].get("LatestStreamArn"))


def _put(dynamodb: Any, *names: str, **attributes: Any) -> None:
    for name in names:
        dynamodb.put_item(TableName="things", Item={"pk": {"S": name}} | attributes)


def _names(invoker: RecordingInvoker) -> list[list[str]]:
    return [
        [record["dynamodb"]["Keys"]["pk"]["S"] for record in records]
        for records in invoker.records()
    ]


def _source(dynamodb: Any, streams: Any, invoker: RecordingInvoker, **options: Any) -> StreamSource:
    settings = {"stream_arn": OLD_ARN, "starting_position": "TRIM_HORIZON"} | options
    return StreamSource(
        dynamodb=dynamodb,
        streams=streams,
        invoker=invoker,
        function="index",
        region="us-east-1",
        **settings,
    )


def test_a_record_has_the_keys_that_lambda_sends(dynamodb: Any, streams: Any, table: str) -> None:
    _put(dynamodb, "a", blob={"B": b"\x00\xff"}, blobs={"L": [{"B": b"x"}]})
    _put(dynamodb, "a", n={"N": "1"})
    invoker = RecordingInvoker()

    _source(dynamodb, streams, invoker).poll_once()

    name, event = invoker.calls[0]
    first, second = event["Records"]
    change = first.pop("dynamodb")
    assert name == "index"
    assert first.pop("eventID")
    assert first == {
        "eventName": "INSERT",
        "eventVersion": "1.0",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": table,
    }
    assert isinstance(change.pop("ApproximateCreationDateTime"), int)
    assert change.pop("SequenceNumber").isdigit()
    assert change.pop("SizeBytes") > 0
    assert change == {
        "Keys": {"pk": {"S": "a"}},
        "NewImage": {
            "pk": {"S": "a"},
            "blob": {"B": "AP8="},
            "blobs": {"L": [{"B": "eA=="}]},
        },
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    assert second["eventName"] == "MODIFY"
    assert second["dynamodb"]["OldImage"]["blob"] == {"B": "AP8="}


@pytest.mark.usefixtures("table")
def test_trim_horizon_begins_with_the_oldest_record(dynamodb: Any, streams: Any) -> None:
    _put(dynamodb, "before")
    invoker = RecordingInvoker()
    source = _source(dynamodb, streams, invoker)

    source.poll_once()
    _put(dynamodb, "after")
    source.poll_once()
    source.poll_once()

    assert _names(invoker) == [["before"], ["after"]]


@pytest.mark.usefixtures("table")
def test_latest_begins_with_what_is_written_after_the_start(dynamodb: Any, streams: Any) -> None:
    _put(dynamodb, "before")
    invoker = RecordingInvoker()
    source = _source(dynamodb, streams, invoker, starting_position="LATEST")

    source.poll_once()
    _put(dynamodb, "after")
    source.poll_once()

    assert _names(invoker) == [["after"]]


def test_latest_misses_nothing_of_a_table_that_is_created_later(
    dynamodb: Any, streams: Any
) -> None:
    invoker = RecordingInvoker()
    source = _source(dynamodb, streams, invoker, starting_position="LATEST")

    with pytest.raises(SourceUnavailable, match="no such table"):
        source.poll_once()
    _create(dynamodb)
    _put(dynamodb, "first")
    source.poll_once()

    assert _names(invoker) == [["first"]]


def test_a_table_without_a_stream_is_unavailable(dynamodb: Any, streams: Any) -> None:
    _create(dynamodb, stream=False)

    with pytest.raises(SourceUnavailable, match="no stream"):
        _source(dynamodb, streams, RecordingInvoker()).poll_once()


def test_the_stream_that_is_asked_for_is_used_if_it_exists(
    dynamodb: Any, streams: Any, table: str
) -> None:
    _put(dynamodb, "a")
    invoker = RecordingInvoker()

    _source(dynamodb, streams, invoker, stream_arn=table).poll_once()

    assert invoker.records()[0][0]["eventSourceARN"] == table


@pytest.mark.usefixtures("table")
def test_a_table_name_will_do_for_an_arn(dynamodb: Any, streams: Any) -> None:
    _put(dynamodb, "a")
    invoker = RecordingInvoker()

    _source(dynamodb, streams, invoker, stream_arn="things").poll_once()

    assert _names(invoker) == [["a"]]


@pytest.mark.usefixtures("table")
def test_batches_have_at_most_the_batch_size_and_keep_the_order(
    dynamodb: Any, streams: Any
) -> None:
    _put(dynamodb, *"abcde")
    invoker = RecordingInvoker()
    source = _source(dynamodb, streams, invoker, batch_size=2)

    done = [source.poll_once() for _ in range(4)]

    assert done == [2, 2, 1, 0]
    assert _names(invoker) == [["a", "b"], ["c", "d"], ["e"]]


@pytest.mark.usefixtures("table")
def test_a_batch_is_gathered_within_its_window(dynamodb: Any, streams: Any) -> None:
    clock, invoker = Clock(), RecordingInvoker()
    source = _source(dynamodb, streams, invoker, batch_size=3, batching_window=10, clock=clock)

    _put(dynamodb, "a")
    source.poll_once()
    clock.now += 5
    _put(dynamodb, "b")
    source.poll_once()
    early = _names(invoker)
    clock.now += 5
    source.poll_once()
    _put(dynamodb, "c", "d", "e")
    source.poll_once()

    assert early == []
    assert _names(invoker) == [["a", "b"], ["c", "d", "e"]]


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("failure", [FAILURE, THROTTLED])
def test_a_failed_batch_blocks_its_shard_and_is_retried_ever_later(
    dynamodb: Any, streams: Any, failure: Invocation
) -> None:
    clock, invoker = Clock(), RecordingInvoker(*[failure] * 7)
    source = _source(dynamodb, streams, invoker, batch_size=1, clock=clock)
    _put(dynamodb, "bad", "good")
    start, times = clock.now, []

    for _ in range(200):
        before = len(invoker.calls)
        source.poll_once()
        times += [round(clock.now - start)] * (len(invoker.calls) - before)
        clock.now += 1

    assert times == [0, 1, 3, 7, 15, 31, 61, 91, 92]
    assert _names(invoker) == [["bad"]] * 8 + [["good"]]


@pytest.mark.usefixtures("table")
def test_records_that_stay_unhandled_for_a_day_are_given_up(
    dynamodb: Any, streams: Any, caplog: pytest.LogCaptureFixture
) -> None:
    clock, invoker = Clock(), RecordingInvoker(FAILURE)
    source = _source(dynamodb, streams, invoker, clock=clock)
    _put(dynamodb, "bad")

    source.poll_once()
    clock.now += 24 * 3600 + 10
    source.poll_once()

    assert _names(invoker) == [["bad"]]
    assert "1 records expired unhandled" in caplog.text


@pytest.mark.usefixtures("table")
def test_partial_failures_go_on_from_the_lowest_sequence_number(
    dynamodb: Any, streams: Any
) -> None:
    clock = Clock()

    class Failing(RecordingInvoker):
        def invoke(self, name: str, event: dict[str, Any]) -> Invocation:
            super().invoke(name, event)
            numbers = [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]
            return failed_items(numbers[3], numbers[1]) if len(self.calls) == 1 else Invocation()

    invoker = Failing()
    source = _source(dynamodb, streams, invoker, partial_batch_failures=True, clock=clock)
    _put(dynamodb, *"abcd")

    source.poll_once()
    clock.now += 1
    source.poll_once()

    assert _names(invoker) == [["a", "b", "c", "d"], ["b", "c", "d"]]


@pytest.mark.usefixtures("table")
def test_a_table_that_is_made_again_is_read_from_its_beginning(dynamodb: Any, streams: Any) -> None:
    clock, invoker = Clock(), RecordingInvoker()
    source = _source(dynamodb, streams, invoker, starting_position="LATEST", clock=clock)
    source.poll_once()

    dynamodb.delete_table(TableName="things")
    _create(dynamodb)
    _put(dynamodb, "new")
    clock.now += 10
    source.poll_once()

    assert _names(invoker) == [["new"]]


class ScriptedStreams:
    """A stream of two shards, the second after the first, which answers as it is told to."""

    def __init__(self, real: Any) -> None:
        self.exceptions = real.exceptions
        self.real = real
        self.errors: list[Exception] = []
        self.records = {"one": [_record(1), _record(2)], "two": [_record(3, **TTL)]}
        self.iterators: list[tuple[str, str, str | None]] = []

    def list_streams(self, **_request: str) -> dict[str, Any]:
        return {"Streams": []}

    def describe_stream(self, **request: str) -> dict[str, Any]:
        if "ExclusiveStartShardId" in request:
            shard = {"ShardId": "two", "ParentShardId": "one"}
            return {"StreamDescription": {"Shards": [shard]}}
        shards = [{"ShardId": "one", "ParentShardId": "long gone"}]
        return {"StreamDescription": {"Shards": shards, "LastEvaluatedShardId": "one"}}

    def get_shard_iterator(self, **request: str) -> dict[str, str]:
        name, kind = request["ShardId"], request["ShardIteratorType"]
        self.iterators.append((name, kind, request.get("SequenceNumber")))
        return {"ShardIterator": name}

    def get_records(self, **request: Any) -> dict[str, Any]:
        if self.errors:
            raise self.errors.pop(0)
        left = self.records[request["ShardIterator"]]
        records = [left.pop(0) for _ in range(min(request["Limit"], len(left)))]
        return {"Records": records} | (
            {"NextShardIterator": request["ShardIterator"]} if left else {}
        )

    def error(self, code: str) -> Exception:
        kind = getattr(self.exceptions, code, ClientError)
        error: Exception = kind({"Error": {"Code": code, "Message": "m"}}, "GetRecords")
        return error


TTL = {"userIdentity": {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}}


def _record(number: int, **more: Any) -> dict[str, Any]:
    return {
        "eventID": str(number),
        "eventName": "REMOVE",
        "eventVersion": "1.1",
        "dynamodb": {
            "ApproximateCreationDateTime": datetime.now(UTC),
            "Keys": {"pk": {"S": str(number)}},
            "SequenceNumber": str(number),
        },
    } | more


@pytest.fixture
def scripted(dynamodb: Any, streams: Any) -> ScriptedStreams:
    _create(dynamodb)
    return ScriptedStreams(streams)


def test_a_shard_begins_when_the_one_before_it_is_finished(
    dynamodb: Any, scripted: ScriptedStreams
) -> None:
    clock, invoker = Clock(), RecordingInvoker(FAILURE)
    source = _source(dynamodb, scripted, invoker, clock=clock)

    for _ in range(4):
        source.poll_once()
        clock.now += 1

    assert _names(invoker) == [["1", "2"], ["1", "2"], ["3"]]
    assert [name for name, *_ in scripted.iterators] == ["one", "two"]


def test_a_deletion_by_ttl_says_so_as_lambda_does(dynamodb: Any, scripted: ScriptedStreams) -> None:
    invoker = RecordingInvoker()
    source = _source(dynamodb, scripted, invoker)

    source.poll_once()
    source.poll_once()

    assert invoker.records()[1][0]["userIdentity"] == {
        "principalId": "dynamodb.amazonaws.com",
        "type": "Service",
    }


def test_an_expired_iterator_is_replaced_by_one_behind_the_last_record(
    dynamodb: Any, scripted: ScriptedStreams
) -> None:
    invoker = RecordingInvoker()
    source = _source(dynamodb, scripted, invoker, batch_size=1)

    source.poll_once()
    scripted.errors.append(scripted.error("ExpiredIteratorException"))
    source.poll_once()
    source.poll_once()

    assert _names(invoker) == [["1"], ["2"]]
    assert scripted.iterators == [
        ("one", "TRIM_HORIZON", None),
        ("one", "AFTER_SEQUENCE_NUMBER", "1"),
    ]


def test_trimmed_records_are_skipped_with_a_warning(
    dynamodb: Any, scripted: ScriptedStreams, caplog: pytest.LogCaptureFixture
) -> None:
    invoker = RecordingInvoker()
    source = _source(dynamodb, scripted, invoker, batch_size=1)

    source.poll_once()
    scripted.errors.append(scripted.error("TrimmedDataAccessException"))
    source.poll_once()
    source.poll_once()

    assert scripted.iterators[-1] == ("one", "TRIM_HORIZON", None)
    assert "records were lost before they were read" in caplog.text


def test_another_error_is_raised_and_reading_goes_on_where_it_was(
    dynamodb: Any, scripted: ScriptedStreams
) -> None:
    invoker = RecordingInvoker()
    source = _source(dynamodb, scripted, invoker, batch_size=1)

    source.poll_once()
    scripted.errors.append(scripted.error("InternalServerError"))
    with pytest.raises(ClientError):
        source.poll_once()
    source.poll_once()

    assert _names(invoker) == [["1"], ["2"]]


@pytest.mark.usefixtures("table")
def test_it_runs_until_it_is_stopped(
    dynamodb: Any, streams: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _put(dynamodb, "a")
    stop = threading.Event()

    class Stopping(RecordingInvoker):
        def invoke(self, name: str, event: dict[str, Any]) -> Invocation:
            stop.set()
            return super().invoke(name, event)

    invoker = Stopping(FAILURE)
    _source(dynamodb, streams, invoker).run(stop)

    assert _names(invoker) == [["a"]]
    assert "1 records failed and are tried again in 1 s" in caplog.text
