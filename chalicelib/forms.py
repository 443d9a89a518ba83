"""The bodies of HTTP requests: bytes of a stranger to fields that have been checked."""

import re
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec import Struct, ValidationError, convert

from chalicelib import strictjson
from chalicelib.errors import BadRequest, TooLarge
from chalicelib.models import USER_RULE, UserName, user_name

MAX_BODY_BYTES = 4096
_BODY = "the body"
_F = TypeVar("_F", bound="Form")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What the routes look at of a request.

    Attributes:
        body: As it came.
        authorization: The header of that name.
        address: Under which name the caller's requests are counted; see Perimeter.address.
        host: The header of that name.
    """

    body: str | bytes | None = field(default=None, repr=False)
    authorization: str | None = field(default=None, repr=False)
    address: str = ""
    host: str | None = None


class Form(Struct, frozen=True, kw_only=True):
    """A body; fields that it does not have are ignored."""


class Credentials(Form, frozen=True, kw_only=True):
    """How somebody registers or logs in."""

    username: str
    password: str

    @property
    def user(self) -> UserName:
        """The name in lower case. Raises BadRequest."""
        return _user(self.username)


class GuestWish(Form, frozen=True, kw_only=True):
    """What a guest would like to be called."""

    username: str | None = None

    @property
    def user(self) -> UserName | None:
        """The name in lower case. Raises BadRequest."""
        return None if self.username is None else _user(self.username)


class PasswordChange(Form, frozen=True, kw_only=True):
    """The password that somebody has, and the one that they want."""

    password: str
    new_password: str


def read(body: str | bytes | None, to: type[_F]) -> _F:
    """Read a JSON object, of whatever media type; a field that is null counts as absent.

    Raises:
        BadRequest: not UTF-8, not JSON (see strictjson), not an object, or a field that is wrong.
        TooLarge: more than 4 KB.
    """
    fields, problem = strictjson.loads(_text(body), whole=_BODY)
    if problem:
        raise problem
    if not isinstance(fields, dict):
        raise BadRequest(field=_BODY, problem="must be a JSON object")
    known = {name: fields[name] for name in to.__struct_fields__ if fields.get(name) is not None}
    try:
        return convert(known, to)
    except ValidationError as error:
        raise _explained(error) from error


def _text(body: str | bytes | None) -> str:
    raw = body.encode(errors="surrogatepass") if isinstance(body, str) else body or b""
    if len(raw) > MAX_BODY_BYTES:
        raise TooLarge(field=_BODY, limit=MAX_BODY_BYTES)
    try:
        # Lambda hands on halves of characters in text; strictjson finds them.
        return body if isinstance(body, str) else raw.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(field=_BODY, problem="must be text in UTF-8") from error


def _explained(error: ValidationError) -> BadRequest:
    """Turn msgspec's "Expected `str`, got `int` - at `$.username`" into a sentence for people."""
    missing = re.search(r"missing required field `(\w+)`", str(error))
    if missing:
        return BadRequest(field=missing[1], problem="is missing")
    field_of = re.search(r"\$\.(\w+)", str(error))
    return BadRequest(field=field_of[1] if field_of else _BODY, problem="must be a string")


def _user(name: str) -> UserName:
    user = user_name(name)
    if user is None:
        raise BadRequest(field="username", problem=USER_RULE)
    return user
