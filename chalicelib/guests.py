"""The names of people who connect without an account."""

import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

from chalicelib.errors import BadRequest
from chalicelib.models import USER_LENGTH, USER_RULE, UserName, user_name

# Without 0, 1, i, l and o, which people mix up.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_CANDIDATES = 8
_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}")


def requested_name(name: Any) -> UserName | None:
    """Return the name that a guest asked for, in lower case; None for none.

    Raises:
        BadRequest: it is not a name.
    """
    if name is None:
        return None
    user = user_name(name)
    if user is None:
        raise BadRequest(field="name", problem=USER_RULE)
    return user


def requested_key(key: Any) -> str | None:
    """Return the digest of the secret by which a guest is known again; None for none.

    The secret is never stored. A digest without salt will do: it has to be random, not memorable.

    Raises:
        BadRequest: it is not a key.
    """
    if key is None:
        return None
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise BadRequest(field="key", problem="must be 16 to 64 characters: a-z, A-Z, 0-9, _ or -")
    return sha256(key.encode()).hexdigest()


def candidates(wanted: UserName | None, random: Callable[[], float]) -> Iterator[UserName]:
    """Yield the names to try, best first: as wanted, then with random endings."""
    if wanted is not None:
        yield wanted
    for _ in range(_CANDIDATES):
        yield _guest(random) if wanted is None else _variant(wanted, random)


def _guest(random: Callable[[], float]) -> UserName:
    return UserName(f"guest-{_ending(5, random)}")


def _variant(name: UserName, random: Callable[[], float]) -> UserName:
    ending = f"-{_ending(4, random)}"
    return UserName(name[: USER_LENGTH - len(ending)] + ending)


def _ending(length: int, random: Callable[[], float]) -> str:
    return "".join(_ALPHABET[int(random() * len(_ALPHABET))] for _ in range(length))
