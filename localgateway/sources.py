"""The event sources of a Chalice app: which there are, and the threads that run them."""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from chalice.app import (
    Chalice,
    CloudWatchEventConfig,
    DynamoDBEventConfig,
    KinesisEventConfig,
    S3EventConfig,
    ScheduledEventConfig,
    SNSEventConfig,
    SQSEventConfig,
)

from localgateway.engine import ACCOUNT
from localgateway.polling import Invoker, Source
from localgateway.queues import QueueSource
from localgateway.schedules import ScheduleSource
from localgateway.streams import StreamSource
from localgateway.topics import TopicSource

_OTHER_TRIGGERS: dict[type, str] = {
    S3EventConfig: "S3 bucket {0.bucket}",
    KinesisEventConfig: "Kinesis stream {0.stream}",
    CloudWatchEventConfig: "EventBridge pattern",
}


@dataclass(frozen=True)
class Unsupported:
    """A trigger that is not emulated; str() names it."""

    function: str
    trigger: str

    def __str__(self) -> str:
        return f"{self.function} ({self.trigger})"


class Sources:
    """The event sources of an app.

    Attributes:
        running: Those that start() starts.
        unsupported: Those that never fire here.
    """

    def __init__(self, running: list[Source], unsupported: list[Unsupported]) -> None:
        self.running = running
        self.unsupported = unsupported
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start a thread for every worker of every source."""
        for source in self.running:
            for number in range(source.workers):
                name = f"source-{source.function}-{number}"
                # A daemon, for a handler that hangs must not keep the gateway from ending.
                thread = threading.Thread(
                    target=source.run, args=(self._stop,), name=name, daemon=True
                )
                thread.start()
                self._threads.append(thread)

    def stop(self, *, patience: float = 5) -> None:
        """Stop all; return when they have ended, or after some seconds of patience."""
        self._stop.set()
        due = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0, due - time.monotonic()))


def find(
    app: Chalice,
    *,
    invoker: Invoker,
    client: Callable[[str, str], Any],
    region: str,
    stage: str,
    account: str = ACCOUNT,
    timeouts: Mapping[str, float] = MappingProxyType({}),
    partial_batch_failures: Collection[str] = (),
) -> Sources:
    """Find the event sources that an app registers.

    Args:
        app: The app, loaded.
        invoker: Runs its functions.
        client: Makes a boto3 client of the engine, from a service and a region.
        region: Where queues and tables are.
        stage: The stage, which is part of the names of EventBridge rules.
        account: The account in ARNs.
        timeouts: Seconds that functions may take, by name.
        partial_batch_failures: The functions whose event source mapping reports them.

    Raises:
        ScheduleError: The expression of a schedule is not valid.
    """
    running: list[Source] = []
    unsupported: list[Unsupported] = []
    for config in app.event_sources:
        partial = config.name in partial_batch_failures
        if isinstance(config, SQSEventConfig):
            running.append(
                _queue(
                    config,
                    invoker,
                    client,
                    region,
                    partial=partial,
                    timeout=timeouts.get(config.name),
                )
            )
        elif isinstance(config, DynamoDBEventConfig):
            running.append(_stream(config, invoker, client, region, partial=partial))
        elif isinstance(config, SNSEventConfig):
            running.append(_topic(config, invoker, client, region))
        elif isinstance(config, ScheduledEventConfig):
            rule = f"{app.app_name}-{stage}-{config.name}-event"
            running.append(_schedule(config, invoker, rule, region, account))
        else:
            trigger = _OTHER_TRIGGERS.get(type(config), type(config).__name__)
            unsupported.append(Unsupported(config.name, trigger.format(config)))
    return Sources(running, unsupported)


def _queue(
    config: SQSEventConfig,
    invoker: Invoker,
    client: Callable[[str, str], Any],
    region: str,
    *,
    partial: bool,
    timeout: float | None,
) -> QueueSource:
    return QueueSource(
        sqs=client("sqs", region),
        invoker=invoker,
        function=config.name,
        queue=str(config.queue or config.queue_arn),
        region=region,
        batch_size=config.batch_size,
        batching_window=config.maximum_batching_window_in_seconds,
        workers=config.maximum_concurrency,
        partial_batch_failures=partial,
        timeout=timeout,
    )


def _topic(
    config: SNSEventConfig, invoker: Invoker, client: Callable[[str, str], Any], region: str
) -> TopicSource:
    return TopicSource(
        sns=client("sns", region),
        sqs=client("sqs", region),
        invoker=invoker,
        function=config.name,
        topic=config.topic,
    )


def _stream(
    config: DynamoDBEventConfig,
    invoker: Invoker,
    client: Callable[[str, str], Any],
    region: str,
    *,
    partial: bool,
) -> StreamSource:
    return StreamSource(
        dynamodb=client("dynamodb", region),
        streams=client("dynamodbstreams", region),
        invoker=invoker,
        function=config.name,
        stream_arn=config.stream_arn,
        region=region,
        starting_position=config.starting_position,
        batch_size=config.batch_size,
        batching_window=config.maximum_batching_window_in_seconds,
        partial_batch_failures=partial,
    )


def _schedule(
    config: ScheduledEventConfig, invoker: Invoker, rule: str, region: str, account: str
) -> ScheduleSource:
    expression = config.schedule_expression
    return ScheduleSource(
        invoker=invoker,
        function=config.name,
        expression=expression if isinstance(expression, str) else expression.to_string(),
        rule=rule,
        region=region,
        account=account,
    )
