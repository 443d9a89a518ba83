"""The command: its options, its one-line errors, its log, and how it ends."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close
from websockets.sync.client import ClientConnection, connect

from localgateway import cli, emulator
from localgateway.authorizers import Authorizer
from localgateway.engine import RemoteEngine
from localgateway.errors import EngineError
from tests.gateway.servers import (
    MEMORY,
    PATIENCE,
    command,
    eventually,
    identify,
    process_kept,
)

ROOT = Path(__file__).resolve().parents[2]
FAST = ["--app", str(MEMORY), "--port", "0", "--engine", "none"]


@pytest.fixture(autouse=True)
def own_process() -> Iterator[None]:
    with process_kept():
        yield


def chat(port: int) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{port}/api", proxy=None)


def project(directory: Path, app: str, config: str = '{"version": "2.0", "app_name": "x"}') -> Path:
    (directory / ".chalice").mkdir(parents=True)
    (directory / ".chalice" / "config.json").write_text(config)
    (directory / "app.py").write_text(app)
    return directory


def children() -> list[str]:
    """The engines that this process has started; by /proc, as ps is not everywhere."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            parent = (directory / "stat").read_text().rpartition(")")[2].split()[1]
            command = (directory / "cmdline").read_text().replace("\0", " ")
            if int(parent) == os.getpid() and "moto" in command:
                found.append(command)
    return found


# -- what the user gets wrong --------------------------------------------------------------------


