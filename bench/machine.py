"""The machine that a benchmark runs on, and the memory its processes have taken."""

import contextlib
import os
import platform
import sys
from pathlib import Path

# The exit code of a benchmark that cannot be run on this machine; it says why on stderr.
SKIPPED = 3


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def processor() -> str:
    """Return the name of the processor, as far as the system tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def description() -> str:
    """Return what figures of this machine are to be compared with, in a line."""
    return f"{cores()} cores, {processor()}, Python {platform.python_version()}"


def peak_mb(pid: int | None = None) -> float | None:
    """Return the peak of a process's resident memory (this one's by default); None off Linux.

    Not getrusage's: that starts with the peak of whoever started the process.
    """
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid or 'self'}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None


def load() -> float:
    """Return how many processes wanted to run on average during the last minute."""
    return os.getloadavg()[0]
