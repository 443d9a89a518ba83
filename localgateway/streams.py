"""DynamoDB streams as event sources: each shard in order, a failed batch blocks its shard."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from localgateway.polling import BatchAnswers, Health, Invoker, SourceUnavailable, poll
from localgateway.shards import Shard, created, event_record

log = logging.getLogger(__name__)

# Seconds. Lambda polls each shard four times a second.
_INTERVAL = 0.25
_SHARDS_AGAIN = 10
_RECORDS_LIVE = 24 * 3600
_MOST = 1_000


class StreamSource:
    """Hands the changes of one table to a function, in batches.

    A batch that fails or is throttled is tried again, after 1, 2, 4, ... at most 30 seconds, until
    its records are 24 hours old, as on AWS without further settings; meanwhile its shard waits and
    the others go on. Shards that follow a closed one start when that one is finished. Unlike AWS,
    the shards of a stream take turns instead of running at once.

    Args:
        dynamodb: A DynamoDB client of the engine.
        streams: A DynamoDB Streams client of the engine.
        invoker: Runs the function.
        function: The name of the function.
        stream_arn: The stream; if the engine has no such one, the latest of the same table.
        region: The region in the records.
        starting_position: LATEST or TRIM_HORIZON.
        batch_size: The most records of a batch.
        batching_window: Seconds to wait for a full batch, from its first record.
        partial_batch_failures: Honour batchItemFailures: go on from the lowest sequence number.
        clock: Seconds since the epoch.
    """

    workers = 1

    def __init__(
        self,
        *,
        dynamodb: Any,
        streams: Any,
        invoker: Invoker,
        function: str,
        stream_arn: str,
        region: str,
        starting_position: str = "LATEST",
        batch_size: int = 100,
        batching_window: float = 0,
        partial_batch_failures: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.function = function
        self._dynamodb = dynamodb
        self._streams = streams
        self._invoker = invoker
        self._wanted_arn = stream_arn
        self._table = _table_of(stream_arn)
        self._region = region
        self._position = starting_position
        self._batch_size = min(batch_size, _MOST)
        self._window = batching_window or 0
        self._answers = BatchAnswers(function, partial_batch_failures=partial_batch_failures)
        self._clock = clock
        self._arn: str | None = None
        self._shards: dict[str, Shard] = {}
        self._look_again = 0.0
        self._health = Health(f"stream of {self._table}")

    def run(self, stop: threading.Event) -> None:
        """Poll until stop is set; a batch that is being handled is finished first."""
        poll(self.poll_once, stop, health=self._health, interval=_INTERVAL)

    def poll_once(self) -> int:
        """Read every shard once and hand on what is due; returns how many records succeeded.

        Raises:
            SourceUnavailable: The table does not exist, or has no stream.
        """
        self._refresh()
        waiting = [shard for shard in self._shards.values() if self._is_next(shard)]
        return sum(self._advance(shard) for shard in waiting)

    def _refresh(self) -> None:
        now = self._clock()
        if now < self._look_again:
            return
        try:
            arn = self._locate()
        except SourceUnavailable:
            # Whatever such a stream will hold was written after this source started.
            self._position = "TRIM_HORIZON"
            raise
        if arn != self._arn:
            self._arn, self._shards = arn, {}
        self._list_shards(arn)
        self._position = "TRIM_HORIZON"
        self._look_again = now + _SHARDS_AGAIN

    def _locate(self) -> str:
        try:
            table = self._dynamodb.describe_table(TableName=self._table)["Table"]
        except self._dynamodb.exceptions.ResourceNotFoundException as error:
            raise SourceUnavailable("no such table (yet); looking for it again") from error
        listed = self._streams.list_streams(TableName=self._table)["Streams"]
        if self._wanted_arn in (stream["StreamArn"] for stream in listed):
            return self._wanted_arn
        if "LatestStreamArn" not in table:
            raise SourceUnavailable("the table has no stream (yet); looking for it again")
        return str(table["LatestStreamArn"])

    def _list_shards(self, arn: str) -> None:
        request = {"StreamArn": arn}
        while True:
            stream = self._streams.describe_stream(**request)["StreamDescription"]
            for shard in stream["Shards"]:
                name = shard["ShardId"]
                if name not in self._shards:
                    parent = shard.get("ParentShardId")
                    self._shards[name] = Shard(name, parent, self._position)
            if "LastEvaluatedShardId" not in stream:
                return
            request["ExclusiveStartShardId"] = stream["LastEvaluatedShardId"]

    def _is_next(self, shard: Shard) -> bool:
        parent = self._shards.get(shard.parent or "")
        return not shard.finished and (parent is None or parent.finished)

    def _advance(self, shard: Shard) -> int:
        now = self._clock()
        if now < shard.retry_at:
            return 0
        if len(shard.pending) < self._batch_size and not (shard.attempts or shard.closed):
            self._read(shard, now)
        self._expire(shard, now)
        full = len(shard.pending) >= self._batch_size or shard.closed
        if not shard.pending or not (full or shard.attempts or now >= shard.since + self._window):
            return 0
        return self._deliver(shard)

    def _read(self, shard: Shard, now: float) -> None:
        try:
            shard.iterator = shard.iterator or self._iterator(shard)
            answer = self._streams.get_records(
                ShardIterator=shard.iterator, Limit=self._batch_size - len(shard.pending)
            )
        except self._streams.exceptions.TrimmedDataAccessException:
            log.warning("stream of %s: records were lost before they were read", self._table)
            shard.restart()
            return
        except ClientError as error:
            # An iterator expires after 15 minutes, and none outlives its engine.
            shard.iterator = None
            if not isinstance(error, self._streams.exceptions.ExpiredIteratorException):
                self._look_again = 0.0  # perhaps another stream by now
                raise
            return
        shard.iterator = answer.get("NextShardIterator")
        shard.closed = shard.iterator is None
        records = answer["Records"]
        if records and not shard.pending:
            shard.since = now
        shard.received(records)

    def _iterator(self, shard: Shard) -> str:
        answer = self._streams.get_shard_iterator(
            StreamArn=self._arn, ShardId=shard.name, **shard.position()
        )
        return str(answer["ShardIterator"])

    def _expire(self, shard: Shard, now: float) -> None:
        horizon = now - _RECORDS_LIVE
        fresh = [record for record in shard.pending if created(record) >= horizon]
        if expired := len(shard.pending) - len(fresh):
            log.warning("stream of %s: %d records expired unhandled", self._table, expired)
            shard.pending, shard.attempts = fresh, 0

    def _deliver(self, shard: Shard) -> int:
        records = [event_record(record, str(self._arn), self._region) for record in shard.pending]
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        outcome = self._invoker.invoke(self.function, {"Records": records})
        failed = self._answers.failed(outcome, numbers)
        done = min((numbers.index(number) for number in failed), default=len(numbers))
        shard.pending = shard.pending[done:]
        if failed:
            pause = shard.retry_later(self._clock(), progress=done > 0)
            log.info(
                "stream of %s: %d records failed and are tried again in %d s",
                self._table,
                len(shard.pending),
                pause,
            )
        else:
            shard.attempts = 0
        return done


def _table_of(stream_arn: str) -> str:
    """The table of arn:aws:dynamodb:{region}:{account}:table/{table}/stream/{label}."""
    parts = stream_arn.split("/")
    return parts[1] if len(parts) > 1 else stream_arn
