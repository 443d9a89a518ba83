"""The AWS emulator behind the app: a moto server of our own, or any endpoint that is running."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, Self

import boto3
import botocore.session
from botocore.config import Config

from localgateway.errors import EngineError

# Emulators accept any credentials; the account of all emulators is this one.
ACCESS_KEY = "local"
SECRET_KEY = "local"  # noqa: S105
ACCOUNT = "123456789012"
REGION = "us-east-1"

# In botocore's form: name in a profile, environment variables, default, conversion.
_NO_USER_CONFIGURATION = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class Engine:
    """An emulator of AWS services at one URL.

    Works as a context manager, which stops what it started.
    """

    url: str

    def client(self, service: str, region: str = REGION, *, attempts: int = 2) -> Any:
        """Make a boto3 client of this engine; what ~/.aws and AWS_PROFILE say does not matter."""
        core = botocore.session.Session(session_vars=_NO_USER_CONFIGURATION)
        session = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=region, botocore_session=core)
        config = Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"total_max_attempts": attempts, "mode": "standard"},
        )
        return session.client(service, endpoint_url=self.url, config=config)

    def stop(self) -> None:
        """Stop what start() started; again is harmless."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()


class RemoteEngine(Engine):
    """An emulator that somebody else started.

    Raises:
        EngineError: Nothing answers at the URL. Any HTTP answer will do.
    """

    def __init__(self, url: str, *, timeout: float = 5) -> None:
        self.url = url.rstrip("/")
        try:
            answers(self.url, timeout)
        except ValueError as error:
            raise EngineError(f"{url!r} is not the URL of an engine: {error}") from error
        except (OSError, HTTPException) as error:
            cause = getattr(error, "reason", error)
            raise EngineError(f"no engine answers at {url}: {cause}") from error


class MotoEngine(Engine):
    """A moto server in a subprocess, which ends with this process, however this one ends."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._process = process
        self.url = url

    @classmethod
    def start(
        cls,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        deadline: float = 30,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Self:
        """Start the server and return when it answers; port 0 is any free one.

        Raises:
            EngineError: It ended, or did not answer within the deadline (seconds).
        """
        port = _free_port(host, port)
        with tempfile.TemporaryFile() as stderr:
            engine = cls(_spawn(host, port, stderr), f"http://{host}:{port}")
            due = clock() + deadline
            try:
                while not engine.ready():
                    engine.check(stderr, late=clock() > due)
                    sleep(0.02)
            except BaseException:
                engine.stop()
                raise
        return engine

    def ready(self) -> bool:
        """Tell whether the server answers."""
        try:
            answers(f"{self.url}/moto-api/config", timeout=5)
        except OSError:
            return False
        return True

    def check(self, stderr: IO[bytes], *, late: bool) -> None:
        """Raise EngineError if the server has ended, or is too late."""
        if self._process.poll() is not None:
            stderr.seek(0)
            lines = stderr.read().decode(errors="replace").split("\n")
            cause = next((line for line in reversed(lines) if line.strip()), "no message")
            raise EngineError(f"the moto engine ended while starting: {cause.strip()}")
        if late:
            raise EngineError(f"the moto engine does not answer at {self.url}")

    def stop(self, *, patience: float = 5) -> None:
        """Terminate the server, kill it after some seconds of patience, and wait for its end."""
        self._process.terminate()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()


def answers(url: str, timeout: float) -> None:
    """Return if there is an HTTP answer, whatever its status; otherwise raise OSError."""
    try:
        # Not through the proxy that http_proxy may name: engines are local.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(url, timeout=timeout).close()
    except urllib.error.HTTPError as answer:
        answer.close()


def _free_port(host: str, port: int) -> int:
    try:
        with socket.create_server((host, port)) as listener:
            return int(listener.getsockname()[1])
    except OSError as error:
        raise EngineError(f"the engine cannot use {host}:{port}: {error.strerror}") from error


def _spawn(host: str, port: int, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    # Started where localgateway is, so that it is found, and no module of the app's before it.
    root = Path(__file__).resolve().parent.parent
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "localgateway.moto_server", "--host", host, "--port", str(port)],
        cwd=root,
        stdin=subprocess.PIPE,  # its end tells the server that this process is gone
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        start_new_session=True,  # Ctrl-C is for the gateway, which stops the engine last
    )
