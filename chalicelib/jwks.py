"""The public keys of an issuer: where they are, which of them are fit, and how long they count."""

import logging
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from chalicelib import strictjson
from chalicelib.errors import Unavailable
from chalicelib.models import LOOPBACK
from chalicelib.signatures import ES256, RS256, Verifier, verifier

FRESH_SECONDS = 3600
STALE_SECONDS = 86_400
UNKNOWN_KEY_PAUSE = 30
FAILURE_PAUSE = 10

# A key is for one algorithm, by its type and curve: never what a token's header says.
_ALGORITHMS = {("RSA", None): RS256, ("EC", "P-256"): ES256}
_SERVICE = "the identity provider"

logger = logging.getLogger(__name__)
_Name: TypeAlias = tuple[str | None, str]
_Keys: TypeAlias = Mapping[_Name, Verifier]


class _Snapshot(NamedTuple):
    keys: _Keys
    fetched_at: float


class Jwks:
    """The keys of one issuer, fetched when they are needed; for any number of threads.

    They count for an hour, whatever Cache-Control says: a key that the issuer withdraws is worth
    nothing after that. A key that is not among them may be new, so they are fetched again, but no
    sooner than 30 s after the last time, however many keys are asked for that do not exist. After
    a failure the old keys count for up to a day, and it is tried again after 10 s.

    Attributes:
        issuer: The URL that names the issuer.
        url: Where its keys are; None for what its discovery document says, see
            https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
        fetch: Returns the document at a URL, bounded in size and time, or raises Unavailable.
        clock: The time, epoch seconds.
    """

    def __init__(
        self,
        issuer: str,
        *,
        url: str | None,
        fetch: Callable[[str], bytes],
        clock: Callable[[], float],
    ) -> None:
        self._issuer = issuer
        self._url = url
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._snapshot = _Snapshot({}, -math.inf)
        self._tried_at = -math.inf
        self._failed = False

    def find(self, kid: str | None, algorithm: str) -> Verifier | None:
        """Return the key of this name for an algorithm; None when the issuer has none.

        Without a name it is the issuer's only key, see
        https://openid.net/specs/openid-connect-core-1_0.html#Signing

        Raises:
            Unavailable: the issuer could not be asked, or has no keys at all.
        """
        key = self._known(kid, algorithm, FRESH_SECONDS)
        if key is None:
            with self._lock:  # others wait for who fetches, and then find what was fetched
                self._update()
            key = self._known(kid, algorithm, STALE_SECONDS)
        if key is None and (self._failed or not self._snapshot.keys):
            raise Unavailable(service=_SERVICE, retry_after_ms=FAILURE_PAUSE * 1000)
        return key

    def _known(self, kid: str | None, algorithm: str, max_age: int) -> Verifier | None:
        keys, fetched_at = self._snapshot
        if self._since(fetched_at) >= max_age:
            return None
        if kid is None and len(keys) == 1:
            ((kid, _),) = keys
        return keys.get((kid, algorithm))

    def _update(self) -> None:
        pause = FAILURE_PAUSE if self._failed else UNKNOWN_KEY_PAUSE
        if self._since(self._tried_at) < pause:
            return
        try:
            keys = _parse(self._fetch(self._location()))
            self._snapshot, self._failed = _Snapshot(keys, self._clock()), False
        except Unavailable:
            self._failed = True
            logger.warning("the keys of %s could not be fetched", self._issuer, exc_info=True)
        finally:
            self._tried_at = self._clock()

    def _location(self) -> str:
        if self._url is not None:
            return self._url
        about = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
        document = _object(self._fetch(about))
        url = document.get("jwks_uri")
        if document.get("issuer") != self._issuer or not _is_safe(url, self._issuer):
            raise _malformed("the discovery document names another issuer, or no safe jwks_uri")
        return str(url)

    def _since(self, then: float) -> float:
        """Return the seconds since then; what lies ahead is a clock that was set, and long ago."""
        age = self._clock() - then
        return age if age >= 0 else math.inf


def _parse(document: bytes) -> _Keys:
    """Return the keys that are fit for signatures; other keys of a set are none of our business."""
    members = _object(document).get("keys")
    if not isinstance(members, list):
        raise _malformed("the set of keys has no list of keys")
    return dict(key for key in map(_key, members) if key is not None)


def _key(jwk: Any) -> tuple[_Name, Verifier] | None:
    if not isinstance(jwk, dict):
        return None
    algorithm = _algorithm(jwk)
    if algorithm is None or not isinstance(jwk.get("kid"), str | None):
        return None
    verify = verifier(jwk, algorithm)
    return ((jwk.get("kid"), algorithm), verify) if verify else None


def _algorithm(jwk: dict[str, Any]) -> str | None:
    """Return the algorithm of a key, None where it is not for us (RFC 7517, section 4)."""
    kind = (jwk.get("kty"), jwk.get("crv"))
    algorithm = next((name for known, name in _ALGORITHMS.items() if known == kind), None)
    fit = jwk.get("alg", algorithm) == algorithm and jwk.get("use", "sig") == "sig"
    operations = jwk.get("key_ops", ["verify"])
    return algorithm if fit and isinstance(operations, list) and "verify" in operations else None


def _object(document: bytes) -> dict[str, Any]:
    try:
        value, problem = strictjson.loads(document.decode())
    except UnicodeDecodeError as error:
        raise _malformed("it is not text") from error
    if problem or not isinstance(value, dict):
        raise _malformed("it is not an object in JSON") from problem
    return value


def _is_safe(url: object, issuer: str) -> bool:
    """Tell whether keys may come from there: https, or, with an issuer on this machine, from it."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        local = parts.hostname in LOOPBACK and urlsplit(issuer).hostname in LOOPBACK
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and local))


def _malformed(why: str) -> Unavailable:
    logger.warning("the identity provider's answer is of no use: %s", why)
    return Unavailable(service=_SERVICE)
