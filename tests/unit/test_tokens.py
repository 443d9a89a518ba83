"""Tokens and tickets: ours alone, each for its one purpose, and only for a while."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import Unauthorized
from chalicelib.identities import Identity, Ticket
from chalicelib.keys import Key, RandomKeys
from chalicelib.models import UserName
from chalicelib.settings import IdentitySettings
from chalicelib.tokens import LONGEST_TOKEN, Tokens, alleged_issuer
from tests.unit.fakes import Clock

NOW = 1_767_323_045
ADA = Identity(user=UserName("ada"), version=3)
GUEST = Identity(user=UserName("guest-2345"), guest=True, key_digest="d" * 64)
KEYS = RandomKeys(lambda size: b"k" * size)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\x00é"


def new_tokens(
    clock: Clock | None = None, *, stage: str = "test", keys: Any = KEYS, **settings: int
) -> Tokens:
    ids = (f"ticket-{number:016}" for number in count())
    return Tokens(
        keys,
        clock or Clock(NOW + 0.678),
        IdentitySettings(**settings),  # type: ignore[arg-type]
        stage,
        lambda: next(ids),
    )


TOKENS = new_tokens()
TOKEN = TOKENS.issue(ADA, NOW).text
TICKET = TOKENS.ticket(ADA, NOW + 500).text


def claims(**changed: Any) -> dict[str, Any]:
    """Return the claims of a good token, with some changed; None takes one away."""
    good = {
        "iss": "dynamowave:test",
        "aud": "dynamowave:test:token",
        "sub": "ada",
        "iat": NOW,
        "exp": NOW + 100,
        "ver": 3,
        "guest": False,
        "key": None,
        "auth_time": NOW,
    }
    return {name: value for name, value in {**good, **changed}.items() if value is not GONE}


GONE = ...  # and no object(): the name of a test must be the same in every process


def signed(
    payload: Any = None, *, key: bytes | None = None, algorithm: str = "HS256", **header: Any
) -> str:
    """Return a token made by somebody who has the key, or another one."""
    headers = {"kid": KEYS.current().id, "typ": "token+jwt", **header}
    return jwt.encode(
        claims() if payload is None else payload,
        KEYS.current().secret if key is None else key,
        algorithm,
        {name: value for name, value in headers.items() if value is not GONE},
    )


def refused(text: str, check: Callable[[str], object] = TOKENS.verify) -> str:
    with pytest.raises(Unauthorized) as caught:
        check(text)
    return caught.value.message


@pytest.mark.parametrize("identity", [ADA, GUEST])
def test_a_token_tells_who_its_holder_is(identity: Identity) -> None:
    issued = TOKENS.issue(identity, NOW - 60)

    told = TOKENS.verify(issued.text)
    assert (told.identity, told.logged_in_at) == (identity, NOW - 60)
    assert told.expires_at == issued.expires_at == NOW + 43_200


@pytest.mark.parametrize("identity", [ADA, GUEST])
def test_a_ticket_tells_who_its_holder_is_and_has_a_name_of_its_own(identity: Identity) -> None:
    tokens = new_tokens()
    issued = [tokens.ticket(identity, NOW + 500) for _ in range(2)]

    first, second = (tokens.verify_ticket(ticket.text) for ticket in issued)
    assert first == Ticket(
        identity=identity,
        id="ticket-0000000000000000",
        expires_at=NOW + 30,
        session_expires_at=NOW + 500,
    )
    assert second.id != first.id


def test_what_the_tests_forge_would_pass_if_nothing_were_wrong_with_it() -> None:
    assert TOKENS.verify(signed()).identity == ADA


def test_a_token_lasts_no_longer_than_the_log_in() -> None:
    issued = TOKENS.issue(ADA, NOW - 2_592_000 + 7)

    assert issued.expires_at == NOW + 7


def test_a_log_in_that_is_too_long_ago_gives_no_token() -> None:
    with pytest.raises(Unauthorized, match="the token has expired: log in again"):
        TOKENS.issue(ADA, NOW - 2_592_000)


def test_a_ticket_lasts_no_longer_than_the_session() -> None:
    assert TOKENS.ticket(ADA, NOW + 5).expires_at == NOW + 5


def test_a_token_is_good_until_its_last_moment_and_not_after() -> None:
    clock = Clock(NOW)
    tokens = new_tokens(clock, token_ttl=60)
    text = tokens.issue(ADA, NOW).text

    clock.now = NOW + 59.999
    tokens.verify(text)
    clock.now = NOW + 60
    assert refused(text, tokens.verify) == "the token has expired: log in again"


def test_a_ticket_expires() -> None:
    clock = Clock(NOW)
    tokens = new_tokens(clock)
    text = tokens.ticket(ADA, NOW + 500).text

    clock.now += 30
    assert refused(text, tokens.verify_ticket) == "the token has expired: log in again"


def test_the_key_of_before_a_rotation_is_still_good() -> None:
    old, new = Key.of(b"o" * 32), Key.of(b"n" * 32)
    rotated = Ring(new, old)

    text = new_tokens(keys=Ring(old)).issue(ADA, NOW).text
    assert new_tokens(keys=rotated).verify(text).identity == ADA
    assert refused(text, new_tokens(keys=Ring(new)).verify) == "the token is not valid"


class Ring:
    """Some keys, of which the first signs."""

    def __init__(self, *keys: Key) -> None:
        self._keys = keys

    def current(self) -> Key:
        return self._keys[0]

    def find(self, key_id: str) -> Key | None:
        return next((key for key in self._keys if key.id == key_id), None)


def test_a_ticket_is_no_token_and_a_token_no_ticket() -> None:
    assert refused(TICKET) == "the token is not valid"
    assert refused(TOKEN, TOKENS.verify_ticket) == "the token is not valid"


@pytest.mark.parametrize("typ", ["ticket+jwt", "JWT", "token+JWT", GONE])
def test_the_type_alone_is_not_enough(typ: object) -> None:
    refused(signed(typ=typ))


def test_the_audience_alone_is_not_enough() -> None:
    refused(signed(claims(aud="dynamowave:test:ticket")))


def test_another_stage_knows_no_token_of_this_one() -> None:
    refused(TOKEN, new_tokens(stage="prod").verify)
    refused(TICKET, new_tokens(stage="prod").verify_ticket)


@pytest.mark.parametrize(
    "header",
    [
        {"kid": GONE},
        {"kid": 7},
        {"kid": "0" * 16},
        {"crit": ["exp"], "exp": NOW},
        {"crit": []},
        {"b64": True, "crit": ["b64"]},
        {"jku": "https://evil.example/keys"},
        {"jwk": {"kty": "oct", "k": "a2V5"}},
        {"x5u": "https://evil.example"},
        {"cty": "JWT"},
    ],
)
def test_no_other_header_passes(header: dict[str, Any]) -> None:
    body = {"alg": "HS256", "kid": KEYS.current().id, "typ": "token+jwt", **header}
    body = {name: value for name, value in body.items() if value is not GONE}

    refused(handmade(body, claims(), KEYS.current().secret))


def handmade(header: dict[str, Any], payload: Any, key: bytes) -> str:
    """Sign what PyJWT would not."""
    head, body = (_base64(json.dumps(part).encode()) for part in (header, payload))
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        f"{head}.{body}".encode(), key
    )
    return f"{head}.{body}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_an_unsigned_token_is_none() -> None:
    header = {"alg": "none", "kid": KEYS.current().id, "typ": "token+jwt"}
    head, body = (_base64(json.dumps(part).encode()) for part in (header, claims()))

    refused(f"{head}.{body}.")
    refused(f"{head}.{body}.{TOKEN.rpartition('.')[2]}")


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_no_other_algorithm_passes_with_the_right_key(algorithm: str) -> None:
    refused(signed(key=b"k" * 64, algorithm=algorithm))
    refused(signed(algorithm=algorithm, key=KEYS.current().secret + b"k" * 32))


def test_a_signature_of_another_kind_does_not_pass() -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    headers = {"kid": KEYS.current().id, "typ": "token+jwt"}

    refused(jwt.encode(claims(), private, "RS256", headers))
    # A key that is public is not taken for a secret, even if somebody stores it as one.
    key = Key.of(public)
    forged = handmade({"alg": "HS256", "kid": key.id, "typ": "token+jwt"}, claims(), public)
    refused(forged, new_tokens(keys=Ring(key)).verify)


def test_another_key_under_the_same_name_does_not_pass() -> None:
    refused(signed(key=b"x" * 32))


@pytest.mark.parametrize(
    "changed",
    [
        *({name: GONE} for name in claims()),
        *({name: None} for name in claims() if name != "key"),
        {"iss": "dynamowave:prod"},
        {"iss": ["dynamowave:test"]},
        {"aud": ["dynamowave:test:token"]},
        {"aud": "dynamowave:test"},
        {"sub": 7},
        {"sub": ""},
        {"sub": "Ada"},
        {"sub": "ada\n"},
        {"sub": "a" * 33},
        {"exp": str(NOW + 100)},
        {"exp": float(NOW + 100)},
        {"exp": True},
        {"exp": 2**63},
        {"iat": "now"},
        {"iat": True},
        {"ver": "3"},
        {"ver": True},
        {"ver": 3.0},
        {"ver": -1},
        {"guest": 0},
        {"guest": "false"},
        {"key": 7},
        {"auth_time": "0"},
        {"auth_time": False},
        {"admin": True},
        {"nbf": NOW},
    ],
    ids=str,
)
def test_every_claim_must_be_what_it_is_meant_to_be(changed: dict[str, Any]) -> None:
    refused(handmade(header_of(TOKEN), claims(**changed), KEYS.current().secret))


def header_of(text: str) -> dict[str, Any]:
    return jwt.get_unverified_header(text)


@pytest.mark.parametrize(
    "changed", [{"jti": GONE}, {"jti": "short"}, {"jti": 7}, {"session_exp": GONE}, {"exp": "1"}]
)
def test_every_claim_of_a_ticket_too(changed: dict[str, Any]) -> None:
    good = jwt.decode(TICKET, options={"verify_signature": False})
    payload = {name: value for name, value in {**good, **changed}.items() if value is not GONE}

    refused(handmade(header_of(TICKET), payload, KEYS.current().secret), new_tokens().verify_ticket)


@pytest.mark.parametrize("payload", [[], "text", 7, None])
def test_claims_must_be_an_object(payload: object) -> None:
    refused(handmade(header_of(TOKEN), payload, KEYS.current().secret))


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "..", "...", "a.b.c", "a.b", "é.é.é", "\ud800.a.b", "null", "[]"),
        f"{TOKEN}=",
        f"{TOKEN}\n",
        f" {TOKEN}",
        f"{TOKEN}.{TOKEN}",
        "A" * LONGEST_TOKEN + ".A.A",
        _base64(b"[" * 3000) + ".e30.e30",
        _base64(b"9" * 3000) + ".e30.e30",
        _base64(b"\xff\xfe") + ".e30.e30",
    ],
)
def test_what_is_no_token_is_refused(text: str) -> None:
    assert refused(text) == "the token is not valid"
    assert refused(text, TOKENS.verify_ticket) == "the token is not valid"


@given(st.integers(0, max(len(TOKEN), len(TICKET)) - 1), st.sampled_from(ALPHABET))
def test_a_token_with_any_character_changed_is_refused(place: int, character: str) -> None:
    for text, check in ((TOKEN, TOKENS.verify), (TICKET, TOKENS.verify_ticket)):
        at = place % len(text)
        changed = text[:at] + character + text[at + 1 :]
        if changed != text:
            refused(changed, check)


@given(st.text(ALPHABET, min_size=1, max_size=3), st.integers(0, len(TOKEN)))
def test_a_token_with_anything_added_or_taken_away_is_refused(more: str, place: int) -> None:
    refused(TOKEN[:place] + more + TOKEN[place:])
    if place < len(TOKEN):
        refused(TOKEN[:place])


@given(
    st.from_regex(r"[a-z0-9][a-z0-9._-]{0,31}", fullmatch=True),
    st.integers(0, 2**53),
    st.sampled_from([ADA, GUEST]),
    st.integers(1, 10**6),
)
def test_tokens_as_tickets_never_and_tickets_as_tokens_neither(
    user: str,
    version: int,
    identity: Identity,
    lasts: int,
) -> None:
    identity = replace(identity, user=UserName(user), version=version)
    tokens = new_tokens(token_ttl=lasts, ticket_ttl=lasts)

    refused(tokens.issue(identity, NOW).text, tokens.verify_ticket)
    refused(tokens.ticket(identity, NOW + lasts).text, tokens.verify)


def test_nothing_of_a_token_is_in_its_repr() -> None:
    assert TOKEN not in repr(TOKENS.issue(ADA, NOW))


@pytest.mark.parametrize(
    ("text", "issuer"),
    [
        (TOKEN, "dynamowave:test"),
        (
            handmade({"alg": "RS256"}, {"iss": "https://issuer.example"}, b"x"),
            "https://issuer.example",
        ),
        (handmade({"alg": "RS256"}, {"iss": ["x"]}, b"x"), None),
        (handmade({"alg": "RS256"}, {}, b"x"), None),
        (handmade({"alg": "RS256"}, [], b"x"), None),
        ("no token", None),
        ("", None),
        ("\ud800", None),
    ],
)
def test_the_alleged_issuer_is_read_from_anything(text: str, issuer: str | None) -> None:
    assert alleged_issuer(text) == issuer
