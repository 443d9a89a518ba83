"""Measures what one hot room takes, by the number of its concurrent writers and by their rate.

Every writer is a function of its own: a MessageLog with its own memory of where the room ends.
The engine `model` answers like DynamoDB, each request after the same latency, in a time of its own:
its figures are those of contention alone, and the same on every machine. The other engines are
servers on this machine, whose speed, and that of boto3 in this process, is part of what they show.
"""

import argparse
import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from bench.model import CANCELLED, ModelEngine, VirtualTime
from bench.plot import chart
from chalicelib.backoff import Backoff
from chalicelib.database import Database
from chalicelib.drafts import Message
from chalicelib.errors import Unavailable
from chalicelib.messages import MessageLog
from chalicelib.models import RoomName, UserName
from localgateway.engine import Engine, MotoEngine
from tests.stores.engines import DynamoDBLocal, missing
from tests.stores.tables import MESSAGES_TABLE, create_tables

ROOM = RoomName("hot")
TEXT = "x" * 100
SERVER = Backoff(clock=time.time, sleep=time.sleep, random=random.random).against_others()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to measure; times in seconds.

    Attributes:
        seconds: how long new messages come; those that are under way then are waited for.
        latency: of a request to the model.
        pause: what a function does between two messages: the rest of what an action takes.
        base, cap: see Backoff.
        remember: whether functions remember where the room ends, as the server's do.
        seed: decides all that is random in the model.
    """

    seconds: float = 5
    latency: float = 0.005
    pause: float = 0.015
    base: float = SERVER.base
    cap: float = SERVER.cap
    attempts: int = SERVER.attempts
    remember: bool = True
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of a run: `load` are writers or messages a second; latencies are of all appends."""

    engine: str
    backoff: str
    load: int
    acknowledged_per_second: float
    cancelled_per_message: float
    p50_ms: float
    p99_ms: float
    unavailable: int


class Function:
    """A warm function of the chat, as far as it appends to the room."""

    def __init__(
        self,
        client: Any,
        plan: Plan,
        clock: Callable[[], float],
        sleep: Callable[[float], object],
        *,
        name: str,
        room: RoomName = ROOM,
    ) -> None:
        self._client = client
        self._clock = clock
        self._room, self._user, self._cids = room, UserName(name), map(str, count())
        self.cancelled = 0
        self.acknowledged: list[float] = []  # when
        self.latencies: list[float] = []
        jitter = random.Random(f"{plan.seed} {name}")  # noqa: S311 - not a secret
        backoff = replace(
            SERVER,
            clock=clock,
            sleep=sleep,
            random=jitter.random,
            base=plan.base,
            cap=plan.cap,
            attempts=plan.attempts,
        )
        self._log = MessageLog(
            Database(self, backoff),
            table=MESSAGES_TABLE,
            clock=clock,
            idempotency_ttl=86_400,
            remembered_rooms=int(plan.remember),
            contention=backoff,
        )

    def append(self) -> None:
        """Append the next message, once."""
        begun, cid = self._clock(), next(self._cids)
        try:
            self._log.append(Message(room=self._room, user=self._user, text=TEXT, cid=cid))
        except Unavailable:
            pass
        else:
            self.acknowledged.append(self._clock())
        self.latencies.append(self._clock() - begun)

    def query(self, **request: Any) -> Any:
        """Ask the engine."""
        return self._client.query(**request)

    def transact_write_items(self, **request: Any) -> Any:
        """Ask the engine, and count what it cancels."""
        try:
            return self._client.transact_write_items(**request)
        except ClientError as error:
            self.cancelled += error.response["Error"]["Code"] == CANCELLED
            raise


def contend(plan: Plan, writers: int) -> Figures:
    """Let functions append to the model, each one message after the other."""
    now = VirtualTime()
    engine = ModelEngine(now.sleep, plan.latency)
    functions = [
        Function(engine, plan, now, now.sleep, name=f"u{number}") for number in range(writers)
    ]

    def write(function: Function) -> None:
        while now() < plan.seconds:
            function.append()
            now.sleep(plan.pause)

    now.run([partial(write, function) for function in functions])
    return _figures("model", plan, writers, functions, until=plan.seconds)


def arrive(plan: Plan, rate: int) -> Figures:
    """Let messages come at random to the model, so many a second on average.

    Each is handled by one of the functions that have nothing to do, or else by a new one.
    """
    now, chance = VirtualTime(), random.Random(plan.seed)  # noqa: S311 - not a secret
    engine = ModelEngine(now.sleep, plan.latency)
    functions: list[Function] = []
    idle: list[Function] = []

    def handle() -> None:
        if idle:
            function = idle.pop(chance.randrange(len(idle)))
        else:
            function = Function(engine, plan, now, now.sleep, name=f"u{len(functions)}")
            functions.append(function)
        function.append()
        now.sleep(plan.pause)
        idle.append(function)

    def people() -> None:
        while now() < plan.seconds:
            now.start(handle)
            now.sleep(chance.expovariate(rate))

    now.run([people])
    return _figures("model", plan, rate, functions, until=plan.seconds)


