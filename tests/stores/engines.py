"""DynamoDB Local, AWS's own program, as an engine beside moto."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Self

from localgateway.engine import Engine, answers

# Where `make dynamodb-local` puts it.
DIRECTORY = Path(__file__).parents[2] / ".cache" / "dynamodb-local"


def missing(directory: Path = DIRECTORY) -> str | None:
    """Say what DynamoDB Local lacks here, or return None."""
    if shutil.which("java") is None:
        return "DynamoDB Local needs java (Debian: default-jre-headless)"
    if not (directory / "DynamoDBLocal.jar").exists():
        return "DynamoDB Local is not here: make dynamodb-local fetches it"
    return None


class DynamoDBLocal(Engine):
    """A build of February 2020, in memory.

    Unlike DynamoDB of today it gives no image of the item on which a single put failed; it does
    in transactions. It does not take empty strings.
    """

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._process = process
        self.url = url

    @classmethod
    def start(
        cls,
        directory: Path = DIRECTORY,
        *,
        deadline: float = 30,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Self:
        """Start the server on a free port and return when it answers, within a deadline in s."""
        port = _free_port()
        with tempfile.TemporaryFile() as output:
            engine = cls(_spawn(directory, port, output), f"http://127.0.0.1:{port}")
            due = clock() + deadline
            while not engine.ready():
                if engine.ended() or clock() > due:
                    engine.stop()
                    output.seek(0)
                    raise RuntimeError(f"DynamoDB Local does not answer: {output.read()!r}")
                sleep(0.05)
        return engine

    def ready(self) -> bool:
        """Tell whether the server answers."""
        try:
            answers(self.url, timeout=5)
        except OSError:
            return False
        return True

    def ended(self) -> bool:
        """Tell whether the process has ended."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """Kill the server, which has nothing to save, and wait for its end."""
        self._process.kill()
        self._process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _spawn(directory: Path, port: int, output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            "java",
            "-XX:TieredStopAtLevel=1",  # it lives for seconds: a quick start is worth more
            "-Djava.library.path=DynamoDBLocal_lib",
            "-jar",
            "DynamoDBLocal.jar",
            "-inMemory",
            "-port",
            str(port),
        ],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )
