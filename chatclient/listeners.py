"""Updates on their way to an application that takes them at its own pace."""

import asyncio
from collections import deque
from typing import Self

from chatclient.updates import Missed, Update


class Updates:
    """An iterator over what has happened since it was made; it ends when the client has.

    At most `backlog` updates wait; beyond that the oldest are dropped and counted by a Missed.
    """

    def __init__(self, backlog: int) -> None:
        self._waiting: deque[Update] = deque(maxlen=backlog)
        self._missed = 0
        self._news = asyncio.Event()
        self._over = False

    def put(self, update: Update) -> None:
        """Add an update."""
        self._missed += len(self._waiting) == self._waiting.maxlen
        self._waiting.append(update)
        self._news.set()

    def end(self) -> None:
        """Say that there will be no more."""
        self._over = True
        self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Update:
        while not self._waiting:
            if self._over:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        if self._missed:
            missed, self._missed = Missed(self._missed), 0
            return missed
        return self._waiting.popleft()
