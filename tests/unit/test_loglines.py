"""A record of the log as JSON, and what of an error is told."""

import json
import logging
import sys
from typing import Any

import pytest

from chalicelib.correlation import correlated
from chalicelib.errors import BadRequest, Unavailable
from chalicelib.loglines import LogLines, wordless
from tests.unit.fakes import client_error

SECRET = "s3cr3t"


def formatted(message: str, *args: object, error: BaseException | None = None) -> dict[str, Any]:
    """Return what a warning is written as."""
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord(
        "chalicelib.chat", logging.WARNING, "chat.py", 7, message, args, exc_info, func="send"
    )
    line: dict[str, Any] = json.loads(LogLines("prod").format(record))
    return line


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    """Return an error as it is caught."""
    try:
        raise error from cause  # noqa: TRY301 - to have a traceback
    except Exception as caught:  # noqa: BLE001 - any
        return caught


def test_a_line_tells_what_where_and_on_which_stage() -> None:
    line = formatted("an answer to %s was lost", "c1")

    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "WARNING",
        "location": "chalicelib.chat.send:7",
        "message": "an answer to c1 was lost",
        "stage": "prod",
    }


def test_a_line_has_the_id_of_what_is_handled() -> None:
    with correlated("JC1"):
        line = formatted("x")

    assert line["correlation_id"] == "JC1"


def test_a_line_is_one_line_whatever_is_in_it() -> None:
    record = logging.LogRecord("x", logging.INFO, "x", 1, "a\nb\u2028%s", ("\n",), None)

    assert "\n" not in LogLines("prod").format(record)


def test_an_error_is_told_with_its_traceback() -> None:
    line = formatted("a fault of ours", error=raised(KeyError(SECRET)))

    assert "in raised" in line["exception"]
    assert line["exception"].endswith("builtins.KeyError\n")
    assert line["exception_name"] == "KeyError"
    assert SECRET not in str(line)


def test_nothing_that_led_to_an_error_is_quoted() -> None:
    first = raised(UnicodeEncodeError("utf-8", SECRET, 0, 1, SECRET))
    error = raised(Unavailable(), raised(ValueError(SECRET), first))
    error.add_note(SECRET)

    line = formatted("a fault of ours", error=error)

    assert SECRET not in str(line)
    names = ["UnicodeEncodeError", "ValueError", "Unavailable: the database is busy"]
    places = [line["exception"].index(name) for name in names]
    assert places == sorted(places)


def test_the_context_of_an_error_is_told_unless_it_is_hidden() -> None:
    try:
        try:
            raise ZeroDivisionError  # noqa: TRY301
        except ZeroDivisionError:
            raise KeyError(SECRET)  # noqa: B904 - which is what is tested
    except KeyError as error:
        shown, error.__suppress_context__ = wordless(error), True
        hidden = wordless(error)

    assert "ZeroDivisionError" in shown
    assert "ZeroDivisionError" not in hidden


def test_errors_that_led_to_each_other_end() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first

    assert wordless(first) == "builtins.KeyError\n\nWhich led to:\n\nbuiltins.ValueError\n"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Unavailable(), "chalicelib.errors.Unavailable: the database is busy or unavailable"),
        (BadRequest(field=SECRET, problem=SECRET), "chalicelib.errors.BadRequest\n"),
        (client_error("AccessDenied"), "botocore.exceptions.ClientError: AccessDenied\n"),
        (SystemExit(SECRET), "builtins.SystemExit\n"),
    ],
)
def test_only_what_is_known_to_be_ours_is_quoted(error: BaseException, told: str) -> None:
    assert wordless(error).startswith(told)
    assert SECRET not in wordless(error)


@pytest.mark.parametrize("response", [None, SECRET, {}, {"Error": SECRET}, {"Error": {"Code": 7}}])
def test_an_answer_of_another_shape_is_left_out(response: object) -> None:
    error = ValueError()
    error.response = response  # type: ignore[attr-defined]

    assert wordless(error) == "builtins.ValueError\n"


def test_a_record_that_expected_an_error_does_without() -> None:
    record = logging.LogRecord("x", logging.INFO, "x", 1, "x", (), sys.exc_info())

    assert "exception" not in json.loads(LogLines("prod").format(record))
