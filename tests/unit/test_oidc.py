"""Tokens of an external issuer: who is believed, and every way in which one may lie."""

import base64
import json
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.downloads import download
from chalicelib.errors import BadRequest, ChatError, Unauthorized, Unavailable
from chalicelib.identities import MAX_TOKEN_LENGTH, ExternalIdentity
from chalicelib.models import USER_RULE, UserName
from chalicelib.oidc import OidcVerifier
from tests.unit.fakes import Clock
from tests.unit.issuers import (
    AUDIENCE,
    DISCOVERY,
    ISSUER,
    JWKS,
    NOW,
    Issuer,
    IssuerServer,
    answer,
    ec_key,
    jwk,
    key_set,
    rsa_key,
    segment,
    sign,
    symmetric,
)

INVALID = "the token is not valid"


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def verifier(issuer: Issuer, clock: Clock) -> OidcVerifier:
    return OidcVerifier(issuer.url, AUDIENCE, fetch=issuer.fetch, clock=clock)


def refusal(verifier: OidcVerifier, token: object) -> str:
    """Return what a client is told about a token."""
    with pytest.raises(Unauthorized) as caught:
        verifier.verify(token)
    return caught.value.message


@pytest.mark.parametrize("kid", ["one", "two"])
def test_a_token_says_who_somebody_is(issuer: Issuer, verifier: OidcVerifier, kid: str) -> None:
    assert verifier.verify(issuer.token(kid)) == ExternalIdentity(
        user=UserName("ada"), issuer=ISSUER, subject="person-1", expires_at=int(NOW) + 600
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": ["another", AUDIENCE]},
        {"iat": None},
        {"nbf": int(NOW)},
        {"iat": NOW + 60, "nbf": NOW + 60},
        {"exp": NOW + 0.9, "sub": "x" * 255},
        {"unknown": {"x": [1.5, None]}, "azp": "another", "nonce": "n"},
        # Cognito's access tokens
        {"aud": None, "client_id": AUDIENCE, "token_use": "access"},
        {"client_id": "another", "token_use": "id"},
    ],
)
def test_a_token_may_say_more_or_less(
    issuer: Issuer, verifier: OidcVerifier, changed: dict[str, Any]
) -> None:
    assert verifier.verify(issuer.token(**changed)).user == "ada"


@pytest.mark.parametrize("type_", ["JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"])
def test_a_token_may_be_of_these_types(issuer: Issuer, verifier: OidcVerifier, type_: str) -> None:
    header = {"kid": "one", "typ": type_}

    assert verifier.verify(issuer.signed(header, issuer.claims())).user == "ada"


def test_a_token_need_not_name_its_type_or_an_only_key(
    issuer: Issuer, verifier: OidcVerifier
) -> None:
    del issuer.keys["two"]
    token = sign(issuer.keys["one"], {"alg": "RS256"}, issuer.claims())

    assert verifier.verify(token).user == "ada"


# Attacks

