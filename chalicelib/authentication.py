"""Whose a token is, and whether it is still good: asked by every route and by `refresh`."""

import re
from collections.abc import Callable

from chalicelib.accounts import Account, AccountRepository
from chalicelib.errors import Forbidden, Unauthorized
from chalicelib.identities import MAX_TOKEN_LENGTH, Claims, ExternalIdentity, Identity
from chalicelib.models import UserName
from chalicelib.settings import IdentitySettings
from chalicelib.tokens import Tokens, alleged_issuer

_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/=-]+) *", re.IGNORECASE)
_REVOKED = "the token is no longer valid: log in again"

ExternalVerifier = Callable[[str], ExternalIdentity]


class Authenticator:
    """Verifies our own tokens, and those of one other issuer.

    Args:
        settings: Which issuer, and whether there are guests.
        tokens: Our own.
        accounts: Whose they are.
        external: Verifies a token of the issuer OIDC_ISSUER, and raises Unauthorized; or None.
        clock: Epoch seconds.
        is_revoked: Tells whether a guest has logged out.
    """

    def __init__(
        self,
        settings: IdentitySettings,
        tokens: Tokens,
        accounts: AccountRepository,
        external: ExternalVerifier | None,
        clock: Callable[[], float],
        *,
        is_revoked: Callable[[Identity], bool],
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._accounts = accounts
        self._external = external
        self._clock = clock
        self._is_revoked = is_revoked

    def authenticate(self, token: str) -> Claims:
        """Verify a token, and that its holder has not logged out since.

        One consistent read. A person for whom the other issuer vouches gets an account at the
        first time. Their token cannot be revoked here: it is good until it expires.

        Raises:
            Unauthorized: it is not good; little is said about why.
            Conflict: the other issuer's name for them is somebody else's here.
            Unavailable: the database or a key store did not answer in time.
        """
        return self._verified(token, self._accounts.claim)

    def recognise(self, token: str) -> Claims:
        """Do the same for somebody who has been here before; make no account.

        Raises:
            Unauthorized, Conflict, Unavailable: see `authenticate`; or nobody has come with it yet.
        """
        return self._verified(token, self._accounts.recall)

    def bearer(self, authorization: str | None, *, own: bool = False) -> Claims:
        """Verify the token of an Authorization header (https://www.rfc-editor.org/rfc/rfc6750).

        Args:
            authorization: The header.
            own: Whether it has to be a token of ours.

        Raises:
            Unauthorized, Conflict, Unavailable: see `authenticate`.
            Forbidden: it has to be one of ours, and is not.
        """
        found = _BEARER.fullmatch(authorization or "")
        if found is None:
            raise Unauthorized(reason="there is no token: send Authorization: Bearer <token>")
        if own and self._external_for(found[1]):
            raise Forbidden("the token is another issuer's, which is where to renew it")
        return self.authenticate(found[1])

    def _external_for(self, token: str) -> ExternalVerifier | None:
        if self._external is None or len(token) > MAX_TOKEN_LENGTH:
            return None
        return self._external if alleged_issuer(token) == self._settings.oidc_issuer else None

    def _own(self, token: str) -> Claims:
        claims = self._tokens.verify(token)
        if not self._is_current(claims):
            raise Unauthorized(reason=_REVOKED)
        return claims

    def _is_current(self, claims: Claims) -> bool:
        identity = claims.identity
        if identity.guest:
            # The name may be an account's by now, and guests may be wanted no longer.
            free = self._settings.guests and not self._accounts.looks_taken(identity.user)
            return free and not self._is_revoked(identity)
        account = self._accounts.find(identity.user)
        return account is not None and account.token_version == identity.version

    def _verified(self, token: str, account_of: Callable[[UserName, str, str], Account]) -> Claims:
        external = self._external_for(token)
        if external is None:
            return self._own(token)
        person = external(token)
        account = account_of(person.user, person.issuer, person.subject)
        return Claims(
            identity=account.identity,
            expires_at=person.expires_at,
            logged_in_at=int(self._clock()),
        )
