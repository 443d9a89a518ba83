"""Reloading: a change of the project is served on the same port, and the engine keeps its data."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from localgateway import cli, reloading
from localgateway.engine import MotoEngine
from tests.gateway.servers import MEMORY, PATIENCE, eventually, identify, process_kept

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def own_process() -> Iterator[None]:
    with process_kept():
        yield


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A project that a test may change."""
    directory = tmp_path / "project"
    shutil.copytree(MEMORY, directory, ignore=shutil.ignore_patterns("__pycache__"))
    return directory


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def version(port: int) -> str | None:
    """What the app that is served says of itself; None: nothing is served."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/")
        return str(json.load(connection.getresponse())["version"])
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def edit(directory: Path, old: str, new: str) -> None:
    """Change app.py as editors do: all at once."""
    changed = directory / "app.py.new"
    changed.write_text((directory / "app.py").read_text().replace(old, new))
    changed.replace(directory / "app.py")


def reload(
    arguments: list[str], scenario: Callable[[], object], number: signal.Signals = signal.SIGINT
) -> int:
    """Run the command in this process and thread, a scenario beside it, and then interrupt it."""
    failures: list[BaseException] = []

    def accompany() -> None:
        try:
            scenario()
        except BaseException as failure:  # noqa: BLE001 - raised below, in the test's thread
            failures.append(failure)
        finally:
            os.kill(os.getpid(), number)

    companion = threading.Thread(target=accompany)
    companion.start()
    try:
        code = cli.main([*arguments, "--reload"])
    finally:
        companion.join()
    if failures:
        raise failures[0]
    return code


def test_a_change_is_served_on_the_same_port_and_a_mistake_waits_for_the_next(
    copied: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    said: list[str] = []

    def heard(words: str) -> bool:
        said.append("".join(capfd.readouterr()))
        return words in "".join(said)

    def scenario() -> None:
        eventually(lambda: version(port) == "one")
        with connect(f"ws://127.0.0.1:{port}/api", proxy=None) as client:
            identify(client)
            edit(copied, '"one"', '"two"')
            with suppress(ConnectionClosed):
                client.recv(PATIENCE)
            assert client.protocol.close_rcvd is not None
            assert client.protocol.close_rcvd.code == 1001
        eventually(lambda: version(port) == "two")
        edit(copied, 'VERSION = "two"', 'VERSION = "two')
        eventually(lambda: heard("app.py cannot be imported: RuntimeError: SyntaxError"))
        assert version(port) is None
        edit(copied, 'VERSION = "two', 'VERSION = "three"')
        eventually(lambda: version(port) == "three")

    code = reload(["--app", str(copied), "--port", str(port), "--engine", "none"], scenario)

    assert code == 0
    assert version(port) is None


def test_an_authorizer_is_asked_after_a_change_too(copied: Path) -> None:
    port = free_port()
    seen: list[str] = []

    def level() -> str:
        with connect(f"ws://127.0.0.1:{port}/api?ticket=t", proxy=None) as client:
            client.send("/who")
            return str(json.loads(client.recv(PATIENCE))["level"])

    def scenario() -> None:
        eventually(lambda: version(port) == "one")
        seen.append(level())
        edit(copied, '"level": 7', '"level": 8')
        edit(copied, '"one"', '"two"')
        eventually(lambda: version(port) == "two")
        seen.append(level())
        with pytest.raises(InvalidStatus):
            connect(f"ws://127.0.0.1:{port}/api", proxy=None)

    arguments = ["--app", str(copied), "--port", str(port), "--engine", "none", "--quiet"]
    sources = ["--identity-source", "route.request.querystring.ticket"]
    code = reload([*arguments, "--authorizer", "authorize", *sources], scenario)

    assert code == 0
    assert seen == ["7", "8"]


def test_the_engine_and_its_data_stay(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    engines: list[MotoEngine] = []
    start = MotoEngine.start

    def recorded() -> MotoEngine:
        engines.append(start())
        return engines[-1]

    monkeypatch.setattr(MotoEngine, "start", recorded)
    seen: list[Any] = []

    def endpoint() -> str:
        with connect(f"ws://127.0.0.1:{port}/api", proxy=None) as client:
            client.send("/env AWS_ENDPOINT_URL")
            return str(client.recv(PATIENCE))

    def scenario() -> None:
        eventually(lambda: version(port) == "one")
        seen.append(endpoint())
        sqs = engines[0].client("sqs")
        sqs.create_queue(QueueName="kept")
        edit(copied, '"one"', '"two"')
        eventually(lambda: version(port) == "two")
        seen.append(endpoint())
        seen.append(len(sqs.list_queues()["QueueUrls"]))

    code = reload(["--app", str(copied), "--port", str(port), "--quiet"], scenario, signal.SIGTERM)

    assert code == 0
    assert len(engines) == 1
    assert seen == [engines[0].url, engines[0].url, 1]
    assert engines[0]._process.poll() is not None


def test_only_source_files_of_the_project_count() -> None:
    counts = reloading._ProjectFilter()

    assert counts(1, "/project/app.py")
    assert counts(1, "/project/.chalice/config.json")
    assert not counts(1, "/project/notes.txt")
    assert not counts(1, "/project/.venv/lib/module.py")
    assert not counts(1, "/project/__pycache__/app.py")


def test_a_port_that_is_taken_ends_it_at_once(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        code = cli.main(["--app", str(copied), "--port", str(port), "--reload"])

    assert code == 2
    assert "Address already in use" in capsys.readouterr().err


def test_a_project_that_is_none_ends_it_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli.main(["--app", str(tmp_path), "--reload"])

    assert code == 2
    assert "no app.py" in capsys.readouterr().err


def test_a_child_that_does_not_end_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reloading, "_PATIENCE", 0.1)
    deaf = tmp_path / "deaf"
    code = "import pathlib, signal, sys, threading\n"
    code += "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    code += "pathlib.Path(sys.argv[1]).touch()\n"
    code += "threading.Event().wait()"
    child = reloading._Child([sys.executable, "-c", code, str(deaf)])
    eventually(deaf.exists)

    child.stop()

    assert child._process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -9)]
)
def test_nothing_is_left_however_it_ends(copied: Path, number: signal.Signals, code: int) -> None:
    port = free_port()
    farewell = copied.parent / "farewell"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "localgateway", "--reload", "--quiet", "--engine", "none"),
            *("--app", str(copied), "--port", str(port)),
        ],
        cwd=ROOT,
        env={**os.environ, "FAREWELL": str(farewell)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        eventually(lambda: version(port) == "one")
        with connect(f"ws://127.0.0.1:{port}/api", proxy=None) as client:
            identify(client)
            # To the group, as a terminal does it.
            os.killpg(process.pid, number)
            ended = process.wait(PATIENCE)

            assert eventually(lambda: version(port) is None)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()

    assert ended == code
    assert eventually(lambda: farewell.exists() and farewell.read_text() == "1001\n")
