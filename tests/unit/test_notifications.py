"""Notifications of a topic: each published once, whatever becomes of the others."""

import json
from typing import Any

import pytest

from chalicelib.correlation import correlation_id
from chalicelib.errors import BadRequest, NotFound, TooLarge, Unavailable
from chalicelib.notifications import Notifications, UnpublishedError
from chalicelib.telemetry import Metric
from tests.unit.fakes import RecordingTelemetry

HELLO = {"room": "lobby", "message": "hello"}
SECRET = "xyzzy"


class Publications:
    """What was published, under which id; fails as a test wants it, by the text."""

    def __init__(self) -> None:
        self.made: list[tuple[object, str | None, str | None]] = []
        self.failures: dict[str, Exception] = {}

    def __call__(self, payload: Any, *, cid: str | None = None) -> dict[str, Any]:
        if failure := self.failures.get(payload["message"]):
            raise failure
        self.made.append((payload, cid, correlation_id()))
        return {}


@pytest.fixture
def publications() -> Publications:
    return Publications()


@pytest.fixture
def notifications(publications: Publications, telemetry: RecordingTelemetry) -> Notifications:
    return Notifications(publications, telemetry)


def event(*messages: object) -> dict[str, Any]:
    texts = [each if isinstance(each, str) else json.dumps(each) for each in messages]
    return {
        "Records": [
            {"Sns": {"MessageId": f"id-{number}", "Message": text}}
            for number, text in enumerate(texts)
        ]
    }


def saying(text: str) -> dict[str, str]:
    return {"room": "lobby", "message": text}


def test_a_notification_is_published_under_its_id(
    notifications: Notifications, publications: Publications, telemetry: RecordingTelemetry
) -> None:
    answer = notifications.publish(event(HELLO))

    assert answer == {"published": 1, "rejected": 0}
    assert publications.made == [(HELLO, "id-0", "id-0")]
    assert telemetry.recorded == []
    assert correlation_id() is None


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (f"{SECRET}", "bad_request"),
        ("", "bad_request"),
        ('{"a": ' * 100_000, "bad_request"),
        (f'{{"{SECRET}": 1, "{SECRET}": 2}}', "bad_request"),
        (saying("wrong room"), "bad_request, room"),
        (saying("too long"), "too_large"),
        (saying("nobody"), "not_found"),
    ],
)
def test_what_is_wrong_for_good_is_counted_and_not_tried_again(
    notifications: Notifications,
    publications: Publications,
    telemetry: RecordingTelemetry,
    *,
    caplog: pytest.LogCaptureFixture,
    wrong: object,
    why: str,
) -> None:
    publications.failures = {
        "wrong room": BadRequest(field="room", problem=f"is not {SECRET}"),
        "too long": TooLarge(field="message", limit=1),
        "nobody": NotFound(f"there is nobody called {SECRET}"),
    }

    answer = notifications.publish(event(HELLO, wrong, HELLO))

    assert answer == {"published": 2, "rejected": 1}
    assert [identifier for _, identifier, _ in publications.made] == ["id-0", "id-2"]
    assert telemetry.recorded == [{Metric.REJECTED: 1}]
    assert f"notification id-1 is no publication: {why}" in caplog.messages
    assert SECRET not in caplog.text


@pytest.mark.parametrize("failure", [Unavailable(), RuntimeError("unforeseen")])
def test_what_may_succeed_later_comes_again_and_keeps_nothing_from_the_others(
    notifications: Notifications,
    publications: Publications,
    telemetry: RecordingTelemetry,
    failure: Exception,
) -> None:
    publications.failures = {"later": failure}

    with pytest.raises(
        UnpublishedError, match=r"^1 of 3 notifications have to come again$"
    ) as raised:
        notifications.publish(event(saying("later"), "no JSON", HELLO))

    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
    assert [identifier for _, identifier, _ in publications.made] == ["id-2"]
    assert telemetry.recorded == [{Metric.REJECTED: 1}]
