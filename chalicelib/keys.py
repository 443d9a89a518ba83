"""The keys that tokens and tickets are signed with."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol, Self

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import Unavailable

logger = logging.getLogger(__name__)

_SHORTEST = (
    32  # bytes, as many as HS256 puts out: https://www.rfc-editor.org/rfc/rfc7518#section-3.2
)
_REFRESH_PAUSE = 10.0


@dataclass(frozen=True, slots=True)
class Key:
    """A secret, and the name under which tokens refer to it."""

    id: str
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> Self:
        """Name a secret by a digest that serves for nothing else, so that it gives nothing away."""
        return cls(sha256(b"dynamowave:key-id\0" + secret).hexdigest()[:16], secret)


class Keyring(Protocol):
    """The keys of a stage. Methods raise Unavailable when the keys cannot be had."""

    def current(self) -> Key:
        """Return the key to sign with."""
        ...

    def find(self, key_id: str) -> Key | None:
        """Return the key of this name, if what it has signed is still good."""
        ...


class RandomKeys:
    """One key that ends with the process: for a laptop."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._key = Key.of(random_bytes(_SHORTEST))

    def current(self) -> Key:
        """Return the key."""
        return self._key

    def find(self, key_id: str) -> Key | None:
        """Return the key if it is the one."""
        return self._key if key_id == self._key.id else None


@dataclass(frozen=True, slots=True)
class _Keys:
    current: Key
    known: dict[str, Key]


class UnusableSecretError(Exception):
    """What the secret holds is no key."""


class SecretKeys:
    """The values of a secret in Secrets Manager: AWSCURRENT signs, AWSPREVIOUS is still good.

    So a rotation ends no session, if the next one is later than the longest token lasts.
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html

    The values are kept for `ttl` seconds. A name that is not among them may be that of a new key,
    and is looked for at once, but no sooner than 10 s after the last look: whoever makes names up
    causes no flood. While Secrets Manager fails, what is known goes on being used.

    Args:
        client: A boto3 client of Secrets Manager.
        secret_id: The secret's name or ARN; its value is a string of at least 32 bytes.
        clock: Epoch seconds.
        ttl: Seconds.
    """

    def __init__(
        self, client: Any, secret_id: str, clock: Callable[[], float], ttl: float = 300
    ) -> None:
        self._client = client
        self._secret_id = secret_id
        self._clock = clock
        self._ttl = ttl
        self._lock = threading.Lock()  # local handlers run in threads
        self._keys: _Keys | None = None
        self._read_at = self._tried_at = -float("inf")

    def current(self) -> Key:
        """Return the newest key that is known."""
        return self._fresh(self._ttl).current

    def find(self, key_id: str) -> Key | None:
        """Return one of the two keys."""
        known = self._fresh(self._ttl).known.get(key_id)
        return known or self._fresh(_REFRESH_PAUSE).known.get(key_id)

    def _fresh(self, ttl: float) -> _Keys:
        with self._lock:
            now = self._clock()
            paused = now - self._tried_at >= _REFRESH_PAUSE
            if self._keys is None or (now - self._read_at >= ttl and paused):
                self._keys = self._refreshed(now)
            return self._keys

    def _refreshed(self, now: float) -> _Keys:
        self._tried_at = now
        try:
            keys = self._read()
        except (BotoCoreError, ClientError, UnusableSecretError) as error:
            if self._keys is None:
                logger.exception("there is no key to sign tokens with")
                raise Unavailable(service="the key store") from error
            logger.warning("the keys of tokens cannot be read: the old ones stay", exc_info=True)
            return self._keys
        self._read_at = now
        return keys

    def _read(self) -> _Keys:
        # In this order a rotation in between hides the new key, which is looked for when it is
        # first met; in the other it would hide the one that signed what people have.
        current = self._value("AWSCURRENT")
        previous = self._previous()
        return _Keys(current, {key.id: key for key in (previous, current) if key is not None})

    def _previous(self) -> Key | None:
        try:
            return self._value("AWSPREVIOUS")
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
        except UnusableSecretError:
            logger.warning("the previous key is left out", exc_info=True)
        return None

    def _value(self, stage: str) -> Key:
        answer = self._client.get_secret_value(SecretId=self._secret_id, VersionStage=stage)
        secret = str(answer.get("SecretString", "")).encode()
        if len(secret) < _SHORTEST:
            raise UnusableSecretError(
                f"{stage} of the secret of tokens is a string of {len(secret)} bytes: "
                f"it must have at least {_SHORTEST}"
            )
        return Key.of(secret)
