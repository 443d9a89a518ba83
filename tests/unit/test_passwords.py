"""Passwords: long enough, hashed as the settings say, and checked with the same work for all."""

import logging
import unicodedata

import pytest

from chalicelib.errors import BadRequest
from chalicelib.models import UserName
from chalicelib.passwords import Argon2Hasher, BrokenHashError, Passwords
from tests.unit.people import PASSWORD, FakeHasher

ADA = UserName("ada-lovelace")


def wide(letters: str) -> str:
    """Return letters as a keyboard in full width types them."""
    return "".join(chr(ord(letter) + 0xFEE0) for letter in letters)


@pytest.fixture
def hasher() -> FakeHasher:
    return FakeHasher()


@pytest.fixture
def passwords(hasher: FakeHasher) -> Passwords:
    return Passwords(hasher)


@pytest.fixture(scope="module")
def argon2() -> Argon2Hasher:
    return Argon2Hasher(memory=64, passes=1)


@pytest.mark.parametrize("good", ["12345678", "x" * 256, "        ", "pässwörd", "🔑" * 8])
def test_length_is_the_only_rule(passwords: Passwords, good: str) -> None:
    passwords.check(good, ADA)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "1234567",
        "x" * 257,
        "ada-lovelace",
        "ADA-Lovelace",
        wide("ada") + "-lovelace",
        "ﷺ" * 100,
    ],
)
def test_the_error_says_the_rule(passwords: Passwords, bad: str) -> None:
    with pytest.raises(BadRequest, match="new_password must be 8 to 256 characters, and not the"):
        passwords.check(bad, ADA, field="new_password")


def test_half_a_character_is_no_password(passwords: Passwords) -> None:
    with pytest.raises(BadRequest, match="password holds half a character"):
        passwords.check("\ud800" * 8, ADA)


def test_two_ways_to_type_a_password_make_one(passwords: Passwords) -> None:
    composed, decomposed = (unicodedata.normalize(form, "pässwörd!") for form in ("NFC", "NFD"))

    assert composed != decomposed
    assert passwords.verify(passwords.hash(composed), decomposed)
    assert passwords.verify(passwords.hash(wide("password")), "password")


def test_without_a_hash_the_work_is_the_same(passwords: Passwords, hasher: FakeHasher) -> None:
    stored = passwords.hash(PASSWORD)

    assert not passwords.verify(None, PASSWORD)
    assert not passwords.verify(stored, "wrong")
    assert hasher.checked == [hasher.decoy, stored]
    assert hasher.hashed == [PASSWORD], "a decoy is not hashed: the first one would take longer"


def test_even_who_knows_the_decoy_is_not_let_in(passwords: Passwords) -> None:
    assert not passwords.verify(None, "no password at all")


def test_a_broken_hash_is_logged_and_matches_nothing(
    passwords: Passwords, hasher: FakeHasher, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert not passwords.verify("broken", PASSWORD)

    assert "the hash of a password is broken" in caplog.text
    assert PASSWORD not in caplog.text
    assert hasher.checked == ["broken", hasher.decoy]


def test_argon2id_hashes_as_the_settings_say(argon2: Argon2Hasher) -> None:
    stored = argon2.hash(PASSWORD)

    assert stored.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert argon2.matches(stored, PASSWORD)
    assert not argon2.matches(stored, PASSWORD + "x")
    assert stored != argon2.hash(PASSWORD)


def test_the_decoy_of_argon2_costs_what_a_hash_costs(argon2: Argon2Hasher) -> None:
    assert argon2.decoy.rpartition("$")[0].startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert not argon2.is_outdated(argon2.decoy)
    assert not argon2.matches(argon2.decoy, PASSWORD)


def test_other_parameters_make_a_hash_outdated_but_not_wrong(argon2: Argon2Hasher) -> None:
    stored = argon2.hash(PASSWORD)
    for newer in (Argon2Hasher(memory=128, passes=1), Argon2Hasher(memory=64, passes=2)):
        assert newer.matches(stored, PASSWORD)
        assert newer.is_outdated(stored)
    assert not Passwords(argon2).needs_rehash(stored)


@pytest.mark.parametrize(
    "stored", ["", "junk", "$argon2id$junk", "$argon2id$v=19$m=64,t=1,p=1$A$A"]
)
def test_what_is_no_hash_of_argon2_is_broken(argon2: Argon2Hasher, stored: str) -> None:
    with pytest.raises(BrokenHashError):
        argon2.matches(stored, PASSWORD)
    if stored in {"", "junk"}:
        with pytest.raises(BrokenHashError):
            argon2.is_outdated(stored)
