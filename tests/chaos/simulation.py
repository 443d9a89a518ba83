"""Virtual time: events in their order, and processes of which one runs at a time."""

import threading
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count

from tests.interleaving import Killed, Worker, hire, release

Action = Callable[[], object]
# A round that takes more than that goes round in circles.
MOST_EVENTS = 3_000_000


class Endless(Exception):  # noqa: N818 - what the simulation is
    """The simulation does not come to an end."""


class Simulation:
    """A clock, and what is going to happen, each at its time.

    What is written as ordinary blocking code runs in a process, which hands the baton back when it
    pauses. The order of everything is that of the times and, of the same time, of the scheduling.
    """

    def __init__(self, most_events: int = MOST_EVENTS) -> None:
        self._most_events = most_events
        self.now = 0.0
        self.events = 0
        self._queue: list[tuple[float, int, Action]] = []
        self._numbers = count()
        self._current: Process | None = None
        self._processes: dict[Process, None] = {}

    @property
    def running(self) -> int:
        """How many processes have not ended."""
        return len(self._processes)

    @property
    def who(self) -> str:
        """The name of the process that runs."""
        return self._current.name if self._current else "-"

    def at(self, time: float, action: Action) -> None:
        """Schedule something."""
        heappush(self._queue, (max(time, self.now), next(self._numbers), action))

    def after(self, delay: float, action: Action) -> None:
        """Schedule something for in so many seconds."""
        self.at(self.now + delay, action)

    def start(
        self,
        name: str,
        work: Action,
        ended: Callable[[bool], object],
        *,
        dies_at: int | None = None,
    ) -> "Process":
        """Run blocking code as a process, from now on.

        Args:
            name: Who it is in the trace.
            work: The code.
            ended: Called when it has ended, with whether it was killed.
            dies_at: The number of the pause (from 0) at which it is killed.
        """
        process = Process(name, self, work, ended, dies_at)
        self._processes[process] = None
        self.after(0, process.go_on)
        return process

    def pause(self, seconds: float) -> None:
        """Let time pass for the process that calls this; what is no process does not wait.

        Raises:
            Killed: the process dies here, and at each later pause.
        """
        process = self._current
        if process is not None:
            self.after(seconds, process.go_on)
            process.suspend()

    def run(self, until: float) -> None:
        """Let everything happen up to a time."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, action = heappop(self._queue)
            self.events += 1
            if self.events > self._most_events:
                raise Endless(f"{self.events} events by {self.now:.3f} s")
            action()
        self.now = max(self.now, until)

    def stop(self) -> None:
        """Kill all processes, so that their threads can be used again."""
        for process in list(self._processes):
            process.kill()
            while not process.is_over:
                process.go_on()
        self._queue.clear()

    def enter(self, process: "Process | None") -> None:
        """Note which process has the baton."""
        self._current = process

    def leave(self, process: "Process") -> None:
        """Note that a process has ended."""
        self._processes.pop(process, None)


class Process:
    """Blocking code in a thread, which runs while the simulation waits for it."""

    def __init__(
        self,
        name: str,
        simulation: Simulation,
        work: Action,
        ended: Callable[[bool], object],
        dies_at: int | None,
    ) -> None:
        self.name = name
        self._simulation = simulation
        self._work = work
        self._ended = ended
        self._left = dies_at
        self._mine = _closed_lock()
        self._theirs = _closed_lock()
        self._worker: Worker | None = None
        self._is_doomed = False
        self._failure: Exception | None = None
        self.is_over = False

    def go_on(self) -> None:
        """Give the process the baton, and wait until it hands it back."""
        if self.is_over:
            return
        self._simulation.enter(self)
        if self._worker is None:
            self._worker = hire()
            self._worker.start(self._play)
        else:
            self._mine.release()
        self._theirs.acquire()
        self._simulation.enter(None)
        if self.is_over:
            release(self._worker)
            self._simulation.leave(self)
            self._ended(self._is_doomed)
        if self._failure is not None:
            raise self._failure

    def suspend(self) -> None:
        """Hand the baton back; returns when it comes again."""
        self._theirs.release()
        self._mine.acquire()
        if self._left is not None:
            self._left -= 1
            self._is_doomed = self._is_doomed or self._left < 0
        if self._is_doomed:
            raise Killed

    def kill(self) -> None:
        """Let the process die when it goes on."""
        self._is_doomed = True

    def _play(self) -> None:
        try:
            with suppress(Killed):
                if not self._is_doomed:
                    self._work()
        except Exception as failure:  # noqa: BLE001 - the simulation raises it
            self._failure = failure
        self.is_over = True
        self._theirs.release()


def _closed_lock() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock
