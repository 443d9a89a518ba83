"""The window of concurrent requests: AIMD in proportion to the share of 429s."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.pacing import Pace


def window_of(pace: Pace, throttled: int) -> int:
    """Answer one window, of which so many are 429s; return the new limit."""
    epoch = pace.epoch
    for answer in range(pace.limit):
        pace.count(epoch, throttled=answer < throttled)
    return pace.limit


def test_it_starts_at_its_ceiling_and_stays_there_unthrottled() -> None:
    pace = Pace(64)

    assert [window_of(pace, 0) for _ in range(3)] == [64, 64, 64]


def test_an_origin_that_throttles_everybody_is_halved_each_window_down_to_one() -> None:
    pace = Pace(64)

    limits = [window_of(pace, pace.limit) for _ in range(8)]

    assert limits == [32, 16, 8, 4, 2, 1, 1, 1]


@pytest.mark.parametrize(("throttled", "limit"), [(1, 63), (16, 56), (32, 48), (64, 32)])
def test_the_decrease_is_half_the_share_of_the_throttled(throttled: int, limit: int) -> None:
    assert window_of(Pace(64), throttled) == limit


def test_one_throttled_recipient_of_a_thousand_costs_one_place_at_most() -> None:
    pace = Pace(64)

    limits = [window_of(pace, 1 if turn % 16 == 0 else 0) for turn in range(100)]

    assert min(limits) == 63


def test_each_window_without_a_429_adds_one() -> None:
    pace = Pace(8)
    window_of(pace, 8)

    assert [window_of(pace, 0) for _ in range(6)] == [5, 6, 7, 8, 8, 8]


def test_only_the_answer_that_ends_a_window_lets_one_more_out() -> None:
    pace = Pace(4)
    window_of(pace, 4)

    assert [pace.count(pace.epoch, throttled=False) for _ in range(2)] == [False, True]


def test_answers_to_what_was_sent_before_a_decrease_do_not_decrease_again() -> None:
    pace = Pace(8)
    epoch = pace.epoch
    window_of(pace, 8)

    for _ in range(100):
        assert not pace.count(epoch, throttled=True)

    assert pace.limit == 4


@given(st.integers(1, 100), st.lists(st.tuples(st.booleans(), st.booleans())))
def test_the_limit_is_always_between_one_and_the_ceiling(
    ceiling: int, answers: list[tuple[bool, bool]]
) -> None:
    pace = Pace(ceiling)

    for late, throttled in answers:
        pace.count(pace.epoch - late, throttled=throttled)
        assert 1 <= pace.limit <= ceiling
