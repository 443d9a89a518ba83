"""The scheduler of interleavings: the seed decides, everything comes back, nothing hangs."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from chalicelib.gateway import Outcome, Post, Recipient
from chalicelib.models import ConnectionId
from tests.interleaving import (
    BlockedError,
    Killed,
    Run,
    Scheduler,
    SwitchingClient,
    SwitchingGateway,
)


class Table:
    """A client of one operation, which another actor's in between makes go wrong."""

    def __init__(self) -> None:
        self.value = 0

    def get_item(self) -> int:
        return self.value

    def put_item(self, *, value: int) -> None:
        self.value = value


class Gateway:
    def __init__(self) -> None:
        self.posted: list[str] = []

    def post(self, posts: Sequence[Post], *, within: float | None = None) -> list[Outcome]:
        self.posted += [post.connection_id for post in posts]
        return self.check([Recipient("", post.connection_id) for post in posts])

    def check(self, probes: Sequence[Recipient]) -> list[Outcome]:
        return [
            Outcome.GONE if probe.connection_id == "c1" else Outcome.DELIVERED for probe in probes
        ]

    def disconnect(self, recipients: Sequence[Recipient]) -> list[Outcome]:
        return self.check(recipients)


def steps(scheduler: Scheduler, count: int) -> Callable[[], int]:
    def actor() -> int:
        for number in range(count):
            scheduler.switch(str(number))
        return count

    return actor


def interleaved(seed: int) -> Run:
    scheduler = Scheduler(seed)
    return scheduler.run(ada=steps(scheduler, 2), bob=steps(scheduler, 2))


def counted(seed: int, **kills: int) -> tuple[int, Run]:
    """Let two actors add one to a number, each by reading and then writing it."""
    scheduler, table = Scheduler(seed, kills=kills), Table()
    client = SwitchingClient(table, scheduler)

    def add() -> None:
        client.put_item(value=client.get_item() + 1)

    run = scheduler.run(ada=add, bob=add)
    return table.value, run


def test_the_same_seed_gives_the_same_interleaving() -> None:
    traces = [interleaved(seed).trace for seed in range(50)]

    assert traces == [interleaved(seed).trace for seed in range(50)]


def test_every_interleaving_of_two_small_actors_is_reached() -> None:
    orders = {tuple(step.actor for step in interleaved(seed).trace) for seed in range(600)}

    assert len(orders) == 20  # three of six steps are one actor's


def test_every_actor_takes_its_own_steps_in_order() -> None:
    run = interleaved(7)

    for name in ("ada", "bob"):
        assert [at for actor, at in run.trace if actor == name] == ["start", "0", "1"]
    assert run.results == {"ada": 2, "bob": 2}


def test_only_one_actor_runs_at_any_time() -> None:
    running, most = 0, 0

    def actor() -> None:
        nonlocal running, most
        for _ in range(5):
            running += 1
            most = max(most, running)
            running -= 1
            scheduler.switch("x")

    for seed in range(100):
        scheduler = Scheduler(seed)
        scheduler.run(ada=actor, bob=actor, carol=actor)

    assert most == 1


def test_an_update_that_gets_lost_is_found() -> None:
    values = {counted(seed)[0] for seed in range(100)}

    assert values == {1, 2}


def test_the_trace_names_the_operations() -> None:
    _, run = counted(3)

    assert [at for actor, at in run.trace if actor == "ada"] == [
        "start",
        "before get_item",
        "after get_item",
        "before put_item",
        "after put_item",
    ]


def test_an_actors_exception_comes_back_with_the_trace() -> None:
    scheduler = Scheduler(11)

    def fail() -> None:
        scheduler.switch("here")
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost") as caught:
        scheduler.run(ada=steps(scheduler, 2), bob=fail)

    assert "seed 11" in caught.value.__notes__[0]
    assert "bob: here" in caught.value.__notes__[0]


def test_an_exception_does_not_keep_the_others_from_their_ends() -> None:
    scheduler, ends = Scheduler(1), []

    def fail() -> None:
        raise LookupError

    def go_on() -> None:
        scheduler.switch("x")
        ends.append("ada")

    with pytest.raises(LookupError):
        scheduler.run(bob=fail, ada=go_on)

    assert ends == ["ada"]


