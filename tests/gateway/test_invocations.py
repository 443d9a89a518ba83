"""Lambda's Invoke operation: what it accepts, and what SDKs get back."""

import json
import threading
from typing import Any

import pytest

from localgateway.functions import Function
from localgateway.invocations import Invocations, function_name
from localgateway.management import Response
from localgateway.runtime import Runtime

EVENT = {"x-amz-invocation-type": "Event"}
DRY_RUN = {"x-amz-invocation-type": "DryRun"}


class Recorder:
    """A function that fails at first, changes its events, and tells when it has run enough."""

    def __init__(self, *, failures: int = 0, runs: int = 1) -> None:
        self.events: list[Any] = []
        self.slept: list[float] = []
        self.enough = threading.Event()
        self._failures = failures
        self._runs = runs

    def __call__(self, event: Any, _context: Any) -> Any:
        self.events.append(json.loads(json.dumps(event)))
        if isinstance(event, dict):
            event.clear()
        if len(self.events) >= self._runs:
            self.enough.set()
        if len(self.events) <= self._failures:
            raise ValueError("no")
        return {"n": len(self.events)}

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def invocations(recorder: Recorder, **options: Any) -> Invocations:
    function = Function(name="publish", deployed_name="d-publish", handler=recorder, **options)
    return Invocations(Runtime({"publish": function}), sleep=recorder.sleep)


def kind_and_message(answer: Response) -> tuple[int, str, str]:
    body = json.loads(answer.body)
    assert body["Type"] == "User"
    return answer.status, answer.headers["x-amzn-errortype"], body["Message"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/2015-03-31/functions/publish/invocations", "publish"),
        ("/2015-03-31/functions/publish/invocations/", "publish"),
        ("/2015-03-31/functions/publish/invocations?Qualifier=1", "publish"),
        ("/2015-03-31/functions/arn%3Aaws%3Alambda%3Ax/invocations", "arn:aws:lambda:x"),
        ("/2015-03-31/functions/publish", None),
        ("/2015-03-31/functions//invocations", None),
        ("/2015-03-31/functions/a/b/invocations", None),
        ("/api/2015-03-31/functions/publish/invocations", None),
        ("/", None),
    ],
)
def test_a_path_names_the_function(path: str, name: str | None) -> None:
    assert function_name(path) == name


@pytest.mark.parametrize("headers", [{}, {"x-amz-invocation-type": "RequestResponse"}])
@pytest.mark.parametrize("name", ["publish", "d-publish", "d-publish:$LATEST"])
def test_a_request_waits_for_the_answer(headers: dict[str, str], name: str) -> None:
    recorder = Recorder()

    answer = invocations(recorder).invoke(name, headers, b'{"a": [1]}')

    assert (answer.status, json.loads(answer.body)) == (200, {"n": 1})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-amz-executed-version"] == "$LATEST"
    assert len(answer.headers["x-amzn-requestid"]) == 36
    assert "x-amz-function-error" not in answer.headers
    assert recorder.events == [{"a": [1]}]


@pytest.mark.parametrize("body", [b"null", b'"text"', b"[1]", b"1.5"])
def test_any_json_is_an_event(body: bytes) -> None:
    recorder = Recorder()

    invocations(recorder).invoke("publish", {}, body)

    assert recorder.events == [json.loads(body)]


def test_no_body_is_an_empty_object() -> None:
    recorder = Recorder()

    invocations(recorder).invoke("publish", {}, b"")

    assert recorder.events == [{}]


def test_a_failure_of_the_function_is_a_200_with_a_header() -> None:
    answer = invocations(Recorder(failures=1)).invoke("publish", {}, b"{}")

    body = json.loads(answer.body)
    trace = body.pop("stackTrace")
    assert (answer.status, answer.headers["x-amz-function-error"]) == (200, "Unhandled")
    assert body == {"errorMessage": "no", "errorType": "ValueError"}
    assert 'raise ValueError("no")' in trace[-1]


def test_a_timeout_is_a_failure_of_the_function() -> None:
    go = threading.Event()
    function = Function(
        name="slow", deployed_name="d-slow", handler=lambda _event, _: go.wait(10), timeout=0.01
    )

    answer = Invocations(Runtime({"slow": function})).invoke("slow", {}, b"{}")
    go.set()

    assert (answer.status, answer.headers["x-amz-function-error"]) == (200, "Unhandled")
    assert json.loads(answer.body)["errorType"] == "Sandbox.Timedout"


