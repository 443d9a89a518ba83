"""Attacks with tokens of an external issuer: forged ones, and genuine ones that claim too much."""

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from cryptography.hazmat.primitives import serialization

from chalicelib.oidc import OidcVerifier
from tests.security.conftest import Open
from tests.security.doors import LET_IN, Door
from tests.security.forgeries import join
from tests.security.witnesses import nothing_happens
from tests.unit.issuers import (
    AUDIENCE,
    ISSUER,
    JWKS,
    Issuer,
    jwk,
    key_set,
    rsa_key,
    sign,
    symmetric,
)

START = 1_800_000_000
LATER = START + 600
Forge: TypeAlias = Callable[[Issuer, dict[str, Any]], str]


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def federated(open_door: Open, issuer: Issuer) -> Door:
    """The chat that believes another issuer."""
    return open_door(
        ADDRESS_RATE="0",
        OIDC_ISSUER=ISSUER,
        OIDC_AUDIENCE=AUDIENCE,
        ADMINS="chief",
        external=lambda clock: (
            OidcVerifier(
                ISSUER, AUDIENCE, jwks_url=ISSUER + JWKS, fetch=issuer.fetch, clock=clock
            ).verify
        ),
    )


def token(issuer: Issuer, **claims: Any) -> str:
    """Return a token of the issuer for today, but for the claims that are changed."""
    return issuer.token(**{"iat": START, "exp": LATER, **claims})


def _as_secret(text: Callable[[Any], bytes]) -> Forge:
    """Sign with the text of the public key, which everybody can have, as if it were a secret."""
    return lambda issuer, claims: symmetric(text(issuer.keys["one"].public_key()), claims, "one")


def _encoded(encoding: serialization.Encoding, kind: serialization.PublicFormat) -> Forge:
    return _as_secret(lambda key: bytes(key.public_bytes(encoding, kind)))


_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
_PKCS1 = serialization.PublicFormat.PKCS1
_PEM, _DER = serialization.Encoding.PEM, serialization.Encoding.DER
_MALLORYS = rsa_key("mallory")

FORGERIES: dict[str, Forge] = {
    "public key as secret, PEM": _encoded(_PEM, _SPKI),
    "public key as secret, PEM of PKCS 1": _encoded(_PEM, _PKCS1),
    "public key as secret, DER": _encoded(_DER, _SPKI),
    "public key as secret, without the last newline": _as_secret(
        lambda key: bytes(key.public_bytes(_PEM, _SPKI)).strip()
    ),
    "public key as secret, JWK": lambda issuer, claims: symmetric(
        json.dumps(jwk(issuer.keys["one"], "one")).encode(), claims, "one"
    ),
    "public key as secret, the whole key set": lambda issuer, claims: symmetric(
        key_set(jwk(issuer.keys["one"], "one")), claims, "one"
    ),
    "alg none": lambda _, claims: join({"alg": "none", "kid": "one"}, claims, ""),
    "own RSA key": lambda _, claims: sign(_MALLORYS, {"alg": "RS256", "kid": "one"}, claims),
    "own RSA key under a kid of its own": lambda _, claims: sign(
        _MALLORYS, {"alg": "RS256", "kid": "mallory"}, claims
    ),
    "own RSA key in the header": lambda _, claims: sign(
        _MALLORYS, {"alg": "RS256", "kid": "one", "jwk": jwk(_MALLORYS, "one")}, claims
    ),
    "own RSA key at a URL": lambda _, claims: sign(
        _MALLORYS, {"alg": "RS256", "kid": "one", "jku": "https://mallory.example/"}, claims
    ),
    "RSA key as if it were of an elliptic curve": lambda issuer, claims: sign(
        issuer.keys["one"], {"alg": "ES256", "kid": "one"}, claims
    ),
    "for another client": lambda issuer, claims: issuer.signed(
        {"kid": "one"}, {**claims, "aud": "another-client"}
    ),
    "expired": lambda issuer, claims: issuer.signed({"kid": "one"}, {**claims, "exp": START}),
    "not yet": lambda issuer, claims: issuer.signed({"kid": "one"}, {**claims, "nbf": LATER}),
    "a notice of logout": lambda issuer, claims: issuer.signed(
        {"kid": "one", "typ": "logout+jwt"}, claims
    ),
    "claims to be ours": lambda issuer, claims: issuer.signed(
        {"kid": "one"}, {**claims, "iss": "dynamowave:local", "aud": "dynamowave:local:token"}
    ),
}