def test_the_exceptions_of_several_actors_come_back_as_a_group() -> None:
    def fail() -> None:
        raise LookupError

    with pytest.raises(ExceptionGroup) as caught:
        Scheduler(0).run(ada=fail, bob=fail)

    assert len(caught.value.exceptions) == 2


@pytest.mark.parametrize(("point", "written"), [(0, 0), (1, 0), (3, 0), (4, 1)])
def test_an_actor_dies_at_its_point_and_what_it_wrote_before_stays(
    point: int, written: int
) -> None:
    scheduler, table = Scheduler(5, kills={"ada": point}), Table()
    client = SwitchingClient(table, scheduler)

    run = scheduler.run(ada=lambda: client.put_item(value=client.get_item() + 1))

    assert (table.value, run.killed) == (written, {"ada"})
    assert "ada" not in run.results


def test_the_dying_cannot_be_held_up_nor_write_once_more() -> None:
    scheduler, table = Scheduler(5, kills={"ada": 1}), Table()
    client = SwitchingClient(table, scheduler)

    def stubborn() -> None:
        try:
            client.get_item()
        except Exception:  # noqa: BLE001 - as the chat's one place that catches
            client.put_item(value=1)
        finally:
            client.put_item(value=2)

    run = scheduler.run(ada=stubborn)

    assert (table.value, run.killed) == (0, {"ada"})


def test_one_actors_death_leaves_the_others_alone() -> None:
    outcomes = [counted(seed, ada=2) for seed in range(50)]

    assert {value for value, _ in outcomes} == {1}
    assert all((run.killed, set(run.results)) == ({"ada"}, {"bob"}) for _, run in outcomes)


def test_a_kill_is_no_exception() -> None:
    assert not issubclass(Killed, Exception)


def test_an_actor_that_waits_for_another_is_told_of_instead_of_hanging() -> None:
    scheduler, lock = Scheduler(0, patience=0.05), threading.Lock()

    def hold() -> None:
        with lock:
            for _ in range(9):
                scheduler.switch("inside")

    with pytest.raises(BlockedError, match=r"(ada|bob) is blocked\nseed 0"):
        scheduler.run(ada=hold, bob=hold)


def test_a_thread_that_is_no_actor_may_not_switch() -> None:
    scheduler, caught = Scheduler(0), []

    def intrude() -> None:
        with pytest.raises(BlockedError, match="no actor"):
            scheduler.switch("x")
        caught.append("caught")

    def start_a_thread() -> None:
        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()

    scheduler.run(ada=start_a_thread)

    assert caught == ["caught"]


def test_outside_a_run_nothing_switches() -> None:
    scheduler, table = Scheduler(0), Table()

    SwitchingClient(table, scheduler).put_item(value=3)

    assert table.value == 3


def test_threads_are_used_again() -> None:
    interleaved(0)
    before = threading.active_count()

    for seed in range(100):
        interleaved(seed)

    assert threading.active_count() == before


def posted(seed: int) -> tuple[list[str], list[Outcome]]:
    scheduler, gateway = Scheduler(seed), Gateway()
    posts = [Post("", ConnectionId(name), b"") for name in ("c0", "c1", "c2")]
    switching = SwitchingGateway(gateway, scheduler)
    run = scheduler.run(ada=lambda: switching.post(posts))
    outcomes: Any = run.results["ada"]
    return gateway.posted, outcomes


def test_posts_go_out_in_any_order_and_are_answered_in_theirs() -> None:
    runs = [posted(seed) for seed in range(60)]

    assert len({tuple(order) for order, _ in runs}) == 6
    for _, outcomes in runs:
        assert outcomes == [Outcome.DELIVERED, Outcome.GONE, Outcome.DELIVERED]


def test_checks_are_answered_in_order_too() -> None:
    scheduler = Scheduler(0)
    probes = [Recipient("", ConnectionId(name)) for name in ("c0", "c1")]

    outcomes = SwitchingGateway(Gateway(), scheduler).check(probes)

    assert outcomes == [Outcome.DELIVERED, Outcome.GONE]


def test_posts_let_others_go_first() -> None:
    scheduler, gateway = Scheduler(0), Gateway()
    switching = SwitchingGateway(gateway, scheduler)

    run = scheduler.run(ada=lambda: switching.post([Post("", ConnectionId("c0"), b"")]))

    assert [at for _, at in run.trace] == ["start", "post c0"]
