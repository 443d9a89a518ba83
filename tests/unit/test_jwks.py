"""The keys of an issuer: which are fit, how long they count, and how often they are fetched."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from chalicelib.errors import Unavailable
from chalicelib.jwks import (
    FAILURE_PAUSE,
    FRESH_SECONDS,
    STALE_SECONDS,
    UNKNOWN_KEY_PAUSE,
    Jwks,
)
from tests.unit.fakes import Clock
from tests.unit.issuers import DISCOVERY, ISSUER, JWKS, NOW, Issuer, ec_key, jwk, key_set, rsa_key


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def keys(issuer: Issuer, clock: Clock) -> Jwks:
    return Jwks(issuer.url, url=issuer.url + JWKS, fetch=issuer.fetch, clock=clock)


def knows(keys: Jwks, kid: str | None = "one", algorithm: str = "RS256") -> bool | None:
    """Tell whether there is such a key; None where that cannot be known."""
    try:
        return keys.find(kid, algorithm) is not None
    except Unavailable:
        return None


def test_a_key_is_found_by_name_and_algorithm(keys: Jwks) -> None:
    assert knows(keys, "one", "RS256")
    assert knows(keys, "two", "ES256")
    assert not knows(keys, "one", "ES256")
    assert not knows(keys, "two", "RS256")
    assert not knows(keys, "three")


def test_keys_are_fetched_once_an_hour(keys: Jwks, issuer: Issuer, clock: Clock) -> None:
    for _ in range(3):
        knows(keys)
    clock.now += FRESH_SECONDS - 1
    knows(keys)
    assert issuer.asked == [ISSUER + JWKS]

    clock.now += 1
    knows(keys)
    assert issuer.asked == [ISSUER + JWKS] * 2


def test_a_key_that_is_new_is_fetched_when_it_is_first_used(
    keys: Jwks, issuer: Issuer, clock: Clock
) -> None:
    knows(keys)
    issuer.keys = {"three": rsa_key("three")}
    clock.now += UNKNOWN_KEY_PAUSE

    assert knows(keys, "three")


def test_keys_that_do_not_exist_cost_one_request_in_thirty_seconds(
    keys: Jwks, issuer: Issuer, clock: Clock
) -> None:
    knows(keys)
    for number in range(100):
        assert knows(keys, f"forged-{number}") is False
        clock.now += 1

    assert len(issuer.asked) == 1 + 3
    assert knows(keys)


def test_a_key_that_was_withdrawn_is_worth_nothing_after_an_hour(
    keys: Jwks, issuer: Issuer, clock: Clock
) -> None:
    knows(keys)
    del issuer.keys["one"]
    clock.now += FRESH_SECONDS - 1
    assert knows(keys)

    clock.now += 1
    assert knows(keys) is False


def test_the_old_keys_count_for_a_day_while_the_issuer_fails(
    keys: Jwks, issuer: Issuer, clock: Clock
) -> None:
    knows(keys)
    issuer.failing = True
    clock.now += FRESH_SECONDS
    assert knows(keys)

    clock.now = NOW + STALE_SECONDS - 1
    assert knows(keys)

    clock.now = NOW + STALE_SECONDS
    assert knows(keys) is None


def test_an_issuer_that_fails_is_asked_again_after_ten_seconds(
    keys: Jwks, issuer: Issuer, clock: Clock
) -> None:
    issuer.failing = True
    assert [knows(keys) for _ in range(3)] == [None] * 3
    assert len(issuer.asked) == 1

    issuer.failing = False
    clock.now += FAILURE_PAUSE - 1
    assert knows(keys) is None
    clock.now += 1
    assert knows(keys)


def test_whether_a_key_is_new_cannot_be_known_while_the_issuer_fails(
    keys: Jwks, issuer: Issuer, clock: Clock
) -> None:
    knows(keys)
    issuer.failing = True
    clock.now += UNKNOWN_KEY_PAUSE

    assert [knows(keys, "three"), knows(keys, "three"), knows(keys)] == [None, None, True]


def test_who_is_told_to_wait_is_told_how_long(keys: Jwks, issuer: Issuer) -> None:
    issuer.failing = True

    with pytest.raises(Unavailable) as caught:
        keys.find("one", "RS256")

    assert caught.value.retry_after_ms == 10_000
    assert caught.value.message == "the identity provider is busy or unavailable: try again"


def test_an_issuer_without_keys_cannot_be_served(keys: Jwks, issuer: Issuer, clock: Clock) -> None:
    knows(keys)
    issuer.keys = {}
    clock.now += FRESH_SECONDS

    assert knows(keys) is None


def test_a_clock_that_is_set_back_does_not_keep_keys_for_ever(
    keys: Jwks, issuer: Issuer, clock: Clock
) -> None:
    knows(keys)
    clock.now -= 10 * STALE_SECONDS
    del issuer.keys["one"]

    assert knows(keys) is False


def test_a_token_without_a_name_of_a_key_is_from_the_only_one(
    keys: Jwks, issuer: Issuer, clock: Clock
) -> None:
    assert not knows(keys, None)

    del issuer.keys["two"]
    clock.now += FRESH_SECONDS
    assert knows(keys, None)


def test_a_key_for_another_algorithm_is_not_given_out_for_want_of_a_name(issuer: Issuer) -> None:
    issuer.documents[JWKS] = key_set(jwk(ec_key("two"), None))
    keys = Jwks(ISSUER, url=ISSUER + JWKS, fetch=issuer.fetch, clock=Clock(NOW))

    assert [knows(keys, None, "ES256"), knows(keys, None, "RS256")] == [True, False]


# Which keys are fit


def private(kid: str) -> dict[str, Any]:
    return {**RSAAlgorithm.to_jwk(rsa_key("one"), as_dict=True), "kid": kid, "key_ops": ["verify"]}


@pytest.mark.parametrize(
    "member",
    [
        jwk(rsa_key("one"), "k"),
        jwk(rsa_key("one"), "k", alg="RS256"),
        jwk(rsa_key("one"), "k", key_ops=["verify"], x5c=["..."], unknown=1),
        private("k"),
    ],
)
def test_a_key_that_is_fit_is_used(issuer: Issuer, clock: Clock, member: dict[str, Any]) -> None:
    issuer.documents[JWKS] = key_set("?", member)
    keys = Jwks(ISSUER, url=ISSUER + JWKS, fetch=issuer.fetch, clock=clock)

    verify = keys.find("k", "RS256")

    signature = rsa_key("one").sign(b"said", padding.PKCS1v15(), hashes.SHA256())
    assert verify is not None
    assert [verify(b"said", signature), verify(b"not said", signature)] == [True, False]


@pytest.mark.parametrize(
    "member",
    [
        None,
        [],
        "k",
        {},
        {"kid": "k"},
        jwk(rsa_key("one"), "k", use="enc"),
        jwk(rsa_key("one"), "k", key_ops=["encrypt"]),
        jwk(rsa_key("one"), "k", key_ops="verify"),
        jwk(rsa_key("one"), "k", alg="RS512"),
        jwk(rsa_key("one"), "k", alg="PS256"),
        jwk(rsa_key("one"), "k", alg="HS256"),
        jwk(rsa_key("one"), "k", alg="ES256"),
        jwk(rsa_key("one"), "k", alg=["RS256"]),
        jwk(rsa_key("one"), "k", kty="EC"),
        jwk(rsa_key("one"), "k", kty=["RSA"]),
        jwk(rsa_key("one"), "k", kid=7),
        jwk(rsa_key("one"), "k", n=7),
        jwk(rsa_key("one"), "k", n=""),
        jwk(rsa_key("one"), "k", n="A"),
        jwk(rsa_key("one"), "k", e="AA"),
        jwk(rsa_key("one"), "k", e="AQ"),
        jwk(rsa_key("short", 1024), "k"),
        jwk(rsa_key("almost", 2047), "k"),
        jwk(rsa_key("one"), "k", n="_" * 2000),
        jwk(ec_key("two"), "k", x="AA"),
        jwk(ec_key("two"), "k", x="A" * 43),
        jwk(ec_key("two"), "k", alg="RS256"),
        jwk(ec_key("other", ec.SECP384R1), "k"),
        jwk(ec_key("other", ec.SECP256K1), "k"),
        jwk(ec_key("other", ec.SECP384R1), "k", crv="P-256"),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "k", "alg": "HS256"},
        {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "kid": "k"},
    ],
)
def test_a_key_that_is_not_fit_is_left_out_and_the_others_count(
    issuer: Issuer, clock: Clock, member: object
) -> None:
    issuer.documents[JWKS] = key_set(member, jwk(rsa_key("one"), "good"))
    keys = Jwks(ISSUER, url=ISSUER + JWKS, fetch=issuer.fetch, clock=clock)

    assert [knows(keys, "k", "RS256"), knows(keys, "k", "ES256")] == [False, False]
    assert knows(keys, "good")


MALFORMED = [
    b"",
    b"\xff\xfe",
    b"not json",
    b"null",
    b"7",
    b"[]",
    b"{}",
    b'{"keys":null}',
    b'{"keys":{}}',
    b'{"keys":"x"}',
    b'{"keys":[],"keys":[]}',
    b'{"keys":[NaN]}',
    b"[" * 100_000,
    b"<html>sign in</html>",
]


@pytest.mark.parametrize("document", MALFORMED)
def test_a_malformed_set_of_keys_leaves_the_old_ones(
    keys: Jwks, issuer: Issuer, clock: Clock, document: bytes
) -> None:
    knows(keys)
    issuer.documents[JWKS] = document
    clock.now += FRESH_SECONDS

    assert [knows(keys), knows(keys, "three")] == [True, None]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
MEMBERS = st.dictionaries(
    st.sampled_from(["kty", "crv", "alg", "use", "key_ops", "kid", "n", "e", "x", "y", "d"]), JSON
)


@given(
    base=st.sampled_from([jwk(rsa_key("one"), "k"), jwk(ec_key("two"), "k"), {}]),
    changed=MEMBERS,
    lost=st.sets(st.sampled_from(["kty", "n", "e", "x", "y", "crv"])),
)
def test_no_key_can_break_the_reading(
    base: dict[str, Any], changed: dict[str, Any], lost: set[str]
) -> None:
    member = {name: value for name, value in (base | changed).items() if name not in lost}
    issuer = Issuer()
    issuer.documents[JWKS] = key_set(member)

    assert knows(Jwks(ISSUER, url=ISSUER + JWKS, fetch=issuer.fetch, clock=Clock(NOW))) in {
        None,
        False,
    }


# Discovery


def discovering(issuer: Issuer, clock: Clock) -> Jwks:
    return Jwks(issuer.url, url=None, fetch=issuer.fetch, clock=clock)


@pytest.mark.parametrize("url", [ISSUER, ISSUER + "/"])
def test_the_discovery_document_says_where_the_keys_are(clock: Clock, url: str) -> None:
    issuer = Issuer(url)

    assert knows(discovering(issuer, clock))
    assert issuer.asked == [ISSUER + DISCOVERY, ISSUER + JWKS]


@pytest.mark.parametrize(
    "members",
    [
        {"issuer": "https://issuer.example/other"},
        {"issuer": ISSUER + "/"},
        {"issuer": None},
        {"issuer": [ISSUER]},
        {"jwks_uri": None},
        {"jwks_uri": 7},
        {"jwks_uri": [ISSUER + JWKS]},
        {"jwks_uri": ""},
        {"jwks_uri": "/keys"},
        {"jwks_uri": "https://"},
        {"jwks_uri": "http://issuer.example/pool/keys"},
        {"jwks_uri": "http://127.0.0.1/keys"},
        {"jwks_uri": "http://localhost/keys"},
        {"jwks_uri": "http://169.254.169.254/latest/meta-data"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://[::1/keys"},
    ],
)
def test_a_discovery_document_that_is_not_ours_or_not_safe_is_not_followed(
    issuer: Issuer, clock: Clock, members: dict[str, Any]
) -> None:
    issuer.documents[DISCOVERY] = issuer.discovery(**members)

    assert knows(discovering(issuer, clock)) is None
    assert issuer.asked == [ISSUER + DISCOVERY]


@pytest.mark.parametrize("document", [*MALFORMED, json.dumps({"issuer": ISSUER}).encode()])
def test_a_malformed_discovery_document_is_not_followed(
    issuer: Issuer, clock: Clock, document: bytes
) -> None:
    issuer.documents[DISCOVERY] = document

    assert knows(discovering(issuer, clock)) is None


def test_an_issuer_on_this_machine_may_do_without_tls(clock: Clock) -> None:
    assert knows(discovering(Issuer("http://127.0.0.1:9000"), clock))


# Threads


def test_threads_that_need_the_keys_at_the_same_time_fetch_them_once(
    issuer: Issuer, clock: Clock
) -> None:
    together = threading.Barrier(8)
    keys = Jwks(ISSUER, url=ISSUER + JWKS, fetch=issuer.fetch, clock=clock)

    def look(_: int) -> bool | None:
        together.wait(20)
        return knows(keys)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(look, range(8)))

    assert found == [True] * 8
    assert len(issuer.asked) == 1


def test_who_has_a_known_key_does_not_wait_for_an_issuer_that_hangs(
    issuer: Issuer, clock: Clock
) -> None:
    asked, over = threading.Event(), threading.Event()
    slow = False

    def fetch(url: str) -> bytes:
        if slow:
            asked.set()
            over.wait(20)
        return issuer.fetch(url)

    keys = Jwks(ISSUER, url=ISSUER + JWKS, fetch=fetch, clock=clock)
    knows(keys)
    slow = True
    clock.now += UNKNOWN_KEY_PAUSE
    with ThreadPoolExecutor(1) as pool:
        stranger = pool.submit(knows, keys, "forged")
        assert asked.wait(20)

        assert knows(keys)

        over.set()
        assert stranger.result(20) is False
