"""Measures the whole way of a message, through the functions as deployed, by the room's size."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench import machine
from bench.arguments import new_parser, within
from bench.chatroom import Loss, Sample, gathered
from bench.fanout import measure, own_process
from bench.posters import Target
from bench.targets import serving
from chalicelib.models import ConnectionId

_DESCRIPTION = """\
Say something in rooms of several sizes, and time the ack and the last recipient. The function that
takes the frame and the one that works the queue are those of app.py, each in a process of its own
with the variables of a deployed stage; boto3 and the gateway are the real ones. Beside them are
processes that are not measured: stand-ins for DynamoDB and SQS, which answer from memory after a
latency, and an endpoint that takes the posts after another. "Bare sockets" are the floor: the same
number of posts over 64 sockets, signed by hand, with nothing read and nothing queued. Nothing
leaves the machine."""
_FRAME_BYTES = 200  # of the push that a message becomes, about
_LEAST, _MOST = 1, 100_000
_COLUMNS = (
    "recipients",
    "ack ms",
    "last ms",
    "bare sockets ms",
    "CPU us",
    "of it deliver",
    "bare sockets us",
    "posts",
    "jobs",
    "SendMessageBatch",
    "deliver",
    "DynamoDB requests",
    "peak MB",
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a message to so many others takes: medians of some messages, and the largest peaks.

    `cpu_us` and `bare_cpu_us` are for each recipient; `deliver_cpu_us` is the part of the queue's
    worker in it. `posts` has the ack too; counts are those of one message.
    """

    recipients: int
    messages: int
    ack_ms: float
    last_ms: float
    cpu_us: float
    deliver_cpu_us: float
    posts: int
    jobs: int
    sends: int
    invocations: int
    dynamodb_requests: int
    sender_peak_mb: float | None
    worker_peak_mb: float | None
    bare_ms: float
    bare_cpu_us: float


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, 1 when a message was lost or came twice."""
    options = _parser().parse_args(argv)
    try:
        with serving(options.latency_ms, b"x" * _FRAME_BYTES) as target:
            rows = [_measure(size, options, target) for size in options.sizes]
    except (Loss, OSError) as error:
        print(f"bench.room: failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    result = {
        "rooms": [asdict(row) for row in rows],
        "ratios": ratios(rows),
        "setting": _setting(options),
    }
    print(json.dumps(result) if options.json else report(result))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("bench.room", _DESCRIPTION)
    add = parser.add_argument
    add(
        "--sizes",
        type=_sizes,
        default=[10, 100, 1000, 10_000],
        metavar="N,N",
        help="connections in the room beside the author's, apart by commas",
    )
    add("--messages", type=_messages, default=5, metavar="N", help="measured in each room")
    add("--latency-ms", type=_latency, default=8.0, metavar="MS", help="of a post")
    add("--service-ms", type=_latency, default=5.0, metavar="MS", help="of DynamoDB and SQS")
    add("--json", action="store_true", help="one JSON object instead of the table")
    return parser


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or not all(_LEAST <= size <= _MOST for size in sizes):
        raise argparse.ArgumentTypeError(
            f"expected numbers from {_LEAST} to {_MOST} apart by commas, as in 10,1000"
        )
    return sorted(set(sizes))


_messages = within(1, 1000, int)
_latency = within(0, 1000, float)  # a second, as functions have timeouts


def _measure(size: int, options: argparse.Namespace, target: Target) -> Row:
    """Measure a room with processes of its own, so that its peaks of memory are its own."""
    people = [ConnectionId(f"C{number:014}=") for number in range(size)]
    with (
        gathered(people, target, service_s=options.service_ms / 1000) as room,
        own_process() as bare,
    ):
        room.say()  # cold
        _floor(bare, target, people)
        samples, floors = [], []
        for number in range(1, options.messages + 1):
            _tell(f"room of {size:,}: message {number} of {options.messages}")
            samples.append(room.say())
            floors.append(_floor(bare, target, people))
    print(file=sys.stderr)
    bare_ms, bare_cpu = (median(values) for values in zip(*floors, strict=True))
    return _row(size, samples, bare_ms=bare_ms * 1000, bare_cpu_us=bare_cpu * 1e6 / size)


def _tell(text: str) -> None:
    print(f"\r{text:<40}", end="", file=sys.stderr, flush=True)


def _floor(process: ProcessPoolExecutor, target: Target, people: list[ConnectionId]) -> Any:
    sample = process.submit(measure, "bare.sockets", target, people).result()
    return sample.wall_s, sample.cpu_s


def _row(size: int, samples: Sequence[Sample], *, bare_ms: float, bare_cpu_us: float) -> Row:
    def count(of: Callable[[Sample], int]) -> int:
        return round(median(map(of, samples)))

    deliver = [sum(spent.cpu_s for spent in it.worker) for it in samples]
    together = [it.sender.cpu_s + worker for it, worker in zip(samples, deliver, strict=True)]
    return Row(
        recipients=size,
        messages=len(samples),
        ack_ms=round(median(it.ack_s for it in samples) * 1000, 1),
        last_ms=round(median(it.last_s for it in samples) * 1000, 1),
        cpu_us=round(median(together) * 1e6 / size, 1),
        deliver_cpu_us=round(median(deliver) * 1e6 / size, 1),
        posts=count(lambda it: it.posts),
        jobs=count(lambda it: it.counts["jobs"]),
        sends=count(lambda it: it.counts["AmazonSQS.SendMessageBatch"]),
        invocations=count(lambda it: len(it.worker)),
        dynamodb_requests=count(lambda it: it.dynamodb_requests),
        sender_peak_mb=_peak(it.sender.peak_mb for it in samples),
        worker_peak_mb=_peak(spent.peak_mb for it in samples for spent in it.worker),
        bare_ms=round(bare_ms, 1),
        bare_cpu_us=round(bare_cpu_us, 1),
    )


def _peak(peaks: Iterable[float | None]) -> float | None:
    return max((round(peak, 1) for peak in peaks if peak is not None), default=None)


def ratios(rows: Sequence[Row]) -> dict[str, float]:
    """Return how the largest room compares with the floor, and with each of the others."""
    largest = rows[-1]
    found = {
        f"last of {largest.recipients:,} / bare sockets": largest.last_ms / largest.bare_ms,
        f"CPU a recipient of {largest.recipients:,} / bare sockets": largest.cpu_us
        / largest.bare_cpu_us,
    }
    for row in rows[:-1]:
        pair = f"{largest.recipients:,} / {row.recipients:,}"
        found[f"CPU a recipient, {pair}"] = largest.cpu_us / row.cpu_us
        found[f"ack, {pair}"] = largest.ack_ms / row.ack_ms
    return {name: round(ratio, 2) for name, ratio in found.items()}


def _setting(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "latency_ms": options.latency_ms,
        "service_ms": options.service_ms,
        "messages": options.messages,
        "machine": machine.description(),
        "load": round(machine.load(), 1),
    }


def report(result: Mapping[str, Any]) -> str:
    """Return the tables, in Markdown."""
    lines = [
        f"| {' | '.join(_COLUMNS)} |",
        "|" + "---|" * len(_COLUMNS),
        *(_line(row) for row in result["rooms"]),
        "",
        "| ratio | |\n|---|---|",
        *(f"| {name} | {ratio:.2f} |" for name, ratio in result["ratios"].items()),
    ]
    return "\n".join(lines)


def _line(row: Mapping[str, Any]) -> str:
    peaks = " + ".join(
        f"{peak:.0f}" for peak in (row["sender_peak_mb"], row["worker_peak_mb"]) if peak
    )
    cells = [
        f"{row['recipients']:,}",
        f"{row['ack_ms']:,.0f}",
        f"{row['last_ms']:,.0f}",
        f"{row['bare_ms']:,.0f}",
        f"{row['cpu_us']:,.0f}",
        f"{row['deliver_cpu_us']:,.0f}",
        f"{row['bare_cpu_us']:,.0f}",
        f"{row['posts']:,}",
        *(str(row[name]) for name in ("jobs", "sends", "invocations", "dynamodb_requests")),
        peaks or "n/a",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
