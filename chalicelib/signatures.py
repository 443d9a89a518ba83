"""Public keys of issuers, which tell whether a signature is theirs: RS256 and ES256.

By AWS's libcrypto, which awscrt has in it and which is deployed anyway: the package cryptography
would be four tenths of what is.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from typing import Any, TypeAlias

from awscrt.crypto import EC, RSA, ECRawSignature, RSASignatureAlgorithm

RS256, ES256 = "RS256", "ES256"
RSA_BITS = range(2048, 8193)

Verifier: TypeAlias = Callable[[bytes, bytes], bool]

_COORDINATE_BYTES = 32
_BASE64URL = re.compile(r"[\w-]+", re.ASCII)
_SEQUENCE, _INTEGER = b"\x30", b"\x02"
_SHORT_LENGTH = 128
# Of a key on the curve P-256, up to its point (RFC 5480, section 2).
_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")


def verifier(jwk: Mapping[str, Any], algorithm: str) -> Verifier | None:
    """Return what tells whether a signature of a message is by a key, by a JWK of its public part.

    Members of the private part are not looked at. See RFC 7518, sections 3.3, 3.4, 6.2.1, 6.3.1.

    Args:
        jwk: The key.
        algorithm: RS256 or ES256, for which it has to be fit.

    Returns:
        None if it is no key for that: malformed, not on the curve, of fewer than 2048 bits or of
        more than 8192, with an exponent that is even, 1, or of more than 33 bits.
    """
    try:
        return _KINDS[algorithm](jwk)
    except (KeyError, TypeError, ValueError, RuntimeError):  # awscrt's are RuntimeErrors
        return None


def _rsa(jwk: Mapping[str, Any]) -> Verifier:
    modulus, exponent = (int.from_bytes(_bytes(jwk[name]), "big") for name in ("n", "e"))
    if modulus.bit_length() not in RSA_BITS:
        raise ValueError(RSA_BITS)
    # RSAPublicKey of RFC 8017, A.1.1
    der = _der(_SEQUENCE, _integer(modulus) + _integer(exponent))
    return partial(_verify_rsa, RSA.new_public_key_from_der_data(der))


def _ec(jwk: Mapping[str, Any]) -> Verifier:
    point = [_bytes(jwk[name]) for name in ("x", "y")]
    if any(len(coordinate) != _COORDINATE_BYTES for coordinate in point):
        raise ValueError(_COORDINATE_BYTES)
    return partial(_verify_ec, EC.new_key_from_der_data(_P256 + b"".join(point)))


_KINDS = {RS256: _rsa, ES256: _ec}


def _verify_rsa(key: RSA, message: bytes, signature: bytes) -> bool:
    digest = sha256(message).digest()
    try:
        return bool(key.verify(RSASignatureAlgorithm.PKCS1_5_SHA256, digest, signature))
    except RuntimeError:
        return False


def _verify_ec(key: EC, message: bytes, signature: bytes) -> bool:
    """Verify the two numbers one after the other, not in DER as elsewhere."""
    if len(signature) != 2 * _COORDINATE_BYTES:
        return False
    halves = ECRawSignature(signature[:_COORDINATE_BYTES], signature[_COORDINATE_BYTES:])
    try:
        return bool(key.verify(sha256(message).digest(), EC.encode_raw_signature(halves)))
    except RuntimeError:
        return False


def _bytes(text: str) -> bytes:
    """Decode base64url without padding."""
    if not _BASE64URL.fullmatch(text):
        raise ValueError("not base64url")
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _integer(number: int) -> bytes:
    # One bit more, as the first one is the sign.
    return _der(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _der(tag: bytes, content: bytes) -> bytes:
    size = len(content)
    if size < _SHORT_LENGTH:
        return tag + bytes([size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return tag + bytes([_SHORT_LENGTH | len(length)]) + length + content
