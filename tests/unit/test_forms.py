"""Bodies of requests: read strictly, and told what is wrong."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import BadRequest, TooLarge
from chalicelib.forms import Credentials, Form, GuestWish, HttpRequest, PasswordChange, read

GOOD = {"username": "Ada", "password": "correct horse"}


def problem(body: Any, to: type[Form] = Credentials) -> str:
    with pytest.raises(BadRequest) as caught:
        read(body, to)
    return caught.value.message


@pytest.mark.parametrize("body", [json.dumps(GOOD), json.dumps(GOOD).encode()])
def test_a_name_is_taken_in_lower_case(body: str | bytes) -> None:
    form = read(body, Credentials)

    assert (form.user, form.password) == ("ada", "correct horse")


def test_fields_that_are_not_known_are_ignored() -> None:
    assert read(json.dumps({**GOOD, "admin": True, "é": None}), Credentials).user == "ada"


def test_a_guest_may_have_no_wish() -> None:
    assert read("{}", GuestWish).user is None
    assert read('{"username": null}', GuestWish).user is None
    assert read('{"username": "ADA"}', GuestWish).user == "ada"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (None, "the body is not JSON"),
        ("", "the body is not JSON"),
        ("{", "the body is not JSON"),
        (b"\xff\xfe", "the body must be text in UTF-8"),
        ("[]", "the body must be a JSON object"),
        ("null", "the body must be a JSON object"),
        ("[" * 4000, "the body is nested too deeply"),
        ("{}", "username is missing"),
        ('{"username": "ada"}', "password is missing"),
        ('{"username": "ada", "password": null}', "password is missing"),
        ('{"username": 7, "password": "x"}', "username must be a string"),
        ('{"username": "ada", "password": ["x"]}', "password must be a string"),
        (
            '{"username": "ada", "password": "x", "password": "y"}',
            "password appears more than once",
        ),
        ('{"username": "ada", "password": "\\ud800"}', "password holds half a character"),
        ('{"username": "ada", "password": "\ud800"}', "password holds half a character"),
        ('{"username": "ada", "password": NaN}', "the body is not JSON: NaN"),
    ],
)
def test_the_error_names_what_is_wrong(body: str | bytes | None, told: str) -> None:
    assert problem(body).startswith(told)


@pytest.mark.parametrize("name", ["", "a b", "-ada", "a" * 33, "ada\n", "é", "@ada", "user#ada"])
def test_what_is_no_name_is_refused(name: str) -> None:
    form = read(json.dumps({**GOOD, "username": name}), Credentials)

    with pytest.raises(BadRequest, match="username must be 1 to 32 characters"):
        _ = form.user


@pytest.mark.parametrize("filler", ["x", "é"])
def test_a_body_has_at_most_4_kb(filler: str) -> None:
    with pytest.raises(TooLarge, match="the body must be at most 4096 bytes"):
        read(json.dumps({"password": filler * 4096}, ensure_ascii=False), PasswordChange)


def test_a_body_of_4_kb_is_read() -> None:
    body = json.dumps({"password": "x", "new_password": ""})
    body = body.replace('""', '"' + "y" * (4096 - len(body)) + '"')

    assert len(body) == 4096
    assert read(body, PasswordChange).password == "x"


def test_no_request_shows_its_secrets() -> None:
    shown = repr(HttpRequest(body="s3cret", authorization="Bearer s3cret", address="192.0.2.1"))

    assert "s3cret" not in shown


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
)
FIELDS = st.dictionaries(st.sampled_from(["username", "password", "new_password"]), JSON)


@given(st.binary(max_size=60) | st.text(max_size=60) | FIELDS.map(json.dumps))
def test_whatever_a_body_holds_it_is_read_or_refused(body: str | bytes) -> None:
    for form in (Credentials, GuestWish, PasswordChange):
        with suppress(BadRequest, TooLarge):
            assert isinstance(read(body, form), form)
