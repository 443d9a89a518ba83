"""The token bucket: burst, refill, off."""

from localgateway.throttling import TokenBucket
from tests.gateway.fakes import ManualClock


def taken(bucket: TokenBucket, attempts: int) -> int:
    return sum(bucket.take() for _ in range(attempts))


def test_a_burst_passes_and_the_rest_is_refused(clock: ManualClock) -> None:
    bucket = TokenBucket(rate=10, burst=3, clock=clock)

    assert taken(bucket, 5) == 3


def test_tokens_come_back_at_the_rate(clock: ManualClock) -> None:
    bucket = TokenBucket(rate=10, burst=3, clock=clock)
    taken(bucket, 3)

    clock.advance(0.25)

    assert taken(bucket, 5) == 2
    clock.advance(0.0625)
    assert taken(bucket, 5) == 1


def test_a_rest_never_earns_more_than_the_burst(clock: ManualClock) -> None:
    bucket = TokenBucket(rate=10, burst=3, clock=clock)

    clock.advance(3600)

    assert taken(bucket, 9) == 3


def test_a_rate_of_0_never_refuses(clock: ManualClock) -> None:
    bucket = TokenBucket(rate=0, burst=0, clock=clock)

    assert taken(bucket, 1000) == 1000


def test_a_rate_below_one_a_second_lets_one_through_now_and_then(clock: ManualClock) -> None:
    bucket = TokenBucket(rate=0.5, burst=0.5, clock=clock)

    first, second = bucket.take(), bucket.take()
    clock.advance(2)

    assert (first, second, bucket.take()) == (True, False, True)


def test_a_clock_that_is_set_back_takes_no_tokens_away(clock: ManualClock) -> None:
    bucket = TokenBucket(rate=10, burst=3, clock=clock)

    clock.advance(-3600)

    assert taken(bucket, 5) == 3
    clock.advance(0.125)
    assert bucket.take()
