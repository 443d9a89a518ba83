"""Topics as event sources: the events that functions get, and what failures do."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from chalice.app import SNSEvent
from moto import mock_aws

from localgateway.functions import Invocation
from localgateway.polling import SourceUnavailable
from localgateway.topics import TopicSource
from tests.gateway.invokers import FAILURE, THROTTLED, RecordingInvoker

TOPIC = "arn:aws:sns:us-east-1:123456789012:news"


class Impatient:
    """An SQS client whose messages come back at once, and that remembers when they should have."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs
        self.waits: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sqs, name)

    def change_message_visibility(self, *, VisibilityTimeout: int, **which: str) -> None:  # noqa: N803
        self.waits.append(VisibilityTimeout)
        self._sqs.change_message_visibility(VisibilityTimeout=0, **which)


class Engine:
    """SNS and SQS, in moto."""

    def __init__(self) -> None:
        session = boto3.Session("key", "secret", region_name="us-east-1")
        self.sns = session.client("sns")
        self.sqs = Impatient(session.client("sqs"))

    def source(self, invoker: Any, *, topic: str = "news") -> TopicSource:
        return TopicSource(
            sns=self.sns, sqs=self.sqs, invoker=invoker, function="announce", topic=topic
        )

    def publish(self, text: str, **options: Any) -> str:
        sent = self.sns.publish(TopicArn=TOPIC, Message=text, **options)
        return str(sent["MessageId"])

    def left(self) -> int:
        url = self.sqs.get_queue_url(QueueName="localgateway-announce-news")["QueueUrl"]
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(number) for number in answer["Attributes"].values())


@pytest.fixture
def engine() -> Iterator[Engine]:
    with mock_aws():
        engine = Engine()
        engine.sns.create_topic(Name="news")
        yield engine


def _poll(source: TopicSource, times: int = 1) -> list[int]:
    return [source.poll_once(wait=0) for _ in range(times)]


def test_a_notification_is_an_event_as_lambda_sends_it(engine: Engine) -> None:
    invoker = RecordingInvoker()
    source = engine.source(invoker)
    _poll(source)
    sent = engine.publish(
        "hello", MessageAttributes={"kind": {"DataType": "String", "StringValue": "greeting"}}
    )

    _poll(source)

    ((record,),) = invoker.records()
    assert record["EventSource"] == "aws:sns"
    assert record["EventVersion"] == "1.0"
    assert record["EventSubscriptionArn"].startswith(f"{TOPIC}:")
    notification = record["Sns"]
    assert (notification["MessageId"], notification["TopicArn"]) == (sent, TOPIC)
    assert (notification["Message"], notification["Subject"]) == ("hello", None)
    assert notification["MessageAttributes"] == {"kind": {"Type": "String", "Value": "greeting"}}
    assert {"Type", "Timestamp", "SigningCertUrl", "UnsubscribeUrl"} <= notification.keys()
    assert SNSEvent({"Records": [record]}, None).message == "hello"
    assert engine.left() == 0


def test_each_notification_is_an_event_of_its_own(engine: Engine) -> None:
    invoker = RecordingInvoker()
    source = engine.source(invoker)
    _poll(source)
    for text in ("a", "b", "c"):
        engine.publish(text, Subject="news")

    polled = _poll(source, times=4)

    records = invoker.records()
    assert polled == [1, 1, 1, 0]
    assert sorted(record["Sns"]["Message"] for (record,) in records) == ["a", "b", "c"]
    assert {record["Sns"]["Subject"] for (record,) in records} == {"news"}


@pytest.mark.parametrize("outcome", [FAILURE, THROTTLED])
def test_an_event_that_fails_is_tried_twice_more_and_then_dropped(
    engine: Engine, outcome: Invocation, caplog: pytest.LogCaptureFixture
) -> None:
    invoker = RecordingInvoker(*[outcome] * 3)
    source = engine.source(invoker)
    _poll(source)
    engine.publish("hello")

    polled = _poll(source, times=4)

    assert polled == [1, 1, 1, 0]
    assert engine.sqs.waits == [60, 120]
    assert engine.left() == 0
    assert "announce failed for the last time" in caplog.text


def test_an_event_that_succeeds_at_last_does_not_come_again(engine: Engine) -> None:
    invoker = RecordingInvoker(FAILURE)
    source = engine.source(invoker)
    _poll(source)
    engine.publish("hello")

    polled = _poll(source, times=3)

    assert polled == [1, 1, 0]
    assert [event for _, event in invoker.calls] == [invoker.calls[0][1]] * 2


def test_a_topic_can_be_named_by_its_arn_in_whatever_account(engine: Engine) -> None:
    source = engine.source(RecordingInvoker(), topic="arn:aws:sns:eu-west-1:000000000000:news")

    _poll(source)

    subscriptions = engine.sns.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]
    assert [each["Protocol"] for each in subscriptions] == ["sqs"]


def test_a_second_start_finds_the_queue_and_the_subscription_of_the_first(engine: Engine) -> None:
    _poll(engine.source(RecordingInvoker()))
    invoker = RecordingInvoker()
    again = engine.source(invoker)
    _poll(again)
    engine.publish("hello")

    _poll(again, times=2)

    assert len(invoker.calls) == 1


def test_the_queue_lets_in_its_topic_and_nobody_else(engine: Engine) -> None:
    _poll(engine.source(RecordingInvoker()))

    url = engine.sqs.get_queue_url(QueueName="localgateway-announce-news")["QueueUrl"]
    found = engine.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    (statement,) = json.loads(found["Attributes"]["Policy"])["Statement"]

    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": TOPIC}}
    assert statement["Principal"] == {"Service": "sns.amazonaws.com"}


def test_a_topic_that_does_not_exist_is_looked_for_again(engine: Engine) -> None:
    source = engine.source(RecordingInvoker(), topic="later")

    with pytest.raises(SourceUnavailable, match="does not exist"):
        _poll(source)
    engine.sns.create_topic(Name="later")

    assert _poll(source) == [0]


def test_it_polls_until_it_is_stopped(engine: Engine) -> None:
    stop = threading.Event()

    class Stopping(RecordingInvoker):
        def invoke(self, name: str, event: dict[str, Any]) -> Invocation:
            stop.set()
            return super().invoke(name, event)

    invoker = Stopping()
    source = engine.source(invoker)
    _poll(source)
    engine.publish("hello")

    source.run(stop)

    assert [name for name, _ in invoker.calls] == ["announce"]
