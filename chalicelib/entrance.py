"""The way in: registering, logging in, and what is got for it; one method for each HTTP route."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from chalicelib.accounts import AccountRepository
from chalicelib.authentication import Authenticator
from chalicelib.errors import Forbidden, NotFound, Unauthorized
from chalicelib.forms import Credentials, GuestWish, HttpRequest, PasswordChange, read
from chalicelib.identities import Identity
from chalicelib.limiter import Limiter
from chalicelib.logins import Logins
from chalicelib.models import UserName
from chalicelib.pages import websocket_url
from chalicelib.passwords import Passwords
from chalicelib.settings import Settings
from chalicelib.tokens import Tokens

logger = logging.getLogger(__name__)

Answer = dict[str, Any]
_T = TypeVar("_T")


class Entrance:
    """The use cases, each from a request to the fields of its answer.

    Every one raises ChatErrors only: BadRequest and TooLarge for what the body is, Unauthorized
    for the token, RateLimited where an address asks too often, Unavailable while a service that
    it needs is down; and those that it names itself.

    Args:
        settings: Of the stage.
        accounts, tokens, passwords, logins, authenticator, limiter: What does the work.
        clock: Epoch seconds.
        new_guest: Claims a name for a guest, as wished or else near it, and tells who they are.
        revoke_guest: Makes what a guest holds worthless until then (epoch seconds).
        end_sessions: Ends all connections of a person.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        accounts: AccountRepository,
        tokens: Tokens,
        passwords: Passwords,
        logins: Logins,
        authenticator: Authenticator,
        limiter: Limiter,
        clock: Callable[[], float],
        new_guest: Callable[[UserName | None], Identity],
        revoke_guest: Callable[[Identity, int], None],
        end_sessions: Callable[[Identity], None],
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._tokens = tokens
        self._passwords = passwords
        self._logins = logins
        self._authenticator = authenticator
        self._limiter = limiter
        self._clock = clock
        self._new_guest = new_guest
        self._revoke_guest = revoke_guest
        self._end_sessions = end_sessions

    def register(self, request: HttpRequest) -> Answer:
        """Make an account, and log in to it.

        Raises:
            NotFound: the stage takes no registrations.
            Conflict: the name is taken, or looks like one that is. Such attempts count too, as
                each tells that a name is taken.
        """
        self._knock(request)
        if not self._settings.identity.registration:
            raise NotFound("there is no registration here")
        form = read(request.body, Credentials)
        user = form.user
        self._passwords.check(form.password, user)
        self._count_registration(request)
        account = self._accounts.create(user, self._passwords.hash(form.password))
        return self._welcome(account.identity)

    def login(self, request: HttpRequest) -> Answer:
        """Trade a password for a token.

        Raises:
            Unauthorized: user name or password is wrong.
        """
        self._knock(request)
        form = read(request.body, Credentials)
        account = self._logins.verify(form.user, form.password, request.address)
        return self._welcome(account.identity)

    def guest(self, request: HttpRequest) -> Answer:
        """Give somebody without an account a name and a token.

        Raises:
            NotFound: the stage has no guests.
        """
        self._knock(request)
        if not self._settings.identity.guests:
            raise NotFound("guests are not let in here")
        wanted = read(request.body, GuestWish).user if request.body else None
        self._count_registration(request)
        return self._welcome(self._new_guest(wanted))

    def renew(self, request: HttpRequest) -> Answer:
        """Trade a token of ours for a newer one; how often, the log-in's age decides.

        Raises:
            Forbidden: it is another issuer's.
        """
        self._knock(request)
        claims = self._authenticator.bearer(request.authorization, own=True)
        return self._welcome(claims.identity, claims.logged_in_at)

    def ticket(self, request: HttpRequest) -> Answer:
        """Trade a token for a ticket to connect with; `url` is None where it is not known."""
        self._knock(request)
        claims = self._authenticator.bearer(request.authorization)
        ticket = self._tokens.ticket(claims.identity, claims.expires_at)
        url = websocket_url(self._settings, request.host)
        return {
            "ticket": ticket.text,
            "expires_in": self._left(ticket.expires_at),
            "url": url and f"{url}?ticket={ticket.text}",
        }

    def logout(self, request: HttpRequest) -> Answer:
        """Make all tokens and tickets of a person worthless, and end their connections."""
        self._knock(request)
        identity = self._authenticator.bearer(request.authorization).identity
        if identity.guest:
            until = int(self._clock()) + self._settings.identity.login_ttl
            self._close(identity, lambda: self._revoke_guest(identity, until))
        else:
            self._close(identity, lambda: self._accounts.raise_version(identity.user))
        return {}

    def change_password(self, request: HttpRequest) -> Answer:
        """Replace a password; as `logout`, but for the token in the answer.

        Raises:
            Forbidden: the old password is wrong, or there is none. (Not Unauthorized, after which
                clients forget their token.)
            Conflict: it has been changed at the same time.
        """
        self._knock(request)
        identity = self._authenticator.bearer(request.authorization).identity
        user = identity.user
        form = read(request.body, PasswordChange)
        self._passwords.check(form.new_password, user, field="new_password")
        old_hash = self._verified(user, form.password, request.address)
        new_hash = self._passwords.hash(form.new_password)
        account = self._close(
            identity, lambda: self._accounts.change_password(user, old_hash, new_hash)
        )
        return self._welcome(account.identity)

    def _knock(self, request: HttpRequest) -> None:
        rate = self._settings.fairness.requests
        self._limiter.take(f"address#{request.address}", rate, what="requests from this address")

    def _count_registration(self, request: HttpRequest) -> None:
        rate = self._settings.fairness.registrations
        self._limiter.take(f"register#{request.address}", rate, what="new names from this address")

    def _welcome(self, identity: Identity, logged_in_at: int | None = None) -> Answer:
        now = int(self._clock())
        issued = self._tokens.issue(identity, now if logged_in_at is None else logged_in_at)
        return {
            "user": identity.user,
            "token": issued.text,
            "expires_in": self._left(issued.expires_at),
        }

    def _left(self, expires_at: int) -> int:
        return max(0, expires_at - int(self._clock()))

    def _verified(self, user: UserName, password: str, address: str) -> str:
        if self._password_hash(user) is None:
            raise Forbidden("there is no password to change: you do not log in with one")
        try:
            self._logins.verify(user, password, address)
        except Unauthorized as error:
            raise Forbidden("password is wrong") from error
        # Read again: to verify it may have renewed it.
        return self._password_hash(user) or ""

    def _password_hash(self, user: UserName) -> str | None:
        account = self._accounts.find(user)
        return None if account is None else account.password_hash

    def _close(self, identity: Identity, revoke: Callable[[], _T]) -> _T:
        """End the connections, then what lets new ones in, then those that came in between.

        When the first part fails, the token is still good to try again with: the other way round,
        a connection could stay that nobody has the right to end any more.
        """
        self._end_sessions(identity)
        revoked = revoke()
        try:
            self._end_sessions(identity)
        except Exception:  # it has happened: the token to try again with is worth nothing by now
            logger.exception("connections of a moment ago could not be ended")
        return revoked