def test_a_throttled_request_is_refused() -> None:
    answer = invocations(Recorder(), reserved_concurrency=0).invoke("publish", {}, b"{}")

    assert kind_and_message(answer) == (429, "TooManyRequestsException", "Rate Exceeded.")
    reason = json.loads(answer.body)["Reason"]
    assert reason == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_an_event_is_accepted_and_runs_afterwards() -> None:
    recorder = Recorder()

    answer = invocations(recorder).invoke("publish", EVENT, b'{"a": 1}')

    assert (answer.status, answer.body) == (202, b"")
    assert recorder.enough.wait(10)
    assert recorder.events == [{"a": 1}]


class Inline(Runtime):
    """Runs what goes to the background at once, so that a test sees the end of it."""

    def background(self, work: Any, *args: Any) -> None:
        work(*args)


@pytest.mark.parametrize(
    ("failures", "runs", "slept"), [(0, 1, []), (1, 2, [60.0]), (2, 3, [60.0, 120.0])]
)
def test_an_event_that_fails_is_run_again_twice_and_unchanged(
    failures: int, runs: int, slept: list[float]
) -> None:
    recorder = Recorder(failures=failures)
    function = Function(name="publish", deployed_name="d", handler=recorder)

    Invocations(Inline({"publish": function}), sleep=recorder.sleep).invoke(
        "publish", EVENT, b'{"a": 1}'
    )

    assert recorder.events == [{"a": 1}] * runs
    assert recorder.slept == slept


@pytest.mark.parametrize("options", [{}, {"reserved_concurrency": 0}])
def test_an_event_that_never_succeeds_is_dropped_and_logged(
    caplog: pytest.LogCaptureFixture, options: dict[str, Any]
) -> None:
    recorder = Recorder(failures=9)
    function = Function(name="publish", deployed_name="d", handler=recorder, **options)

    Invocations(Inline({"publish": function}), sleep=recorder.sleep).invoke("publish", EVENT, b"")

    assert recorder.slept == [60.0, 120.0]
    assert "dropped after its retries" in caplog.messages[-1]


def test_a_dry_run_runs_nothing() -> None:
    recorder = Recorder()

    answer = invocations(recorder).invoke("publish", DRY_RUN, b"{}")

    assert (answer.status, answer.body, recorder.events) == (204, b"", [])


@pytest.mark.parametrize("headers", [{}, EVENT, DRY_RUN])
def test_a_function_that_is_not_there_is_not_found(headers: dict[str, str]) -> None:
    answer = invocations(Recorder()).invoke("other", headers, b"{}")

    message = "Function not found: other (there are: publish)"
    assert kind_and_message(answer) == (404, "ResourceNotFoundException", message)


@pytest.mark.parametrize("headers", [{}, EVENT, DRY_RUN])
@pytest.mark.parametrize(
    "body", [b"{", b"hello", b"\xff", pytest.param(b"[" * 200_000, id="nested")]
)
def test_a_body_that_is_not_json_is_refused(headers: dict[str, str], body: bytes) -> None:
    recorder = Recorder()

    answer = invocations(recorder).invoke("publish", headers, body)

    message = "Could not parse request body into json"
    assert kind_and_message(answer) == (400, "InvalidRequestContentException", message)
    assert recorder.events == []


def test_another_type_of_invocation_is_refused() -> None:
    answer = invocations(Recorder()).invoke("publish", {"x-amz-invocation-type": "Later"}, b"{}")

    status, kind, message = kind_and_message(answer)
    assert (status, kind) == (400, "InvalidParameterValueException")
    assert "'Later'" in message


@pytest.mark.parametrize(
    ("headers", "size", "status"),
    [
        ({}, 6 * 1024 * 1024, 200),
        ({}, 6 * 1024 * 1024 + 1, 413),
        (EVENT, 1024 * 1024, 202),
        (EVENT, 1024 * 1024 + 1, 413),
    ],
)
def test_an_event_may_be_so_large(headers: dict[str, str], size: int, status: int) -> None:
    body = b'"' + b"x" * (size - 2) + b'"'

    answer = invocations(Recorder()).invoke("publish", headers, body)

    assert answer.status == status
    if status == 413:
        assert kind_and_message(answer)[1] == "RequestTooLargeException"