def mistake(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run the command, expecting exit code 2 and one line on stderr, which is returned."""
    before = children()

    code = cli.main(arguments)

    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.startswith("localgateway: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert children() == before
    return err.removeprefix("localgateway: ").rstrip("\n")


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        said = mistake(["--app", str(MEMORY), "--port", str(port)], capsys)

    assert said == f"cannot listen on 127.0.0.1:{port}: Address already in use (see --port)"


def test_a_directory_without_an_app(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = mistake(["--app", str(tmp_path)], capsys)

    assert said == f"no app.py in {tmp_path}: not a Chalice project (see --app)"


def test_a_directory_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no app.py in" in mistake(["--app", str(tmp_path / "missing")], capsys)


CHALICE = "from chalice import Chalice\napp = Chalice('x')\n"
FLAG = "app.experimental_feature_flags.update(['WEBSOCKETS'])\n"
HANDLER = "@app.on_ws_message()\ndef message(event): pass\n"
SCHEDULE = "@app.schedule('rate(1 fortnight)')\ndef tick(event): pass\n"
APPS = {
    "no WebSocket handlers": (
        CHALICE,
        "app.py has no WebSocket handlers: add @app.on_ws_connect()",
    ),
    "no feature flag": (
        CHALICE + HANDLER,
        "app.py uses WebSockets without the feature flag",
    ),
    "missing module": (
        "import no_such_module\n",
        "app.py cannot be imported: ModuleNotFoundError: No module named 'no_such_module'",
    ),
    "syntax error": ("def (\n", "app.py cannot be imported: RuntimeError: SyntaxError: "),
    "no app in it": ("x = 1\n", "app.py cannot be imported: AttributeError: "),
    "ends the process": ("raise SystemExit('not today')\n", "SystemExit: not today"),
    "wrong schedule": (
        CHALICE + FLAG + HANDLER + SCHEDULE,
        "schedule of tick, rate(1 fortnight): neither rate",
    ),
}


@pytest.mark.parametrize(("code", "said"), APPS.values(), ids=APPS)
def test_an_app_that_cannot_be_served(
    code: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = project(tmp_path / "x", code)

    line = mistake(["--app", str(directory), "--port", "0", "--engine", "none"], capsys)

    assert said in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--stage", "prodd"], "unknown stage 'prodd'"),
        (["--engine", "http://127.0.0.1:9"], "no engine answers at http://127.0.0.1:9"),
        (["--engine", "mota"], "'mota' is not the URL of an engine"),
        (["--host", "203.0.113.7", "--port", "8000"], "cannot listen on 203.0.113.7:8000: "),
        (["--reload"], "--reload needs a --port of its own choice"),
        (
            ["--authorizer", "authorise"],
            "no function 'authorise' as authorizer: there are api_handler, authorize, job, ",
        ),
        (
            ["--identity-source", "route.request.header.X"],
            "--identity-source needs an --authorizer",
        ),
        (
            ["--authorizer", "authorize", "--identity-source", "stageVariables.x"],
            "identity source 'stageVariables.x': only route.request.querystring.NAME",
        ),
        (["--template", "missing.yaml"], "missing.yaml: No such file or directory"),
        (
            ["--template", f"{MEMORY}/.chalice/config.json"],
            "config.json: not a CloudFormation template: it has no Resources",
        ),
        (["--template", f"{MEMORY}/app.py"], "app.py: expected '<document start>'"),
        (["--template", f"{ROOT}/tests"], "Is a directory"),
        (
            ["--template", f"{MEMORY.parent}/sources/template.yaml"],
            'Could not connect to the endpoint URL: "http://127.0.0.1:9/"',
        ),
    ],
)
def test_an_option_that_names_what_is_not_there(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in mistake([*FAST, *arguments], capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "65536"], "argument --port: '65536' is not a port from 0 to 65535"),
        (["--port", "-1"], "argument --port"),
        (["--port", "http"], "argument --port: 'http' is not a port from 0 to 65535"),
        (["--parameter", "Name"], "argument --parameter: 'Name' is not NAME=VALUE"),
        (["--parameter", "=value"], "argument --parameter: '=value' is not NAME=VALUE"),
        (["--idle-timeout", "0"], "argument --idle-timeout: must be more than 0"),
        (["--max-duration", "soon"], "argument --max-duration: 'soon' is not a number"),
        (["--integration-timeout", "nan"], "'nan' is not 0 or more"),
        (["--integration-timeout", "inf"], "'inf' is not 0 or more"),
        (["--connect-rate", "-1"], "argument --connect-rate"),
        (["--throttle-burst", "0"], "argument --throttle-burst: must be more than 0"),
        (["--expired-code", "1005"], "argument --expired-code: '1005' is not a close code"),
        (["--expired-code", "x"], "argument --expired-code: 'x' is not a close code"),
        (["--connect-error-status", "200"], "'200' is not an HTTP status from 400 to 599"),
        (["--connect-timeout-status", "x"], "'x' is not an HTTP status from 400 to 599"),
        (["--authorizer-error-status", "200"], "'200' is not an HTTP status from 400 to 599"),
        (["--relo"], "unrecognized arguments: --relo"),
        (["nonsense"], "unrecognized arguments: nonsense"),
    ],
)
def test_an_option_that_makes_no_sense(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([*FAST, *arguments])

    assert ended.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_options_reach_what_they_configure(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[emulator.Options] = []

    def run(options: emulator.Options) -> int:
        given.append(options)
        return 0

    monkeypatch.setattr(emulator, "run", run)

    code = cli.main(
        [
            *(*FAST, "--stage", "dev", "--host", "::1", "--port", "1234", "--allow-unsigned"),
            *("--parameter", "A=1", "--parameter", "B=x=y", "--partial-batch-failures", "work"),
            *("--idle-timeout", "1", "--max-duration", "2", "--integration-timeout", "3"),
            *("--connect-rate", "4", "--throttle-rate", "5", "--throttle-burst", "6"),
            *("--expired-code", "3001", "--lost-code", "7", "--connect-error-status", "500"),
            *("--connect-timeout-status", "503", "--connect-throttled-status", "420"),
            *("--ping-resets-idle", "--template", "t.yaml", "--principal-optional"),
            *("--authorizer", "guard", "--identity-source", "route.request.querystring.a"),
            *("--identity-source", "route.request.header.b", "--authorizer-error-status", "501"),
            *("--authorizer-timeout-status", "504", "--authorizer-throttled-status", "429"),
            "--no-events",
        ]
    )

    [options] = given
    assert code == 0
    assert (options.stage, options.host, options.port) == ("dev", "::1", 1234)
    assert (options.engine, options.template) == ("none", Path("t.yaml"))
    assert options.parameters == {"A": "1", "B": "x=y"}
    assert options.partial_batch_failures == ["work"]
    limits, beliefs = options.limits, options.beliefs
    assert (limits.idle_seconds, limits.duration_seconds, limits.integration_seconds) == (1, 2, 3)
    assert (limits.connects_per_second, limits.requests_per_second) == (4, 5)
    assert limits.requests_burst == 6
    assert (beliefs.expired_code, beliefs.lost_code) == (3001, 7)
    assert (beliefs.connect_error_status, beliefs.connect_timeout_status) == (500, 503)
    assert beliefs.connect_throttled_status == 420
    assert (beliefs.authorizer_error_status, beliefs.authorizer_timeout_status) == (501, 504)
    assert beliefs.authorizer_throttled_status == 429
    assert beliefs.principal_optional
    sources = ("route.request.querystring.a", "route.request.header.b")
    assert options.authorizer == Authorizer("guard", identity_sources=sources)
    assert beliefs.ping_resets_idle
    assert beliefs.unsigned_callbacks
    assert not options.events


def test_an_interrupt_before_the_server_is_up_ends_with_130(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(_options: emulator.Options) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(emulator, "run", interrupted)

    assert cli.main(FAST) == 130


# -- the log -------------------------------------------------------------------------------------


def test_each_event_is_one_line_without_a_word_of_the_user(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def scenario(port: int) -> None:
        with chat(port) as client:
            client.send("my secret")
            client.recv(PATIENCE)

    command(FAST, scenario)

    lines = [re.sub(r"\s+", " ", line) for line in capsys.readouterr().err.splitlines()]
    assert [line.split()[1] for line in lines] == [
        "websocket_connect",
        "websocket_message",
        "websocket_disconnect",
    ]
    assert re.fullmatch(
        r"[\d:.]+ websocket_message [\w-]{15}= MESSAGE 9 B 200, [\d.]+ ms", lines[1]
    )
    assert "secret" not in "".join(lines)


def test_quiet_prints_no_line_per_event_but_errors(capsys: pytest.CaptureFixture[str]) -> None:
    def scenario(port: int) -> None:
        with chat(port) as client:
            client.send("my secret")
            client.recv(PATIENCE)
            client.send("/fail")
            client.recv(PATIENCE)

    command([*FAST, "--quiet"], scenario)

    err = capsys.readouterr().err
    assert err.splitlines()[-1] == "RuntimeError: cannot handle"
    assert "websocket_message" not in err
    assert "secret" not in err


def test_what_is_ready_is_announced() -> None:
    _, output = command(FAST, lambda _port: None)

    assert re.fullmatch(
        r"Ready in \d+\.\d s, stage dev\. Ctrl-C stops everything\.\n"
        r"  http       http://127\.0\.0\.1:(\d+)/\n"
        r"  websocket  ws://127\.0\.0\.1:\1/api\n"
        r"  engine     none\n",
        output,
    )


TICKET = "route.request.querystring.ticket"
GUARDED = [*FAST, "--authorizer", "authorize", "--identity-source", TICKET]


def test_an_authorizer_is_announced_and_has_lines_like_any_function(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def scenario(port: int) -> None:
        for query in ("", "?ticket=banned", "?ticket=odd"):
            with pytest.raises(InvalidStatus):
                connect(f"ws://127.0.0.1:{port}/api{query}", proxy=None)
        with connect(f"ws://127.0.0.1:{port}/api?ticket=s3cret", proxy=None) as client:
            identify(client)

    _, output = command(GUARDED, scenario)

    assert f"\n  authorizer authorize, {TICKET}\n" in output
    lines = [line.split(maxsplit=1)[1] for line in capsys.readouterr().err.splitlines()]
    lines = [re.sub(r"\s+", " ", re.sub(r"[\w-]{15}=", "ID", line)) for line in lines]
    assert [re.sub(r"[\d.]+ ms", "N ms", line) for line in lines] == [
        f"authorize not asked: there is no {TICKET}",
        "authorize ID CONNECT ok, N ms",
        "authorize denied",
        "authorize ID CONNECT ok, N ms",
        "authorize answered what API Gateway cannot use: policyDocument is not an object",
        "authorize ID CONNECT ok, N ms",
        "websocket_connect ID CONNECT 200, N ms",
        "websocket_message ID MESSAGE 3 B 200, N ms",
        "websocket_disconnect ID DISCONNECT 1000 200, N ms",
    ]


# -- the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_every_socket_and_runs_its_disconnect(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    farewell = tmp_path / "farewell"
    monkeypatch.setenv("FAREWELL", str(farewell))
    closed: list[Any] = []

    connected = threading.Barrier(3)

    def wait(port: int) -> None:
        with chat(port) as client:
            identify(client)
            connected.wait(PATIENCE)
            with contextlib.suppress(ConnectionClosed):
                client.recv(PATIENCE)
            closed.append(client.protocol.close_rcvd)

    waiting: list[threading.Thread] = []

    def scenario(port: int) -> None:
        waiting.extend(threading.Thread(target=wait, args=(port,)) for _ in range(2))
        for thread in waiting:
            thread.start()
        connected.wait(PATIENCE)

    code, _ = command(FAST, scenario, number=number)
    for thread in waiting:
        thread.join()

    assert code == 0
    assert closed == [Close(1001, "Going away")] * 2
    assert farewell.read_text().splitlines() == ["1001", "1001"]


def test_signals_are_heard_again_after_the_end() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    command(FAST, lambda _port: None)

    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_the_port_is_free_again_after_the_end() -> None:
    ports: list[int] = []

    command(FAST, ports.append)

    with socket.create_server(("127.0.0.1", ports[0])):
        pass


class Process:
    """The command in a process of its own."""

    def __init__(self, *arguments: str, **environ: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "localgateway", *arguments],
            cwd=ROOT,
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def announced(self, word: str) -> str:
        """Wait for a line of the announcement and return what follows the word."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.append(line)
            if line.strip().startswith(word):
                return line.strip().removeprefix(word).strip()
        raise AssertionError(f"no {word}: {self.process.stderr and self.process.stderr.read()}")

    def port(self) -> int:
        return int(self.announced("websocket").split(":")[-1].partition("/")[0])

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def gone(url: str) -> bool:
    try:
        RemoteEngine(url)
    except EngineError:
        return True
    return False


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -9)]
)
def test_the_engine_ends_with_the_gateway_however_that_ends(
    number: signal.Signals, code: int
) -> None:
    with Process("--app", str(MEMORY), "--port", "0") as gateway:
        engine = gateway.announced("engine")
        RemoteEngine(engine)

        ended = gateway.end(number)

        assert ended == code
        assert eventually(lambda: gone(engine))


