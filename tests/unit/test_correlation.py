"""The id that ties together what one event sets off."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.correlation import correlated, correlation_id, request_id


def test_nothing_has_an_id_of_its_own() -> None:
    assert correlation_id() is None


def test_what_is_handled_under_an_id_finds_it() -> None:
    with correlated("outer"):
        with correlated("inner"):
            assert correlation_id() == "inner"
        assert correlation_id() == "outer"
    assert correlation_id() is None


def test_an_id_ends_with_what_fails_under_it() -> None:
    with pytest.raises(ZeroDivisionError), correlated("a"):
        raise ZeroDivisionError

    assert correlation_id() is None


def test_each_thread_has_the_id_of_what_it_handles() -> None:
    def handle(identifier: str) -> str | None:
        with correlated(identifier):
            return correlation_id()

    with correlated("main"), ThreadPoolExecutor(4) as pool:
        found = list(pool.map(handle, map(str, range(100))))

    assert found == list(map(str, range(100)))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"requestContext": {"requestId": "chosen", "extendedRequestId": "given"}}, "given"),
        ({"requestContext": {"requestId": "r"}}, "r"),
        ({"requestContext": {"requestId": "r" * 1000}}, "r" * 128),
        ({"requestContext": {"requestId": 7}}, None),
        ({"requestContext": {}}, None),
        ({"requestContext": None}, None),
        ({}, None),
    ],
)
def test_an_event_has_the_id_that_no_client_can_choose(
    event: dict[str, Any], expected: str | None
) -> None:
    assert request_id(event) == expected
