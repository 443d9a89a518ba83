"""The one place that catches: what a use case returns, or the error it ends in."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from chalicelib.errors import ChatError, Internal
from chalicelib.telemetry import Metric, Telemetry

logger = logging.getLogger(__name__)
_T = TypeVar("_T")


def attempt(use_case: Callable[[], _T]) -> _T | ChatError:
    """Return what a use case returns, or its error; what is no ChatError is Internal.

    What is ours to mend is logged with its traceback. Not the rest: whoever meets a rate limit
    would fill the log.
    """
    try:
        return use_case()
    except ChatError as error:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.warning("%s", error.message, exc_info=True)
        return error
    except Exception:  # whatever it is, the client is told, and nothing of its cause
        logger.exception("a fault of ours")
        return Internal()


def counted(outcome: _T | ChatError, telemetry: Telemetry) -> _T | ChatError:
    """Return an outcome, which is counted in the metrics if it is a refusal as too many."""
    if isinstance(outcome, ChatError) and outcome.status == HTTPStatus.TOO_MANY_REQUESTS:
        telemetry.record({Metric.LIMITED: 1})
    return outcome


def answered(use_case: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do something for a back end, and return what to answer: a result, or `error` and why."""
    outcome = attempt(use_case)
    if not isinstance(outcome, ChatError):
        return outcome
    described = ("code", "message", "retryable")
    return {"error": {name: getattr(outcome, name) for name in described}}
