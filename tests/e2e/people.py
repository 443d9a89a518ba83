"""Somebody who chats with a deployed stage: one account over HTTP, and sockets."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, Self

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

Frame = dict[str, Any]


class Refused(Exception):  # noqa: N818 - the status is what it is about
    """A handshake or a request that was not let through, with its HTTP status."""

    def __init__(self, status: int, text: str = "") -> None:
        super().__init__(f"refused with {status}: {text}")
        self.status = status


class Page:
    """The REST API of a stage."""

    def __init__(self, url: str, *, patience: float) -> None:
        self._url = url
        self._patience = patience

    def get(self, path: str) -> str:
        """Return the text of a GET. Raises Refused."""
        return self._send(urllib.request.Request(self._url + path))

    def post(self, path: str, body: Frame | None = None, token: str | None = None) -> Frame:
        """Return the answer of a POST. Raises Refused."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = json.dumps(body or {}).encode()
        request = urllib.request.Request(self._url + path, data, headers, method="POST")
        return dict(json.loads(self._send(request)))

    def _send(self, request: urllib.request.Request) -> str:
        try:
            with urllib.request.urlopen(request, timeout=self._patience) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode()) from error
        except OSError as error:
            raise Refused(0, str(error)) from error


class Socket:
    """One WebSocket; what it was pushed waits until somebody asks for it."""

    def __init__(self, connection: ClientConnection, *, patience: float) -> None:
        self._connection = connection
        self._patience = patience
        self._pushed: list[Frame] = []
        self._requests = 0

    @classmethod
    def open(cls, url: str, *, patience: float) -> Self:
        """Connect. Raises Refused."""
        try:
            connection = connect(url, open_timeout=patience, close_timeout=2, ping_interval=None)
        except InvalidStatus as error:
            body = error.response.body
            raise Refused(error.response.status_code, (body or b"").decode()) from error
        except (InvalidHandshake, ConnectionClosed, OSError, EOFError) as error:
            raise Refused(0, repr(error)) from error
        return cls(connection, patience=patience)

    def ask(self, action: str, **fields: Any) -> Frame:
        """Return the answer to a request.

        Raises:
            AssertionError: it is an error, or there is none in time.
        """
        answer = self.try_(action, **fields)
        assert answer["type"] != "error", f"{action} was answered {answer}"
        return answer

    def send(self, action: str, **fields: Any) -> None:
        """Send a request, and wait for nothing."""
        self._connection.send(json.dumps({"action": action, **fields}))

    def try_(self, action: str, **fields: Any) -> Frame:
        """Return the answer to a request, an error too."""
        self._requests += 1
        request = self._requests
        self._connection.send(json.dumps({"action": action, "id": request, **fields}))
        return self._until(lambda frame: frame.get("id") == request, f"answer to {action}")

    def wait(self, kind: str, **fields: Any) -> Frame:
        """Return the next push of a type that has these fields; AssertionError if none comes."""
        return self._until(
            lambda f: f["type"] == kind and all(f.get(k) == v for k, v in fields.items()),
            f"push of {kind}, {fields}",
        )

    def forget(self) -> None:
        """Forget what has been pushed."""
        while self._pushed:
            self._pushed.clear()
            self._take(0.2)

    def close(self) -> None:
        """Leave."""
        self._connection.close()

    @property
    def is_open(self) -> bool:
        """Whether the server has not ended it."""
        try:
            self._take(0.5)
        except ConnectionClosed:
            return False
        return True

    def _until(self, fits: Callable[[Frame], bool], what: str) -> Frame:
        end = time.monotonic() + self._patience
        while True:
            for index, frame in enumerate(self._pushed):
                if fits(frame):
                    return self._pushed.pop(index)
            left = end - time.monotonic()
            assert left > 0, f"no {what}, within {self._patience:g} s: {self._pushed[-3:]}"
            try:
                self._take(left)
            except ConnectionClosed as error:
                raise AssertionError(f"closed while waiting for {what}: {error}") from error

    def _take(self, seconds: float) -> None:
        try:
            told = json.loads(self._connection.recv(timeout=seconds))
        except TimeoutError:
            return
        frames = told if isinstance(told, list) else [told]
        assert all("type" in f for f in frames), f"API Gateway itself answers {told}"
        self._pushed += frames


class Person:
    """Somebody with an account, and the means to connect."""

    def __init__(self, page: Page, socket_url: str, name: str, *, patience: float) -> None:
        self.name = name
        self._page = page
        self._socket_url = socket_url
        self._patience = patience
        self._sockets: list[Socket] = []
        self.token = ""

    def register(self) -> Self:
        """Make the account."""
        self.token = self._page.post("/register", self.credentials)["token"]
        return self

    @property
    def credentials(self) -> Frame:
        """Name and password, as the routes take them."""
        return {"username": self.name, "password": f"of {self.name}, quite long"}

    def ticket(self) -> str:
        """Ask for a ticket."""
        return str(self._page.post("/ticket", token=self.token)["ticket"])

    def connect(self, ticket: str | None = None) -> Socket:
        """Open a socket, with a fresh ticket unless one is given. Raises Refused."""
        shown = self.ticket() if ticket is None else ticket
        socket = Socket.open(f"{self._socket_url}?ticket={shown}", patience=self._patience)
        self._sockets.append(socket)
        return socket

    def leave(self) -> None:
        """Close every socket."""
        while self._sockets:
            self._sockets.pop().close()
