"""Signatures are verified as the RFCs have it, and as another implementation makes them."""

import math
from base64 import urlsafe_b64decode
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from chalicelib.signatures import ES256, RS256, Verifier, verifier
from tests.unit.issuers import ec_key, jwk, rsa_key, segment

_CLAIMS = (
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
)
# https://www.rfc-editor.org/rfc/rfc7515.html#appendix-A.2 and A.3: key, message, signature.
RFC_7515 = {
    RS256: (
        {
            "kty": "RSA",
            "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJ"
            "PMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-"
            "bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qC"
            "o5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h"
            "4FRWyuXpoQ",
            "e": "AQAB",
        },
        f"eyJhbGciOiJSUzI1NiJ9.{_CLAIMS}",
        (
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W"
            "2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkS"
            "jtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnv"
            "Wh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
        ),
    ),
    ES256: (
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        },
        f"eyJhbGciOiJFUzI1NiJ9.{_CLAIMS}",
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ),
}


def known(key: dict[str, Any], algorithm: str) -> Verifier:
    found = verifier(key, algorithm)
    assert found is not None
    return found


@pytest.mark.parametrize("algorithm", RFC_7515)
def test_the_examples_of_the_rfc_are_verified(algorithm: str) -> None:
    key, message, signature = RFC_7515[algorithm]

    verify = known(key, algorithm)

    assert verify(message.encode(), urlsafe_b64decode(signature + "=="))
    assert not verify(message.encode()[:-1], urlsafe_b64decode(signature + "=="))


RSA_KEY, EC_KEY = rsa_key("one"), ec_key("two")
VERIFIERS = {RS256: known(jwk(RSA_KEY, "k"), RS256), ES256: known(jwk(EC_KEY, "k"), ES256)}


def signed(algorithm: str, message: bytes) -> bytes:
    if algorithm == RS256:
        return RSA_KEY.sign(message, padding.PKCS1v15(), hashes.SHA256())
    numbers = decode_dss_signature(EC_KEY.sign(message, ec.ECDSA(hashes.SHA256())))
    return b"".join(number.to_bytes(32, "big") for number in numbers)


@given(algorithm=st.sampled_from([RS256, ES256]), message=st.binary(max_size=300))
def test_what_is_signed_is_verified(algorithm: str, message: bytes) -> None:
    assert VERIFIERS[algorithm](message, signed(algorithm, message))


