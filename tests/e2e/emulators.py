"""ministack, an emulator of AWS that enforces IAM, in an environment of its own.

It pins botocore, so the project's environment cannot have it. It runs the code of functions in
processes, which end with it.
"""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3

REGION = "us-east-1"
_ROOT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
_EVERYTHING = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
)
_SHIM = Path(__file__).with_name("emulated.py")
_START = 60
_STOP = 15


class EmulatorError(Exception):
    """It does not start; the text is for the user."""


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator, and what it and the functions print."""

    url: str
    log: Path

    def lines(self, since: int = 0) -> list[str]:
        """Return the lines of its log from a position on."""
        with self.log.open(errors="replace") as log:
            log.seek(since)
            return log.read().splitlines()

    @property
    def position(self) -> int:
        """Return where its log ends now."""
        return self.log.stat().st_size


@contextmanager
def emulator(python: Path, folder: Path) -> Iterator[Emulator]:
    """Run it by its environment's Python on a free port, with nothing kept from earlier runs.

    Raises:
        EmulatorError: it is not installed, or does not start.
    """
    if not python.exists():
        raise EmulatorError(f"{python} is not there: run this by `make e2e`, which makes it")
    port = _free_port()
    found = Emulator(f"http://127.0.0.1:{port}", folder / "emulator.log")
    with found.log.open("w") as log:
        process = subprocess.Popen(
            [python.absolute(), _SHIM],
            cwd=folder,
            env=_environ(port, folder),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _await(found, process)
        yield found
    finally:
        _stop(process)


def become_admin(found: Emulator) -> None:
    """Have this process speak to the emulator and to nothing else, as a user who may do all."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    os.environ.update(nothing | _ROOT)
    os.environ.update({"AWS_ENDPOINT_URL": found.url, "AWS_DEFAULT_REGION": REGION})
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    iam = boto3.Session().client("iam")
    iam.create_user(UserName="deployer")
    iam.put_user_policy(UserName="deployer", PolicyName="all", PolicyDocument=_EVERYTHING)
    key = iam.create_access_key(UserName="deployer")["AccessKey"]
    os.environ["AWS_ACCESS_KEY_ID"] = key["AccessKeyId"]
    os.environ["AWS_SECRET_ACCESS_KEY"] = key["SecretAccessKey"]


def _environ(port: int, folder: Path) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "AUTH": "true",
        # Listeners of services that are not used, on ports that may be taken.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "S3_DATA_DIR": str(folder / "s3"),
        "STATE_DIR": str(folder / "state"),
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "1",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(found: Emulator, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _START
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{found.url}/_ministack/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise EmulatorError(f"the emulator does not start:\n{chr(10).join(found.lines()[-20:])}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # Workers that were left: the group is the emulator's own, made at its start.
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
