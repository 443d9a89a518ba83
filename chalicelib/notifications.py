"""What comes from a topic: notifications of SNS, each a message to publish."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from chalicelib import strictjson
from chalicelib.attempts import attempt
from chalicelib.commands import Publication
from chalicelib.correlation import correlated
from chalicelib.errors import ChatError
from chalicelib.telemetry import Metric, Telemetry

logger = logging.getLogger(__name__)


class UnpublishedError(Exception):
    """Notifications of an event could not be published yet: all of it has to come again."""


class Notifications:
    """Publishes what others leave at the topic.

    The message of a notification is the JSON that Publisher.publish takes. The notification's id
    is its cid if it names none: SNS may deliver a notification twice, and Lambda an event, but it
    is appended once within the time that a cid is remembered.

    Args:
        publish: Publisher.publish.
        telemetry: Where it is counted what cannot be published.
    """

    def __init__(self, publish: Callable[..., dict[str, Any]], telemetry: Telemetry) -> None:
        self._publish = publish
        self._telemetry = telemetry

    def publish(self, event: Mapping[str, Any]) -> dict[str, int]:
        """Publish each notification of an event, whatever becomes of the others.

        What can never be published is logged, without its text, and counted. Lambda would only
        try it twice more: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html

        Returns:
            How many were `published`, and how many `rejected` because they are wrong.

        Raises:
            UnpublishedError: some can be published later. Those that were are not appended again
                then, but pushed again, which clients do not show.
        """
        outcomes = [self._outcome(record["Sns"]) for record in event["Records"]]
        errors = [outcome for outcome in outcomes if outcome is not None]
        waiting = [error for error in errors if error.retryable]
        rejected = len(errors) - len(waiting)
        if rejected:
            self._telemetry.record({Metric.REJECTED: rejected})
        if waiting:
            # Without its cause, which is in the log: Lambda would log it as it is, text and all.
            problem = f"{len(waiting)} of {len(outcomes)} notifications have to come again"
            raise UnpublishedError(problem)
        return {"published": len(outcomes) - rejected, "rejected": rejected}

    def _outcome(self, notification: Mapping[str, Any]) -> ChatError | None:
        """Publish a notification, and return what kept it from that."""
        identifier = notification["MessageId"]
        with correlated(identifier):
            outcome = attempt(partial(self._attempt, notification["Message"], identifier))
            if not isinstance(outcome, ChatError):
                return None
            if not outcome.retryable:
                logger.warning("notification %s is no publication: %s", identifier, _why(outcome))
            return outcome

    def _attempt(self, text: str, identifier: str) -> dict[str, Any]:
        payload, problem = strictjson.loads(text, whole="the message")
        if problem:
            raise problem
        return self._publish(payload, cid=identifier)


def _why(error: ChatError) -> str:
    """Return the code of an error and the field: a name that is not ours may be anybody's text."""
    field = getattr(error, "field", None)
    return f"{error.code}, {field}" if field in Publication.__struct_fields__ else error.code
