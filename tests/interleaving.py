"""A deterministic scheduler: several actors, one of them running at a time, a seed in charge."""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

from chalicelib.gateway import ConnectionsGateway, Outcome, Post, Recipient

Actor = Callable[[], Any]
T = TypeVar("T", Post, Recipient)
PATIENCE = 20.0


class Killed(BaseException):
    """Ends an actor at a switch point as a dying function ends: `except Exception` is no help."""


class BlockedError(Exception):
    """An actor waits for something that only another one, which may not run, can give it."""


class Step(NamedTuple):
    """That an actor went on from a switch point; its start is a switch point too."""

    actor: str
    point: str


@dataclass
class Run:
    """What became of one run: the steps in the order in which they were taken, and the ends."""

    seed: int
    trace: list[Step] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    killed: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        """Write the seed, and the trace a line for each step."""
        return "\n".join([f"seed {self.seed}", *(f"{name}: {at}" for name, at in self.trace)])


class Scheduler:
    """Runs actors in threads of which all but one wait; at each switch point the seed says who.

    The same seed and the same actors give the same trace, as long as an actor waits for nothing
    but its turn. One run at a time. What is not called by an actor, such as the preparations of a
    test through the same wrapped client, switches nothing.
    """

    def __init__(
        self, seed: int, *, kills: Mapping[str, int] | None = None, patience: float = PATIENCE
    ) -> None:
        """Make one for a seed.

        Args:
            seed: Decides every switch.
            kills: The actors that die, each with the number of the switch point (from 0, its
                start, which costs it everything) at which it does.
            patience: Seconds until an actor that reaches no switch point counts as blocked.
        """
        self._random = random.Random(seed)  # noqa: S311 - not a secret
        # Most faults need a long stretch of one actor inside another's, some a quick alternation.
        self._restless = self._random.choice((0.1, 0.3, 1.0))
        self._seed = seed
        self._patience = patience
        self._kills = dict(kills or {})
        self._ready: list[_Turn] = []
        self._running: _Turn | None = None
        self._over = _closed_lock()

    def run(self, **actors: Actor) -> Run:
        """Run every actor to its end.

        Raises:
            Exception: that of an actor, with the trace in its notes; those of several as a group.
            BlockedError: an actor came neither to a switch point nor to its end in time.
        """
        run = Run(self._seed)
        self._ready = [_Turn(name, run, self._kills.get(name)) for name in actors]
        workers = [hire() for _ in actors]
        for worker, turn, actor in zip(workers, self._ready, actors.values(), strict=True):
            worker.start(self._part(turn, actor))
        self._pass_on()
        if not self._over.acquire(timeout=self._patience):
            raise BlockedError(f"{self._running and self._running.name} is blocked\n{run}")
        for worker in workers:
            release(worker)
        _raise(run)
        return run

    def switch(self, point: str) -> None:
        """Let the seed decide who goes on; returns when it is the caller's turn again.

        Raises:
            Killed: the caller is to die here. If it lives on, so does every later switch point.
        """
        turn = self._running
        if turn is None:
            return
        if turn.thread != threading.get_ident():
            raise BlockedError(f"{point} was reached by a thread that is no actor\n{turn.run}")
        self._pass_on()
        turn.wait(point)

    def order(self, count: int) -> list[int]:
        """Return the numbers below `count` in an order that the seed chooses."""
        return self._random.sample(range(count), count)

    def _pass_on(self) -> None:
        if self._ready:
            if self._running not in self._ready or self._random.random() < self._restless:
                self._running = self._random.choice(self._ready)
            self._running.baton.release()
        else:
            self._running = None
            self._over.release()

    def _part(self, turn: "_Turn", actor: Actor) -> Callable[[], None]:
        def play() -> None:
            turn.thread = threading.get_ident()
            try:
                turn.wait("start")
                turn.run.results[turn.name] = actor()
            except Killed:
                turn.run.killed.add(turn.name)
            except Exception as error:  # noqa: BLE001 - it is the caller's of run()
                turn.run.errors[turn.name] = error
            self._ready.remove(turn)
            self._pass_on()

        return play


class SwitchingClient:
    """A boto3 client whose every operation switches before it is made, and again after it."""

    def __init__(self, client: Any, scheduler: Scheduler) -> None:
        self._client = client
        self._switch = scheduler.switch

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            self._switch(f"before {operation}")
            try:
                return getattr(self._client, operation)(**arguments)
            finally:
                self._switch(f"after {operation}")

        return call


class SwitchingGateway:
    """A gateway that switches before each post and check, and makes them one after the other."""

    def __init__(self, gateway: ConnectionsGateway, scheduler: Scheduler) -> None:
        self._gateway = gateway
        self._scheduler = scheduler

    def post(self, posts: Sequence[Post], *, within: float | None = None) -> list[Outcome]:
        """Post every frame, in an order that the seed chooses; answer in the order of `posts`."""
        return self._each(self._gateway.post, posts)

    def check(self, probes: Sequence[Recipient]) -> list[Outcome]:
        """Ask for every connection, in an order that the seed chooses; answer in theirs."""
        return self._each(self._gateway.check, probes)

    def disconnect(self, recipients: Sequence[Recipient]) -> list[Outcome]:
        """End every connection, in an order that the seed chooses; answer in theirs."""
        return self._each(self._gateway.disconnect, recipients)

    def _each(
        self, ask: Callable[[Sequence[T]], list[Outcome]], them: Sequence[T]
    ) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        for place in self._scheduler.order(len(them)):
            self._scheduler.switch(f"{ask.__name__} {them[place].connection_id}")
            outcomes[place] = ask([them[place]])[0]
        return [outcomes[place] for place in range(len(them))]


class _Turn:
    """An actor's place in a run: the baton that it waits for, and how far it has come."""

    def __init__(self, name: str, run: Run, dies_at: int | None) -> None:
        self.name = name
        self.run = run
        self.baton = _closed_lock()
        self.thread = 0
        self._left = dies_at

    def wait(self, point: str) -> None:
        self.baton.acquire()
        self.run.trace.append(Step(self.name, point))
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Killed


class Worker:
    """A thread that is used again: to start one costs more than a run of small actors."""

    def __init__(self) -> None:
        self._parts: SimpleQueue[Callable[[], None]] = SimpleQueue()
        # A daemon, so that an actor that is blocked for ever does not hold up the interpreter.
        threading.Thread(target=self._work, daemon=True).start()

    def start(self, part: Callable[[], None]) -> None:
        """Let the thread do this next."""
        self._parts.put(part)

    def _work(self) -> None:
        while True:
            self._parts.get()()


def hire() -> Worker:
    """Return a worker that nobody uses at the moment."""
    with suppress(IndexError):
        return _IDLE.pop()
    return Worker()


def release(worker: Worker) -> None:
    """Give a worker back, whose part is over or about to be."""
    _IDLE.append(worker)


_IDLE: list[Worker] = []


def _closed_lock() -> threading.Lock:
    # Any thread may release a lock, and it costs a fraction of a semaphore.
    lock = threading.Lock()
    lock.acquire()
    return lock


def _raise(run: Run) -> None:
    if not run.errors:
        return
    for name, error in run.errors.items():
        error.add_note(f"the actor {name}, {run}")
    if len(run.errors) > 1:
        raise ExceptionGroup("several actors failed", list(run.errors.values()))
    raise next(iter(run.errors.values()))
