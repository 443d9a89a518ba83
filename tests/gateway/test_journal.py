"""The log line of an event: what it says, and that it says nothing that a user wrote."""

from typing import Any

import pytest

from localgateway import journal

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("event", "summary"),
    [
        ({"requestContext": {"connectionId": "c=", "eventType": "CONNECT"}}, "c= CONNECT"),
        (
            {
                "requestContext": {"connectionId": "c=", "eventType": "MESSAGE"},
                "body": "s3cr\u00e9t",
            },
            "c= MESSAGE 7 B",
        ),
        (
            {
                "requestContext": {
                    "connectionId": "c=",
                    "eventType": "DISCONNECT",
                    "disconnectStatusCode": 1005,
                    "disconnectReason": SECRET,
                }
            },
            "c= DISCONNECT 1005",
        ),
        (
            {"requestContext": {"httpMethod": "POST", "path": "/login"}, "body": SECRET},
            "POST /login",
        ),
        ({"Records": [{"body": SECRET}]}, "1 record"),
        ({"Records": [{"body": SECRET}, {"body": SECRET}]}, "2 records"),
        ({"detail-type": "Scheduled Event", "detail": SECRET}, "Scheduled Event"),
        ({"password": SECRET}, "invoked"),
        (SECRET, "str"),
        ([SECRET], "list"),
        (None, "NoneType"),
    ],
)
def test_a_summary_tells_what_happened_and_no_content(event: Any, summary: str) -> None:
    assert journal.summary(event) == summary


@pytest.mark.parametrize(
    ("payload", "result"),
    [
        ({"statusCode": 403, "body": SECRET}, "403"),
        ({"statusCode": SECRET}, "ok"),
        ({}, "ok"),
        ({"batchItemFailures": []}, "ok"),
        (None, "ok"),
        (SECRET, "ok"),
    ],
)
def test_a_result_is_its_status_where_it_has_one(payload: Any, result: str) -> None:
    assert journal.result(payload) == result
