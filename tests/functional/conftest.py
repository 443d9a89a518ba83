"""Fixtures of the functional tests: the chat, and variants of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.functional.chats import Chat, chatting


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Chat]]:
    """Start the chat with variables of its environment."""
    with ExitStack() as stack:
        yield lambda **environ: stack.enter_context(chatting(monkeypatch, **environ))


@pytest.fixture
def chat(start: Callable[..., Chat]) -> Chat:
    return start()
