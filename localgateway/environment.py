"""Environment variables per function, in a process that runs all functions."""

import os
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Self


class FunctionEnviron(MutableMapping[str, str]):
    """An os.environ in which each thread sees the variables of the function it runs.

    On AWS a function is a process with its own environment; here functions are threads of one
    process. A function that sets one of its own variables sees what it has set until it returns;
    any other write goes to the process's environment.
    Threads that a handler starts see the process's environment, which holds the stage's variables.
    """

    def __init__(self, process: MutableMapping[str, str]) -> None:
        self._process = process
        self._local = threading.local()

    @contextmanager
    def scoped(self, variables: Mapping[str, str]) -> Iterator[None]:
        """Lay variables over the process's, in this thread, for the time of an invocation."""
        outer = self._overlay()
        self._local.overlay = dict(variables)
        try:
            yield
        finally:
            self._local.overlay = outer

    def copy(self) -> dict[str, str]:
        """Return all variables as a plain dictionary, as os.environ.copy() does."""
        return dict(self)

    def __getitem__(self, name: str) -> str:
        overlay = self._overlay()
        return overlay[name] if name in overlay else self._process[name]

    def __setitem__(self, name: str, value: str) -> None:
        if name in self._overlay():
            self._overlay()[name] = str(value)
        else:
            self._process[name] = value

    def __delitem__(self, name: str) -> None:
        if self._overlay().pop(name, None) is None or name in self._process:
            del self._process[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._process, **self._overlay()})

    def __len__(self) -> int:
        return len({**self._process, **self._overlay()})

    def __or__(self, other: Mapping[str, str]) -> dict[str, str]:
        return {**self, **other}

    def __ror__(self, other: Mapping[str, str]) -> dict[str, str]:
        return {**other, **self}

    def __ior__(self, other: Mapping[str, str]) -> Self:
        self.update(other)
        return self

    def _overlay(self) -> dict[str, str]:
        overlay: dict[str, str] = getattr(self._local, "overlay", {})
        return overlay


@contextmanager
def replaced(environ: FunctionEnviron, variables: Mapping[str, str]) -> Iterator[None]:
    """Put `environ` in place of os.environ, and variables into the process, for a while."""
    original = os.environ
    before = dict(original)
    original.update(variables)
    os.environ = environ  # type: ignore[assignment]  # noqa: B003
    try:
        yield
    finally:
        os.environ = original  # noqa: B003
        for name in set(original) - set(before):
            del original[name]
        original.update(before)
