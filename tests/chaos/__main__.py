"""`python -m tests.chaos`: rounds from seed on, until the time is up or something is found."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tests.chaos.faults import Faults
from tests.chaos.rounds import Result, play
from tests.chaos.stores import STORES


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 1 if a round found something, else 0."""
    options = _parser().parse_args(arguments)
    given = {name: getattr(options, name) for name in Faults.names()}
    faults = Faults(**{name: value for name, value in given.items() if value is not None})
    with STORES[options.database]() as new_store:
        if options.replay is not None:
            return _replay(options.replay, faults, new_store)
        return _run(options, faults, new_store)


def _replay(seed: int, faults: Faults, new_store: Callable[[], Any]) -> int:
    result = play(seed, faults, new_store, show=True)
    _explain(result)
    return 1 if result.trace.findings else 0


def _run(options: argparse.Namespace, faults: Faults, new_store: Callable[[], Any]) -> int:
    end = time.monotonic() + options.seconds
    total: Counter[str] = Counter()
    failed: list[int] = []
    seed, rounds = options.seed, 0
    while rounds < options.rounds if options.rounds else time.monotonic() < end:
        result = play(seed + rounds, faults, new_store)
        rounds += 1
        total += result.trace.counts
        _progress(result)
        if result.trace.findings:
            _explain(result)
            failed.append(result.seed)
            if not options.keep_going:
                break
    _summarise(rounds, total, failed)
    return 1 if failed else 0


def _progress(result: Result) -> None:
    plan, counts = result.plan, result.trace.counts
    weather = "calm" if plan.calm else "storm"
    devices = sum(plan.people.values())
    _say(
        f"seed {result.seed}: {weather}, {devices} devices, {result.seconds:.0f} s,"
        f" {counts['entries']} entries, {counts['connections']} connections,"
        f" {len(result.trace.findings)} found, digest {result.trace.digest()}"
    )


def _explain(result: Result) -> None:
    findings = result.trace.findings
    for finding in findings[:10]:
        _say(f"FOUND in seed {result.seed}: {finding.what}")
    if findings:
        room = findings[0].room
        _say(f"The last of {room or 'all'} (--replay {result.seed} shows everything):")
        for line in result.trace.last(40, room):
            _say(f"  {line}")


def _summarise(rounds: int, total: Counter[str], failed: Sequence[int]) -> None:
    _say(f"{rounds} rounds, {len(failed)} with findings {list(failed) if failed else ''}")
    for name, number in sorted(total.items()):
        _say(f"  {number:9,} {name}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seconds", type=float, default=60, help="go on for so long")
    parser.add_argument("--rounds", type=int, help="play so many, however long it takes")
    parser.add_argument("--replay", type=int, metavar="SEED", help="show one round, line by line")
    parser.add_argument("--keep-going", action="store_true", help="also after a finding")
    parser.add_argument("--database", choices=list(STORES), default="memory")
    usual = Faults()
    for name in Faults.names():
        told = f"probability, {getattr(usual, name)} unless said"
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, metavar="P", help=told)
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
