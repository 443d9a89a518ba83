"""The runtime: concurrency, timeouts, context and answers as Lambda has them."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from localgateway.functions import Function, Invocation
from localgateway.runtime import Runtime

Handler = Callable[[Any, Any], Any]


def runtime_of(handler: Handler, *, account: int = 10, **options: Any) -> Runtime:
    function = Function(name="work", deployed_name="chat-dev-work", handler=handler, **options)
    return Runtime({"work": function}, account_concurrency=account)


class Gate:
    """A handler that waits until it is let go, and counts who is inside."""

    def __init__(self, parties: int) -> None:
        self._all_in = threading.Barrier(parties + 1)
        self._go = threading.Event()

    def __call__(self, event: Any, _context: Any) -> Any:
        self._all_in.wait(10)
        assert self._go.wait(10)
        return event

    def wait_until_full(self) -> None:
        self._all_in.wait(10)

    def open(self) -> None:
        self._go.set()


def test_a_function_gets_the_event_and_answers() -> None:
    runtime = runtime_of(lambda event, _: {"got": event})

    assert runtime.call("work", [1]) == Invocation(payload={"got": [1]})
    assert runtime.invoke("work", [2]) == Invocation(payload={"got": [2]})
    assert runtime.submit("work", [3]).result(10) == Invocation(payload={"got": [3]})
    runtime.close()


def test_the_answer_has_been_through_json() -> None:
    payload = (
        runtime_of(lambda _event, _: {1: (2, 3), "e": "\u00e9\ud800"}).call("work", {}).payload
    )

    assert payload == {"1": [2, 3], "e": "\u00e9\ud800"}


def nested() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


def circular() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "returned",
    [b"bytes", {1, 2}, object(), {(1, 2): 3}, circular(), pytest.param(nested(), id="nested")],
)
def test_an_answer_that_json_cannot_hold_is_a_marshal_error(returned: Any) -> None:
    outcome = runtime_of(lambda _event, _: returned).call("work", {})

    assert outcome.error is not None
    assert outcome.error.type == "Runtime.MarshalError"
    assert outcome.error.message.startswith("Unable to marshal response: ")
    assert (outcome.payload, outcome.throttled, outcome.timed_out) == (None, False, False)


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        (ValueError("no"), "ValueError", "no"),
        (KeyError("k"), "KeyError", "'k'"),
        (SystemExit(3), "SystemExit", "3"),
        (TimeoutError("mine"), "TimeoutError", "mine"),
        (RecursionError("deep"), "RecursionError", "deep"),
        (asyncio.CancelledError("over"), "CancelledError", "over"),
    ],
)
@pytest.mark.parametrize("way", ["call", "invoke"])
def test_whatever_a_handler_raises_is_its_error(
    raised: BaseException, kind: str, message: str, way: str
) -> None:
    def fail(_event: Any, _context: Any) -> None:
        raise raised

    runtime = runtime_of(fail)

    outcome: Invocation = getattr(runtime, way)("work", {})

    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == (kind, message)
    assert (outcome.throttled, outcome.timed_out) == (False, False)
    runtime.close()


def test_ctrl_c_in_a_test_is_not_the_handler_s() -> None:
    def interrupted(_event: Any, _context: Any) -> None:
        raise KeyboardInterrupt

    runtime = runtime_of(interrupted, reserved_concurrency=1)

    for _ in range(2):  # and gives its place back
        with pytest.raises(KeyboardInterrupt):
            runtime.call("work", {})


def test_the_stack_trace_begins_in_the_handler() -> None:
    def fail(_event: Any, _context: Any) -> None:
        raise ValueError("no")

    error = runtime_of(fail).call("work", {}).error

    assert error is not None
    assert len(error.trace) == 1
    assert "in fail" in error.trace[0]
    assert 'raise ValueError("no")' in error.trace[0]


# -- context -------------------------------------------------------------------------------------


def test_the_context_is_lambda_s() -> None:
    contexts: list[Any] = []
    runtime = Runtime(
        {
            "work": Function(
                name="work",
                deployed_name="chat-dev-work",
                handler=lambda _event, context: contexts.append(context),
                memory=256,
                timeout=29,
            )
        },
        region="eu-west-1",
    )

    runtime.call("work", {})
    runtime.call("work", {})

    first, second = contexts
    assert first.function_name == "chat-dev-work"
    assert first.function_version == "$LATEST"
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:chat-dev-work"
    assert first.invoked_function_arn == arn
    assert first.memory_limit_in_mb == 256
    assert first.log_group_name == "/aws/lambda/chat-dev-work"
    assert 0 < first.get_remaining_time_in_millis() <= 29_000
    assert first.aws_request_id != second.aws_request_id


def test_the_environment_is_the_function_s_and_lambda_s() -> None:
    scopes: list[Mapping[str, str]] = []
    events: list[str] = []

    @contextmanager
    def scope(variables: Mapping[str, str]) -> Iterator[None]:
        scopes.append(variables)
        events.append("in")
        yield
        events.append("out")

    function = Function(
        name="work",
        deployed_name="chat-dev-work",
        handler=lambda _event, _: events.append("handler"),
        environment={"GREETING": "hello"},
    )

    Runtime({"work": function}, scope=scope).call("work", {})

    assert events == ["in", "handler", "out"]
    assert scopes == [
        {
            "GREETING": "hello",
            "AWS_LAMBDA_FUNCTION_NAME": "chat-dev-work",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        }
    ]


# -- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "work",
        "chat-dev-work",
        "chat-dev-work:$LATEST",
        "chat-dev-work:live",
        "function:chat-dev-work",
        "123456789012:function:chat-dev-work",
        "123456789012:function:chat-dev-work:live",
        "arn:aws:lambda:us-east-1:123456789012:function:chat-dev-work",
        "arn:aws:lambda:us-east-1:123456789012:function:chat-dev-work:7",
        "arn:aws-cn:lambda:cn-north-1:123456789012:function:work",
    ],
)
def test_a_function_is_found_by_every_name_it_has_on_aws(name: str) -> None:
    function = runtime_of(lambda _event, _: None).find(name)

    assert function is not None
    assert function.name == "work"


@pytest.mark.parametrize(
    "name", ["", "wor", "chat-prod-work", "other:work", "arn:aws:sqs:x:y:work"]
)
def test_by_another_name_it_is_not(name: str) -> None:
    assert runtime_of(lambda _event, _: None).find(name) is None


def test_a_name_that_ends_in_function_keeps_its_qualifier() -> None:
    function = Function(name="myfunction", deployed_name="d", handler=lambda _event, _: None)

    assert Runtime({"myfunction": function}).find("myfunction:live") is function


# -- concurrency ---------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["call", "invoke"])
def test_a_reserved_concurrency_of_0_throttles_everything(way: str) -> None:
    runtime = runtime_of(lambda _event, _: "ran", reserved_concurrency=0)

    assert getattr(runtime, way)("work", {}) == Invocation(throttled=True)


@pytest.mark.parametrize("most", [1, 3])
def test_above_its_reserved_concurrency_a_function_is_throttled_and_not_queued(most: int) -> None:
    gate = Gate(most)
    runtime = runtime_of(gate, reserved_concurrency=most)
    running = [runtime.submit("work", number) for number in range(most)]
    gate.wait_until_full()

    above = [runtime.invoke("work", {}), runtime.call("work", {})]

    assert above == [Invocation(throttled=True)] * 2
    gate.open()
    assert [future.result(10).payload for future in running] == list(range(most))
    runtime.close()


@pytest.mark.parametrize("most", [1, 3])
def test_above_its_quota_an_account_is_throttled_and_not_queued(most: int) -> None:
    gate = Gate(most)
    runtime = runtime_of(gate, account=most)
    running = [runtime.submit("work", number) for number in range(most)]
    gate.wait_until_full()

    above = runtime.submit("work", {})

    assert (above.done(), above.result(0)) == (True, Invocation(throttled=True))
    gate.open()
    assert [future.result(10).payload for future in running] == list(range(most))
    runtime.close()


def test_reserved_concurrency_is_a_function_s_own() -> None:
    gate = Gate(1)
    functions = {
        "busy": Function(name="busy", deployed_name="b", handler=gate),
        "own": Function(
            name="own", deployed_name="o", handler=lambda _event, _: "ran", reserved_concurrency=1
        ),
    }
    runtime = Runtime(functions, account_concurrency=1)
    running = runtime.submit("busy", {})
    gate.wait_until_full()

    assert runtime.invoke("own", {}) == Invocation(payload="ran")
    assert runtime.invoke("busy", {}).throttled
    gate.open()
    assert running.result(10).payload == {}
    runtime.close()


def test_a_failure_gives_its_place_back() -> None:
    def fail(_event: Any, _context: Any) -> None:
        raise ValueError("no")

    runtime = runtime_of(fail, reserved_concurrency=1)

    outcomes = [runtime.call("work", {}) for _ in range(3)]

    assert [outcome.throttled for outcome in outcomes] == [False] * 3


def test_a_function_that_takes_too_long_is_given_up_and_keeps_its_place_until_it_returns() -> None:
    gate = Gate(1)
    runtime = runtime_of(gate, timeout=0.01, reserved_concurrency=1)
    opened = threading.Thread(target=gate.wait_until_full)
    opened.start()

    late = runtime.invoke("work", {})
    opened.join(10)
    meanwhile = runtime.call("work", {})

    assert late.timed_out
    assert late.error is not None
    assert (late.error.type, late.error.message) == (
        "Sandbox.Timedout",
        "Task timed out after 0.01 seconds",
    )
    assert meanwhile.throttled
    gate.open()
    runtime.close()


def test_after_close_nothing_is_accepted() -> None:
    runtime = runtime_of(lambda _event, _: None)
    runtime.close()

    with pytest.raises(RuntimeError):
        runtime.submit("work", {})


def test_background_work_runs_in_a_thread_of_its_own() -> None:
    threads: list[threading.Thread] = []
    done = threading.Event()

    def work(name: str) -> None:
        assert name == "given"
        threads.append(threading.current_thread())
        done.set()

    runtime_of(lambda _event, _: None).background(work, "given")

    assert done.wait(10)
    assert threads[0].daemon
    assert threads[0] is not threading.current_thread()


# -- the log -------------------------------------------------------------------------------------


def test_each_invocation_is_one_readable_line(caplog: pytest.LogCaptureFixture) -> None:
    ticks = iter([1.0, 1.0125])
    function = Function(
        name="work", deployed_name="d", handler=lambda _event, _: {"statusCode": 204}
    )
    runtime = Runtime({"work": function}, clock=lambda: next(ticks))

    with caplog.at_level(logging.INFO, "localgateway"):
        runtime.call("work", {"Records": [{"body": "secret"}]})

    (line,) = caplog.messages
    assert line.split() == ["work", "1", "record", "204,", "12.5", "ms"]


def test_an_error_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_event: Any, _context: Any) -> None:
        raise ValueError("no")

    with caplog.at_level(logging.INFO, "localgateway"):
        runtime_of(fail).call("work", json.loads("{}"))

    assert "ValueError, " in caplog.messages[0]
    assert caplog.messages[1].endswith("ValueError: no")
    assert "in fail" in caplog.messages[1]
