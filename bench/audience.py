"""People in a room, each on a WebSocket of their own, who count what they hear.

Opens its sockets and then does what comes line by line on standard input: `say` lets the first of
them say something, `tell` prints what has been heard so far. Times are the machine's monotonic
clock, so that several processes' can be compared.
"""

import argparse
import asyncio
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import uvloop

from bench.sockets import HandshakeError, Socket, open_socket, side_by_side

_SPARE_FILES = 100
# Seconds after each refusal of a person: after the last one it is not just busy.
_PAUSES = (0.5, 1, 2, 4, *(8,) * 16)
_STEP = 100


class Person:
    """What one of them has heard: the numbers of messages, in the order in which they came."""

    __slots__ = ("_audience", "heard")

    def __init__(self, audience: "Audience") -> None:
        self._audience = audience
        self.heard: list[int] = []

    def received(self, _data: bytes) -> bool:
        """Leave it to be parsed."""
        return False

    def received_frame(self, _frame: bytes, payload: bytes) -> None:
        """Note a message, or the answer to one's own."""
        event = json.loads(payload)
        if event.get("type") == "message":
            self.heard.append(event["seq"])
        self._audience.note(event.get("type"))

    def lost_one(self) -> None:
        """Tell that the server has closed the socket."""
        self._audience.closed += 1


class Audience:
    """The people of one process.

    Attributes:
        people: By their place, from 0 on.
        closed: How many sockets the server has closed.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.people: dict[int, Person] = {}
        self._sockets: dict[int, Socket] = {}
        self._first: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._said = 0.0
        self._refused = 0
        self.closed = 0

    async def arrive(
        self, first: int, count: int, at_once: int, opened: Callable[[int], object]
    ) -> None:
        """Open the sockets of so many people; `{n}` in the URL becomes the number of each.

        One that is refused because the server is busy is tried again.

        Raises:
            HandshakeError, OSError: The server cannot be used.
        """

        async def arrive_one(place: int) -> None:
            person = self.people[place] = Person(self)
            url = self._url.replace("{n}", str(first + place))
            self._sockets[place] = await self._open(person, url)
            opened(len(self._sockets))

        await side_by_side(arrive_one, count, at_once)

    def say(self, **asking: Any) -> None:
        """Let the first say something; with an `id` they are answered."""
        frame = {"action": "sendmessage", "message": "hello, everyone!", **asking}
        self._said = time.monotonic()
        self._sockets[0].send(json.dumps(frame).encode())

    def close(self) -> None:
        """Close all sockets without ceremony."""
        for socket in self._sockets.values():
            socket.abort()

    def note(self, kind: str) -> None:
        """Note when something of a kind arrived, for the first time and the last."""
        now = self._last[kind] = time.monotonic()
        self._first.setdefault(kind, now)

    def tell(self) -> dict[str, Any]:
        """Return what has been heard, how many have heard how many messages, and when."""
        heard = Counter(len(person.heard) for person in self.people.values())
        return {
            "said": self._said,
            "first": self._first,
            "last": self._last,
            "heard": heard,
            "again": sum(
                len(person.heard) - len(set(person.heard)) for person in self.people.values()
            ),
            "closed": self.closed,
            "refused": self._refused,
        }

    async def _open(self, person: Person, url: str) -> Socket:
        for pause in _PAUSES:
            try:
                return await open_socket(person, url)
            except HandshakeError:
                self._refused += 1
                await asyncio.sleep(pause)
        return await open_socket(person, url)


async def _main(options: argparse.Namespace) -> None:
    audience = Audience(options.url)

    def opened(number: int) -> None:
        if number % _STEP == 0 or number == options.count:
            print(json.dumps({"open": number}), flush=True)

    await audience.arrive(options.first, options.count, options.concurrency, opened)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    while command := await commands.readline():
        if command.strip() == b"say":
            audience.say(id=1)
        else:
            print(json.dumps(audience.tell()), flush=True)


def _raise_file_limit(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count + _SPARE_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count + _SPARE_FILES, hard))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.audience", description=__doc__)
    parser.add_argument("url", help="ws://..., where {n} becomes the number of each")
    parser.add_argument("--first", type=int, default=0, help="the number of the first")
    parser.add_argument("--count", type=int, default=100, help="how many there are")
    parser.add_argument("--concurrency", type=int, default=16, help="handshakes at a time")
    arguments = parser.parse_args()
    _raise_file_limit(arguments.count)
    uvloop.run(_main(arguments))
