"""Which event sources an app has, and running them together."""

import threading
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from chalice.app import Chalice, Cron, Rate
from moto import mock_aws

from localgateway.functions import Invocation
from localgateway.queues import QueueSource
from localgateway.schedules import ScheduleError, ScheduleSource
from localgateway.sources import Sources, find
from localgateway.streams import StreamSource
from localgateway.topics import TopicSource
from tests.gateway.invokers import RecordingInvoker

STREAM = "arn:aws:dynamodb:us-east-1:123456789012:table/things/stream/2020-01-01T00:00:00.000"


def _app() -> Chalice:
    app = Chalice(app_name="demo")
    app.experimental_feature_flags.update(["WEBSOCKETS"])
    return app


def _handler(name: str) -> Callable[[Any], None]:
    def handler(_event: Any) -> None: ...

    handler.__name__ = name
    return handler


def _no_client(service: str, region: str) -> Any:
    return f"client of {service} in {region}"


def _find(app: Chalice, invoker: Any = None, **options: Any) -> Sources:
    settings: dict[str, Any] = {
        "client": _no_client,
        "region": "us-east-1",
        "stage": "dev",
    } | options
    return find(app, invoker=invoker or RecordingInvoker(), **settings)


def test_queues_streams_topics_and_schedules_are_found() -> None:
    app = _app()
    app.on_sqs_message(queue="jobs", maximum_concurrency=5)(_handler("work"))
    app.on_sqs_message(queue_arn="arn:aws:sqs:us-east-1:1:other")(_handler("other"))
    app.on_dynamodb_record(STREAM)(_handler("index"))
    app.on_sns_message("news")(_handler("announce"))
    app.schedule("rate(5 minutes)")(_handler("warm"))
    app.schedule(Rate(1, unit=Rate.HOURS))(_handler("hourly"))
    app.schedule(Cron(0, 10, "?", "*", "MON-FRI", "*"))(_handler("daily"))

    sources = _find(app)

    found = [(type(s), s.function, s.workers) for s in sources.running]
    assert found == [
        (QueueSource, "work", 5),
        (QueueSource, "other", 2),
        (StreamSource, "index", 1),
        (TopicSource, "announce", 2),
        (ScheduleSource, "warm", 1),
        (ScheduleSource, "hourly", 1),
        (ScheduleSource, "daily", 1),
    ]
    assert sources.unsupported == []


def test_other_triggers_are_named() -> None:
    app = _app()
    app.on_s3_event("uploads")(_handler("thumbnail"))
    app.on_kinesis_record("clicks")(_handler("count"))
    app.on_cw_event({"source": ["aws.ec2"]})(_handler("watch"))
    app.on_ws_message()(_handler("message"))

    sources = _find(app)

    assert sources.running == []
    assert [str(trigger) for trigger in sources.unsupported] == [
        "thumbnail (S3 bucket uploads)",
        "count (Kinesis stream clicks)",
        "watch (EventBridge pattern)",
    ]


def test_a_wrong_schedule_is_an_error() -> None:
    app = _app()
    app.schedule("rate(5 fortnights)")(_handler("warm"))

    with pytest.raises(ScheduleError, match=r"schedule of warm, rate\(5 fortnights\)"):
        _find(app)


class Gathering(RecordingInvoker):
    """Tells when enough functions have been called."""

    def __init__(self, functions: int) -> None:
        super().__init__()
        self.enough = threading.Event()
        self._functions = functions

    def invoke(self, name: str, event: dict[str, Any]) -> Invocation:
        outcome = super().invoke(name, event)
        if len({called for called, _ in self.calls}) >= self._functions:
            self.enough.set()
        failed = [{"itemIdentifier": "nobody"}]
        return Invocation(payload={"batchItemFailures": failed}) if name == "work" else outcome


def test_they_run_together_until_they_are_stopped(caplog: pytest.LogCaptureFixture) -> None:
    app = _app()
    app.on_sqs_message(queue="jobs", maximum_concurrency=2)(_handler("work"))
    app.on_dynamodb_record(STREAM, starting_position="TRIM_HORIZON")(_handler("index"))
    app.schedule("rate(1 minute)")(_handler("warm"))
    invoker = Gathering(2)
    with mock_aws():
        session = boto3.Session("key", "secret")
        sqs, dynamodb = session.client("sqs", "us-east-1"), session.client("dynamodb", "us-east-1")
        url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="a")
        dynamodb.create_table(
            TableName="things",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        )
        dynamodb.put_item(TableName="things", Item={"pk": {"S": "a"}})
        # moto does not know the endpoints per account that botocore makes of stream ARNs.
        config = Config(account_id_endpoint_mode="disabled")
        sources = _find(
            app,
            invoker,
            client=lambda service, region: session.client(service, region, config=config),
            partial_batch_failures={"index", "work"},
        )

        sources.start()
        called = invoker.enough.wait(10)
        names = {thread.name for thread in threading.enumerate()}
        sources.stop()

        queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]

    assert called
    assert {"source-work-0", "source-work-1", "source-index-0", "source-warm-0"} <= names
    assert not any(thread.name.startswith("source-") for thread in threading.enumerate())
    assert queue["ApproximateNumberOfMessagesNotVisible"] == "1"
    assert "FunctionResponseTypes" not in caplog.text
