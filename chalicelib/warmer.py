"""Keeping environments of the critical functions warm, by invoking them as Lambda's clients do."""

import json
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import repeat
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.telemetry import Metric, Telemetry
from chalicelib.warmups import warmup

logger = logging.getLogger(__name__)


class _ColdError(Exception):
    """A function did not say that it is warm; the text says what it did."""


class Warmer:
    """Invokes each of some functions several times at once.

    Invocations that overlap meet different environments, so as many of each function stay warm:
    https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html

    Args:
        make_client: Makes a boto3 client for Lambda, with connections for all invocations.
        functions: The names of the functions.
        at_once: How many invocations of each.
        hold_ms: How long each stays.
        telemetry: Where it is counted.
    """

    def __init__(
        self,
        make_client: Callable[[], Any],
        *,
        functions: Sequence[str],
        at_once: int,
        hold_ms: int,
        telemetry: Telemetry,
    ) -> None:
        self._make_client = make_client
        self._functions = functions
        self._at_once = at_once
        self._payload = json.dumps(warmup(hold_ms))
        self._telemetry = telemetry

    @cached_property
    def _client(self) -> Any:
        return self._make_client()

    def run(self) -> dict[str, Any]:
        """Invoke all of them at the same time; one that fails does not keep the others from it.

        Returns:
            How many of the invocations were `warmed`, how many `failed`, and how many
            `environments` of each function were met.
        """
        invocations = [each for each in self._functions for _ in range(self._at_once)]
        if not invocations:
            return {"warmed": 0, "failed": 0, "environments": {}}
        client = self._client  # before the threads, which would each make one
        with ThreadPoolExecutor(len(invocations), thread_name_prefix="warm") as threads:
            answers = list(threads.map(self._answer, repeat(client), invocations))
        return self._report(invocations, answers)

    def _answer(self, client: Any, function: str) -> str | None:
        """Return which environment was met, or None if that failed."""
        try:
            return _environment(client.invoke(FunctionName=function, Payload=self._payload))
        except (BotoCoreError, ClientError, _ColdError) as error:
            logger.warning("%s was not warmed: %s", function, error)
        except Exception:
            logger.exception("%s was not warmed", function)
        return None

    def _report(self, invocations: Sequence[str], answers: Sequence[str | None]) -> dict[str, Any]:
        met: dict[str, set[str]] = {function: set() for function in self._functions}
        for function, environment in zip(invocations, answers, strict=True):
            if environment is not None:
                met[function].add(environment)
        failed = answers.count(None)
        warmed = len(answers) - failed
        self._telemetry.record({Metric.WARMED: warmed, Metric.NOT_WARMED: failed})
        environments = {function: len(those) for function, those in met.items()}
        return {"warmed": warmed, "failed": failed, "environments": environments}


def _environment(answer: dict[str, Any]) -> str:
    payload = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise _ColdError(payload.get("errorType", answer["FunctionError"]))
    if "environment" not in payload:
        raise _ColdError(payload.get("error", payload))
    return str(payload["environment"])
