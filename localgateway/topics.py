"""Topics of SNS as event sources: each notification becomes an invocation, as Lambda has it."""

import json
import logging
import threading
from typing import Any

from localgateway.polling import Health, Invoker, SourceUnavailable, poll

log = logging.getLogger(__name__)

# Seconds. Long enough to cost little, short enough that Ctrl-C is prompt.
_LONG_POLL = 2
# Lambda runs as many as there are notifications; two show that order is not kept.
_WORKERS = 2
# Lambda tries an asynchronous invocation that failed twice more, after one and two minutes.
_RETRIES = (60, 120)
# Longer than any function runs.
_VISIBILITY = 1000
_LONGEST_NAME = 80  # of a queue
# Keys whose spelling differs between what SNS sends to queues and to Lambda.
_RESPELLED = {"SigningCertURL": "SigningCertUrl", "UnsubscribeURL": "UnsubscribeUrl"}


class TopicSource:
    """Hands the notifications of one topic to a function, one an event.

    Emulators bring notifications to queues, so there is a queue for it, which is subscribed to the
    topic when this runs. An event that fails or is throttled is tried twice more, one and two
    minutes later, and then dropped. (On AWS throttled ones are tried for six hours.)

    Args:
        sns: An SNS client of the engine.
        sqs: An SQS client of the engine.
        invoker: Runs the function.
        function: The name of the function.
        topic: The name of the topic, or its ARN.
    """

    workers = _WORKERS

    def __init__(self, *, sns: Any, sqs: Any, invoker: Invoker, function: str, topic: str) -> None:
        self.function = function
        self._sns = sns
        self._sqs = sqs
        self._invoker = invoker
        self._topic = topic.rsplit(":", 1)[-1]
        self._found: tuple[str, str] | None = None
        self._lock = threading.Lock()
        self._health = Health(f"topic {self._topic}")

    def run(self, stop: threading.Event) -> None:
        """Poll until stop is set; an event that is being handled is finished first."""
        poll(self.poll_once, stop, health=self._health)

    def poll_once(self, wait: int = _LONG_POLL) -> int:
        """Wait so many seconds for a notification, and handle it; returns how many there were.

        Raises:
            SourceUnavailable: The topic does not exist.
        """
        url, subscription = self._subscribe()
        answer = self._sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        for message in messages:
            self._handle(url, message, _event(json.loads(message["Body"]), subscription))
        return len(messages)

    def _subscribe(self) -> tuple[str, str]:
        """Return the URL of the queue, and the ARN of its subscription, made if need be."""
        with self._lock:
            if self._found is None:
                topic = self._locate()
                name = f"localgateway-{self.function}-{self._topic}"[:_LONGEST_NAME]
                attributes = {"VisibilityTimeout": str(_VISIBILITY)}
                url = self._sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
                answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
                queue = answer["Attributes"]["QueueArn"]
                policy = json.dumps(_let_in(topic, queue))
                self._sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
                made = self._sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
                self._found = url, made["SubscriptionArn"]
            return self._found

    def _locate(self) -> str:
        pages = self._sns.get_paginator("list_topics").paginate()
        arns = (topic["TopicArn"] for page in pages for topic in page["Topics"])
        found = next((arn for arn in arns if arn.rsplit(":", 1)[-1] == self._topic), None)
        if found is None:
            raise SourceUnavailable("does not exist (yet); looking for it again")
        return str(found)

    def _handle(self, url: str, message: dict[str, Any], event: dict[str, Any]) -> None:
        outcome = self._invoker.invoke(self.function, event)
        handle = message["ReceiptHandle"]
        tries = int(message["Attributes"]["ApproximateReceiveCount"])
        if (outcome.error is not None or outcome.throttled) and tries <= len(_RETRIES):
            wait = _RETRIES[tries - 1]
            log.info("topic %s: %s failed, tried again in %d s", self._topic, self.function, wait)
            self._sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=wait
            )
            return
        if outcome.error is not None or outcome.throttled:
            log.warning("topic %s: %s failed for the last time", self._topic, self.function)
        self._sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)


def _event(envelope: dict[str, Any], subscription: str) -> dict[str, Any]:
    """Return the event of a notification, from what a queue is sent of it.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
    """
    notification = {_RESPELLED.get(name, name): value for name, value in envelope.items()}
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription,
                "Sns": {"Subject": None, "MessageAttributes": {}, **notification},
            }
        ]
    }


def _let_in(topic: str, queue: str) -> dict[str, Any]:
    """Return the policy by which a queue takes what a topic sends."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue,
                "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
            }
        ],
    }
