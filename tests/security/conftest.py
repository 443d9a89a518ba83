"""Fixtures of the attacks: the chat in both wirings, and an ear for what it gives away."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.functional.chats import chatting
from tests.security.doors import Door
from tests.security.witnesses import Witness
from tests.stores.memory import MemoryClient
from tests.unit.people import FakeHasher

Open = Callable[..., Door]

# As they are without a setting. Frames are counted in test_floods.py only.
_LIMITS = {
    "GUESTS": "false",
    "ADDRESS_RATE": "10",
    "ADDRESS_BURST": "60",
    "REGISTRATIONS_PER_HOUR": "20",
    "LOGIN_ATTEMPTS": "10",
    "NEW_ROOMS_PER_HOUR": "20",
}


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

        def start(**options: Any) -> Door:
            usual = {"dynamodb": MemoryClient(), "authorizer": wiring, **_LIMITS}
            hasher = FakeHasher()
            chat = chatting(monkeypatch, hasher=hasher, **{**usual, **options})
            opened = Door(stack.enter_context(chat), hasher)
            witness.follow(opened)
            return opened

        yield start


@pytest.fixture
def door(open_door: Open) -> Door:
    """The chat, which does not count requests: attacks are many, and its clock stands still."""
    return open_door(ADDRESS_RATE="0", REGISTRATIONS_PER_HOUR="0")
