"""The errors and the names that the protocol has for them."""

import re
from pathlib import Path

import pytest

from chalicelib import errors
from chalicelib.errors import ChatError
from chalicelib.events import Failure


@pytest.mark.parametrize(
    ("error", "code", "retryable", "status"),
    [
        (errors.BadRequest(field="room", problem="is wrong"), "bad_request", False, 400),
        (errors.UnknownAction(known=["hello"]), "unknown_action", False, 400),
        (errors.Unauthorized(), "unauthorized", False, 401),
        (errors.Unregistered(), "unauthorized", False, 401),
        (errors.Forbidden("no"), "forbidden", False, 403),
        (errors.NotFound("no"), "not_found", False, 404),
        (errors.Conflict("no"), "conflict", False, 409),
        (errors.TooManySubscriptions(limit=3), "conflict", False, 409),
        (errors.TooLarge(field="message", limit=7), "too_large", False, 413),
        (errors.Unavailable(), "unavailable", True, 503),
        (errors.Internal(), "internal", True, 500),
    ],
)
def test_each_error_has_its_code(error: ChatError, code: str, retryable: bool, status: int) -> None:  # noqa: FBT001
    assert (error.code, error.retryable, error.status) == (code, retryable, status)


def test_the_tree_in_the_docstring_is_complete() -> None:
    assert errors.__doc__ is not None
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, ChatError):
            assert name in errors.__doc__


def test_the_codes_are_those_of_the_protocol() -> None:
    text = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| (\w+) \|.*\| (yes|no) \|$", text, re.MULTILINE)

    known = {
        (value.code, "yes" if value.retryable else "no")
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, ChatError) and value is not ChatError
    }

    assert known == set(documented)


@pytest.mark.clause("E1")
def test_what_went_wrong_inside_is_not_told() -> None:
    failure = Failure.of(errors.Internal())

    assert failure.message == "something went wrong here: try again"


def test_an_error_becomes_a_frame() -> None:
    error = errors.Unavailable(retry_after_ms=1200)
    error.regarding(id=7, action="sendmessage")

    assert Failure.of(error) == Failure(
        id=7,
        action="sendmessage",
        code="unavailable",
        message="the database is busy or unavailable: try again",
        retryable=True,
        retry_after_ms=1200,
    )
