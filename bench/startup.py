"""Times `make run`: from the command to the first message that one client gets from another."""

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

_ROOT = Path(__file__).parent.parent
_FRAME = '{"action":"sendmessage","message":"hello, everyone!"}'
_TIMEOUT = 60.0


def main() -> int:
    """Print the time of each run and their median."""
    parser = argparse.ArgumentParser(prog="python -m bench.startup", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="how many (default: 5)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead")
    options = parser.parse_args()
    times = [round(_first_delivery(), 2) for _ in range(max(1, options.runs))]
    if options.json:
        print(json.dumps({"seconds": times, "median": statistics.median(times)}))
        return 0
    print(" ".join(f"{seconds:.2f}" for seconds in times), "s")
    print(f"median {statistics.median(times):.2f} s, Python {sys.version.split()[0]}")
    return 0


def _first_delivery() -> float:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    started = time.monotonic()
    # A session of its own, so that Ctrl-C can be sent to make and all that it starts.
    process = subprocess.Popen(
        ["make", "run", f"PORT={port}"],
        cwd=_ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        asyncio.run(_exchange(f"ws://127.0.0.1:{port}/api"))
        return time.monotonic() - started
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(_TIMEOUT)


async def _exchange(url: str) -> None:
    async with (
        asyncio.timeout(_TIMEOUT),
        await _connect(url) as sender,
        await _connect(url) as receiver,
    ):
        await sender.send(_FRAME)
        await receiver.recv()


async def _connect(url: str) -> ClientConnection:
    while True:
        try:
            return await connect(url)
        except OSError:  # nobody listens yet
            await asyncio.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main())
