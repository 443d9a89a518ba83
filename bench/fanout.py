"""Compares four ways to post one frame to many connections, with an endpoint on loopback."""

import argparse
import contextlib
import importlib
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import cache
from typing import Any

from bench import machine
from bench.arguments import new_parser, within
from bench.bare import BareSockets, Signer
from bench.comparison import (
    BARE,
    FAULTS,
    GATEWAY,
    SEQUENCE,
    THREADS,
    Row,
    Sample,
    ratios,
    report,
    summary,
)
from bench.posters import KEY, REGION, SECRET, Target
from bench.targets import noted, serving

_DESCRIPTION = """\
Post one frame to many connections: with boto3 in sequence, boto3 in 32 threads, chalicelib's
gateway on the AWS Common Runtime, and bare sockets signed by hand, which are the floor. Each way
has a process of its own and is warm; they take turns, and the medians of their runs are compared.
The endpoint is a process on this machine that answers each post after a latency. Nothing leaves
the machine."""
# A module and a function of bench.posters for each.
_POSTERS = {
    SEQUENCE: "boto.sequence",
    THREADS: "boto.threads",
    GATEWAY: "crt.gateway",
    BARE: "bare.sockets",
}
_CONNECTIONS = 64
_WARM_UP = 200
_CEILING_SOCKETS = 400
_CEILING_REQUESTS = 20_000
_FAULTS_WITHIN = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, 1 when a post failed that should not."""
    options = _parser().parse_args(argv)
    frame = b"x" * options.frame_bytes
    with (
        serving(options.latency_ms, frame, tls=options.tls) as target,
        contextlib.ExitStack() as processes,
    ):
        ceiling = _ceiling(target)
        ways = {name: processes.enter_context(own_process()) for name in _chosen(options)}
        result = (_faults if options.faults else _compare)(options, target, ways)
    result |= {"endpoint": ceiling, "setting": _setting(options)}
    print(json.dumps(result) if options.json else report(result))
    return 1 if _failed(result) else 0


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("bench.fanout", _DESCRIPTION)
    add = parser.add_argument
    add("--recipients", type=_recipients, default=1000, metavar="N", help="of one frame")
    add("--latency-ms", type=_latency, default=8.0, metavar="MS", help="of the endpoint")
    add("--repetitions", type=_runs, default=5, metavar="N", help="of each; in sequence it is 1")
    add("--frame-bytes", type=_bytes, default=200, metavar="N", help="size of the frame")
    add("--tls", action="store_true", help="over TLS, with a certificate made for the run")
    add(
        "--faults",
        action="store_true",
        help="instead: the gateway alone, without and with a dead endpoint, a recipient that "
        f"hangs and one that is throttled among the others, within {_FAULTS_WITHIN:g} s",
    )
    add("--json", action="store_true", help="one JSON object instead of the table")
    return parser


_recipients = within(10, 100_000, int)
_latency = within(0, 1000, float)
_runs = within(1, 1000, int)
_bytes = within(0, 128 * 1024, int)


def _chosen(options: argparse.Namespace) -> list[str]:
    return [GATEWAY] if options.faults else list(_POSTERS)


def own_process() -> ProcessPoolExecutor:
    """Return an executor of one process, which shares no memory with this one."""
    context = multiprocessing.get_context("spawn")  # a fork would have the memory of this one
    return ProcessPoolExecutor(1, mp_context=context)


def _compare(
    options: argparse.Namespace, target: Target, ways: dict[str, ProcessPoolExecutor]
) -> dict[str, Any]:
    ids = [f"connection-{number}=" for number in range(options.recipients)]
    samples: dict[str, list[Sample]] = {name: [] for name in ways}
    for name, process in ways.items():
        process.submit(measure, _POSTERS[name], target, ids[:_WARM_UP]).result()
    for turn in range(options.repetitions):
        for name, process in ways.items():
            if turn == 0 or name != SEQUENCE:
                samples[name].append(process.submit(measure, _POSTERS[name], target, ids).result())
    rows = {name: summary(runs) for name, runs in samples.items()}
    return {"ways": _plain(rows), "ratios": ratios(rows)}


def _faults(
    options: argparse.Namespace, target: Target, ways: dict[str, ProcessPoolExecutor]
) -> dict[str, Any]:
    [process] = ways.values()
    target = target._replace(within=_FAULTS_WITHIN)
    others = [f"connection-{number}=" for number in range(options.recipients - len(FAULTS))]
    groups = {"without faults": others, "with them": sprinkle(others)}
    samples: dict[str, list[Sample]] = {name: [] for name in groups}
    process.submit(measure, _POSTERS[GATEWAY], target, others[:_WARM_UP]).result()
    for _ in range(options.repetitions):
        for name, ids in groups.items():
            samples[name].append(process.submit(measure, _POSTERS[GATEWAY], target, ids).result())
    rows = {name: summary(runs) for name, runs in samples.items()}
    without, with_them = rows.values()
    growth = {"p99 of the others, with / without": round(with_them.p99_ms / without.p99_ms, 2)}
    return {"ways": _plain(rows), "ratios": growth}


def _plain(rows: dict[str, Row]) -> dict[str, Any]:
    return {name: asdict(row) for name, row in rows.items()}


def sprinkle(others: Sequence[str]) -> list[str]:
    """Return the ids with the faulty ones among them, from the first third on."""
    mixed = list(others)
    for number, fault in enumerate(FAULTS, 1):
        mixed.insert(number * len(others) // (len(FAULTS) + 1), fault)
    return mixed


def measure(way: str, target: Target, ids: Sequence[str]) -> Sample:
    """Post to everybody once, in the process of this way."""
    post = _poster(way, target)
    noted(target)
    cpu, started = time.process_time(), time.monotonic()
    outcomes = dict(zip(ids, post(ids), strict=True))
    wall, cpu = time.monotonic() - started, time.process_time() - cpu
    peak = machine.peak_mb()
    seen = noted(target)
    answers = {key: at - started for key, at in seen["answers"].items()}
    faulty = {key: outcomes.pop(key) for key in ids if key.startswith(FAULTS)}
    counts = dict(Counter(outcomes.values()))
    return Sample(wall, cpu, peak, counts, seen["cpu_s"], answers, faulty)


@cache
def _poster(way: str, target: Target) -> Callable[[Sequence[str]], list[str]]:
    module, _, name = way.partition(".")
    make = getattr(importlib.import_module(f"bench.posters.{module}"), name)
    made: Callable[[Sequence[str]], list[str]] = make(target)
    return made


def _ceiling(target: Target) -> dict[str, float]:
    """Load the endpoint with requests signed beforehand: what it takes at most."""
    signer = Signer(target.endpoint, target.frame, region=REGION, key=KEY, secret=SECRET)
    [request] = signer.requests(["ceiling"], time.time())
    bare = BareSockets(target.endpoint, sockets=_CEILING_SOCKETS, certificate=target.certificate)
    bare.exchange([request] * _CEILING_SOCKETS)
    noted(target)
    started = time.monotonic()
    bare.exchange([request] * _CEILING_REQUESTS)
    wall = time.monotonic() - started
    busy = noted(target)["cpu_s"] / wall
    bare.close()
    return {"posts_per_s": round(_CEILING_REQUESTS / wall), "busy": round(busy, 2)}


def _setting(options: argparse.Namespace) -> dict[str, Any]:
    rounds = -(-options.recipients // _CONNECTIONS)
    return {
        "recipients": options.recipients,
        "latency_ms": options.latency_ms,
        "frame_bytes": options.frame_bytes,
        "tls": options.tls,
        "least_ms": rounds * options.latency_ms,
        "machine": machine.description(),
        "load": round(machine.load(), 1),
    }


def _failed(result: dict[str, Any]) -> bool:
    return any(row["outcomes"].keys() != {"delivered"} for row in result["ways"].values())


if __name__ == "__main__":
    sys.exit(main())
