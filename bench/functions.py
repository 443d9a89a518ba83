"""A deployed function in a process of its own, which is told by lines what to handle.

Each line in holds the name of a function of app.py and an event; each line out what the handling
took. What the function prints goes where nobody reads it, as it would go to CloudWatch.
"""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from bench import machine

_ROOT = Path(__file__).resolve().parent.parent
_TIMEOUT_MS = 29_000


class Spent(NamedTuple):
    """What an invocation took, and what the function answered."""

    wall_s: float
    cpu_s: float
    peak_mb: float | None
    answer: Any


class Function:
    """A process that has imported app.py, as Lambda would; not for several threads at a time."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.functions"],
            cwd=_ROOT,
            env={"PATH": os.environ.get("PATH", ""), **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def invoke(self, name: str, event: Mapping[str, Any]) -> Spent:
        """Let the function of this name handle an event.

        Raises:
            OSError: the process has ended; it has told why on stderr.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise OSError("the function has no pipes")
        stdin.write(json.dumps([name, event]) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise OSError(f"{name} ended (exit code {self._process.wait()})")
        return Spent(*json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()


class Context:
    """What a function knows of its invocation."""

    aws_request_id = "bench"

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds that are left."""
        return _TIMEOUT_MS


def _serve() -> None:
    answers = sys.stdout
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        sys.stdout = nowhere
        # Lambda's runtime has given the root logger a handler. Warnings are ours to see.
        logging.basicConfig(stream=nowhere)
        warnings = logging.StreamHandler(sys.stderr)
        warnings.setLevel(logging.WARNING)
        logging.getLogger().addHandler(warnings)
        import app  # noqa: PLC0415 - not in the process that starts this one

        for line in sys.stdin:
            name, event = json.loads(line)
            began, cpu = time.monotonic(), time.process_time()
            answer = getattr(app, name)(event, Context())
            wall, cpu = time.monotonic() - began, time.process_time() - cpu
            print(json.dumps(Spent(wall, cpu, machine.peak_mb(), answer)), file=answers, flush=True)


if __name__ == "__main__":
    _serve()
