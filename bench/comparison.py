"""What bench.fanout has measured: samples of a run, their medians, ratios and the report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

SEQUENCE, THREADS = "boto3 in sequence", "boto3 in 32 threads"
GATEWAY, BARE = "gateway", "bare sockets"
# One each of what goes wrong with a recipient: the ids start so.
FAULTS = ("dead", "hang", "throttled")

_COLUMNS = (
    "way",
    "runs",
    "wall ms",
    "best ms",
    "CPU us/post",
    "p99 ms",
    "peak MB",
    "endpoint's core",
    "outcomes",
)


class Sample(NamedTuple):
    """One run of one way; when each post was answered is by the endpoint, from the run's start.

    `outcomes` counts those of recipients without a fault, `faulty` has that of each other.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float | None
    outcomes: dict[str, int]
    endpoint_cpu_s: float
    answers_s: dict[str, float]
    faulty: dict[str, str]

    @property
    def posts(self) -> int:
        """How many there were."""
        return sum(self.outcomes.values()) + len(self.faulty)


@dataclass(frozen=True)
class Row:
    """The medians of the runs of one way, and the `best_ms`, which others disturb the least.

    `p99_ms` is when 99 of 100 had been answered, faulty recipients not counted, and
    `endpoint_busy` the share of a core that the endpoint took meanwhile. `outcomes` adds up
    those of all runs for recipients without a fault, `faulty` for each other.
    """

    runs: int
    wall_ms: float
    best_ms: float
    cpu_us_per_post: float
    p99_ms: float
    peak_mb: float | None
    endpoint_busy: float
    outcomes: dict[str, int]
    faulty: dict[str, dict[str, int]]


def summary(samples: Sequence[Sample]) -> Row:
    """Return the medians of some runs."""
    return Row(
        runs=len(samples),
        wall_ms=_median(samples, lambda it: it.wall_s * 1000),
        best_ms=round(min(it.wall_s for it in samples) * 1000, 3),
        cpu_us_per_post=_median(samples, lambda it: it.cpu_s * 1e6 / it.posts),
        p99_ms=_median(samples, lambda it: p99(it.answers_s) * 1000),
        peak_mb=max((it.peak_mb for it in samples if it.peak_mb is not None), default=None),
        endpoint_busy=_median(samples, lambda it: it.endpoint_cpu_s / it.wall_s),
        outcomes=_total([it.outcomes for it in samples]),
        faulty={
            name: _total([{it.faulty[name]: 1} for it in samples]) for name in samples[0].faulty
        },
    )


def p99(answers_s: Mapping[str, float]) -> float:
    """Return by when 99 of 100 recipients without a fault had been answered."""
    times = sorted(at for key, at in answers_s.items() if not key.startswith(FAULTS))
    return times[-(-len(times) * 99 // 100) - 1]


def ratios(rows: Mapping[str, Row]) -> dict[str, float]:
    """Return how the ways compare."""
    sequence, threads, gateway, bare = (rows[it] for it in (SEQUENCE, THREADS, GATEWAY, BARE))
    found = {
        "wall, gateway / bare sockets": gateway.wall_ms / bare.wall_ms,
        "wall, gateway / bare sockets, best runs": gateway.best_ms / bare.best_ms,
        "CPU, gateway / bare sockets": gateway.cpu_us_per_post / bare.cpu_us_per_post,
        "wall, 32 threads / gateway": threads.wall_ms / gateway.wall_ms,
        "wall, sequence / gateway": sequence.wall_ms / gateway.wall_ms,
        "CPU, 32 threads / gateway": threads.cpu_us_per_post / gateway.cpu_us_per_post,
        "CPU, sequence / gateway": sequence.cpu_us_per_post / gateway.cpu_us_per_post,
    }
    return {name: round(ratio, 2) for name, ratio in found.items()}


def report(result: Mapping[str, Any], *, ratios: bool = True) -> str:
    """Return the tables to print, in Markdown, with or without that of the ratios."""
    lines = [
        *_preface(result["setting"], result["endpoint"]),
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "|" + "---|" * len(_COLUMNS),
        *(_line(name, row) for name, row in result["ways"].items()),
    ]
    if ratios:
        lines += ["", "| ratio | |\n|---|---|"]
        lines += [f"| {name} | {ratio:.2f} |" for name, ratio in result["ratios"].items()]
    return "\n".join(lines)


def _preface(setting: Mapping[str, Any], endpoint: Mapping[str, Any]) -> list[str]:
    what = f"{setting['recipients']:,} recipients, {setting['latency_ms']:g} ms latency"
    how = f"{setting['frame_bytes']} bytes over {'TLS' if setting['tls'] else 'TCP'}"
    least = f"64 connections take {setting['least_ms']:g} ms at least"
    most = f"{endpoint['posts_per_s']:,} posts/s, its process busy for {endpoint['busy']:.0%}"
    return [
        f"{what}, {how}; {least}.",
        f"The endpoint takes {most}: that is all the load there is without signing.",
        f"{setting['machine']}, load {setting['load']}.",
    ]


def _line(name: str, row: Mapping[str, Any]) -> str:
    peak = "n/a" if row["peak_mb"] is None else f"{row['peak_mb']:.0f}"
    outcomes = counted(row["outcomes"])
    for fault, counts in row["faulty"].items():
        outcomes += f"; {fault}: {counted(counts)}"
    return (
        f"| {name} | {row['runs']} | {row['wall_ms']:,.0f} | {row['best_ms']:,.0f} | "
        f"{row['cpu_us_per_post']:,.0f} | "
        f"{row['p99_ms']:,.0f} | {peak} | {row['endpoint_busy']:.0%} | {outcomes} |"
    )


def counted(outcomes: Mapping[str, int]) -> str:
    """Return how many there were of each outcome, in words."""
    return ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items())


def _median(samples: Sequence[Sample], value: Callable[[Sample], float]) -> float:
    return round(median(map(value, samples)), 3)


def _total(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    names = sorted({name for each in counts for name in each})
    return {name: sum(each.get(name, 0) for each in counts) for name in names}
