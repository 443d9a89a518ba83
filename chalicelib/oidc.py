"""Tokens that an external OpenID Connect issuer has signed: Cognito, Auth0, Keycloak."""

import logging
import re
from collections.abc import Callable
from typing import Any

from jwt import PyJWS
from jwt.exceptions import PyJWTError

from chalicelib import strictjson
from chalicelib.errors import BadRequest, Unauthorized
from chalicelib.identities import MAX_TOKEN_LENGTH, ExternalIdentity
from chalicelib.jwks import Jwks
from chalicelib.models import LARGEST_INTEGER, SYSTEM_USER, USER_RULE, UserName, user_name
from chalicelib.signatures import ES256, RS256

LEEWAY_SECONDS = 60
_MAX_SUBJECT_LENGTH = 255
_ALGORITHMS = (RS256, ES256)
# PyJWT also takes padding and what lies outside the alphabet of ASCII; RFC 7515 does not.
_COMPACT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
# An ID token has "JWT" or none, an access token by RFC 9068 the others. What else the issuer signs
# with the same keys, such as a notice of logout, is no proof of who somebody is (RFC 8725, 3.11).
_TYPES = {"jwt", "at+jwt", "application/at+jwt"}

logger = logging.getLogger(__name__)


class OidcVerifier:
    """Tells who a token of one issuer speaks of; for any number of threads.

    Attributes:
        issuer: What `iss` has to be, to the letter.
        audience: What `aud` has to hold: our client id there. Cognito's access tokens have no
            `aud`, and name the client in `client_id`; see
            https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
        username_claim: Which claim is our user name. The issuer must not give one value to two
            people, nor let people choose it freely: "preferred_username" is what they like to be
            called in https://openid.net/specs/openid-connect-core-1_0.html#ClaimStability
        jwks_url: Where its keys are; None for what its discovery document says.
        fetch: Returns the document at a URL, bounded in size and time, or raises Unavailable.
        clock: The time, epoch seconds.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        username_claim: str = "preferred_username",
        jwks_url: str | None = None,
        fetch: Callable[[str], bytes],
        clock: Callable[[], float],
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._username_claim = username_claim
        self._clock = clock
        self._keys = Jwks(issuer, url=jwks_url, fetch=fetch, clock=clock)
        self._jws = PyJWS()

    def verify(self, token: object) -> ExternalIdentity:
        """Read a token of at most 16,384 characters.

        RS256 and ES256 only, each with a key of its type that the issuer publishes. Its clock may
        be a minute ahead of ours; but what has expired by ours has expired.

        Raises:
            Unauthorized: it is not valid, or has expired. The log says more, and never the token.
            BadRequest: it is, but the claim with the name cannot be a user name.
            Unavailable: the issuer's keys could not be had.
        """
        claims = self._claims(token)
        self._check_addressee(claims)
        self._check_start(claims)
        expires_at, subject = self._end(claims), _subject(claims)
        return ExternalIdentity(
            user=self._user(claims), issuer=self._issuer, subject=subject, expires_at=expires_at
        )

    def _claims(self, token: object) -> dict[str, Any]:
        if not isinstance(token, str) or len(token) > MAX_TOKEN_LENGTH:
            raise _invalid("it is no text, or too long")
        if not _COMPACT.fullmatch(token):
            raise _invalid("it is not a signed token in compact form")
        try:
            payload = self._verified(token)
        except PyJWTError as error:
            raise _invalid(type(error).__name__) from error
        return _object(payload)

    def _verified(self, token: str) -> bytes:
        header = self._jws.get_unverified_header(token)
        algorithm, type_ = header.get("alg"), header.get("typ", "JWT")
        if algorithm not in _ALGORITHMS or "crit" in header:
            raise _invalid("its algorithm is another one, or it has critical extensions")
        if not isinstance(type_, str) or type_.lower() not in _TYPES:
            raise _invalid("it is a token of another type")
        verify = self._keys.find(header.get("kid"), algorithm)
        if verify is None:
            raise _invalid("its key is not among the issuer's")
        # PyJWT would verify with the package cryptography; see chalicelib/signatures.py.
        parts = self._jws.decode_complete(token, options={"verify_signature": False})
        if not verify(token.rpartition(".")[0].encode(), parts["signature"]):
            raise _invalid("its signature is not by its key")
        payload: bytes = parts["payload"]
        return payload

    def _check_addressee(self, claims: dict[str, Any]) -> None:
        if claims.get("iss") != self._issuer:
            raise _invalid("it is from another issuer")
        if "events" in claims:  # RFC 8417, and OpenID Connect Back-Channel Logout, section 2.4
            raise _invalid("it tells of an event")
        if self._audience not in _audiences(claims):
            raise _invalid("it is for another audience")

    def _check_start(self, claims: dict[str, Any]) -> None:
        latest = self._clock() + LEEWAY_SECONDS
        if any(name in claims and _time(claims, name) > latest for name in ("nbf", "iat")):
            raise _invalid("it is not valid yet")

    def _end(self, claims: dict[str, Any]) -> int:
        expires_at = int(_time(claims, "exp"))
        if expires_at <= self._clock():
            raise Unauthorized(reason="the token has expired")
        return expires_at

    def _user(self, claims: dict[str, Any]) -> UserName:
        user = user_name(claims.get(self._username_claim))
        if user is None:
            raise BadRequest(field=self._field, problem=USER_RULE)
        if user == SYSTEM_USER:
            raise BadRequest(field=self._field, problem=f"must not be {SYSTEM_USER!r}")
        return user

    @property
    def _field(self) -> str:
        return f"{self._username_claim} in the token"


def _audiences(claims: dict[str, Any]) -> list[Any]:
    if "aud" in claims:
        named = claims["aud"]
        return named if isinstance(named, list) else [named]
    return [claims.get("client_id")] if claims.get("token_use") == "access" else []


def _subject(claims: dict[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT_LENGTH:
        raise _invalid("its subject is missing, or no text of 1 to 255 characters")
    return subject


def _time(claims: dict[str, Any], name: str) -> float:
    """Return a NumericDate (RFC 7519, section 2); PyJWT would take text and booleans for one."""
    value = claims.get(name)
    if isinstance(value, int | float) and type(value) is not bool and 0 <= value <= LARGEST_INTEGER:
        return value
    raise _invalid(f"{name} is missing, or no time")


def _object(payload: bytes) -> dict[str, Any]:
    try:
        value, problem = strictjson.loads(payload.decode())
    except UnicodeDecodeError as error:
        raise _invalid("its claims are not text") from error
    if problem or not isinstance(value, dict):
        raise _invalid("its claims are not an object in JSON") from problem
    return value


def _invalid(why: str) -> Unauthorized:
    logger.info("a token is refused: %s", why)
    return Unauthorized(reason="the token is not valid")
