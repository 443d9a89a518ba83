"""What a message to a large room came to, beside what was predicted."""

import math
import platform
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench import machine
from bench.engine import ENTRIES
from chalicelib.jobs import CHUNK

_BATCH = 10
_DIRECT = 250


@dataclass(frozen=True)
class Result:
    """What one run measured; times are from sending the message."""

    sockets: int
    gateways: int
    connect_s: float
    connects_per_s: float
    refused: int
    ack_ms: float
    first_ms: float
    last_ms: float
    deliveries_per_s: float
    heard_once: int
    missing: int
    repeated: int
    closed: int
    jobs: int
    predicted_jobs: int
    sends: int
    predicted_sends: int
    invocations: int
    least_invocations: int
    received_jobs: int
    load: float
    cores: int
    cpu: str
    python: str

    @property
    def problems(self) -> list[str]:
        """What is not as it has to be."""
        found = {
            f"{self.missing} did not get the message": self.missing,
            f"{self.repeated} frames came again": self.repeated,
            f"{self.closed} sockets were closed": self.closed,
            "the ack came after a delivery": self.ack_ms > self.first_ms,
            f"{self.jobs} jobs, not {self.predicted_jobs}": self.jobs != self.predicted_jobs,
            f"{self.sends} sends, not {self.predicted_sends}": self.sends != self.predicted_sends,
            f"{self.received_jobs} jobs were received, not {self.jobs}": (
                self.received_jobs != self.jobs
            ),
            f"only {self.invocations} invocations": self.invocations < self.least_invocations,
        }
        return [problem for problem, there in found.items() if there]


def result_of(
    sizes: list[int],
    reports: list[dict[str, Any]],
    *,
    tally: Counter[str],
    batches: list[int],
    connect_s: float,
    load: float,
) -> Result:
    """Work a run out.

    Args:
        sizes: The sockets of each gateway, one of the first's being the speaker's.
        reports: What each process of people has heard.
        tally: What the engine was asked for.
        batches: How many jobs each invocation had.
        connect_s: The seconds that the sockets took to open.
        load: How many processes wanted to run then.
    """
    people, heard = sum(sizes) - 1, people_who_heard(reports)
    said = reports[0]["said"]
    firsts = [report["first"]["message"] for report in reports if "message" in report["first"]]
    lasts = [report["last"]["message"] for report in reports if "message" in report["last"]]
    jobs = jobs_of([sizes[0] - 1, *sizes[1:]])
    last = max(lasts, default=math.inf) - said
    return Result(
        sockets=people + 1,
        gateways=len(sizes),
        connect_s=round(connect_s, 1),
        connects_per_s=round((people + 1) / connect_s, 1),
        refused=sum(report["refused"] for report in reports),
        ack_ms=_ms(reports[0]["first"].get("ack", math.inf) - said),
        first_ms=_ms(min(firsts, default=math.inf) - said),
        last_ms=_ms(last),
        deliveries_per_s=round(people / last, 1),
        heard_once=heard[1],
        missing=people - sum(heard.values()),
        repeated=sum(report["again"] for report in reports),
        closed=sum(report["closed"] for report in reports),
        jobs=tally[ENTRIES],
        predicted_jobs=jobs,
        sends=tally["AmazonSQS.SendMessageBatch"],
        predicted_sends=math.ceil(jobs / _BATCH),
        invocations=len(batches),
        least_invocations=math.ceil(jobs / _BATCH),
        received_jobs=sum(batches),
        load=round(load, 1),
        cores=machine.cores(),
        cpu=machine.processor(),
        python=platform.python_version(),
    )


def jobs_of(recipients: list[int]) -> int:
    """Return how many jobs a message takes, by the number of recipients at each gateway."""
    if sum(recipients) <= _DIRECT:
        return 0
    return sum(math.ceil(number / CHUNK) for number in recipients)


def people_who_heard(reports: Iterable[dict[str, Any]]) -> Counter[int]:
    """Return how many people have heard the message how often, those left out who never did."""
    counts: Counter[int] = Counter()
    for report in reports:
        counts.update({int(times): people for times, people in report["heard"].items()})
    del counts[0]
    return counts


def table(result: Result) -> str:
    """Lay a result out for people."""
    rows = {
        "sockets": f"{result.sockets:,} at {result.gateways} gateways",
        "connects": f"{result.connects_per_s:,.0f} /s, {result.connect_s:,.0f} s in all, "
        f"{result.refused} tried again",
        "ack": f"{result.ack_ms:,.0f} ms",
        "deliveries": f"from {result.first_ms:,.0f} to {result.last_ms:,.0f} ms, "
        f"{result.deliveries_per_s:,.0f} /s",
        "heard it once": f"{result.heard_once:,}; {result.missing} not, "
        f"{result.repeated} frames came again, {result.closed} sockets were closed",
        "jobs": f"{result.jobs}, predicted {result.predicted_jobs}",
        "SendMessageBatch": f"{result.sends}, predicted {result.predicted_sends}",
        "invocations": f"{result.invocations}, predicted {result.least_invocations} or more",
        "machine": f"{result.cores} cores, {result.cpu}, load {result.load}, "
        f"Python {result.python}",
    }
    return "\n".join(f"{name:17} {value}" for name, value in rows.items())


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
