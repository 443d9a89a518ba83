"""Names of guests: as wished, or else near it."""

from collections.abc import Callable
from itertools import cycle

import pytest

from chalicelib.errors import BadRequest
from chalicelib.guests import candidates, requested_key, requested_name
from chalicelib.models import UserName, is_user


def chance() -> Callable[[], float]:
    numbers = cycle(n / 97 for n in range(1, 97))
    return lambda: next(numbers)


@pytest.mark.parametrize(
    ("asked", "name"),
    [(None, None), ("alice", "alice"), ("ALICE", "alice"), ("a.b_c-9", "a.b_c-9"), ("x" * 32,) * 2],
)
def test_a_name_is_taken_in_lower_case(asked: str | None, name: str | None) -> None:
    assert requested_name(asked) == name


@pytest.mark.parametrize("asked", ["", " ", "a b", "-a", "x" * 33, "é", "a\n", "@bob", 7, ["a"]])
def test_what_is_no_name_is_refused(asked: object) -> None:
    with pytest.raises(BadRequest, match="name must be 1 to 32 characters"):
        requested_name(asked)


def test_the_wish_comes_first_then_variants_of_it() -> None:
    names = list(candidates(UserName("alice"), chance()))

    assert names[0] == "alice"
    assert len(set(names)) == len(names) == 9
    assert all(name.startswith("alice-") and len(name) == 10 for name in names[1:])


def test_variants_of_a_long_name_keep_to_the_limit() -> None:
    names = list(candidates(UserName("x" * 32), chance()))

    assert all(is_user(name) for name in names)
    assert names[1].startswith("x" * 27 + "-")


def test_without_a_wish_the_name_is_made_up() -> None:
    names = list(candidates(None, chance()))

    assert all(name.startswith("guest-") and len(name) == 11 for name in names)
    assert all(is_user(name) for name in names)


@pytest.mark.parametrize("number", [0.0, 0.999999999])
def test_every_random_number_makes_a_name(number: float) -> None:
    assert is_user(next(candidates(None, lambda: number)))


def test_without_a_key_there_is_no_digest() -> None:
    assert requested_key(None) is None


@pytest.mark.parametrize("key", ["k" * 16, "k" * 64, "aZ0_-" * 4])
def test_of_a_key_only_a_digest_is_kept(key: str) -> None:
    digest = requested_key(key)

    assert digest == requested_key(key)
    assert digest is not None
    assert key not in digest
    assert len(digest) == 64
    assert digest != requested_key(key[:-1] + "X")


@pytest.mark.parametrize("key", ["", "k" * 15, "k" * 65, "k" * 15 + "é", "k" * 16 + "\n", 7, ["k"]])
def test_what_is_no_key_is_refused(key: object) -> None:
    with pytest.raises(BadRequest, match="key must be 16 to 64 characters"):
        requested_key(key)
