"""Fixtures of the functional tests: the chat, and variants of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.functional.chats import Chat, chatting
from tests.stores.memory import MemoryClient


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Chat]]:
    """Start the chat with variables of its environment, or another database."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(chatting(monkeypatch, **options))


@pytest.fixture
def chat(start: Callable[..., Chat]) -> Chat:
    """The chat on a database in memory, which tests/stores checks against moto and AWS's own."""
    return start(dynamodb=MemoryClient())