def test_a_second_interrupt_does_not_wait_for_a_handler_that_hangs() -> None:
    with Process(*FAST) as gateway, chat(gateway.port()) as client:
        identify(client)
        client.send("/hang")
        started = time.monotonic()
        gateway.process.send_signal(signal.SIGINT)
        with pytest.raises(ConnectionClosed):
            client.recv(PATIENCE)
        ended = gateway.end(signal.SIGINT)

        assert ended == 130
        assert time.monotonic() - started < 4


def test_handlers_that_hang_do_not_keep_the_process() -> None:
    with Process(*FAST) as gateway, chat(gateway.port()) as client:
        identify(client)
        port = client.remote_address[1]
        with socket.create_connection(("127.0.0.1", port)) as rest:
            rest.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
            identify(client)

            assert gateway.end(signal.SIGINT) == 0


def test_a_mistake_is_one_line_without_a_traceback() -> None:
    with Process("--app", "/no/such/directory") as gateway:
        out, err = gateway.process.communicate(timeout=PATIENCE)

    assert (gateway.process.returncode, out) == (2, "")
    assert (
        err == "localgateway: no app.py in /no/such/directory: not a Chalice project (see --app)\n"
    )


def test_the_engine_is_stopped_when_the_app_turns_out_not_to_work(tmp_path: Path) -> None:
    code = (
        "import os, pathlib\n"
        "pathlib.Path('engine').write_text(os.environ['AWS_ENDPOINT_URL'])\n"
        "raise ValueError('no')\n"
    )
    directory = project(tmp_path / "x", code)

    with Process("--app", str(directory), "--port", "0") as gateway:
        _, err = gateway.process.communicate(timeout=PATIENCE)

    assert (gateway.process.returncode, err) == (
        2,
        "localgateway: app.py cannot be imported: ValueError: no\n",
    )
    assert gone((directory / "engine").read_text())


def test_help_explains_every_option() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "localgateway", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout.startswith("usage: python -m localgateway")
    assert "--integration-timeout SECONDS" in answer.stdout
    assert "--supervised" not in answer.stdout
    assert answer.stderr == ""
