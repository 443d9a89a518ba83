"""Let one of ten people flood a room, and time what the other nine notice of it."""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bench.arguments import new_parser, within

_ROOT = Path(__file__).resolve().parent.parent
_DESCRIPTION = """\
Ten accounts, one room, `python -m localgateway` on loopback, with a database in its memory: moto
takes fewer requests than people may send, and would be what is measured. Nine say something every
so often and time the ack; first alone, then while the tenth sends many times more than it
may, every other frame garbage."""
_NINE = 9
_GARBAGE = ("{", "[]", '{"action":"nothing"}', '{"action":5}', "x" * 300)
_WARM_UP = 3  # messages of each


@dataclass(frozen=True)
class Result:
    """What one run measured; times are from sending a frame to its ack."""

    calm_p50_ms: float
    calm_p99_ms: float
    flood_p50_ms: float
    flood_p99_ms: float
    ratio_p50: float
    messages: int
    errors: int
    flood_frames: int
    flood_refused: int


@dataclass
class _Person:
    socket: aiohttp.ClientWebSocketResponse
    name: str
    errors: int = 0
    refused: int = 0
    _acks: dict[int, "asyncio.Future[None]"] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def say(self, text: str) -> float:
        """Say something; return the milliseconds until it was acknowledged."""
        number = next(self._ids)
        ack = self._acks[number] = asyncio.get_running_loop().create_future()
        started = time.perf_counter()
        await self.socket.send_str(_message(text, id=number))
        await ack
        return (time.perf_counter() - started) * 1000

    async def listen(self) -> None:
        """Take what arrives until the socket is closed."""
        async for message in self.socket:
            frame = json.loads(message.data)
            if frame.get("type", "error") == "error":  # API Gateway's own have no type
                self.errors += 1
                self.refused += frame.get("code") == "rate_limited"
            ack = self._acks.pop(frame.get("id"), None)
            if ack is not None and not ack.done():
                ack.set_result(None)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, 1 when the nine were told an error, or the server failed."""
    options = _parser().parse_args(argv)
    try:
        with _server() as url:
            result = asyncio.run(_measure(url, options))
    except (OSError, TimeoutError, aiohttp.ClientError) as error:
        print(f"bench.flood: failed: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(result)) if options.json else _table(result))
    return 1 if result.errors else 0


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("bench.flood", _DESCRIPTION)
    add = parser.add_argument
    add("--seconds", type=_seconds, default=8.0, metavar="S", help="with, and without, the flood")
    add("--pause", type=_seconds, default=0.5, metavar="S", help="between two messages of a person")
    add("--rate", type=_rate, default=200, metavar="N", help="frames a second of the flood")
    add("--json", action="store_true", help="one JSON object instead of the table")
    return parser


_seconds = within(0.11, 120, float)  # the nine keep to 10 frames a second
_rate = within(1, 10_000, int)  # what one process can send


@contextlib.contextmanager
def _server() -> Iterator[str]:
    """Yield the HTTP address of a server, started for this run on a port of its own."""
    place = ("--app", str(_ROOT / "bench" / "apps" / "chat"), "--engine", "none", "--port", "0")
    options = (*place, "--stage", "local", "--quiet", "--authorizer", "authorize")
    process = subprocess.Popen(
        [sys.executable, "-m", "localgateway", *options],
        cwd=_ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield _ready(process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(process: subprocess.Popen[str]) -> str:
    for line in process.stdout or ():
        for word in line.split():
            if word.startswith("ws://"):
                return "http://" + word.removeprefix("ws://").partition("/")[0]
    raise OSError(f"the server did not start (exit code {process.wait()})")


async def _measure(url: str, options: argparse.Namespace) -> Result:
    async with asyncio.timeout(2 * options.seconds + 30), aiohttp.ClientSession(url) as http:
        people = [await _enter(http, number) for number in range(_NINE + 1)]
        listeners = [asyncio.create_task(person.listen()) for person in people]
        *nine, flooder = people
        for person in nine * _WARM_UP:
            await person.say("warm")
        calm = await _talk(nine, options)
        flood = asyncio.create_task(_flood(flooder, options.rate))
        loud = await _talk(nine, options)
        flood.cancel()
        frames = (await asyncio.gather(flood, return_exceptions=True))[0]
        for listener in listeners:
            listener.cancel()
        for person in people:
            await person.socket.close()
    return _result(calm, loud, nine, flooder, frames)


async def _enter(http: aiohttp.ClientSession, number: int) -> _Person:
    name = f"person-{number}-{secrets.token_hex(3)}"
    account = {"username": name, "password": secrets.token_hex(12)}
    token = (await _post(http, "/register", json=account))["token"]
    headers = {"Authorization": f"Bearer {token}"}
    ticket = await _post(http, "/ticket", headers=headers)
    return _Person(await http.ws_connect(ticket["url"]), name)


async def _post(http: aiohttp.ClientSession, path: str, **options: Any) -> dict[str, Any]:
    async with http.post(path, **options) as answer:
        answer.raise_for_status()
        told: dict[str, Any] = await answer.json()
        return told


async def _talk(nine: Sequence[_Person], options: argparse.Namespace) -> list[float]:
    """Let all of them talk for so long, out of step; return the times of their messages."""
    until = time.perf_counter() + options.seconds

    async def speak(person: _Person, delay: float) -> list[float]:
        await asyncio.sleep(delay)
        times = []
        while time.perf_counter() < until:
            times.append(await person.say("hello"))
            await asyncio.sleep(options.pause)
        return times

    step = options.pause / len(nine)
    spoken = await asyncio.gather(*(speak(each, n * step) for n, each in enumerate(nine)))
    return list(itertools.chain(*spoken))


class _Sent(Exception):  # noqa: N818 - how many frames a flood had when it was stopped
    def __init__(self, frames: int) -> None:
        super().__init__(frames)
        self.frames = frames


async def _flood(flooder: _Person, rate: int) -> None:
    """Send so many frames a second until cancelled."""
    started = time.perf_counter()
    for number in itertools.count():
        text = _message(f"flood {number}") if number % 2 else _GARBAGE[number // 2 % len(_GARBAGE)]
        try:
            await flooder.socket.send_str(text)
            await asyncio.sleep(max(0, started + number / rate - time.perf_counter()))
        except asyncio.CancelledError as error:
            raise _Sent(number) from error


def _message(text: str, **fields: Any) -> str:
    return json.dumps({"action": "sendmessage", "message": text, **fields})


def _result(
    calm: list[float], loud: list[float], nine: Sequence[_Person], flooder: _Person, sent: Any
) -> Result:
    before, during = (statistics.quantiles(times, n=100) for times in (calm, loud))
    return Result(
        calm_p50_ms=round(before[49], 1),
        calm_p99_ms=round(before[98], 1),
        flood_p50_ms=round(during[49], 1),
        flood_p99_ms=round(during[98], 1),
        ratio_p50=round(during[49] / before[49], 2),
        messages=len(calm) + len(loud),
        errors=sum(person.errors for person in nine),
        flood_frames=sent.frames if isinstance(sent, _Sent) else 0,
        flood_refused=flooder.refused,
    )


def _table(result: Result) -> str:
    rows = {
        "without the flood": f"{result.calm_p50_ms:,.1f} ms p50, {result.calm_p99_ms:,.1f} ms p99",
        "with it": f"{result.flood_p50_ms:,.1f} ms p50, {result.flood_p99_ms:,.1f} ms p99",
        "ratio": f"{result.ratio_p50:.2f} of the medians",
        "the nine": f"{result.messages} messages, {result.errors} errors",
        "the flood": f"{result.flood_frames:,} frames, {result.flood_refused:,} refused",
    }
    return "\n".join(f"{name:18} {value}" for name, value in rows.items())


if __name__ == "__main__":
    sys.exit(main())
