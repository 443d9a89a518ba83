"""Counting events: never more than a rate allows, whoever counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.backoff import Backoff
from chalicelib.database import Database
from chalicelib.errors import RateLimited
from chalicelib.limiter import Limiter
from chalicelib.rates import UNLIMITED, Rate
from tests.stores.memory import MemoryClient
from tests.unit.fakes import CONNECTIONS_TABLE, Clock, Faulty

START = 1_767_323_045.678
THREE = Rate(10, 3)


class World:
    """A limiter over a database in memory."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.dynamodb = Faulty(MemoryClient())
        backoff = Backoff(clock=clock, sleep=clock.sleep, random=lambda: 0.5)
        database = Database(self.dynamodb, backoff)
        self.limiter = Limiter(database, table=CONNECTIONS_TABLE, clock=clock)

    def takes(self, name: str = "ada", rate: Rate = THREE) -> int:
        """Return 0 for an event that is allowed, else the milliseconds to wait."""
        try:
            self.limiter.take(name, rate, what="knocks")
        except RateLimited as error:
            return error.retry_after_ms or 1
        return 0


@pytest.fixture
def world(clock: Clock) -> World:
    return World(clock)


def test_a_burst_goes_through_and_then_one_at_a_time(world: World) -> None:
    assert [world.takes() for _ in range(4)] == [0, 0, 0, 10_000]

    world.clock.now += 10
    assert [world.takes(), world.takes()] == [0, 10_000]


def test_what_is_refused_does_not_count(world: World) -> None:
    for _ in range(100):
        world.takes()
    world.clock.now += 10

    assert world.takes() == 0


def test_names_do_not_share_a_cell(world: World) -> None:
    for _ in range(3):
        world.takes("ada")

    assert world.takes("bo") == 0


def test_the_error_says_what_and_how_long(world: World) -> None:
    for _ in range(3):
        world.takes()
    world.clock.now += 2.5

    with pytest.raises(RateLimited, match="too many knocks: try again in 7500 ms"):
        world.limiter.take("ada", THREE, what="knocks")


def test_without_a_rate_nothing_is_asked(world: World) -> None:
    for _ in range(10):
        world.limiter.take("ada", UNLIMITED, what="knocks")
    world.limiter.give_back("ada", UNLIMITED)

    assert world.dynamodb.calls == []


def test_an_idle_cell_costs_one_write_and_a_busy_one_two(world: World) -> None:
    world.takes()
    assert len(world.dynamodb.calls) == 1

    world.takes()
    assert len(world.dynamodb.calls) == 3


def test_what_was_given_back_can_be_taken_again(world: World) -> None:
    for _ in range(3):
        world.takes()
    world.limiter.give_back("ada", THREE)

    assert [world.takes(), world.takes()] == [0, 10_000]


def test_nothing_is_given_back_to_a_cell_that_has_gone(world: World) -> None:
    world.limiter.give_back("ada", THREE)

    assert world.dynamodb.scan(TableName=CONNECTIONS_TABLE)["Items"] == []


def test_a_cell_expires_only_when_it_is_idle(world: World) -> None:
    for _ in range(3):
        world.takes()

    (item,) = world.dynamodb.scan(TableName=CONNECTIONS_TABLE)["Items"]
    assert float(item["expires_at"]["N"]) * 1_000_000 >= float(item["tat"]["N"])


@given(
    st.floats(0.1, 60),
    st.integers(1, 20),
    st.lists(st.floats(0, 30), max_size=60),
)
def test_no_window_ever_holds_more_than_the_rate_allows(
    interval: float, burst: int, pauses: list[float]
) -> None:
    world = World(Clock(START))
    rate = Rate(interval, burst)
    allowed = []
    for pause in pauses:
        world.clock.now += pause
        if not world.takes(rate=rate):
            allowed.append(world.clock.now)

    for first, begin in enumerate(allowed):
        for last, end in enumerate(allowed[first:], 1):
            assert last <= burst + (end - begin) / interval + 1e-3


@given(st.floats(0.1, 60), st.integers(1, 20))
def test_who_waits_as_told_gets_through(interval: float, burst: int) -> None:
    world = World(Clock(START))
    rate = Rate(interval, burst)
    while not (wait_ms := world.takes(rate=rate)):
        pass

    world.clock.now += wait_ms / 1000
    assert world.takes(rate=rate) == 0


def test_a_rate_counts_events_in_a_time() -> None:
    assert Rate.per(60, 6) == Rate(10, 6)
    assert Rate.per(1, 10, burst=50) == Rate(0.1, 50)