@given(
    algorithm=st.sampled_from([RS256, ES256]),
    message=st.binary(max_size=300),
    bit=st.integers(min_value=0),
)
def test_a_signature_with_one_bit_changed_is_none(algorithm: str, message: bytes, bit: int) -> None:
    signature = bytearray(signed(algorithm, message))
    place = bit % (8 * len(signature))
    signature[place // 8] ^= 1 << place % 8

    assert not VERIFIERS[algorithm](message, bytes(signature))


@given(algorithm=st.sampled_from([RS256, ES256]), signature=st.binary(max_size=600))
def test_any_bytes_are_no_signature_and_no_error(algorithm: str, signature: bytes) -> None:
    assert not VERIFIERS[algorithm](b"said", signature)


@pytest.mark.parametrize("bits", [2048, 2049, 3072])
def test_keys_of_any_usual_size_are_taken(bits: int) -> None:
    key = rsa_key("sized", bits)
    signature = key.sign(b"said", padding.PKCS1v15(), hashes.SHA256())

    assert known(jwk(key, "k"), RS256)(b"said", signature)


@pytest.mark.parametrize(
    ("algorithm", "changed"),
    [
        (RS256, {"n": segment((1 << 2046).to_bytes(256, "big"))}),
        (RS256, {"n": segment(b"\xff" * 1025)}),
        (RS256, {"e": segment(b"\x01")}),
        (RS256, {"e": segment(b"\x02")}),
        (RS256, {"e": segment(b"\xff" * 200)}),
        (RS256, {"e": "AQAB="}),
        (RS256, {"n": None}),
        (ES256, {"x": segment(bytes(32)), "y": segment(bytes(32))}),
        (ES256, {"x": segment(b"\xff" * 32)}),
        (ES256, {"y": segment(bytes(31))}),
        (ES256, {"y": "é" * 43}),
        ("RS512", {}),
    ],
)
def test_what_is_no_key_for_that_verifies_nothing(algorithm: str, changed: dict[str, Any]) -> None:
    key = jwk(EC_KEY if algorithm == ES256 else RSA_KEY, "k")

    assert verifier({**key, **changed}, algorithm) is None


SAID = b"said"
PRIVATE = RSA_KEY.private_numbers()
MODULUS = PRIVATE.public_numbers.n
TOTIENT = (PRIVATE.p - 1) * (PRIVATE.q - 1)
# What an RSA signature is, to the power of the exponent (RFC 8017, section 9.2).
_DIGEST = bytes.fromhex("3031300d060960864801650304020105000420") + sha256(SAID).digest()
ENCODED = b"\x00\x01" + b"\xff" * (253 - len(_DIGEST)) + b"\x00" + _DIGEST
# Of the group of P-256 (FIPS 186-4, D.1.2.3).
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def numeral(number: int) -> bytes:
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")


def takes(key: dict[str, Any], algorithm: str, signature: bytes) -> bool:
    verify = verifier(key, algorithm)
    return verify is not None and verify(SAID, signature)


def pyjwt_takes(key: dict[str, Any], algorithm: str, signature: bytes) -> bool:
    try:
        found = PyJWK(key, algorithm)
    except PyJWTError:
        return False
    return bool(found.Algorithm.verify(SAID, found.key, signature))


def power(encoded: bytes, exponent: int) -> int:
    """Return what is a good signature with this exponent; any number if there is none."""
    base = int.from_bytes(encoded, "big")
    fit = math.gcd(exponent, TOTIENT) == 1
    return pow(base, pow(exponent, -1, TOTIENT), MODULUS) if fit else base


@given(
    modulus=st.sampled_from([MODULUS, MODULUS - 1, MODULUS + 2, 2 * MODULUS, 1 << 2047]),
    exponent=st.one_of(
        st.sampled_from([0, 1, 2, 3, 17, 257, 65_537, (1 << 33) - 1]), st.integers(0, 1 << 33)
    ),
    encoded=st.sampled_from(
        [ENCODED, b"\x00\x02" + ENCODED[2:], ENCODED[:10] + ENCODED[200:] + bytes(190)]
    ),
    added=st.sampled_from([0, 0, 0, 1, MODULUS]),
    zeros=st.integers(0, 2),
)
def test_what_is_taken_from_whatever_rsa_key_is_what_pyjwt_takes(
    modulus: int, exponent: int, encoded: bytes, added: int, zeros: int
) -> None:
    key = {"kty": "RSA", "n": segment(numeral(modulus)), "e": segment(numeral(exponent))}
    signature = bytes(zeros) + (power(encoded, exponent) + added).to_bytes(257, "big").lstrip(b"\0")

    assert takes(key, RS256, signature) == pyjwt_takes(key, RS256, signature)


def test_a_signature_is_as_long_as_its_key() -> None:
    key, good = jwk(RSA_KEY, "k"), signed(RS256, SAID)

    assert takes(key, RS256, good)
    assert not any(takes(key, RS256, each) for each in (b"", b"\0" + good, good + b"\0"))


@pytest.mark.parametrize(
    "exponent",
    [(1 << 33) + 1, (1 << 64) + 13, 65_537 + TOTIENT],
    ids=["34 bits", "65 bits", "an equivalent of 65537"],
)
def test_an_exponent_that_only_costs_time_is_none(exponent: int) -> None:
    key = {**jwk(RSA_KEY, "k"), "e": segment(numeral(exponent))}

    assert verifier(key, RS256) is None


_GOOD = signed(ES256, SAID)
_R, _S = (int.from_bytes(_GOOD[start : start + 32], "big") for start in (0, 32))
_NUMBERS = st.sampled_from([0, 1, _R, _S, ORDER - _S, ORDER - 1, ORDER, ORDER + 1, (1 << 256) - 1])


@given(first=_NUMBERS, second=_NUMBERS)
def test_what_is_taken_from_an_ec_key_is_what_pyjwt_takes(first: int, second: int) -> None:
    key = jwk(EC_KEY, "k")
    signature = b"".join(number.to_bytes(32, "big") for number in (first, second))

    taken = takes(key, ES256, signature)

    assert taken == pyjwt_takes(key, ES256, signature)
    assert taken == (first == _R and second in {_S, ORDER - _S})
