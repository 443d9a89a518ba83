"""Passwords: what may be one, and how it is kept."""

import logging
import unicodedata
from base64 import b64encode
from typing import Protocol

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from chalicelib.errors import BadRequest
from chalicelib.models import UserName
from chalicelib.strictjson import is_unicode

logger = logging.getLogger(__name__)

SHORTEST = 8
LONGEST = 256
_RULE = f"must be {SHORTEST} to {LONGEST} characters, and not the user name"


class BrokenHashError(Exception):
    """What is stored is the hash of no password."""


class Hasher(Protocol):
    """A function that is slow on purpose.

    Attributes:
        decoy: A hash that no password has, and that takes as long to check as any other.
    """

    decoy: str

    def hash(self, password: str) -> str:
        """Return the hash of a password, with its parameters and a salt of its own."""
        ...

    def matches(self, stored: str, password: str) -> bool:
        """Tell whether a password has this hash. Raises BrokenHashError where it is none."""
        ...

    def is_outdated(self, stored: str) -> bool:
        """Tell whether it was made under other parameters. Raises BrokenHashError, as above."""
        ...


class Argon2Hasher:
    """Argon2id (RFC 9106) in one lane, with `memory` KiB and so many passes over it.

    https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
    """

    def __init__(self, *, memory: int, passes: int) -> None:
        self._argon2 = PasswordHasher(time_cost=passes, memory_cost=memory, parallelism=1)
        # The digest of all zeros: found by nobody, and made without doing the work once more.
        salt, digest = (
            b64encode(bytes(size)).decode().rstrip("=")
            for size in (self._argon2.salt_len, self._argon2.hash_len)
        )
        self.decoy = f"$argon2id$v=19$m={memory},t={passes},p=1${salt}${digest}"

    def hash(self, password: str) -> str:
        """Return the hash."""
        return self._argon2.hash(password)

    def matches(self, stored: str, password: str) -> bool:
        """Tell whether it is the hash of this password."""
        try:
            return self._argon2.verify(stored, password)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError) as error:
            raise BrokenHashError from error

    def is_outdated(self, stored: str) -> bool:
        """Tell whether the parameters have been changed since."""
        try:
            return self._argon2.check_needs_rehash(stored)
        except InvalidHashError as error:
            raise BrokenHashError from error


class Passwords:
    """Rules for passwords, and their hashes.

    Two ways to type the same characters make the same password: all are brought into the form
    NFKC. Rules about which characters it must have do more harm than good.
    https://pages.nist.gov/800-63-3/sp800-63b.html#memsecretver
    """

    def __init__(self, hasher: Hasher) -> None:
        self._hasher = hasher

    def check(self, password: str, user: UserName, *, field: str = "password") -> None:
        """Tell whether this may become the password of a person.

        Raises:
            BadRequest: it is too short, too long, or their name; or it is not Unicode.
        """
        if not is_unicode(password):
            raise BadRequest(field=field, problem="holds half a character (a lone surrogate)")
        normal = _normal(password)
        if not SHORTEST <= len(normal) <= LONGEST or normal.casefold() == user:
            raise BadRequest(field=field, problem=_RULE)

    def hash(self, password: str) -> str:
        """Return what to store of a password that has been checked."""
        return self._hasher.hash(_normal(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether it is the password whose hash is stored.

        The work is the same where nothing is, so that time does not tell who has an account. A
        stored hash that is broken is logged, and matches nothing.
        """
        normal = _normal(password)
        try:
            matches = self._hasher.matches(stored or self._hasher.decoy, normal)
        except BrokenHashError:
            logger.exception("the hash of a password is broken")
            self._hasher.matches(self._hasher.decoy, normal)
            return False
        return matches and stored is not None

    def needs_rehash(self, stored: str) -> bool:
        """Tell whether a hash that has just been verified should be replaced by a new one."""
        return self._hasher.is_outdated(stored)


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)
