"""Processes that a benchmark starts, talks to line by line, and ends."""

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

_ROOT = Path(__file__).resolve().parent.parent


class Failure(Exception):  # noqa: N818 - told in one line
    """What was asked for cannot be measured."""


class Child:
    """A module of this project in a process of its own, which is killed at the end.

    Args:
        command: The module's name, and its arguments.
        environment: Variables beside those of this process.
        stderr: Where its log goes; by default to this process's.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        stderr: IO[str] | None = None,
    ) -> None:
        self._name = command[0]
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=_ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.process.kill()
        self.process.wait()

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None  # noqa: S101 - it is a pipe
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def waiting(self, seconds: float) -> str:
        """Return the next line that it prints, or nothing if none comes in time.

        Raises:
            Failure: It has ended.
        """
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return ""
        if not line:
            raise Failure(f"{self._name} has ended (exit code {self.process.wait()})")
        return line

    def line(self, due: float) -> str:
        """Return the next line that it prints, by a time of the monotonic clock.

        Raises:
            Failure: It has ended, or is too late.
        """
        line = self.waiting(max(0.0, due - time.monotonic()))
        if not line:
            raise Failure(f"out of time: {self._name} does not answer")
        return line

    def word(self, start: str, due: float) -> str:
        """Return the next word that it prints which begins so. Raises Failure."""
        while True:
            for word in self.line(due).split():
                if word.startswith(start):
                    return word

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._lines.put(line)
        self._lines.put("")
