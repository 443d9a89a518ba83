"""What reads bytes that strangers send, each as a function that raises only for faults."""

import json
import time
from collections.abc import Callable
from contextlib import suppress

from chalicelib import strictjson
from chalicelib.errors import ChatError
from chalicelib.jwks import Jwks
from chalicelib.oidc import OidcVerifier
from chalicelib.protocol import decode, decode_publication
from tests.unit.issuers import AUDIENCE, ISSUER, JWKS, NOW, Issuer, sign

LARGEST = 64 * 1024
_CPU_SECONDS = 2.0

_issuer = Issuer()
_verifier = OidcVerifier(
    ISSUER, AUDIENCE, jwks_url=ISSUER + JWKS, fetch=_issuer.fetch, clock=lambda: NOW
)


class SlowError(AssertionError):
    """An input took longer than its size allows."""


def frame(data: bytes) -> None:
    """Read a frame as Lambda hands it over: its JSON may hold halves of characters."""
    with suppress(ChatError):
        decode(_text(data))


def text(data: bytes) -> None:
    """Read JSON, which never raises."""
    strictjson.loads(_text(data))


def publication(data: bytes) -> None:
    """Read what a back end sends; what is no JSON never comes so far."""
    try:
        payload = json.loads(data)
    except (ValueError, RecursionError):
        return
    with suppress(ChatError):
        decode_publication(payload)


def token(data: bytes) -> None:
    """Read a token; nobody who has no key can make one."""
    with suppress(ChatError):
        _verifier.verify(_text(data))
        raise AssertionError("a forged token was believed")


def claims(data: bytes) -> None:
    """Read what an issuer has signed."""
    signed = sign(_issuer.keys["two"], {"alg": "ES256", "kid": "two"}, data)
    with suppress(ChatError):
        _verifier.verify(signed)


def keys(data: bytes) -> None:
    """Read what an issuer publishes."""
    jwks = Jwks(ISSUER, url=ISSUER + JWKS, fetch=lambda _: data, clock=lambda: NOW)
    with suppress(ChatError):
        jwks.find("one", "RS256")


# The first byte of an input says whose it is: one of these, in this order.
TARGETS: tuple[Callable[[bytes], None], ...] = (frame, text, publication, token, claims, keys)


def attempt(data: bytes) -> None:
    """Give an input to its target.

    Raises:
        SlowError: it took more than half a second of CPU.
        Exception: whatever it made the target raise.
    """
    if not data:
        return
    began = time.thread_time()
    TARGETS[data[0] % len(TARGETS)](data[1 : LARGEST + 1])
    spent = time.thread_time() - began
    if spent > _CPU_SECONDS:
        raise SlowError(f"{len(data)} bytes took {spent:.2f} s")


def seeds() -> list[bytes]:
    """Return inputs for each target: what it takes, or nearly, and what is nested too deeply."""
    said = b'{"action":"sendmessage","id":7,"room":"lobby","message":"\\ud83c\\udf0a","cid":"c"}'
    good: dict[Callable[[bytes], None], bytes] = {
        frame: said,
        text: b'{"a":[1,-2.5e3,true,null],"b":{"c":"\\u00e9"}}',
        publication: b'{"room":"lobby","message":"x","user":"ops","cid":"c"}',
        token: _issuer.token("one")[:-4].encode(),
        claims: json.dumps(_issuer.claims()).encode(),
        keys: _issuer.key_set(),
    }
    deep = b'{"a":[' * 1000  # the fuzzer grows its inputs slowly
    return [
        bytes([number]) + start
        for number, target in enumerate(TARGETS)
        for start in (good[target], deep)
    ]


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")
