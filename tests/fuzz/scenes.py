"""A chat in which something has happened already, and what must hold whatever comes next."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.functional.chats import Chat, Person, chatting
from tests.stores.memory import MemoryClient

# Nothing is to be waited for, nor to be expensive: this is about what is said, not how often.
_PATIENT: Any = {
    "ADDRESS_RATE": "0",
    "NEW_ROOMS_PER_HOUR": "0",
    "MAX_CONNECTIONS": "0",
    "PASSWORD_MEMORY_KIB": "8",
    "PASSWORD_PASSES": "1",
}
_LARGEST_FRAME = 128 * 1024


class Complaints(logging.Handler):
    """Keeps what is logged as an error: the chat says so when something is its own fault."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


@contextmanager
def scene() -> Iterator[Chat]:
    """A chat with a little history in the lobby, in another room and between two people.

    Afterwards nothing may have been logged as an error.
    """
    complaints, root = Complaints(), logging.getLogger()
    root.addHandler(complaints)
    try:
        with (
            pytest.MonkeyPatch.context() as patch,
            chatting(patch, dynamodb=MemoryClient(), **_PATIENT) as chat,
        ):
            _talk(chat)
            yield chat
    finally:
        root.removeHandler(complaints)
    assert complaints.texts == []


def _talk(chat: Chat) -> None:
    alice, bob = chat.join("alice", "tea"), chat.join("bob", "tea")
    for room in ("lobby", "tea", "dm:alice:bob"):
        first, second = alice.say("one", room), bob.say("two", room, cid="c")
        alice.ask("editmessage", room=room, target=first, message="uno")
        bob.ask("react", room=room, target=first, emoji="\U0001f44d")
        bob.ask("deletemessage", room=room, target=second)
        alice.heard()
        bob.heard()


def check_alive(person: Person) -> None:
    """See that all that has arrived are frames of the protocol, and that the socket still works."""
    for frame in person.heard():
        check(frame)
    assert person.ask("hello")["type"] == "welcome"


def check(frame: dict[str, Any]) -> None:
    """See that a frame is one of the protocol's, and confesses no fault of ours."""
    assert "type" in frame, frame  # what API Gateway answers for a handler that raised has none
    assert frame.get("code") != "internal", frame
    assert len(json.dumps(frame)) <= _LARGEST_FRAME
