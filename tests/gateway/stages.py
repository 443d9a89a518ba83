"""The chat on localgateway, in real processes on real sockets: for tests only."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, TypeVar

from bench.audience import Audience
from localgateway.engine import MotoEngine
from tests.gateway.servers import PATIENCE, eventually
from tests.gateway.wires import Wire

ROOT = Path(__file__).resolve().parents[2]
STAGE = "local"
DELIVERIES, DEAD_LETTERS = "dynamowave-local-deliveries", "dynamowave-local-undelivered"
# Seconds until a message that was received is seen again.
VISIBILITY = 4

T = TypeVar("T")
_numbers = itertools.count()


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="clients")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in it, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def call(self, work: Callable[[], T]) -> T:
        """Call something in its thread, and wait for it."""

        async def called() -> T:
            return work()

        return self.run(called())

    def stop(self) -> None:
        """Cancel what still runs, and end the thread."""
        self.run(self._cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    async def _cancel(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class Crowd(Audience):
    """People who can be watched: `noticed` is called with each kind of frame that arrives."""

    noticed: Callable[[str], None] = staticmethod(lambda _kind: None)

    def note(self, kind: str) -> None:
        super().note(kind)
        self.noticed(kind)


class Gateway:
    """`python -m localgateway` in a process of its own."""

    def __init__(self, project: Path, *arguments: str, **environ: str) -> None:
        self._log = project / f"{next(_numbers)}.log"
        options = ("--app", str(project), "--stage", STAGE, "--port", "0", *arguments)
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "localgateway", *options, "--supervised"],
                cwd=ROOT,
                env={**os.environ, **environ},
                stdin=subprocess.PIPE,  # its end tells the gateway that the tests are gone
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def ready(self) -> int:
        """Wait until it serves, and return its port."""
        assert self.process.stdout
        for line in self.process.stdout:
            if line.strip().startswith("http"):
                return int(line.rsplit(":", 1)[1].strip().rstrip("/"))
        raise AssertionError(f"it does not start: {self.log()}")

    def log(self) -> str:
        """Return what it has logged so far."""
        return self._log.read_text()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it at once, as nobody can prevent, whatever state it is in."""
        self.process.kill()
        self.process.communicate()


class Stage:
    """A lobby full of people, whose posts go along a wire; workers do the jobs of its queue.

    Attributes:
        crowd: The people; the first of them speaks.
        wire: Between workers and the people's gateway.
        said: How many messages there have been, which is the number of the last one.
    """

    def __init__(self, directory: Path, people: int) -> None:
        self.people = people
        self.said = 0
        self.wire = Wire()
        self._directory = directory
        self._stack = ExitStack()
        self._worker: Gateway | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def say(self) -> int:
        """Let the first say something; return its number."""
        self.said += 1
        self.loop.call(self.crowd.say)
        return self.said

    def heard(self, seq: int) -> Counter[int]:
        """Return how often each of the others has heard a message, by their places."""
        return Counter(
            {
                place: times
                for place, person in self.crowd.people.items()
                if (times := person.heard.count(seq))
            }
        )

    def all_have_heard(self, seq: int, within: float = PATIENCE) -> Counter[int]:
        """Wait until all others have heard a message; return how often each has."""
        eventually(lambda: len(self.heard(seq)) == self.people - 1, within)
        return self.heard(seq)

    @property
    def worker(self) -> Gateway:
        """A process that does the jobs; a new one if there is none, or it has been killed."""
        if self._worker is None or self._worker.process.poll() is not None:
            self._worker = Gateway(
                self._directory,
                *("--engine", self.engine.url, "--partial-batch-failures", "deliver"),
                POST_CONCURRENCY="4",
            )
            self._stack.callback(self._worker.kill)
            self._worker.ready()
        return self._worker

    def queued(self, queue: str, state: str = "") -> int:
        """Return how many messages are in a queue; the state is "", "NotVisible" or "Delayed"."""
        name = f"ApproximateNumberOfMessages{state}"
        answer = self.sqs.get_queue_attributes(QueueUrl=self.url(queue), AttributeNames=[name])
        return int(answer["Attributes"][name])

    def url(self, queue: str) -> str:
        return str(self.sqs.get_queue_url(QueueName=queue)["QueueUrl"])

    def redrive(self, *arguments: str) -> str:
        """Run the operator's command, and return what it prints."""
        answer = subprocess.run(
            [
                *(sys.executable, "-m", "tools.redrive", "--stage", STAGE),
                *("--endpoint-url", f"http://127.0.0.1:{self.port}", *arguments),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return answer.stdout

    def _open(self, stack: ExitStack) -> None:
        self.loop = Loop()
        stack.callback(self.loop.stop)
        self.engine = stack.enter_context(MotoEngine.start())
        self.sqs = self.engine.client("sqs")
        self.loop.run(self.wire.lay())
        stack.callback(lambda: self.loop.run(self.wire.cut()))
        _write_project(self._directory, self.wire.port)
        holder = Gateway(
            self._directory,
            *("--engine", self.engine.url, "--template", str(ROOT / "infra" / "data.yaml")),
            *("--parameter", f"DeliveriesVisibilityTimeout={VISIBILITY}"),
            *("--authorizer", "authorize", "--no-events"),
        )
        stack.callback(holder.kill)
        self.port = holder.ready()
        self.wire.lead_to(self.port)
        self.crowd = Crowd(f"ws://127.0.0.1:{self.port}/api?name=person-{{n}}")
        self.loop.run(self.crowd.arrive(0, self.people, 8, lambda _number: None))
        stack.callback(self.loop.call, self.crowd.close)


def _write_project(directory: Path, wire: int) -> None:
    """Write a project with the very app, in which connections are posted to along a wire."""
    for name in ("app.py", "chalicelib"):
        (directory / name).symlink_to(ROOT / name)
    config = json.loads((ROOT / ".chalice" / "config.json").read_text())
    config["stages"][STAGE]["environment_variables"] |= {
        "DIRECT_FANOUT": "10",
        "MAX_DELIVERIES": "3",
        "REDELIVERY_SECONDS": "1",
        "PRESENCE_LIST_LIMIT": "0",
        "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": f"http://127.0.0.1:{wire}/api",
    }
    (directory / ".chalice").mkdir()
    (directory / ".chalice" / "config.json").write_text(json.dumps(config))


def settled(seconds: float = 0.2) -> None:
    """Let what is on its way arrive."""
    time.sleep(seconds)
