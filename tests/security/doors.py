"""The chat as somebody in front of it has it: routes, handshakes, and what they answer."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from localgateway.testing import HandshakeRefused, TestSocket
from tests.functional.chats import Chat, Person
from tests.unit.people import PASSWORD, FakeHasher

LET_IN = 101


class Answer(NamedTuple):
    """What a route answers."""

    status: int
    body: Any
    headers: Mapping[str, str]


class Member(Person):
    """Somebody with an account, or a guest's token, and a connection made with it."""

    def __init__(self, socket: TestSocket, token: str) -> None:
        super().__init__(socket)
        self.token = token


class Door:
    """The way into a chat.

    Attributes:
        chat: The chat.
        clock: Its clock, which only tests move.
        hasher: What counts the passwords that were looked at.
        said: The objects that went over HTTP, either way.
    """

    def __init__(self, chat: Chat, hasher: FakeHasher) -> None:
        self.chat = chat
        self.clock = chat.clock
        self.hasher = hasher
        self.said: list[dict[str, Any]] = []

    def post(
        self, path: str, body: Any = b"", *, token: str | None = None, **headers: str
    ) -> Answer:
        """Send a request to a route; an underscore in the name of a header is a hyphen."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            lines["authorization"] = f"Bearer {token}"
        answer = self.chat.client.request("POST", path, headers=lines, body=raw)
        told = json.loads(answer.body)
        self.said += [fields for fields in (body, told) if isinstance(fields, dict)]
        return Answer(answer.status, told, dict(answer.headers))

    def handshake(self, query: str, **headers: str) -> int:
        """Return the status of a handshake; who is let in leaves again."""
        try:
            self.chat.client.connect(f"/?{query}", headers=headers).leave()
        except HandshakeRefused as refused:
            return refused.status
        return LET_IN

    def register(self, name: str, password: str = PASSWORD) -> str:
        """Make an account and return a token for it."""
        return str(self.post("/register", {"username": name, "password": password}).body["token"])

    def guest(self, name: str) -> str:
        """Return a token of a guest with this name, or one like it."""
        return str(self.post("/guest", {"username": name}).body["token"])

    def ticket(self, token: str) -> str:
        """Trade a token for a ticket."""
        return str(self.post("/ticket", token=token).body["ticket"])

    def enter(self, token: str, *rooms: str) -> Member:
        """Connect with a ticket for this token, and subscribe to rooms."""
        member = Member(self.chat.client.connect(f"/?ticket={self.ticket(token)}"), token)
        for room in rooms:
            member.ask("subscribe", room=room)
        member.heard()
        return member

    def member(self, name: str, *rooms: str) -> Member:
        """Register somebody and connect them, subscribed to rooms."""
        return self.enter(self.register(name), *rooms)

    def visit(self, name: str) -> Person:
        """Connect a guest without a ticket."""
        return Person(self.chat.client.connect(f"/?name={name}"))
