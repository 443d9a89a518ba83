"""Servers on real sockets, and the clients that talk to them: for tests only."""

import asyncio
import contextlib
import importlib.util
import io
import itertools
import logging
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import boto3
import uvloop
from botocore.config import Config
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State
from websockets.sync.client import ClientConnection, connect

from localgateway import callbacks, projects
from localgateway.authorizers import Authorizer
from localgateway.cli import main
from localgateway.events import Api
from localgateway.gateway import Gateway
from localgateway.limits import Beliefs, Limits
from localgateway.rest import RestGateway
from localgateway.runtime import Runtime
from localgateway.server import Server, listen

APPS = Path(__file__).parent / "apps"
MEMORY = APPS / "memory"
# Seconds: for what happens at once, on a machine that is busy with something else.
PATIENCE = 20.0
# Seconds: for a command to be ready, which imports, starts an engine, and creates a stack.
START = 120.0
UNLIMITED = Limits(connects_per_second=0, requests_per_second=0)

T = TypeVar("T")
_numbers = itertools.count()


def eventually(condition: Callable[[], T], within: float = PATIENCE) -> T:
    """Wait until a condition holds, and return what it returned."""
    due = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < due, "it has not happened"
        time.sleep(0.005)
    return value


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server that runs; `app` is the module of its app, `loop` the thread it runs in."""

    app: Any
    gateway: Gateway
    port: int
    stop: Callable[[], None]

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def websocket(self) -> str:
        return f"ws://127.0.0.1:{self.port}/api"

    def connect(self, query: str = "", **options: Any) -> ClientConnection:
        url = f"{self.websocket}{query}"
        client: ClientConnection = connect(url, proxy=None, max_size=None, **options)
        return client

    def raw(self, query: str = "") -> "RawClient":
        client = RawClient(self.port)
        client.upgrade(f"/api{query}")
        return client

    def client(self, service: str, **config: Any) -> Any:
        """Make a boto3 client that speaks HTTP, as another process would."""
        url = f"{self.http}/api" if service == "apigatewaymanagementapi" else self.http
        return boto3.Session("local", "local", region_name="us-east-1").client(
            service,
            endpoint_url=url,
            config=Config(retries={"total_max_attempts": 1}, proxies={}, **config),
        )

    def disconnects_of(self, connection_id: str) -> list[tuple[int, str]]:
        """What the $disconnect handler was told of a connection, each time it ran."""
        contexts = [event["requestContext"] for event in self.app.disconnects]
        return [
            (context["disconnectStatusCode"], context["disconnectReason"])
            for context in contexts
            if context["connectionId"] == connection_id
        ]

    def farewell(self, connection_id: str) -> tuple[int, str]:
        """Wait for the one $disconnect of a connection."""
        found = eventually(lambda: self.disconnects_of(connection_id))
        assert len(found) == 1
        return found[0]


def import_app(directory: Path) -> Any:
    """Import an app anew, under a name of its own: its state is nobody else's."""
    name = f"{directory.name}_app_{next(_numbers)}"
    spec = importlib.util.spec_from_file_location(name, directory / "app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def serving(
    limits: Limits = UNLIMITED,
    beliefs: Beliefs | None = None,
    authorizer: Authorizer | None = None,
) -> Iterator[Served]:
    """Serve the app apps/memory in a thread, on any free port."""
    module = import_app(MEMORY)
    project = projects.adopt(module.app, projects.configure(MEMORY, None), MEMORY)
    with listen("127.0.0.1", 0) as listener, contextlib.ExitStack() as stack:
        port = listener.getsockname()[1]
        api = Api(domain_name=f"127.0.0.1:{port}")
        gateway = Gateway(api, authorizer=authorizer, limits=limits, beliefs=beliefs)
        gateway.deploy(set(module.app.websocket_handlers))
        stack.enter_context(callbacks.attached(module.app, gateway))
        runtime = Runtime(project.functions)
        stack.callback(runtime.close)
        server = _Thread(Server(gateway, runtime, RestGateway(project, runtime)), listener)
        stack.callback(server.stop)
        stack.callback(module.release.set)
        yield Served(app=module, gateway=gateway, port=port, stop=server.stop)


class _Thread:
    """An event loop in a thread that runs a server; what goes wrong in it, stop() raises."""

    def __init__(self, server: Server, listener: socket.socket) -> None:
        self._ready = threading.Event()
        self._server = server
        self._server._ready = self._ready.set
        self._listener = listener
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="server")
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    def stop(self) -> None:
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the server does not end"
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - for stop() to raise
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await self._server.serve(self._listener, self._stop)


