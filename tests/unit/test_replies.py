"""Answers over HTTP: what happened, and nothing that should not be told."""

import logging

import pytest

from chalicelib.errors import (
    BadRequest,
    ChatError,
    RateLimited,
    TooManyConnections,
    Unauthorized,
    Unavailable,
)
from chalicelib.replies import HEADERS, Reply, reply
from chalicelib.telemetry import Metric, Silence, Telemetry
from tests.unit.fakes import RecordingTelemetry


def failing(error: Exception, telemetry: Telemetry | None = None) -> Reply:
    def use_case() -> dict[str, str]:
        raise error

    return reply(use_case, telemetry or Silence())


def test_what_worked_is_answered() -> None:
    assert reply(lambda: {"user": "ada"}, Silence()) == Reply(200, HEADERS, {"user": "ada"})


def test_answers_are_neither_kept_nor_taken_for_pages() -> None:
    assert HEADERS["Cache-Control"] == "no-store"
    assert HEADERS["X-Content-Type-Options"] == "nosniff"
    assert HEADERS["Content-Security-Policy"].startswith("default-src 'none'")
    assert HEADERS["Referrer-Policy"] == "no-referrer"


def test_an_error_tells_what_its_frame_would() -> None:
    answer = failing(BadRequest(field="username", problem="is missing"))

    assert (answer.status, answer.headers) == (400, HEADERS)
    assert answer.body == {
        "Code": "bad_request",
        "Message": "username is missing",
        "retryable": False,
    }


@pytest.mark.parametrize(
    ("error", "status", "seconds"),
    [
        (RateLimited(what="knocks", retry_after_ms=1), 429, "1"),
        (RateLimited(what="knocks", retry_after_ms=1001), 429, "2"),
        (Unavailable(retry_after_ms=1000), 503, "1"),
    ],
)
def test_who_may_try_again_is_told_when(error: ChatError, status: int, seconds: str) -> None:
    answer = failing(error)

    assert (answer.status, answer.headers["Retry-After"]) == (status, seconds)
    assert answer.body["retryable"] is True
    assert answer.body["retry_after_ms"] == error.retry_after_ms
    assert answer.headers.items() >= HEADERS.items()


def test_what_is_refused_as_too_much_is_counted(telemetry: RecordingTelemetry) -> None:
    failing(RateLimited(what="knocks", retry_after_ms=1), telemetry)
    failing(TooManyConnections(limit=1), telemetry)
    failing(Unauthorized(), telemetry)
    failing(Unavailable(), telemetry)
    failing(LookupError("x"), telemetry)

    assert telemetry.recorded == [{Metric.LIMITED: 1}] * 2


def test_who_is_not_known_is_told_how_to_be() -> None:
    assert failing(Unauthorized()).headers["WWW-Authenticate"] == "Bearer"


def test_of_failures_elsewhere_the_log_tells_and_of_refusals_it_does_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failing(RateLimited(what="knocks", retry_after_ms=1))
    assert caplog.text == ""

    failing(Unavailable())
    assert "the database is busy" in caplog.text


def test_a_fault_is_logged_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = failing(LookupError("the table s3cret is not there"))

    assert answer.status == 500
    assert answer.body["Code"] == "internal"
    assert "s3cret" not in str(answer)
    assert "the table s3cret is not there" in caplog.text
