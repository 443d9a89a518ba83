"""Tokens and tickets: what a client shows instead of a password, signed by us and for us alone.

Both are JSON Web Tokens of one algorithm, HS256. What tells them apart is checked twice, in the
type of the header and in the audience: neither passes for the other, nor for those of another
stage. https://www.rfc-editor.org/rfc/rfc8725 (JSON Web Token Best Current Practices)
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import jwt
from msgspec import Meta, Struct, ValidationError, convert, to_builtins

from chalicelib.errors import Unauthorized
from chalicelib.identities import Claims, Identity, Issued, Ticket
from chalicelib.keys import Key, Keyring
from chalicelib.models import LARGEST_INTEGER, USER_PATTERN, UserName
from chalicelib.settings import IdentitySettings

LONGEST_TOKEN = 4096
_ALGORITHM = "HS256"
# PyJWT would also take padding, under which one token had several spellings.
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# Times and signatures are checked here: PyJWT has a clock of its own.
_UNTIMED: Any = {
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "enforce_minimum_key_length": True,
    "strict_aud": True,
}
_INVALID = "the token is not valid"
_EXPIRED = "the token has expired: log in again"

_User = Annotated[str, Meta(pattern=USER_PATTERN)]
_Time = Annotated[int, Meta(ge=0, le=LARGEST_INTEGER)]
_Version = Annotated[int, Meta(ge=0, le=LARGEST_INTEGER)]


class _Header(Struct, frozen=True, forbid_unknown_fields=True):
    # Nothing else: neither keys that a token brings along nor extensions that we would overlook.
    alg: str
    typ: str
    kid: str


class _Statement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    iss: str
    aud: str
    sub: _User
    iat: _Time
    exp: _Time
    ver: _Version
    guest: bool
    key: str | None

    @property
    def identity(self) -> Identity:
        return Identity(
            user=UserName(self.sub), guest=self.guest, version=self.ver, key_digest=self.key
        )


_S = TypeVar("_S", bound=_Statement)


class _Token(_Statement, frozen=True, kw_only=True):
    auth_time: _Time


class _Ticket(_Statement, frozen=True, kw_only=True):
    jti: Annotated[str, Meta(min_length=16, max_length=64)]
    session_exp: _Time


class Tokens:
    """Makes and checks tokens and tickets. Every method raises Unavailable without a key.

    Args:
        keys: What signs them.
        clock: Epoch seconds. There is no leeway: all who check are on the same clock.
        settings: How long each is good.
        stage: Those of another stage are not good here.
        new_id: A random string of at least 128 bits for each ticket, 16 to 64 characters.
    """

    def __init__(
        self,
        keys: Keyring,
        clock: Callable[[], float],
        settings: IdentitySettings,
        stage: str,
        new_id: Callable[[], str],
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._settings = settings
        self._issuer = f"dynamowave:{stage}"
        self._new_id = new_id

    def issue(self, identity: Identity, logged_in_at: int) -> Issued:
        """Make a token: for as long as one lasts, and while it can be renewed without a password.

        Raises:
            Unauthorized: the log-in is too long ago.
        """
        now = int(self._clock())
        expires_at = min(now + self._settings.token_ttl, logged_in_at + self._settings.login_ttl)
        if expires_at <= now:
            raise Unauthorized(reason=_EXPIRED)
        token = _Token(**self._common("token", identity, expires_at), auth_time=logged_in_at)
        return self._signed("token", token)

    def verify(self, text: str) -> Claims:
        """Read a token.

        Raises:
            Unauthorized: it is none of ours, or has expired. Nothing says what is wrong with it.
        """
        token = self._read("token", text, _Token)
        return Claims(identity=token.identity, expires_at=token.exp, logged_in_at=token.auth_time)

    def ticket(self, identity: Identity, session_expires_at: int) -> Issued:
        """Make a ticket for a connection that may act until then; it lasts no longer itself."""
        expires_at = min(int(self._clock()) + self._settings.ticket_ttl, session_expires_at)
        common = self._common("ticket", identity, expires_at)
        return self._signed(
            "ticket", _Ticket(**common, jti=self._new_id(), session_exp=session_expires_at)
        )

    def verify_ticket(self, text: str) -> Ticket:
        """Read a ticket; that it has not been used is for the caller to see.

        Raises:
            Unauthorized: it is none of ours, or has expired. Nothing says what is wrong with it.
        """
        ticket = self._read("ticket", text, _Ticket)
        return Ticket(
            identity=ticket.identity,
            id=ticket.jti,
            expires_at=ticket.exp,
            session_expires_at=ticket.session_exp,
        )

    def _common(self, kind: str, identity: Identity, expires_at: int) -> dict[str, Any]:
        return {
            "iss": self._issuer,
            "aud": f"{self._issuer}:{kind}",
            "sub": identity.user,
            "iat": int(self._clock()),
            "exp": expires_at,
            "ver": identity.version,
            "guest": identity.guest,
            "key": identity.key_digest,
        }

    def _signed(self, kind: str, statement: _Statement) -> Issued:
        key = self._keys.current()
        headers = {"kid": key.id, "typ": f"{kind}+jwt"}
        text = jwt.encode(to_builtins(statement), key.secret, _ALGORITHM, headers)
        return Issued(text=text, expires_at=statement.exp)

    def _read(self, kind: str, text: str, to: type[_S]) -> _S:
        if len(text) > LONGEST_TOKEN or not _COMPACT.fullmatch(text):
            raise Unauthorized(reason=_INVALID)
        try:
            statement = convert(self._decoded(kind, text, self._key(kind, text)), to)
        except (jwt.PyJWTError, ValidationError) as error:
            raise Unauthorized(reason=_INVALID) from error
        if statement.exp <= self._clock():
            raise Unauthorized(reason=_EXPIRED)
        return statement

    def _key(self, kind: str, text: str) -> Key:
        header = convert(jwt.get_unverified_header(text), _Header)
        right = header.alg == _ALGORITHM and header.typ == f"{kind}+jwt"
        key = self._keys.find(header.kid) if right else None
        if key is None:
            raise Unauthorized(reason=_INVALID)
        return key

    def _decoded(self, kind: str, text: str, key: Key) -> dict[str, Any]:
        return jwt.decode(
            text,
            key.secret,
            algorithms=[_ALGORITHM],
            issuer=self._issuer,
            audience=f"{self._issuer}:{kind}",
            options=_UNTIMED,
        )


def alleged_issuer(text: str) -> str | None:
    """Return who a token says has issued it, which nobody has checked; None for what is no token.

    Good for choosing who is to verify the token, and for nothing else.
    """
    try:
        claims = jwt.decode(text, options={"verify_signature": False})
    except (jwt.PyJWTError, UnicodeEncodeError):
        return None
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else None
