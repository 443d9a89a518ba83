"""Checking passwords, so often and no more."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

from chalicelib.accounts import Account, AccountRepository
from chalicelib.errors import RateLimited, Unauthorized, Unavailable
from chalicelib.limiter import Limiter
from chalicelib.models import UserName
from chalicelib.passwords import BrokenHashError, Passwords
from chalicelib.rates import Rate
from chalicelib.settings import FairnessSettings

logger = logging.getLogger(__name__)

_Cell: TypeAlias = tuple[str, Rate]
_WHAT = "attempts to log in"


class Logins:
    """Tells who knows a password.

    Failures are limited, by the address they come from and by the account they are made on.
    Attempts count before anything is checked, and are given back when the password was right: of
    any number at the same time, no more than the limit are answered. It makes no difference, to
    the answer, to the work or to the limits, whether there is such an account.

    So whoever fails on purpose keeps the owner from logging in, but not their sessions, tokens
    and tickets from working.
    """

    def __init__(
        self,
        accounts: AccountRepository,
        passwords: Passwords,
        limiter: Limiter,
        rates: FairnessSettings,
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._limiter = limiter
        self._rates = rates

    def verify(self, user: UserName, password: str, address: str) -> Account:
        """Return the account whose password this is.

        A hash of before a change of the parameters is replaced.

        Raises:
            Unauthorized: there is no such account, or its password is another.
            RateLimited: there were too many failures.
            Unavailable: the database did not answer in time. The attempt then counts.
        """
        cells = (
            (f"login-address#{address}", self._rates.address_logins),
            (f"login#{user}", self._rates.account_logins),
        )
        self._take(cells)
        account = self._accounts.find(user)
        stored = None if account is None else account.password_hash
        if not self._passwords.verify(stored, password) or account is None:
            raise Unauthorized(reason="user name or password is wrong")
        self._afterwards(lambda: self._give_back(cells))
        self._afterwards(lambda: self._renew_hash(account, password))
        return account

    def _take(self, cells: Sequence[_Cell]) -> None:
        taken: list[_Cell] = []
        for name, rate in cells:
            try:
                self._limiter.take(name, rate, what=_WHAT)
            except RateLimited:
                # What is refused is no failure, and counts nowhere.
                self._afterwards(lambda: self._give_back(taken))
                raise
            taken.append((name, rate))

    def _give_back(self, cells: Sequence[_Cell]) -> None:
        for name, rate in cells:
            self._limiter.give_back(name, rate)

    def _renew_hash(self, account: Account, password: str) -> None:
        old = account.password_hash
        if old is not None and self._passwords.needs_rehash(old):
            self._accounts.set_password_hash(account.user, old, self._passwords.hash(password))

    def _afterwards(self, act: Callable[[], None]) -> None:
        """Do what is not worth failing for."""
        try:
            act()
        except (Unavailable, BrokenHashError):
            logger.warning("something was left undone after a log-in", exc_info=True)