def contend_on(engine: Engine, plan: Plan, writers: int) -> Figures:
    """Let functions, a thread each, append to a real engine, each one message after the other."""
    # A client has ten connections. Each function has a room of the run's own.
    clients = [engine.client("dynamodb") for _ in range(-(-writers // 8))]
    room, ended = RoomName(f"hot-{time.monotonic_ns()}"), threading.Event()
    functions = [
        Function(clients[n // 8], plan, time.time, time.sleep, name=f"u{n}", room=room)
        for n in range(writers)
    ]

    def write(function: Function) -> None:
        while not ended.is_set():
            function.append()
            ended.wait(plan.pause)

    with ThreadPoolExecutor(writers) as threads:
        writing = [threads.submit(write, function) for function in functions]
        until = time.time() + plan.seconds
        try:
            ended.wait(plan.seconds)
        finally:
            ended.set()
        for it in writing:
            it.result()
    return _figures(type(engine).__name__, plan, writers, functions, until=until)


def _figures(
    engine: str, plan: Plan, load: int, functions: Sequence[Function], *, until: float
) -> Figures:
    acknowledged = [at for function in functions for at in function.acknowledged]
    latencies = sorted(it for function in functions for it in function.latencies)
    return Figures(
        engine=engine,
        backoff=f"{plan.base * 1000:g}/{plan.cap * 1000:g}",
        load=load,
        acknowledged_per_second=round(sum(at <= until for at in acknowledged) / plan.seconds, 1),
        cancelled_per_message=round(sum(it.cancelled for it in functions) / len(latencies), 2),
        p50_ms=round(1000 * latencies[len(latencies) // 2], 1),
        p99_ms=round(1000 * latencies[len(latencies) * 99 // 100], 1),
        unavailable=len(latencies) - len(acknowledged),
    )


def main() -> int:
    """Print a table, or a line of JSON for each run."""
    options = _options()
    try:
        with _engine(options.engine) as engine:
            measured = list(_measure(options, engine))
    except KeyboardInterrupt:
        return 130
    if options.plot:
        options.plot.write_text(_plot(measured), encoding="utf-8")
    return 0


def _measure(options: argparse.Namespace, engine: Engine | None) -> Iterator[Figures]:
    run: Callable[[Plan, int], Figures] = partial(contend_on, engine) if engine else contend
    loads, unit = (options.writers, "writers")
    if options.rates:
        run, loads, unit = arrive, options.rates, "offered/s"
    if not options.json:
        print(f"| engine | backoff | {unit} | messages/s | cancelled | p50 ms | p99 ms | refused |")
        print("|---|---|---|---|---|---|---|---|")
    for base, cap in options.backoff:
        plan = Plan(
            seconds=options.seconds,
            latency=options.latency_ms / 1000,
            pause=options.pause_ms / 1000,
            base=base / 1000,
            cap=cap / 1000,
            remember=not options.read_first,
            seed=options.seed,
        )
        for load in loads:
            if sys.stderr.isatty():
                print(f"... {load} {unit}, {options.seconds:g} s", end="\r", file=sys.stderr)
            figures = run(plan, load)
            row = " | ".join(str(value) for value in astuple(figures))
            print(json.dumps(asdict(figures)) if options.json else f"| {row} |", flush=True)
            yield figures


def _plot(measured: Sequence[Figures]) -> str:
    lines: dict[str, list[tuple[float, float]]] = {}
    for it in measured:
        lines.setdefault(f"p99, backoff {it.backoff} ms", []).append((it.load, it.p99_ms))
        lines.setdefault(f"p50, backoff {it.backoff} ms", []).append((it.load, it.p50_ms))
    return chart(lines, across="messages offered to one room, a second", up="an append takes, ms")


@contextmanager
def _engine(name: str) -> Iterator[Engine | None]:
    if name == "model":
        yield None
        return
    with MotoEngine.start() if name == "moto" else DynamoDBLocal.start() as engine:
        create_tables(engine.client("dynamodb"))
        yield engine


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.append",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--engine", choices=["model", "moto", "dynamodb-local"], default="model")
    add("--writers", type=_integers, default=[1, 4, 16, 64], help="default: 1,4,16,64")
    add(
        "--rates", type=_integers, help="instead: messages a second that come at random; model only"
    )
    add("--seconds", type=float, default=5, help="of each run (default: 5)")
    add("--latency-ms", type=float, default=5, help="of a request to the model (default: 5)")
    add("--pause-ms", type=float, default=15, help="of a writer after a message (default: 15)")
    server = f"{Plan().base * 1000:g}/{Plan().cap * 1000:g}"
    add(
        "--backoff", type=_pairs, default=_pairs(server), help=f"base/cap in ms (default: {server})"
    )
    add("--read-first", action="store_true", help="functions do not remember where the room ends")
    add("--seed", type=int, default=1, help="of the model (default: 1)")
    add("--json", action="store_true", help="print JSON")
    add("--plot", type=Path, help="also draw the latencies into this SVG file")
    options = parser.parse_args()
    if options.rates and options.engine != "model":
        parser.error("--rates is for the model")
    if options.engine == "dynamodb-local" and (reason := missing()):
        parser.error(reason)
    return options


def _integers(text: str) -> list[int]:
    numbers = [int(part) for part in text.split(",")]
    if min(numbers) < 1:
        raise ValueError
    return numbers


def _pairs(text: str) -> list[tuple[float, float]]:
    pairs = [part.split("/") for part in text.split(",")]
    return [(float(base), float(cap)) for base, cap in pairs]


if __name__ == "__main__":
    sys.exit(main())
