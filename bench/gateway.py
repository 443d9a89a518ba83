"""Load a WebSocket server that broadcasts each frame it receives: connects, broadcasts, memory."""

import argparse
import asyncio
import contextlib
import ipaddress
import json
import os
import platform
import resource
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from bench import machine
from bench.arguments import new_parser, within
from bench.sockets import Fleet, HandshakeError

_ROOT = Path(__file__).resolve().parent.parent
_DESCRIPTION = """\
Open many WebSockets, send a few frames over one of them and time how long each takes to reach the
last. Without --url it starts `python -m localgateway` with bench/apps/memory and stops it again;
with --url it drives any server on this machine that sends each frame it receives to everybody
connected, the sender included."""
# Each socket has an end here, and one in the server, which inherits the limit.
_SPARE_FILES = 300


@dataclass(frozen=True)
class Result:
    """What one run measured."""

    server: str
    sockets: int
    broadcasts: int
    connects_per_s: float
    last_recipient_ms_median: float
    last_recipient_ms_max: float
    deliveries_per_s: float
    lost: int
    server_peak_mb: float | None
    client_busy: float
    cores: int
    cpu: str
    python: str


class Refusal(Exception):  # noqa: N818 - the user's mistake, told in one line
    """What was asked for cannot be run."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, 1 when the server failed, 2 for a mistake of the user."""
    options = _parser().parse_args(argv)
    try:
        _check_url(options.url)
        _raise_file_limit(options.sockets)
        with _server(options) as (url, pid):
            result = uvloop.run(_measure(options, url, pid))
    except Refusal as error:
        print(f"bench.gateway: {error}", file=sys.stderr)
        return 2
    except (OSError, HandshakeError, TimeoutError, ExceptionGroup) as error:
        first = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        print(f"bench.gateway: failed: {str(first) or type(first).__name__}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(json.dumps(asdict(result)) if options.json else _table(result))
    return 1 if result.lost else 0


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("bench.gateway", _DESCRIPTION)
    add = parser.add_argument
    add("--sockets", type=_count, default=2000, metavar="N", help="how many to open")
    add("--broadcasts", type=_count, default=5, metavar="N", help="how many frames to send")
    add("--concurrency", type=_count, default=100, metavar="N", help="handshakes at a time")
    add("--url", help="ws://127.0.0.1:PORT/PATH to drive; {n} in it becomes the socket's number")
    add(
        "--frame",
        default='{"action":"sendmessage","message":"{marker}"}',
        help="what to send; what arrives is recognised by the marker",
    )
    add("--pid", type=int, help="with --url: the server's process, for its memory")
    add(
        "--post",
        choices=("crt", "app", "boto3"),
        default="crt",
        help="without --url: how the handler posts: CrtGateway, app.websocket_api.send one after "
        "the other, or boto3 in 32 threads",
    )
    add(
        "--self-check",
        action="store_true",
        help="drive a bare broadcast server instead: the ceiling of this client",
    )
    add("--timeout", type=_seconds, default=60.0, metavar="SECONDS", help="for the whole run")
    add("--json", action="store_true", help="one JSON object instead of the table")
    return parser


_count = within(1, 100_000, int)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 3600:  # noqa: PLR2004 - and in time
        raise argparse.ArgumentTypeError("expected more than 0 and at most 3600")
    return seconds


def _check_url(url: str | None) -> None:
    """Only this machine is ever loaded: anybody else's server would call it an attack."""
    if url is None:
        return
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback or parts.scheme != "ws":
        raise Refusal(
            f"--url {url}: only ws:// on a loopback address, as in ws://127.0.0.1:8000/api"
        )


def _raise_file_limit(sockets: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = sockets + _SPARE_FILES
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise Refusal(
            f"--sockets {sockets} needs {needed} open files and the hard limit is {hard}: "
            "fewer sockets, or a higher limit (ulimit -Hn)"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextlib.contextmanager
def _server(options: argparse.Namespace) -> Iterator[tuple[str, int | None]]:
    """Yield the URL and process of the server to drive, started here unless it was given."""
    if options.url:
        yield options.url, options.pid
        return
    process = subprocess.Popen(
        [sys.executable, "-m", *_command(options)],
        cwd=_ROOT,
        env={**os.environ, "BENCH_POST": options.post},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield _ready(process), process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _command(options: argparse.Namespace) -> list[str]:
    if options.self_check:
        return ["bench.apps.raw"]
    quotas = ("--connect-rate", "0", "--throttle-rate", "0")
    app = _ROOT / "bench" / "apps" / "memory"
    engine = ("--engine", "none", "--quiet", "--port", "0")
    return ["localgateway", "--app", str(app), "--stage", "dev", *engine, *quotas]


def _ready(process: subprocess.Popen[str]) -> str:
    for line in process.stdout or ():
        for word in line.split():
            if word.startswith("ws://"):
                return word
    raise Refusal(f"the server did not start (exit code {process.wait()})")


async def _measure(options: argparse.Namespace, url: str, pid: int | None) -> Result:
    fleet = Fleet(url)
    try:
        async with asyncio.timeout(options.timeout):
            started = time.perf_counter()
            await fleet.connect(options.sockets, options.concurrency, _progress("sockets"))
            connected = time.perf_counter() - started
            times, busy = await _broadcast(fleet, options)
    except TimeoutError as error:
        raise TimeoutError(f"after {options.timeout:g} s {fleet.state}") from error
    finally:
        fleet.close()
    print(file=sys.stderr)
    median = statistics.median(times)
    return Result(
        server=_name(options),
        sockets=options.sockets,
        broadcasts=options.broadcasts,
        connects_per_s=round(options.sockets / connected, 1),
        last_recipient_ms_median=round(median * 1000, 1),
        last_recipient_ms_max=round(max(times) * 1000, 1),
        deliveries_per_s=round(options.sockets / median, 1),
        lost=fleet.lost,
        server_peak_mb=_peak_mb(pid),
        client_busy=round(busy / sum(times), 2),
        cores=machine.cores(),
        cpu=machine.processor(),
        python=platform.python_version(),
    )


async def _broadcast(fleet: Fleet, options: argparse.Namespace) -> tuple[list[float], float]:
    """Return the time of each broadcast, and this process's CPU time during all of them."""
    times: list[float] = []
    busy = 0.0
    progress = _progress("broadcasts")
    for number in range(1, options.broadcasts + 1):
        marker = f"bench-{number}-{secrets.token_hex(4)}"
        before = time.process_time()
        times.append(await fleet.broadcast(options.frame.replace("{marker}", marker), marker))
        busy += time.process_time() - before
        progress(number)
    return times, busy


def _progress(what: str) -> "_Progress":
    return _Progress(what)


class _Progress:
    """A line on stderr that is written over, at most ten times a second."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._next = 0.0

    def __call__(self, done: int) -> None:
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + 0.1
            print(f"\r{self._what}: {done:<12}", end="", file=sys.stderr, flush=True)


def _name(options: argparse.Namespace) -> str:
    if options.url:
        return str(options.url)
    return "self-check" if options.self_check else f"localgateway --post {options.post}"


def _peak_mb(pid: int | None) -> float | None:
    """Add up the peaks of resident memory of a process and its descendants; None off Linux."""
    if pid is None or sys.platform != "linux":
        return None
    with contextlib.suppress(OSError):
        pids, total = [pid], 0.0
        for each in pids:
            for task in Path(f"/proc/{each}/task").iterdir():
                pids += map(int, (task / "children").read_text().split())
            total += machine.peak_mb(each) or 0
        return round(total, 1)
    return None


def _table(result: Result) -> str:
    memory = "n/a" if result.server_peak_mb is None else f"{result.server_peak_mb:,.0f} MB"
    rows = {
        "server": result.server,
        "sockets": f"{result.sockets:,}",
        "connects": f"{result.connects_per_s:,.0f} /s",
        "last recipient": f"{result.last_recipient_ms_median:,.1f} ms median, "
        f"{result.last_recipient_ms_max:,.1f} ms max of {result.broadcasts}",
        "deliveries": f"{result.deliveries_per_s:,.0f} /s",
        "lost sockets": str(result.lost),
        "server memory": f"{memory} peak",
        "load client": f"{result.client_busy:.0%} of a core while it waits",
        "machine": f"{result.cores} cores, {result.cpu}, Python {result.python}",
    }
    return "\n".join(f"{name:15} {value}" for name, value in rows.items())


if __name__ == "__main__":
    sys.exit(main())
