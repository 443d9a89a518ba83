"""Somebody who has logged in: a token, and the tickets that it is good for."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from chatclient.api import Api
from chatclient.errors import ChatError, LoggedOut, Rejected
from chatclient.frames import Frame, text_of

_UNAUTHORIZED = 401
_LONGEST = 10.0**9  # seconds


@dataclass(frozen=True, slots=True)
class Ticket:
    """What lets one connection in, within seconds; `url` has it in it, "" if not known."""

    text: str = field(repr=False)
    url: str = field(repr=False)


class Account:
    """A person's right to be in the chat, made by login(), register() or guest().

        account = await Account.login("https://chat.example.org/api", "ada", password)
        async with Client(account=account) as chat:
            ...

    Several clients may share one. The token is secret: whoever has it is the person. It is only in
    memory, shown nowhere, and renewed by the clients in time, up to 30 days after the log-in.

    Args:
        base: Where the HTTP routes are.
        user: Whose the token is.
        token: One that was kept, or that another issuer has given, see replace().
        expires_in: For how many seconds it is good.
        clock: The time in seconds, from any start.

    Raises:
        ValueError: The base is no URL.
    """

    def __init__(
        self,
        base: str,
        *,
        user: str,
        token: str,
        expires_in: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = Api(base)
        self._clock = clock
        self._lock = asyncio.Lock()
        self._listeners: list[Callable[[str, float], None]] = []
        self.user = user
        self.replace(token, expires_in)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(user={self.user!r})"

    @classmethod
    async def login(cls, base: str, username: str, password: str) -> Self:
        """Log in with a password.

        Raises:
            Rejected: 401: user name or password is wrong. 429: too many attempts.
            Unreachable: Nobody answered.
        """
        return await cls._enter(base, "/login", {"username": username, "password": password})

    @classmethod
    async def register(cls, base: str, username: str, password: str) -> Self:
        """Make an account, and log in.

        Raises:
            Rejected: 400: the name or the password is not allowed. 404: nobody may register. 409:
                the name is taken, or looks like one that is. 429: too many attempts.
            Unreachable: Nobody answered; the account may have been made all the same.
        """
        return await cls._enter(base, "/register", {"username": username, "password": password})

    @classmethod
    async def guest(cls, base: str, username: str | None = None) -> Self:
        """Come as a guest, who has no password and whose name is free again some time after.

        Raises:
            Rejected: 404: guests are not let in.
            Unreachable: Nobody answered.
        """
        return await cls._enter(base, "/guest", {"username": username} if username else {})

    @property
    def is_encrypted(self) -> bool:
        """Whether the routes are asked over TLS."""
        return self._api.is_encrypted

    @property
    def token(self) -> str:
        """The token that is good now; secret."""
        return self._token

    @property
    def expires_in(self) -> float:
        """For how many seconds it is good, 0 if it is not."""
        return max(0.0, self._expires_at - self._clock())

    async def ticket(self) -> Ticket:
        """Ask for a ticket, for one connection within half a minute.

        Raises:
            LoggedOut: The token is not valid any more.
            Rejected, Unreachable: There is none now.
            ChatError: The answer makes no sense (`bad_answer`).
        """
        async with self._lock:
            answer = await self._post("/ticket")
        text = text_of(answer, "ticket")
        if not text:
            raise _nonsense()
        return Ticket(text, text_of(answer, "url"))

    async def renew(self) -> None:
        """Trade the token for a newer one, which all clients of the account go on with.

        Raises:
            LoggedOut, Rejected, Unreachable, ChatError: As for ticket().
        """
        old = self._token
        async with self._lock:
            if self._token is old:  # nobody else has renewed it meanwhile
                self._adopt(await self._post("/token"))

    async def change_password(self, password: str, new_password: str) -> None:
        """Change the password; everything else of the person is logged out.

        Raises:
            Rejected: 400: the new password is not allowed. 401: the password is wrong, or the token
                not valid any more. 429: too many attempts.
            Unreachable: Nobody answered; it may have been changed all the same.
            ChatError: The answer makes no sense (`bad_answer`).
        """
        # No ticket is asked for meanwhile: the old token is worth nothing before the new one comes.
        async with self._lock:
            fields = {"password": password, "new_password": new_password}
            self._adopt(await self._api.post("/password", fields, self._token))

    async def logout(self) -> None:
        """End all tokens, tickets and connections of the person, on all devices.

        The clients of this account end with it. Nobody else is told if the server does not answer.

        Raises:
            Rejected, Unreachable, ChatError: As for ticket(); one that is over is no error.
        """
        async with self._lock:
            with contextlib.suppress(LoggedOut):
                await self._post("/logout")
            self._is_over = True

    def replace(self, token: str, expires_in: float) -> None:
        """Go on with another token of the same person, as another issuer gives them."""
        self._token, self._expires_at = token, self._clock() + expires_in
        self._is_over = False
        for listener in list(self._listeners):
            listener(token, expires_in)

    def listen(self, listener: Callable[[str, float], None]) -> Callable[[], None]:
        """Call with each newer token and its seconds; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @classmethod
    async def _enter(cls, base: str, route: str, fields: dict[str, Any]) -> Self:
        user, token, expires_in = _credentials(await Api(base).post(route, fields))
        return cls(base, user=user, token=token, expires_in=expires_in)

    def _adopt(self, answer: Frame) -> None:
        _, token, expires_in = _credentials(answer)
        self.replace(token, expires_in)

    async def _post(self, route: str) -> Frame:
        if self._is_over:  # the token of a guest may go on being good
            raise LoggedOut("you have logged out")
        try:
            return await self._api.post(route, {}, self._token)
        except Rejected as error:
            if error.status == _UNAUTHORIZED:
                raise LoggedOut(error.message) from error
            raise


def _credentials(answer: Frame) -> tuple[str, str, float]:
    user, token = text_of(answer, "user"), text_of(answer, "token")
    expires_in = answer.get("expires_in")
    if not user or not token or isinstance(expires_in, bool):
        raise _nonsense()
    if not isinstance(expires_in, int | float):
        raise _nonsense()
    return user, token, min(max(expires_in, 0.0), _LONGEST)


def _nonsense() -> ChatError:
    return ChatError("bad_answer", "the server's answer makes no sense", retryable=True)
