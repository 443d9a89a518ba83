# ruff: noqa: INP001 - a Chalice project is a directory, not a package
"""The chat itself, with a database in this process: what a load costs the chat, and not moto."""

import importlib.util
import os
import threading
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.bootstrap import Application
from chalicelib.settings import Settings
from tests.stores.memory import MemoryClient

_CHAT = Path(__file__).resolve().parents[3] / "app.py"


class Shared:
    """The database of the tests, for several threads: each request is atomic."""

    def __init__(self) -> None:
        self._client = MemoryClient()
        self._lock = threading.Lock()

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> Any:
            with self._lock:
                return getattr(self._client, operation)(**arguments)

        return call


_database = Shared()


@cache
def application() -> Application:
    """Return the chat over the database in memory."""
    return Application(Settings.from_environ(os.environ), dynamodb=_database)


# Chalice knows one module called app, which is this one.
_spec = importlib.util.spec_from_file_location("chat_app", _CHAT)
assert _spec is not None and _spec.loader is not None  # noqa: S101, PT018 - the file is there
_chat = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_chat)
_chat.application = application  # type: ignore[attr-defined] # of a module that mypy does not see
app = _chat.app