FORGERIES: dict[str, Callable[[Issuer], object]] = {
    "nothing": lambda _: None,
    "bytes": lambda issuer: issuer.token().encode(),
    "empty": lambda _: "",
    "dots": lambda _: "..",
    "half a character": lambda issuer: issuer.token() + "\ud800",
    "a letter outside ASCII": lambda issuer: issuer.token() + "é",
    "a digit outside ASCII": lambda issuer: issuer.token() + "\u0663",
    "a newline at the end": lambda issuer: issuer.token() + "\n",
    "padding": lambda issuer: issuer.token() + "==",
    "truncated": lambda issuer: issuer.token()[:-10],
    "without its signature": lambda issuer: issuer.token().rpartition(".")[0] + ".",
    "two parts": lambda issuer: issuer.token().rpartition(".")[0],
    "four parts": lambda issuer: issuer.token() + ".AAAA",
    "five parts, encrypted": lambda issuer: f"{issuer.token()}.AAAA.AAAA",
    "a header that is no object": lambda issuer: sign(issuer.keys["one"], [], issuer.claims()),
    "a header that is no JSON": lambda issuer: sign(issuer.keys["one"], b"{", issuer.claims()),
    "a header without end": lambda issuer: sign(issuer.keys["one"], b"[" * 8000, {}),
    "a header that is no text": lambda issuer: sign(issuer.keys["one"], b"\xff", {}),
    "another key by the same name": lambda issuer: sign(
        rsa_key("mallory"), {"alg": "RS256", "kid": "one"}, issuer.claims()
    ),
    "another key of the other type": lambda issuer: sign(
        ec_key("mallory"), {"alg": "ES256", "kid": "one"}, issuer.claims()
    ),
    "a key that the issuer has not": lambda issuer: sign(
        rsa_key("mallory"), {"alg": "RS256", "kid": "mallory"}, issuer.claims()
    ),
    "no name of a key": lambda issuer: sign(issuer.keys["one"], {"alg": "RS256"}, issuer.claims()),
    "a name of a key that is no text": lambda issuer: sign(
        issuer.keys["one"], {"alg": "RS256", "kid": ["one"]}, issuer.claims()
    ),
    "a key in the header": lambda issuer: sign(
        rsa_key("mallory"),
        {"alg": "RS256", "kid": "one", "jwk": jwk(rsa_key("mallory"), "one")},
        issuer.claims(),
    ),
    "an address of keys in the header": lambda issuer: sign(
        rsa_key("mallory"),
        {"alg": "RS256", "kid": "mallory", "jku": "https://evil.example", "x5u": "https://evil"},
        issuer.claims(),
    ),
    "the signature of another token": lambda issuer: (
        issuer.token(preferred_username="eve").rpartition(".")[0]
        + "."
        + issuer.token().rpartition(".")[2]
    ),
    "claims swapped": lambda issuer: ".".join(
        [
            issuer.token().split(".")[0],
            segment(issuer.claims(preferred_username="eve")),
            issuer.token().split(".")[2],
        ]
    ),
    "header swapped": lambda issuer: ".".join(
        [segment({"alg": "ES256", "kid": "two"}), *issuer.token().split(".")[1:]]
    ),
    "no algorithm": lambda issuer: sign(issuer.keys["one"], {"kid": "one"}, issuer.claims()),
    "no signature wanted": lambda issuer: (
        f"{segment({'alg': 'none', 'kid': 'one'})}.{segment(issuer.claims())}."
    ),
    "none, and a signature": lambda issuer: issuer.signed(
        {"alg": "none", "kid": "one"}, issuer.claims()
    ),
    "nOnE": lambda issuer: issuer.signed({"alg": "nOnE", "kid": "one"}, issuer.claims()),
    "the text of the public key as a secret": lambda issuer: symmetric(
        issuer.keys["one"]
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        issuer.claims(),
        "one",
    ),
    "the modulus as a secret": lambda issuer: symmetric(
        base64.urlsafe_b64decode(jwk(issuer.keys["one"], "one")["n"] + "=="),
        issuer.claims(),
        "one",
    ),
    "an empty secret": lambda issuer: symmetric(b"", issuer.claims(), "one"),
    "critical extensions": lambda issuer: issuer.signed(
        {"kid": "one", "crit": ["exp"], "exp": 1}, issuer.claims()
    ),
    "a payload that is not encoded": lambda issuer: issuer.signed(
        {"kid": "one", "b64": False, "crit": ["b64"]}, issuer.claims()
    ),
    "an extension that changes nothing": lambda issuer: issuer.signed(
        {"kid": "one", "b64": True, "crit": ["b64"]}, issuer.claims()
    ),
    "an empty list of extensions": lambda issuer: issuer.signed(
        {"kid": "one", "crit": []}, issuer.claims()
    ),
    "too long": lambda issuer: issuer.token(padding="x" * MAX_TOKEN_LENGTH),
    "ES256 with zeros": lambda issuer: (
        issuer.token("two").rpartition(".")[0] + "." + segment(bytes(64))
    ),
    "ES256 in DER": lambda issuer: (
        issuer.token("two").rpartition(".")[0] + "." + segment(b"\x30\x06\x02\x01\x01\x02\x01\x01")
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_refused(issuer: Issuer, verifier: OidcVerifier, forgery: str) -> None:
    token = FORGERIES[forgery](issuer)

    assert refusal(verifier, token) == INVALID


@pytest.mark.parametrize("algorithm", ["HS256", "RS384", "RS512", "PS256", "ES384", "EdDSA", "", 7])
def test_no_other_algorithm_is_taken(
    issuer: Issuer, verifier: OidcVerifier, algorithm: object
) -> None:
    token = issuer.signed({"kid": "one", "alg": algorithm}, issuer.claims())

    assert refusal(verifier, token) == INVALID
    assert issuer.asked == []


@pytest.mark.parametrize("type_", ["logout+jwt", "dpop+jwt", "secevent+jwt", "JWE", "", 7, None])
def test_a_token_of_another_type_is_refused(
    issuer: Issuer, verifier: OidcVerifier, type_: object
) -> None:
    token = issuer.signed({"kid": "one", "typ": type_}, issuer.claims())

    assert refusal(verifier, token) == INVALID


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": None},
        {"iss": ISSUER + "/"},
        {"iss": "https://issuer.example/other"},  # with the same keys
        {"iss": [ISSUER]},
        {"aud": None},
        {"aud": ""},
        {"aud": []},
        {"aud": "our-client-2"},
        {"aud": ["our-", "client"]},
        {"aud": {"our-client": 1}},
        {"aud": [[AUDIENCE]]},
        {"aud": "another", "client_id": AUDIENCE, "token_use": "access"},
        {"aud": None, "client_id": AUDIENCE},
        {"aud": None, "client_id": AUDIENCE, "token_use": "id"},
        {"aud": None, "client_id": [AUDIENCE], "token_use": "access"},
        {"aud": None, "client_id": "another", "token_use": "access"},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
        {"exp": None},
        {"exp": str(int(NOW) + 600)},
        {"exp": True},
        {"exp": [int(NOW) + 600]},
        {"exp": -1},
        {"exp": 2**53 + 1},
        {"exp": 1e300},
        {"exp": int("9" * 400)},
        {"nbf": NOW + 61},
        {"nbf": "now"},
        {"iat": NOW + 61},
        {"iat": False},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": 7},
        {"sub": "\ud800"},
    ],
)
def test_a_token_that_is_not_meant_for_us_is_refused(
    issuer: Issuer, verifier: OidcVerifier, changed: dict[str, Any]
) -> None:
    assert refusal(verifier, issuer.token(**changed)) == INVALID


