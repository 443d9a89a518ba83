"""What all event sources share: the loop that survives its engine, and the answer of a batch."""

import logging
import threading
from collections.abc import Callable, Collection
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from localgateway.errors import LocalGatewayError
from localgateway.functions import Invocation

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 5.0


class Invoker(Protocol):
    """Runs the functions of the app.

    `invoke` blocks until the function has ended, in the thread of the caller; `name` is Chalice's.
    What the function does wrong is in the answer and is not raised.
    """

    def invoke(self, name: str, event: dict[str, Any]) -> Invocation: ...  # noqa: D102


class Source(Protocol):
    """Something that calls a function when there is something to do.

    `run` returns soon after `stop` is set and survives any error of the engine. It may run in as
    many threads at once as there are `workers`.
    """

    function: str
    workers: int

    def run(self, stop: threading.Event) -> None: ...  # noqa: D102


class SourceUnavailable(LocalGatewayError):  # noqa: N818
    """The queue or stream does not exist, or not yet."""


class Health:
    """Logs trouble when it begins, changes and ends, not each time it is met again."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._trouble: str | None = None
        self._lock = threading.Lock()

    def failed(self, error: Exception) -> None:
        """Take note of an error of the engine, or of ours, which gets its traceback."""
        expected = isinstance(error, (BotoCoreError, ClientError, LocalGatewayError))
        if self._changed(str(error)):
            log.warning("%s: %s", self._name, error, exc_info=None if expected else error)

    def succeeded(self) -> None:
        """Take note that there is no trouble, or no more."""
        if self._trouble is not None and self._changed(None):
            log.info("%s: working again", self._name)

    def _changed(self, trouble: str | None) -> bool:
        with self._lock:
            before, self._trouble = self._trouble, trouble
            return before != trouble


def poll(
    step: Callable[[], object],
    stop: threading.Event,
    *,
    health: Health,
    interval: float = 0,
) -> None:
    """Repeat a step, `interval` seconds apart, until stop is set; after errors ever more slowly."""
    failures = 0
    while not stop.is_set():
        try:
            step()
        except Exception as error:  # noqa: BLE001 - a source that dies silently is the worst
            health.failed(error)
            stop.wait(min(FIRST_PAUSE * 2**failures, LONGEST_PAUSE))
            failures = min(failures + 1, 10)
        else:
            health.succeeded()
            failures = 0
            if interval:
                stop.wait(interval)


class BatchAnswers:
    """Reads which items of a batch a function reports as failed.

    On AWS `batchItemFailures` means something only where the event source mapping has
    FunctionResponseTypes, which Chalice never sets; elsewhere it is ignored, with one warning here.
    See https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """

    def __init__(self, function: str, *, partial_batch_failures: bool) -> None:
        self._function = function
        self._partial = partial_batch_failures
        self._warned = False

    def failed(self, outcome: Invocation, ids: Collection[str]) -> set[str]:
        """Return the ids that failed: all after an error, throttling or an answer that is wrong."""
        if outcome.error is not None or outcome.throttled:
            return set(ids)
        if not self._partial:
            self._warn(outcome.payload)
            return set()
        reported = _reported(outcome.payload)
        return set(ids) if reported is None or not reported <= set(ids) else reported

    def _warn(self, payload: Any) -> None:
        if self._warned or not isinstance(payload, dict) or not payload.get("batchItemFailures"):
            return
        self._warned = True
        log.warning(
            "%s returns batchItemFailures, which are ignored, as on AWS: its event source mapping "
            "lacks FunctionResponseTypes [ReportBatchItemFailures]",
            self._function,
        )


def _reported(payload: Any) -> set[str] | None:
    """The reported ids; None: the answer has not the shape that Lambda asks for."""
    if payload is None:
        return set()
    if not isinstance(payload, dict):
        return None
    failures = payload.get("batchItemFailures") or []
    if not isinstance(failures, list) or not all(isinstance(item, dict) for item in failures):
        return None
    ids = [item.get("itemIdentifier") for item in failures]
    return {str(name) for name in ids} if all(isinstance(name, str) for name in ids) else None
