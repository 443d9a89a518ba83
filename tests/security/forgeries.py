"""What an attacker makes of a token or a ticket without its key."""

import base64
import json
from collections.abc import Callable
from typing import Any, TypeAlias

from tests.unit.issuers import segment, symmetric

Forge: TypeAlias = Callable[[str, str], str]
_OWN_SECRET = b"the attacker's own secret, 32 bytes and more"
_A_YEAR = 31_536_000


def parts(text: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return header, claims and signature; anybody can read them."""
    header, claims, signature = text.split(".")
    return _opened(header), _opened(claims), signature


def join(header: object, claims: object, signature: str) -> str:
    """Put a token together."""
    return f"{segment(header)}.{segment(claims)}.{signature}"


def respelled(text: str) -> str:
    """Return the same token in other characters: the last of base64url has bits that are unused."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


def _opened(part: str) -> dict[str, Any]:
    opened: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return opened


def _unsigned(algorithm: str) -> Forge:
    def forge(_: str, victims: str) -> str:
        header, claims, signature = parts(victims)
        claims["exp"] += _A_YEAR
        return join({**header, "alg": algorithm}, claims, signature)

    return forge


def _changed(**claims: Any) -> Forge:
    def forge(own: str, _: str) -> str:
        header, before, signature = parts(own)
        return join(header, {**before, **claims}, signature)

    return forge


def _extended(own: str, _: str) -> str:
    header, claims, signature = parts(own)
    return join(header, {**claims, "exp": claims["exp"] + _A_YEAR}, signature)


def _with_header(**members: Any) -> Forge:
    """Sign the victim's claims with a key of one's own, and say in the header where it is."""

    def forge(_: str, victims: str) -> str:
        header, claims, _signature = parts(victims)
        text = symmetric(_OWN_SECRET, claims, header["kid"])
        signature = text.rpartition(".")[2]
        return join({**header, **members}, claims, signature)

    return forge


def _spliced(own: str, victims: str) -> str:
    header, _, signature = own.split(".")
    return f"{header}.{victims.split('.')[1]}.{signature}"


def _cut(keep: Callable[[list[str]], str]) -> Forge:
    return lambda _, victims: keep(victims.split("."))


_SECRET = segment(_OWN_SECRET)
_LONG_NUMBER = b'{"alg":' + b"1" * 2900 + b"}"

# By what is done: the attacker's own and the victim's (of which the attacker may have read the
# claims) to what is shown.
FORGERIES: dict[str, Forge] = {
    **{f"alg {name or 'empty'}": _unsigned(name) for name in ("none", "None", "nOnE", "")},
    "alg none, no signature": lambda _, victims: join(
        {**parts(victims)[0], "alg": "none"}, parts(victims)[1], ""
    ),
    "alg RS256": _unsigned("RS256"),
    "alg HS512": _unsigned("HS512"),
    "own key": _with_header(),
    "own key by kid": _with_header(kid="mallory"),
    "kid is a path": _with_header(kid="../../../../dev/null"),
    "kid is SQL": _with_header(kid="x' UNION SELECT 'secret' --"),
    "kid is no text": _with_header(kid=["a"]),
    "key in the header": _with_header(jwk={"kty": "oct", "k": _SECRET}),
    "key at a URL": _with_header(jku="https://mallory.example/keys"),
    "certificate at a URL": _with_header(x5u="https://mallory.example/cert"),
    "critical extension": _with_header(crit=["exp"]),
    "compressed": _with_header(zip="DEF"),
    "swapped sub": _changed(sub="ada"),
    "swapped ver": _changed(ver=2),
    "swapped guest": _changed(sub="ada", guest=True),
    "swapped aud": _changed(aud="dynamowave:local:token"),
    "swapped exp": _extended,
    "spliced": _spliced,
    "without signature": _cut(lambda own: f"{own[0]}.{own[1]}"),
    "empty signature": _cut(lambda own: f"{own[0]}.{own[1]}."),
    "half a signature": _cut(lambda own: f"{own[0]}.{own[1]}.{own[2][:21]}"),
    "one character less": _cut(lambda own: ".".join(own)[:-1]),
    "without claims": _cut(lambda own: f"{own[0]}..{own[2]}"),
    "without header": _cut(lambda own: f".{own[1]}.{own[2]}"),
    "one part more": _cut(lambda own: ".".join([*own, own[2]])),
    "padded": _cut(lambda own: ".".join(own) + "="),
    "with a newline": _cut(lambda own: ".".join(own) + "\n"),
    "doubled": _cut(lambda own: ".".join(own) + "," + ".".join(own)),
    "nested brackets": lambda own, _: f"{segment(b'[' * 2900)}.{own.partition('.')[2]}",
    "a long number": lambda own, _: f"{segment(_LONG_NUMBER)}.{own.partition('.')[2]}",
}
