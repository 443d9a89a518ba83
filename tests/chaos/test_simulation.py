"""Virtual time: what happens when, and what becomes of those who are killed."""

import pytest

from tests.chaos.simulation import Endless, Process, Simulation


class Log:
    """Processes that write down when they go on."""

    def __init__(self) -> None:
        self.simulation = Simulation()
        self.lines: list[tuple[float, str]] = []
        self.ends: dict[str, bool] = {}

    def start(self, name: str, *pauses: float, dies_at: int | None = None) -> Process:
        def work() -> None:
            for pause in pauses:
                self.write(name)
                self.simulation.pause(pause)
            self.write(name)

        def ended(killed: bool) -> None:  # noqa: FBT001 - as the simulation calls it
            self.ends[name] = killed

        return self.simulation.start(name, work, ended, dies_at=dies_at)

    def write(self, name: str) -> None:
        self.lines.append((self.simulation.now, name))


def test_processes_take_turns_in_the_order_of_time() -> None:
    log = Log()

    log.start("a", 1, 3)
    log.start("b", 2)
    log.simulation.run(10)

    assert log.lines == [(0, "a"), (0, "b"), (1, "a"), (2, "b"), (4, "a")]
    assert log.ends == {"a": False, "b": False}
    assert log.simulation.now == 10


def test_nothing_happens_after_the_end_of_a_run() -> None:
    log = Log()

    log.start("a", 1)
    log.simulation.run(0.5)

    assert log.lines == [(0, "a")]
    assert log.simulation.running == 1


def test_who_is_to_die_dies_at_that_pause() -> None:
    log = Log()

    log.start("a", 1, 1, 1, dies_at=1)
    log.simulation.run(10)

    assert log.lines == [(0, "a"), (1, "a")]
    assert log.ends == {"a": True}


def test_stopping_kills_those_who_are_left() -> None:
    log = Log()
    log.start("a", 1)
    log.simulation.run(0.5)
    log.start("late", 1)

    log.simulation.stop()

    assert log.ends == {"a": True, "late": True}
    assert log.simulation.running == 0


def test_what_a_process_raises_is_raised() -> None:
    simulation = Simulation()

    simulation.start("a", lambda: 1 / 0, lambda _: None)

    with pytest.raises(ZeroDivisionError):
        simulation.run(1)


def test_what_never_ends_is_noticed() -> None:
    simulation = Simulation(most_events=100)

    def again() -> None:
        simulation.after(0, again)

    again()

    with pytest.raises(Endless):
        simulation.run(1)
