"""Schedules as event sources: EventBridge's rate and cron expressions, in UTC."""

import logging
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from aws_croniter import AwsCroniter

from localgateway.errors import LocalGatewayError
from localgateway.polling import Health, Invoker, poll

log = logging.getLogger(__name__)

# Seconds. A rule's clock is exact to the minute only, so this is early enough.
_INTERVAL = 0.25
# Lambda tries an asynchronous invocation that failed twice more, after one and two minutes.
_RETRIES = (timedelta(minutes=1), timedelta(minutes=2))
_UNITS = {"minute": 60, "hour": 3600, "day": 86400}


class ScheduleError(LocalGatewayError):
    """The expression of a schedule is not valid."""


class Schedule(Protocol):
    """The times at which a rule fires."""

    def after(self, now: datetime) -> datetime | None:
        """Return the first of its times after now; None: there is none."""
        ...


@dataclass(frozen=True)
class Rate:
    """Every so often, counted from a start."""

    start: datetime
    interval: timedelta

    def after(self, now: datetime) -> datetime | None:
        """Return the first multiple of the interval after now."""
        return self.start + ((now - self.start) // self.interval + 1) * self.interval


class Cron:
    """A cron expression of EventBridge: six fields, with L, W, # and ?, but without LW."""

    def __init__(self, fields: str) -> None:
        self._cron = AwsCroniter(" ".join(fields.split()))

    def after(self, now: datetime) -> datetime | None:
        """Return the first match after now; None when the years are over."""
        found: datetime | None = self._cron.get_next(now)[0]
        return found


def parse(expression: str, start: datetime) -> Schedule:
    """Read `rate(5 minutes)` or `cron(0 10 ? * MON-FRI *)`.

    Raises:
        ValueError: It is neither.
    """
    if match := re.fullmatch(r"cron\((.*)\)", expression.strip()):
        return Cron(match[1])
    match = re.fullmatch(r"rate\(\s*(\d+)\s+(minute|hour|day)(s?)\s*\)", expression.strip())
    if match is None:
        raise ValueError("neither rate(n minutes|hours|days) nor cron(6 fields)")
    value, unit, plural = int(match[1]), match[2], match[3]
    if value < 1:
        raise ValueError("the value of a rate is at least 1")
    if (value == 1) == bool(plural):
        raise ValueError(f"EventBridge wants the {'singular' if plural else 'plural'} unit here")
    return Rate(start, timedelta(seconds=value * _UNITS[unit]))


class ScheduleSource:
    """Calls a function on schedule.

    Ticks that pass while the function runs, or while the machine sleeps, are not made up for; the
    next one is computed from now. A run that fails or is throttled is tried twice more, one and
    two minutes later, with the same event. (On AWS runs may overlap, and throttled ones are tried
    for six hours.)

    Args:
        invoker: Runs the function.
        function: The name of the function.
        expression: rate(...) or cron(...).
        rule: The name of the EventBridge rule in the event.
        region: The region in the event.
        account: The account in the event.
        clock: The current time, with a time zone.
        new_id: Makes the ids of events.

    Raises:
        ScheduleError: The expression is not valid.
    """

    workers = 1

    def __init__(
        self,
        *,
        invoker: Invoker,
        function: str,
        expression: str,
        rule: str,
        region: str,
        account: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], object] = uuid.uuid4,
    ) -> None:
        self.function = function
        self._invoker = invoker
        self._region = region
        self._account = account
        self._rule = f"arn:aws:events:{region}:{account}:rule/{rule}"
        self._clock = clock
        self._new_id = new_id
        self._retries: list[_Retry] = []
        try:
            self._schedule = parse(expression, clock())
        except ValueError as error:
            raise ScheduleError(f"schedule of {function}, {expression}: {error}") from error
        self._next = self._schedule.after(clock())
        self._health = Health(f"schedule of {function}")

    def run(self, stop: threading.Event) -> None:
        """Watch the clock until stop is set; a run that has begun is finished first."""
        poll(self.poll_once, stop, health=self._health, interval=_INTERVAL)

    def poll_once(self) -> int:
        """Run what is due; returns the number of invocations."""
        now = self._clock()
        due = [retry for retry in self._retries if retry.at <= now]
        self._retries = [retry for retry in self._retries if retry.at > now]
        if self._next is not None and self._next <= now:
            due.append(_Retry(self._next, self._event(self._next), 0))
            # Before the run, so that an error in it does not repeat the tick.
            self._next = self._schedule.after(now)
        for attempt in due:
            self._invoke(attempt)
        return len(due)

    def _invoke(self, attempt: "_Retry") -> None:
        outcome = self._invoker.invoke(self.function, attempt.event)
        now = self._clock()
        if self._next is not None and self._next <= now:
            self._next = self._schedule.after(now)
        if outcome.error is None and not outcome.throttled:
            return
        if attempt.tries < len(_RETRIES):
            wait = _RETRIES[attempt.tries]
            self._retries.append(_Retry(now + wait, attempt.event, attempt.tries + 1))
            log.info("schedule of %s: failed, tried again in %s", self.function, wait)
        else:
            log.warning("schedule of %s: failed for the last time, dropped", self.function)

    def _event(self, time: datetime) -> dict[str, Any]:
        return {
            "version": "0",
            "id": str(self._new_id()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": self._account,
            "time": time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._region,
            "resources": [self._rule],
            "detail": {},
        }


@dataclass(frozen=True)
class _Retry:
    at: datetime
    event: dict[str, Any]
    tries: int
