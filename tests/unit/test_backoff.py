"""How often something is tried, and the pauses in between."""

from chalicelib.backoff import Backoff
from tests.unit.fakes import Clock


def test_attempts_are_bounded_and_pauses_grow_to_a_cap(clock: Clock) -> None:
    backoff = Backoff(
        clock=clock, sleep=clock.sleep, random=lambda: 1.0, attempts=6, base=0.1, cap=0.5
    )

    tries = list(backoff.tries())

    assert tries == [0, 1, 2, 3, 4, 5]
    assert clock.slept == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_the_jitter_is_full(clock: Clock) -> None:
    backoff = Backoff(clock=clock, sleep=clock.sleep, random=lambda: 0.0, attempts=4)

    list(backoff.tries())

    assert clock.slept == [0.0, 0.0, 0.0]


def test_no_attempt_starts_after_the_deadline(clock: Clock) -> None:
    backoff = Backoff(
        clock=clock, sleep=clock.sleep, random=lambda: 1.0, attempts=9, base=1, cap=1, deadline=2.5
    )

    tries = list(backoff.tries())

    assert tries == [0, 1, 2]
    assert clock.slept == [1, 1]


def test_slow_attempts_use_up_the_deadline_too(clock: Clock) -> None:
    backoff = Backoff(clock=clock, sleep=clock.sleep, random=lambda: 0.5, deadline=5)

    tries = []
    for attempt in backoff.tries():
        tries.append(attempt)
        clock.now += 3

    assert tries == [0, 1]


def test_who_leaves_the_loop_does_not_pause(clock: Clock) -> None:
    for _ in Backoff(clock=clock, sleep=clock.sleep, random=lambda: 0.5).tries():
        break

    assert clock.slept == []


def test_a_single_attempt_is_possible(clock: Clock) -> None:
    backoff = Backoff(clock=clock, sleep=clock.sleep, random=lambda: 0.5, attempts=1)

    assert list(backoff.tries()) == [0]