@pytest.mark.parametrize("exp", [0, int(NOW), NOW, int(NOW) - 30])
def test_a_token_that_has_expired_says_so(
    issuer: Issuer, verifier: OidcVerifier, exp: float
) -> None:
    assert refusal(verifier, issuer.token(exp=exp)) == "the token has expired"


def test_whether_a_forged_token_has_expired_is_not_told(verifier: OidcVerifier) -> None:
    claims = Issuer().claims(exp=1)
    token = sign(rsa_key("mallory"), {"alg": "RS256", "kid": "one"}, claims)

    assert refusal(verifier, token) == INVALID


def test_a_token_expires_while_it_is_in_use(
    issuer: Issuer, verifier: OidcVerifier, clock: Clock
) -> None:
    token = issuer.token()
    verifier.verify(token)
    clock.now += 600

    assert refusal(verifier, token) == "the token has expired"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"[" * 8000,
        b'{"exp":NaN}',
        f'{{"sub":"a",{json.dumps(Issuer().claims())[1:-1]}}}'.encode(),
    ],
)
def test_claims_that_readers_may_understand_differently_are_refused(
    issuer: Issuer, verifier: OidcVerifier, payload: bytes
) -> None:
    token = sign(issuer.keys["one"], {"alg": "RS256", "kid": "one"}, payload)

    assert refusal(verifier, token) == INVALID


