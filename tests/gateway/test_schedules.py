"""Schedules as event sources: when they fire, with which event, and what failures do."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localgateway.errors import LocalGatewayError
from localgateway.functions import Invocation
from localgateway.schedules import ScheduleError, ScheduleSource, parse
from tests.gateway.invokers import FAILURE, THROTTLED, RecordingInvoker

START = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **delta: float) -> None:
        self.now += timedelta(**delta)


def _source(clock: Clock, invoker: Any, expression: str = "rate(5 minutes)") -> ScheduleSource:
    return ScheduleSource(
        invoker=invoker,
        function="warm",
        expression=expression,
        rule="app-dev-warm-event",
        region="eu-west-1",
        account="123456789012",
        clock=clock,
        new_id=iter(range(100)).__next__,
    )


def test_the_event_is_what_eventbridge_sends() -> None:
    clock, invoker = Clock(), RecordingInvoker()
    source = _source(clock, invoker)

    clock.advance(minutes=5)
    source.poll_once()

    assert invoker.calls == [
        (
            "warm",
            {
                "version": "0",
                "id": "0",
                "detail-type": "Scheduled Event",
                "source": "aws.events",
                "account": "123456789012",
                "time": "2026-01-01T12:05:30Z",
                "region": "eu-west-1",
                "resources": ["arn:aws:events:eu-west-1:123456789012:rule/app-dev-warm-event"],
                "detail": {},
            },
        )
    ]


def test_a_rate_is_counted_from_the_start() -> None:
    clock, invoker = Clock(), RecordingInvoker()
    source = _source(clock, invoker, "rate(1 minute)")
    runs = []

    for _ in range(180):
        clock.advance(seconds=1)
        if source.poll_once():
            runs.append((clock.now - START).total_seconds())

    assert runs == [60, 120, 180]


def test_missed_ticks_are_not_made_up() -> None:
    clock, invoker = Clock(), RecordingInvoker()
    source = _source(clock, invoker)

    clock.advance(hours=3, minutes=2)
    runs = [source.poll_once(), source.poll_once()]
    clock.advance(minutes=3)
    runs.append(source.poll_once())

    assert runs == [1, 0, 1]


def test_ticks_during_a_long_run_are_not_made_up() -> None:
    clock = Clock()

    class Slow(RecordingInvoker):
        def invoke(self, name: str, event: dict[str, Any]) -> Invocation:
            clock.advance(minutes=12)
            return super().invoke(name, event)

    source = _source(clock, Slow())
    clock.advance(minutes=5)

    runs = [source.poll_once(), source.poll_once()]

    assert runs == [1, 0]


@pytest.mark.parametrize(
    ("expression", "first", "second"),
    [
        ("rate(1 minute)", "2026-01-01 12:01:30", "2026-01-01 12:02:30"),
        ("rate(2 hours)", "2026-01-01 14:00:30", "2026-01-01 16:00:30"),
        (" rate( 7 days ) ", "2026-01-08 12:00:30", "2026-01-15 12:00:30"),
        ("cron(0 10 * * ? *)", "2026-01-02 10:00:00", "2026-01-03 10:00:00"),
        ("cron(0  18  ?  *  MON-FRI  *)", "2026-01-01 18:00:00", "2026-01-02 18:00:00"),
        ("cron(0/15 * * * ? 2026-2027)", "2026-01-01 12:15:00", "2026-01-01 12:30:00"),
        ("cron(0 8 L * ? *)", "2026-01-31 08:00:00", "2026-02-28 08:00:00"),
        ("cron(0 8 L-3 * ? *)", "2026-01-28 08:00:00", "2026-02-25 08:00:00"),
        ("cron(0 8 15W * ? *)", "2026-01-15 08:00:00", "2026-02-16 08:00:00"),
        ("cron(0 8 ? * FRI#3 *)", "2026-01-16 08:00:00", "2026-02-20 08:00:00"),
        ("cron(0 8 ? * 6L *)", "2026-01-30 08:00:00", "2026-02-27 08:00:00"),
        ("cron(0 0 1 JAN,JUL ? *)", "2026-07-01 00:00:00", "2027-01-01 00:00:00"),
        ("cron(0 0 29 2 ? *)", "2028-02-29 00:00:00", "2032-02-29 00:00:00"),
    ],
)
def test_expressions_mean_what_they_mean_on_aws(expression: str, first: str, second: str) -> None:
    schedule = parse(expression, START)

    one = schedule.after(START)
    assert one
    two = schedule.after(one)

    assert [str(one), str(two)] == [f"{first}+00:00", f"{second}+00:00"]


@pytest.mark.parametrize("expression", ["cron(0 0 1 1 ? 2020)", "cron(0 0 30 2 ? *)"])
def test_a_cron_that_never_matches_never_runs(expression: str) -> None:
    clock, invoker = Clock(), RecordingInvoker()
    source = _source(clock, invoker, expression)

    clock.advance(days=4000)

    assert source.poll_once() == 0


@pytest.mark.parametrize(
    "expression",
    [
        "every 5 minutes",
        "rate(5)",
        "rate(0 minutes)",
        "rate(-1 minutes)",
        "rate(1.5 hours)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(5 weeks)",
        "cron(* * * * *)",
        "cron(0 10 * * * *)",
        "cron(61 10 * * ? *)",
        "cron(0 25 * * ? *)",
        "cron(0 10 * * ? 1969)",
        "cron(0 8 LW * ? *)",
        "cron(*/0 * * * ? *)",
        "cron()",
        "",
    ],
)
def test_a_wrong_expression_is_an_error_with_the_function_and_the_expression(
    expression: str,
) -> None:
    with pytest.raises(ScheduleError) as error:
        _source(Clock(), RecordingInvoker(), expression)

    assert isinstance(error.value, LocalGatewayError)
    assert str(error.value).startswith(f"schedule of warm, {expression}: ")


@pytest.mark.parametrize("failure", [FAILURE, THROTTLED])
def test_a_failed_run_is_tried_twice_more_with_the_same_event(
    failure: Invocation, caplog: pytest.LogCaptureFixture
) -> None:
    clock, invoker = Clock(), RecordingInvoker(*[failure] * 3)
    source = _source(clock, invoker, "rate(1 day)")
    clock.advance(days=1)
    runs = []

    for _ in range(300):
        clock.advance(seconds=1)
        if source.poll_once():
            runs.append((clock.now - START - timedelta(days=1)).total_seconds())

    assert runs == [1, 61, 181]
    assert len({event["id"] for _, event in invoker.calls}) == 1
    assert "failed for the last time" in caplog.text


def test_a_retry_that_succeeds_is_the_last() -> None:
    clock, invoker = Clock(), RecordingInvoker(FAILURE)
    source = _source(clock, invoker, "rate(1 day)")
    clock.advance(days=1)

    runs = []
    for _ in range(5):
        runs.append(source.poll_once())
        clock.advance(minutes=1)

    assert runs == [1, 1, 0, 0, 0]


def test_the_default_clock_and_ids_are_real() -> None:
    source = ScheduleSource(
        invoker=RecordingInvoker(),
        function="warm",
        expression="rate(1 minute)",
        rule="r",
        region="us-east-1",
        account="1",
    )

    assert source.poll_once() == 0


def test_it_runs_until_it_is_stopped() -> None:
    clock, stop = Clock(), threading.Event()

    class Stopping(RecordingInvoker):
        def invoke(self, name: str, event: dict[str, Any]) -> Invocation:
            stop.set()
            return super().invoke(name, event)

    invoker = Stopping()
    source = _source(clock, invoker)
    clock.advance(minutes=5)

    source.run(stop)

    assert len(invoker.calls) == 1