class RawClient:
    """A TCP connection that speaks HTTP and WebSocket only as well as a test wants it to."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self._protocol = Protocol(Side.CLIENT, state=State.OPEN, max_size=None)
        self._frames: list[Frame] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.socket.close()

    def upgrade(self, target: str, *, then: bytes = b"", **headers: str) -> None:
        """Ask for an upgrade and read the 101; `then` is sent in the same segment."""
        self.ask(target, then=then, **headers)
        head = self.head()
        assert head.startswith("HTTP/1.1 101 "), head

    def ask(self, target: str, *, method: str = "GET", then: bytes = b"", **headers: str) -> None:
        """Send an upgrade request; in the names of headers, _ stands for -."""
        fields = {
            "Host": "127.0.0.1",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec_WebSocket_Version": "13",
            "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
            **headers,
        }
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value]
        self.socket.sendall(
            "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode() + then
        )

    def head(self) -> str:
        """Read an HTTP answer up to its empty line, and not a byte more."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            assert byte, f"the connection has ended after {head!r}"
            head += byte
        return head.decode()

    def send(self, *frames: Frame) -> None:
        self.socket.sendall(wire(*frames))

    def receive(self) -> Frame | None:
        """Read the next frame; None: the connection has ended."""
        while not self._frames:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._protocol.receive_data(data)
            self._frames += [e for e in self._protocol.events_received() if isinstance(e, Frame)]
        return self._frames.pop(0)

    def text(self) -> str:
        frame = self.receive()
        assert frame is not None
        assert frame.opcode is Opcode.TEXT, frame
        return bytes(frame.data).decode()

    def identify(self) -> str:
        self.send(text("/id"))
        return self.text()

    def ended(self) -> bool:
        """Wait for the end of the connection, whatever comes before it."""
        with contextlib.suppress(ConnectionResetError):
            while self.socket.recv(1 << 16):
                pass
        return True

    def reset(self) -> None:
        """Vanish: the other side gets a TCP reset and no close frame."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def text(content: str | bytes, *, fin: bool = True, opcode: Opcode = Opcode.TEXT) -> Frame:
    data = content.encode() if isinstance(content, str) else content
    return Frame(opcode, data, fin=fin)


def wire(*frames: Frame, mask: bool = True) -> bytes:
    return b"".join(frame.serialize(mask=mask, extensions=[]) for frame in frames)


def identify(client: ClientConnection) -> str:
    """Ask the app for the id of a connection."""
    client.send("/id")
    return str(client.recv(PATIENCE))


# -- the command ---------------------------------------------------------------------------------


class Announcement(io.StringIO):
    """A standard output that knows when the gateway is ready, and at what port."""

    def __init__(self) -> None:
        super().__init__()
        self.ready = threading.Event()

    def flush(self) -> None:
        if "Ready in" in self.getvalue():
            self.ready.set()

    @property
    def port(self) -> int:
        line = next(line for line in self.getvalue().splitlines() if "websocket" in line)
        return int(line.split(":")[-1].partition("/")[0])


def command(
    arguments: Sequence[str],
    scenario: Callable[[int], object],
    *,
    number: signal.Signals = signal.SIGINT,
) -> tuple[int, str]:
    """Run the command in this process and thread, a scenario beside it, and then interrupt it.

    The scenario gets the port. Returns the exit code and what the command printed.
    """
    output = Announcement()
    failures: list[BaseException] = []
    ended = threading.Event()

    def accompany() -> None:
        try:
            eventually(lambda: output.ready.is_set() or ended.is_set(), START)
            if not ended.is_set():
                scenario(output.port)
        except BaseException as failure:  # noqa: BLE001 - raised below, in the test's thread
            failures.append(failure)
        finally:
            if not ended.is_set():
                os.kill(os.getpid(), number)

    companion = threading.Thread(target=accompany)
    with contextlib.redirect_stdout(output), _interruptible():
        companion.start()
        try:
            code = main(arguments)
        except KeyboardInterrupt:  # before it was ready; the failure below says why
            code = 130
        finally:
            ended.set()
            companion.join()
    if failures:
        raise failures[0]
    return code, output.getvalue()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Hear the signals before the command does: what a shell runs in the background ignores one."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    finally:
        after = [signal.signal(*it) for it in zip(numbers, before, strict=True)]
    assert after == [signal.default_int_handler] * 2, "the command keeps its handlers"


@contextmanager
def process_kept() -> Iterator[None]:
    """Put back what the command changes in the process that it expects to be its own."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    package = logging.getLogger("localgateway").level
    directory, path, environ = Path.cwd(), list(sys.path), dict(os.environ)
    sys.modules.pop("app", None)  # that of other tests, which Chalice would take for its own
    try:
        yield
    finally:
        os.chdir(directory)
        sys.path[:] = path
        sys.modules.pop("app", None)
        os.environ.clear()
        os.environ.update(environ)
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("localgateway").setLevel(package)