@pytest.mark.parametrize(
    "member",
    [
        jwk(rsa_key("one"), "one", use="enc"),
        jwk(rsa_key("one"), "one", alg="PS256"),
    ],
)
def test_a_key_that_is_for_something_else_signs_nothing(
    issuer: Issuer, verifier: OidcVerifier, member: dict[str, Any]
) -> None:
    issuer.documents[JWKS] = key_set(member, jwk(ec_key("two"), "two"))

    assert refusal(verifier, issuer.token("one")) == INVALID
    assert verifier.verify(issuer.token("two")).user == "ada"


def test_a_short_key_signs_nothing(issuer: Issuer, verifier: OidcVerifier) -> None:
    issuer.keys["short"] = rsa_key("short", 1024)

    assert refusal(verifier, issuer.token("short")) == INVALID


# Names


def named(issuer: Issuer, clock: Clock, claim: str, value: object) -> UserName:
    """Return who a token is of, by a claim of its own."""
    verifier = OidcVerifier(ISSUER, AUDIENCE, username_claim=claim, fetch=issuer.fetch, clock=clock)
    claims: dict[str, Any] = {"preferred_username": None, claim: value}
    return verifier.verify(issuer.token(**claims)).user


@pytest.mark.parametrize("claim", ["preferred_username", "cognito:username", "sub"])
def test_the_name_is_in_a_claim_of_choice_and_in_lower_case(
    issuer: Issuer, clock: Clock, claim: str
) -> None:
    assert named(issuer, clock, claim, "Ada.L") == "ada.l"


@pytest.mark.parametrize(
    "value",
    [None, "", "ada@example.org", "Ada Lovelace", "x" * 33, 7, ["ada"], "-ada", "ada\n", "åda"],
)
def test_a_name_that_cannot_be_one_is_not_guessed_at(
    issuer: Issuer, clock: Clock, value: object
) -> None:
    with pytest.raises(BadRequest) as caught:
        named(issuer, clock, "nick", value)

    assert caught.value.message == f"nick in the token {USER_RULE}"


def test_a_sign_that_only_looks_like_a_letter_is_none(issuer: Issuer, clock: Clock) -> None:
    kelvin = "\N{KELVIN SIGN}ate"
    assert kelvin.lower() == "kate"

    with pytest.raises(BadRequest):
        named(issuer, clock, "nick", kelvin)


@pytest.mark.parametrize("value", ["system", "System"])
def test_nobody_is_the_system(issuer: Issuer, clock: Clock, value: str) -> None:
    with pytest.raises(BadRequest) as caught:
        named(issuer, clock, "nick", value)

    assert caught.value.message == "nick in the token must not be 'system'"


# The log, and whatever else may come