@pytest.mark.attack("key-confusion")
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=list(FORGERIES))
def test_a_forged_token_of_the_other_issuer_is_good_for_nothing(
    federated: Door, issuer: Issuer, forge: Forge
) -> None:
    ada = federated.enter(token(issuer))
    mallory = federated.member("mallory")
    forged = forge(issuer, issuer.claims(iat=START, exp=LATER))

    with nothing_happens(federated, ada):
        assert federated.post("/ticket", token=forged).status == 401
        assert federated.post("/logout", token=forged).status == 401
        assert federated.post("/token", token=forged).status in {401, 403}
        assert mallory.ask("refresh", token=forged)["code"] == "unauthorized"
        assert federated.handshake(f"ticket={forged}") == 401


@pytest.mark.attack("issuer-elsewhere")
def test_a_token_of_any_other_issuer_is_not_even_looked_up(federated: Door, issuer: Issuer) -> None:
    claims = issuer.claims(iat=START, exp=LATER, iss="https://mallory.example")
    forged = sign(_MALLORYS, {"alg": "RS256", "kid": "one"}, claims)

    with nothing_happens(federated):
        assert federated.post("/ticket", token=forged).status == 401

    assert issuer.asked == []


@pytest.mark.attack("issuer-compromised")
@pytest.mark.parametrize("name", ["ada", "a.da", "chief", "CHIEF", "admin", "system"])
def test_the_other_issuer_cannot_speak_for_accounts_that_are_not_its_own(
    federated: Door, issuer: Issuer, name: str
) -> None:
    ada = federated.member("ada")
    taken = token(issuer, preferred_username=name, sub="mallory")

    with nothing_happens(federated, ada):
        assert federated.post("/ticket", token=taken).status in {400, 409}
        # Where no account is made, a name that nobody has is not looked at any further.
        refused = {"bad_request", "conflict", "unauthorized"}
        assert ada.ask("refresh", token=taken)["code"] in refused


@pytest.mark.attack("issuer-renames")
def test_a_name_that_the_other_issuer_gives_to_somebody_else_stays_who_it_was(
    federated: Door, issuer: Issuer
) -> None:
    first = federated.enter(token(issuer, sub="person-1"))
    second = token(issuer, sub="person-2")

    with nothing_happens(federated, first):
        assert federated.post("/ticket", token=second).status == 409
    assert federated.handshake(f"ticket={federated.ticket(token(issuer))}") == LET_IN


@pytest.mark.attack("issuer-password")
def test_nobody_logs_in_with_a_password_to_an_account_that_has_none(
    federated: Door, issuer: Issuer
) -> None:
    ada = federated.enter(token(issuer))
    decoy = federated.hasher.decoy

    with nothing_happens(federated, ada):
        for password in ("", decoy, decoy.partition("!")[2], "no password at all"):
            body = {"username": "ada", "password": password}
            assert federated.post("/login", body).status == 401
            changed = {"password": password, "new_password": "mallory was here"}
            assert federated.post("/password", changed, token=ada.token).status == 403


@pytest.mark.attack("keys-asked-for")
def test_made_up_key_names_do_not_flood_the_issuer(federated: Door, issuer: Issuer) -> None:
    claims = issuer.claims(iat=START, exp=LATER)

    for number in range(200):
        forged = sign(_MALLORYS, {"alg": "RS256", "kid": f"mallory-{number}"}, claims)
        assert federated.post("/ticket", token=forged).status == 401

    assert len(issuer.asked) == 1
