"""Fixtures of the attacks: the chat in both wirings, and an ear for what it gives away."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.functional.chats import Chat, chatting
from tests.security.witnesses import Witness
from tests.stores.memory import MemoryClient

Open = Callable[..., Chat]


@pytest.fixture(params=["authorize", None], ids=["authorizer", "plain"])
def wiring(request: pytest.FixtureRequest) -> str | None:
    """What is asked before $connect: the authorizer, or nothing, and then $connect itself."""
    authorizer: str | None = request.param
    return authorizer


@pytest.fixture(autouse=True)
def witness() -> Iterator[Witness]:
    """See that no attack is a fault of ours, and that no secret is in a log."""
    seen, root = Witness(), logging.getLogger()
    level = root.level
    root.addHandler(seen)
    root.setLevel(logging.INFO)
    yield seen
    root.setLevel(level)
    root.removeHandler(seen)
    assert seen.faults == []
    assert seen.leaks() == []


@pytest.fixture
def open_door(
    monkeypatch: pytest.MonkeyPatch, wiring: str | None, witness: Witness
) -> Iterator[Open]:
    """Start the chat in a wiring, without guests, with variables of its environment."""
    with ExitStack() as stack:

        def start(**options: Any) -> Chat:
            usual: dict[str, Any] = {
                "dynamodb": MemoryClient(),
                "authorizer": wiring,
                "GUESTS": "false",
            }
            chat = stack.enter_context(chatting(monkeypatch, **{**usual, **options}))
            witness.listen(chat)
            return chat

        yield start


@pytest.fixture
def door(open_door: Open) -> Chat:
    """The chat, which does not count requests: attacks are many, and its clock stands still."""
    return open_door(ADDRESS_RATE="0", REGISTRATIONS_PER_HOUR="0")