def test_the_log_says_why_and_never_what(
    issuer: Issuer, verifier: OidcVerifier, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = [
        issuer.token(aud="secret-audience"),
        issuer.signed({"kid": "one", "crit": ["secret-x"]}, issuer.claims()),
        sign(rsa_key("mallory"), {"alg": "RS256", "kid": "secret-kid"}, issuer.claims()),
        "secret.secret.secret",
    ]

    for token in tokens:
        refusal(verifier, token)

    assert caplog.text.count("a token is refused: ") == len(tokens)
    assert "another audience" in caplog.text
    assert not any(token in caplog.text for token in tokens)
    assert "secret" not in caplog.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "cty", "zip"]), JSON
)
CLAIMS = st.dictionaries(
    st.sampled_from(
        ["iss", "aud", "sub", "exp", "nbf", "iat", "client_id", "token_use", "preferred_username"]
    ),
    JSON,
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(header=HEADERS, claims=CLAIMS)
def test_whatever_is_signed_is_somebody_or_refused(
    issuer: Issuer, verifier: OidcVerifier, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    token = sign(
        issuer.keys["one"], {"alg": "RS256", "kid": "one", **header}, issuer.claims() | claims
    )

    try:
        identity = verifier.verify(token)
    except ChatError:
        return
    assert identity.expires_at > NOW


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(position=st.integers(0), character=st.sampled_from("Aa0_-.= é"))
def test_a_token_with_one_character_changed_is_refused(
    issuer: Issuer, verifier: OidcVerifier, position: int, character: str
) -> None:
    token = issuer.token()
    place = position % len(token)
    changed = token[:place] + character + token[place + 1 :]

    if changed != token:
        refusal(verifier, changed)


@given(text=st.text(max_size=200) | st.text(alphabet="eyJ.AB_-=", max_size=200))
def test_any_text_is_refused(text: str) -> None:
    verifier = OidcVerifier(ISSUER, AUDIENCE, fetch=Issuer().fetch, clock=Clock(NOW))

    assert refusal(verifier, text) == INVALID


# A real issuer, over HTTP


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    with IssuerServer() as server:
        yield server


@pytest.fixture
def remote(server: IssuerServer, clock: Clock) -> OidcVerifier:
    return OidcVerifier(
        server.issuer.url, AUDIENCE, fetch=partial(download, seconds=0.5), clock=clock
    )


def redirect(request: Any) -> None:
    answer(request, b"", 302, Location="/elsewhere")


@pytest.mark.parametrize("kid", ["one", "two"])
def test_a_real_issuer_is_discovered_and_believed(
    server: IssuerServer, remote: OidcVerifier, kid: str
) -> None:
    assert remote.verify(server.issuer.token(kid)).user == "ada"
    assert server.paths == [DISCOVERY, JWKS]


def test_a_real_issuer_rotates_its_keys(
    server: IssuerServer, remote: OidcVerifier, clock: Clock
) -> None:
    old = server.issuer.token()
    remote.verify(old)
    server.issuer.keys = {"three": rsa_key("three")}
    clock.now += 30

    assert remote.verify(server.issuer.token("three")).user == "ada"
    assert refusal(remote, old) == INVALID


@pytest.mark.parametrize(
    "fault",
    [
        lambda server: server.hang,
        lambda server: server.drip,
        lambda _: redirect,
        lambda _: partial(answer, body=b"<html>", status=200),
        lambda _: partial(answer, body=b"", status=503),
        lambda _: partial(answer, body=b" " * 300_000, status=200),
    ],
)
@pytest.mark.parametrize("path", [DISCOVERY, JWKS])
def test_a_real_issuer_that_fails_is_told_from_a_token_that_is_wrong(
    server: IssuerServer, remote: OidcVerifier, clock: Clock, path: str, fault: Any
) -> None:
    server.faults[path] = fault(server)

    with pytest.raises(Unavailable):
        remote.verify(server.issuer.token())

    server.faults.clear()
    clock.now += 10
    assert remote.verify(server.issuer.token()).user == "ada"
    assert "/elsewhere" not in server.paths


def test_who_is_known_stays_known_while_a_real_issuer_hangs(
    server: IssuerServer, remote: OidcVerifier, clock: Clock
) -> None:
    remote.verify(server.issuer.token())
    server.faults[DISCOVERY] = server.hang
    clock.now += 3600

    assert remote.verify(server.issuer.token(exp=NOW + 5000)).user == "ada"


def test_the_keys_may_be_at_a_url_of_the_settings(server: IssuerServer, clock: Clock) -> None:
    issuer = server.issuer
    verifier = OidcVerifier(
        issuer.url, AUDIENCE, jwks_url=issuer.url + JWKS, fetch=download, clock=clock
    )

    assert verifier.verify(issuer.token()).user == "ada"
    assert server.paths == [JWKS]
