"""A message to a room of many real WebSockets, through the queue: who gets it, and at what cost."""

import argparse
import json
import math
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any
from urllib.request import urlopen

from bench import machine
from bench.arguments import new_parser, within
from bench.children import Child, Failure
from bench.registry import register
from bench.room_report import Result, people_who_heard, result_of, table

_ROOT = Path(__file__).resolve().parent.parent
_DESCRIPTION = """\
Open many WebSockets to the chat on localgateway (its real app.py, infra/data.yaml), let one person
say something in the lobby, and count who gets it: each of the others has to, once, and their jobs,
batches and invocations have to be as many as predicted. More sockets than one process may have
files are spread over several gateways, which share the database and the queue as two regions
would. The database is moto's, so opening the sockets takes by far the most time: some 25 to 100 a
second."""
_APP = ("--app", str(_ROOT), "--stage", "local", "--port", "0", "--authorizer", "authorize")
# Supervised: it ends when this process does, however that ends.
_QUEUE = ("--partial-batch-failures", "deliver", "--supervised")
# Who is connected first waits for the last without a word; API Gateway would end that after 10
# minutes, and heartbeats are not what is measured.
_QUOTAS = ("--idle-timeout", "7200")
_SILENT = (
    *("--app", str(_ROOT / "bench" / "apps" / "silent"), "--stage", "dev", "--port", "0"),
    *("--engine", "none", "--quiet", "--supervised"),
)
# What is not measured: people who are told who has come, and how many sockets each has.
_ENVIRONMENT = {"PRESENCE_LIST_LIMIT": "0", "MAX_CONNECTIONS": "0", "METRICS": "false"}
# Of a gateway, beside its clients' sockets: posts under way at both ends, database, log.
_SPARE_FILES = 500
_SETTLING = 1.0
_INVOCATION = re.compile(r" deliver +(\d+) record")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, 1 when a delivery was not as it has to be, 2 for a mistake."""
    options = _parser().parse_args(argv)
    try:
        result = _run(options)
    except Failure as error:
        print(f"bench.large_room: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(json.dumps(asdict(result)) if options.json else table(result))
    for problem in result.problems:
        print(f"bench.large_room: {problem}", file=sys.stderr)
    return 1 if result.problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("bench.large_room", _DESCRIPTION)
    add = parser.add_argument
    add("--sockets", type=_count, default=2000, metavar="N", help="people in the room")
    add("--per-gateway", type=_count, default=10_000, metavar="N", help="sockets of one gateway")
    add(
        "--registered",
        action="store_true",
        help="put all but the speaker into the table past $connect: 20000 take a minute or two. "
        "Their sockets are as real; an app that only lets people in serves them",
    )
    add("--concurrency", type=_count, default=8, metavar="N", help="handshakes at a time")
    add("--timeout", type=_seconds, default=3600.0, metavar="S", help="for the whole run")
    add("--json", action="store_true", help="one JSON object instead of the table")
    return parser


_count = within(2, 100_000, int)  # somebody speaks, somebody listens
_seconds = within(1, 7200, float)  # sockets do not last longer


def _run(options: argparse.Namespace) -> Result:
    due = time.monotonic() + options.timeout
    shares = sizes(options.sockets, options.per_gateway)
    with ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile("w+"))
        engine = stack.enter_context(Child(["bench.engine"]))
        url = engine.line(due).strip()
        if options.registered:
            files = _silent_gateways(stack, len(shares), due)
            shares = [1, *_less_one(shares)]
            gateways = [*_gateways(stack, url, 1, log, due), *files.values()]
        else:
            files, gateways = {}, _gateways(stack, url, len(shares), log, due)
        audiences, connect_s = _arrive(stack, gateways, shares, options.concurrency, due)
        for file, gateway in files.items():
            print(f"registering those of {gateway}", file=sys.stderr)
            endpoint = gateway.replace("ws://", "http://")
            register(url, endpoint, file.read_text().split())
        before = _tally(url)
        load = machine.load()
        audiences[0].tell("say")
        reports = _listen(audiences, sum(shares) - 1, due)
        tally = Counter(_tally(url))
        tally.subtract(before)
        log.seek(0)
        batches = [int(found.group(1)) for found in map(_INVOCATION.search, log) if found]
    return result_of(shares, reports, tally=tally, batches=batches, connect_s=connect_s, load=load)


def sizes(sockets: int, per_gateway: int) -> list[int]:
    """Return how many sockets each gateway gets, which are about as many as any other."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = per_gateway if hard == resource.RLIM_INFINITY else min(per_gateway, hard - _SPARE_FILES)
    if most < 1:
        raise Failure(f"a limit of {hard} open files leaves none for sockets (ulimit -Hn)")
    gateways = math.ceil(sockets / most)
    return [(sockets + place) // gateways for place in range(gateways)]


def _gateways(stack: ExitStack, engine: str, count: int, log: IO[str], due: float) -> list[str]:
    """Start so many gateways on one engine, in whose first the tables are made; return URLs."""
    urls = []
    for number in range(count):
        template = [] if number else ["--template", str(_ROOT / "infra" / "data.yaml")]
        command = ["localgateway", *_APP, *_QUEUE, *_QUOTAS, "--engine", engine, *template]
        gateway = stack.enter_context(Child(command, environment=_ENVIRONMENT, stderr=log))
        urls.append(gateway.word("ws://", due))
        print(f"gateway {number + 1} of {count} is up", file=sys.stderr)
    return urls


def _silent_gateways(stack: ExitStack, count: int, due: float) -> dict[Path, str]:
    """Start gateways that let everybody in; return the file of each, and its URL."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    gateways = {}
    for number in range(count):
        file = directory / str(number)
        gateway = stack.enter_context(
            Child(["localgateway", *_SILENT, *_QUOTAS], environment={"ARRIVALS": str(file)})
        )
        gateways[file] = gateway.word("ws://", due)
        print(f"silent gateway {number + 1} of {count} is up", file=sys.stderr)
    return gateways


def _less_one(shares: list[int]) -> list[int]:
    return [shares[0] - 1, *shares[1:]]


def _arrive(
    stack: ExitStack, gateways: list[str], sizes: list[int], concurrency: int, due: float
) -> tuple[list[Child], float]:
    """Open all sockets; return the processes that have them, and the seconds it took."""
    began = time.monotonic()
    audiences, first = [], 0
    for url, size in zip(gateways, sizes, strict=True):
        numbers = ["--first", str(first), "--count", str(size)]
        at_once = max(1, concurrency // len(sizes))
        command = ["bench.audience", f"{url}?name=person-{{n}}", *numbers]
        audiences.append(stack.enter_context(Child([*command, "--concurrency", str(at_once)])))
        first += size
    opened = [0] * len(sizes)
    shown = began
    while opened != sizes:
        for place, audience in enumerate(audiences):
            while opened[place] < sizes[place] and (line := audience.waiting(0.2)):
                opened[place] = json.loads(line)["open"]
        if time.monotonic() > due:
            raise Failure(f"out of time with {sum(opened)} of {sum(sizes)} sockets open")
        if time.monotonic() - shown >= _SETTLING or opened == sizes:
            shown = time.monotonic()
            rate = sum(opened) / (shown - began)
            print(f"{sum(opened)} sockets are open, {rate:.0f} a second", file=sys.stderr)
    return audiences, time.monotonic() - began


def _listen(audiences: Iterable[Child], people: int, due: float) -> list[dict[str, Any]]:
    """Wait until all have heard the message, and for a moment what may come twice."""
    settled = 0.0
    while True:
        for audience in audiences:
            audience.tell("tell")
        reports = [json.loads(audience.line(due)) for audience in audiences]
        heard = sum(people_who_heard(reports).values())
        now = time.monotonic()
        print(f"{heard} of {people} have heard it", file=sys.stderr)
        settled = settled or (now if heard >= people else 0.0)
        if (settled and now - settled > _SETTLING) or now > due:
            return reports
        time.sleep(0.25)


def _tally(engine: str) -> dict[str, int]:
    with urlopen(f"{engine}/tally", timeout=30) as answer:  # noqa: S310 - on this machine
        return dict(json.load(answer))


if __name__ == "__main__":
    sys.exit(main())
