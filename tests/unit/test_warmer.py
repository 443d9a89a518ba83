"""The warmer: all at the same time, and nobody's failure is another's."""

import json
import threading
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

from chalicelib.telemetry import Metric
from chalicelib.warmer import Warmer
from tests.unit.fakes import RecordingTelemetry, client_error

FUNCTIONS = ["dynamowave-dev-authorize", "dynamowave-dev-deliver"]


class Lambda:
    """Lambda with an environment for each invocation that overlaps with others."""

    def __init__(self, parties: int) -> None:
        self.invoked: list[tuple[str, Any]] = []
        self.failures: dict[str, Exception] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self._together = threading.Barrier(parties, timeout=10)

    def invoke(self, *, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803
        self.invoked.append((FunctionName, json.loads(Payload)))
        number = self._together.wait()
        if failure := self.failures.get(FunctionName):
            raise failure
        return self.answers.get(FunctionName) or answer(environment=f"e{number}")


def answer(*, failed: bool = False, **payload: Any) -> dict[str, Any]:
    error = {"FunctionError": "Unhandled"} if failed else {}
    return {"StatusCode": 200, "Payload": BytesIO(json.dumps(payload).encode()), **error}


def warmer(client: Any, telemetry: RecordingTelemetry, *, at_once: int) -> Warmer:
    return Warmer(
        lambda: client, functions=FUNCTIONS, at_once=at_once, hold_ms=300, telemetry=telemetry
    )


def test_every_function_is_invoked_several_times_at_once(telemetry: RecordingTelemetry) -> None:
    client = Lambda(parties=6)

    report = warmer(client, telemetry, at_once=3).run()

    assert report == {"warmed": 6, "failed": 0, "environments": dict.fromkeys(FUNCTIONS, 3)}
    assert sorted(name for name, _ in client.invoked) == sorted(FUNCTIONS * 3)
    assert {json.dumps(event) for _, event in client.invoked} == {'{"warmup": {"hold_ms": 300}}'}
    assert telemetry.recorded == [{Metric.WARMED: 6, Metric.NOT_WARMED: 0}]


@pytest.mark.parametrize(
    "failure",
    [
        client_error("TooManyRequestsException", status=429),
        client_error("AccessDeniedException", status=403),
        ConnectTimeoutError(endpoint_url="https://lambda.example"),
        RuntimeError("unforeseen"),
    ],
)
def test_one_that_fails_is_counted_and_the_others_are_warmed(
    telemetry: RecordingTelemetry, caplog: pytest.LogCaptureFixture, failure: Exception
) -> None:
    client = Lambda(parties=4)
    client.failures[FUNCTIONS[0]] = failure

    report = warmer(client, telemetry, at_once=2).run()

    assert (report["warmed"], report["failed"]) == (2, 2)
    assert report["environments"] == {FUNCTIONS[0]: 0, FUNCTIONS[1]: 2}
    assert telemetry.recorded == [{Metric.WARMED: 2, Metric.NOT_WARMED: 2}]
    assert f"{FUNCTIONS[0]} was not warmed" in caplog.text


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (answer(failed=True, errorType="ImportModuleError"), "ImportModuleError"),
        (answer(error={"code": "unavailable"}), "unavailable"),
        (answer(), "{}"),
        ({"StatusCode": 200, "Payload": BytesIO(b"?")}, "JSONDecodeError"),
        ({"StatusCode": 200, "Payload": BytesIO(b"[]")}, "AttributeError"),
    ],
)
def test_a_function_that_is_not_warm_says_so(
    telemetry: RecordingTelemetry, caplog: pytest.LogCaptureFixture, said: Any, why: str
) -> None:
    client = Lambda(parties=2)
    client.answers[FUNCTIONS[1]] = said

    report = warmer(client, telemetry, at_once=1).run()

    assert (report["warmed"], report["failed"]) == (1, 1)
    assert why in caplog.text


def test_it_can_be_turned_off(telemetry: RecordingTelemetry) -> None:
    report = warmer(None, telemetry, at_once=0).run()

    assert report == {"warmed": 0, "failed": 0, "environments": {}}
    assert telemetry.recorded == []
