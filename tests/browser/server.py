"""The whole application on one port, to be stopped and started again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90
STOP_SECONDS = 20
ENVIRONMENT = {
    "TOKEN_TTL_SECONDS": "60",  # the shortest: tests wait until half of it is over
    "REGISTRATIONS_PER_HOUR": "0",
    "PASSWORD_MEMORY_KIB": "1024",
}


class ChatServer:
    """A local gateway as `make run` starts it."""

    def __init__(self, port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "localgateway", "--port", str(self._port)]
        command += ["--template", "infra/data.yaml", "--supervised"]
        with self._log.open("ab") as log:
            # Its own session: whatever it leaves behind can be stopped with it.
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **ENVIRONMENT},
                stdin=subprocess.PIPE,  # its end tells the server that the tests are gone
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"the server did not start:\n{self._log.read_text()[-4000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()  # closes the pipe too

    def _is_healthy(self) -> bool:
        try:
            with urlopen(f"{self.url}/health", timeout=5) as response:  # noqa: S310 our own URL
                return bool(response.status == 200)
        except (URLError, ConnectionError, TimeoutError):
            return False
