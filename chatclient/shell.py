"""A core with real connections, time and chance: asyncio carries out what it decides."""

import asyncio
import random
import secrets
import uuid
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from chatclient.account import Account
from chatclient.address import Address
from chatclient.context import Ask, Close, Effect, Open, Renew, Send
from chatclient.core import ChatCore
from chatclient.errors import ChatError, LoggedOut, Refused, Unreachable
from chatclient.listeners import Updates
from chatclient.settings import Settings
from chatclient.sockets import Sockets
from chatclient.tickets import Tickets
from chatclient.updates import (
    Connection,
    Done,
    Failed,
    State,
    Update,
)

_KEY_BYTES = 24


class Shell:
    """Runs a ChatCore, from start() to close()."""

    def __init__(
        self,
        url: str | None = None,
        *,
        account: Account | None = None,
        name: str | None = None,
        key: str | None = None,
        rooms: Iterable[str] = (),
        settings: Settings | None = None,
        patience: float = 0.0,
        backlog: int = 10_000,
    ) -> None:
        self._core = ChatCore(
            clock=lambda: asyncio.get_running_loop().time(),
            random=random.random,
            cid=lambda: uuid.uuid4().hex,
            settings=settings,
            by_ticket=account is not None,
        )
        self.key = key or ("" if account else secrets.token_urlsafe(_KEY_BYTES))
        address = Address(url, name=name, key=self.key, by_ticket=account is not None)
        self._account = account
        self._tickets = (
            None
            if account is None
            else Tickets(account, self._core, self._tell, needs_url=url is None)
        )
        self._stop_listening: Callable[[], None] | None = None
        self._sockets = Sockets(
            lambda opening: address.of(opening, self._core.user), self._core, self._tell
        )
        self._rooms = tuple(rooms)
        self._patience = patience
        self._backlog = backlog
        self._listeners: WeakSet[Updates] = WeakSet()
        self._answers: dict[str, asyncio.Future[Any]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._online: asyncio.Future[None] | None = None
        self._give_up_at = 0.0
        self._settled = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close(drain=5.0 if error is None else 0.0)

    async def start(self) -> None:
        """Connect, and join the rooms.

        Raises:
            LoggedOut: The account's token is not valid any more.
            Refused: The server does not let this client in, or not under this name.
            Unreachable: Nobody answered within the patience.
            ChatError: A room cannot be joined.
        """
        loop = asyncio.get_running_loop()
        self._online = loop.create_future()
        self._give_up_at = loop.time() + self._patience
        joining = [self._ask(self._core.join, room) for room in self._rooms]
        try:
            self._authorize()
            self._tell(self._core.start)
            await self._online
            for answer in joining:
                await answer
        except BaseException:
            await self.close()
            await asyncio.gather(*joining, return_exceptions=True)
            raise

    async def close(self, *, drain: float = 0.0) -> tuple[str, ...]:
        """End the connection, after waiting `drain` seconds at most for what is not acknowledged.

        Returns:
            The tokens of what is still not acknowledged; each also gets a Failed (`closed`).
        """
        if drain and not self._core.is_closed:
            try:
                async with asyncio.timeout(drain):
                    await self.settled()
            except TimeoutError:
                pass
        unsettled = self._core.close()
        self._flush()
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None
        if self._tickets is not None:
            await self._tickets.closed()
        await self._sockets.closed()
        return unsettled

    async def settled(self) -> None:
        """Wait until everything that was sent is acknowledged or has failed."""
        if self._core.unsettled():
            self._settled.clear()
            await self._settled.wait()

    def _authorize(self) -> None:
        if self._account is not None:
            self._tell(self._core.authorized, self._account.token, self._account.expires_in)
            self._stop_listening = self._account.listen(partial(self._tell, self._core.authorized))

    def _ask(
        self, operation: Callable[..., str], *arguments: Any, **named: Any
    ) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[operation(*arguments, **named)] = answer
        self._flush()
        return answer

    def _tell(self, change: Callable[..., object], *arguments: Any, **named: Any) -> None:
        change(*arguments, **named)
        self._flush()

    def _flush(self) -> None:
        for effect in self._core.effects():
            self._carry_out(effect)
        for update in self._core.updates():
            self._publish(update)
        if not self._core.unsettled():
            self._settled.set()
        if self._core.is_closed:
            for listener in list(self._listeners):
                listener.end()
        self._set_timer()

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Ask(link) if self._tickets:
                self._tickets.ask(link)
            case Renew() if self._tickets:
                self._tickets.renew()
            case Open(link):
                self._sockets.open(link, effect)
            case Send(link, text):
                self._sockets.send(link, text)
            case Close(link):
                if self._tickets:
                    self._tickets.cancel(link)
                self._sockets.close(link)

    def _publish(self, update: Update) -> None:
        if isinstance(update, Connection):
            self._connected(update)
        elif isinstance(update, Done | Failed):
            self._answer(update)
        for listener in list(self._listeners):
            listener.put(update)

    def _answer(self, update: Done | Failed) -> None:
        answer = self._answers.pop(update.token, None)
        if answer is None or answer.done():  # cancelled
            return
        if isinstance(update, Done):
            answer.set_result(update.answer)
        else:
            answer.set_exception(_error(update))

    def _connected(self, update: Connection) -> None:
        if self._online is None or self._online.done():
            return
        if update.state is State.ONLINE:
            self._online.set_result(None)
        elif update.code == "logged_out":
            self._online.set_exception(LoggedOut(update.reason))
        elif update.status:
            self._online.set_exception(Refused(update.status))
        elif update.state is State.WAITING and self._has_given_up():
            self._online.set_exception(Unreachable(update.reason))
        elif update.state is State.CLOSED:
            self._online.set_exception(ChatError("closed", "the client was closed"))

    def _has_given_up(self) -> bool:
        return asyncio.get_running_loop().time() >= self._give_up_at

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wake = None if self._core.is_closed else self._core.next_wake()
        if wake is None:
            self._timer = None
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(wake, self._tell, self._core.tick)


def _error(update: Failed) -> ChatError:
    if update.code == "logged_out":
        return LoggedOut(update.message, uncertain=update.uncertain)
    return ChatError(
        update.code,
        update.message,
        retryable=update.retryable,
        uncertain=update.uncertain,
        retry_after=update.retry_after,
    )
