"""The core's wishes for tickets and tokens, carried out on asyncio."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from chatclient.account import Account
from chatclient.core import ChatCore
from chatclient.errors import ChatError, LoggedOut, Rejected


class Tickets:
    """Asks the account, and hands the core what comes of it.

    Args:
        needs_url: Whether a ticket has to say where it is good.
        tell: Calls a method of the core and carries out what comes of it.
    """

    def __init__(
        self, account: Account, core: ChatCore, tell: Callable[..., None], *, needs_url: bool
    ) -> None:
        self._account = account
        self._needs_url = needs_url
        self._core = core
        self._tell = tell
        self._asking: dict[int, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, link: int) -> None:
        """Ask for the ticket of a connection."""
        self._asking[link] = self._start(self._ask(link))

    def cancel(self, link: int) -> None:
        """Stop that."""
        task = self._asking.pop(link, None)
        if task is not None:
            task.cancel()

    def renew(self) -> None:
        """Ask for a newer token."""
        self._start(self._renew())

    async def closed(self) -> None:
        """Stop everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _ask(self, link: int) -> None:
        try:
            ticket = await self._account.ticket()
            if self._needs_url:
                _check(ticket.url, encrypted=self._account.is_encrypted)
        except ChatError as error:
            self._asking.pop(link, None)
            self._fail(self._core.denied, link, error=error)
        else:
            self._asking.pop(link, None)
            self._tell(self._core.ticketed, link, ticket.text, ticket.url)

    async def _renew(self) -> None:
        try:
            await self._account.renew()
        except ChatError as error:
            self._fail(self._core.not_renewed, error=error)

    def _fail(self, method: Callable[..., None], *arguments: int, error: ChatError) -> None:
        status = error.status if isinstance(error, LoggedOut | Rejected) else 0
        wait = error.retry_after or None
        self._tell(method, *arguments, status, error.message, wait=wait)


def _check(url: str, *, encrypted: bool) -> None:
    """Refuse an address that is none, or less safe, and do not repeat it: the ticket is in it."""
    if not url:
        raise _useless("the server does not know its own address: give the client a URL")
    try:
        is_encrypted = parse_uri(url).secure
    except InvalidURI:
        raise _useless("the server's address for tickets is none") from None
    if encrypted and not is_encrypted:
        raise _useless("the server's address for tickets is not encrypted")


def _useless(problem: str) -> ChatError:
    return ChatError("bad_answer", problem, retryable=True)
