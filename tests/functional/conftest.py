"""Fixtures of the functional tests: the chat, and variants of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.functional.chats import LEDGER, Chat, chatting
from tests.stores.memory import MemoryClient


@pytest.fixture(autouse=True)
def allowed() -> Iterator[None]:
    """Fail if a function needed what its policy does not allow."""
    yield
    LEDGER.check()


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Chat]]:
    """Start the chat with variables of its environment, or another database."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(chatting(monkeypatch, **options))


@pytest.fixture
def chat(start: Callable[..., Chat]) -> Chat:
    """The chat on a database in memory, which tests/stores checks against moto and AWS's own."""
    return start(dynamodb=MemoryClient())
