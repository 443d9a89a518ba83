"""Fixtures of the functional tests: the chat, and variants of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.functional.chats import Chat, chatting
from tests.stores.memory import MemoryClient

HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)  # when others have left out what is not wanted
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put what looks back at all tests last, and skip it where some of them do not run."""
    last = [item for item in items if item.get_closest_marker("after_all")]
    items[:] = [item for item in items if item not in last] + last
    missing = set(HERE.glob("test_*.py")) - {item.path for item in items}
    some = any("::" in argument for argument in config.args) or config.option.keyword
    if missing or some or config.option.markexpr:
        for item in last:
            item.add_marker(pytest.mark.skip("it looks back at all of tests/functional"))


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Chat]]:
    """Start the chat with variables of its environment, or another database."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(chatting(monkeypatch, **options))


@pytest.fixture
def chat(start: Callable[..., Chat]) -> Chat:
    """The chat on a database in memory, which tests/stores checks against moto and AWS's own."""
    return start(dynamodb=MemoryClient())
