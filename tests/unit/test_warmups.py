"""Warming an environment: the path of each function, and who can ask for it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import BadRequest, Unavailable
from chalicelib.warmups import WARMABLE, Warmups, is_warmup, warmup

PARTS = ("chat", "entrance", "deliveries", "keys", "database", "queue", "gateway")


class Walk:
    """Notes which parts were warmed, and the pauses."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.pauses: list[float] = []

    def warmups(self) -> Warmups:
        parts = {part: (lambda part=part: self.parts.append(part)) for part in PARTS}
        return Warmups(sleep=self.pauses.append, environment="e1", **parts)


@pytest.mark.parametrize("function", WARMABLE)
def test_a_function_walks_its_path_then_stays_for_a_while(function: str) -> None:
    walk = Walk()

    answer = walk.warmups().run(function, warmup(300))

    assert answer == {"environment": "e1"}
    assert len(walk.parts) >= 2
    assert walk.pauses == [0.3]


def test_all_that_is_slow_is_on_some_path() -> None:
    walk = Walk()

    for function in WARMABLE:
        walk.warmups().run(function, warmup(0))

    assert set(walk.parts) == set(PARTS)


def test_what_fails_is_told() -> None:
    def fails() -> None:
        raise Unavailable

    warmups = Warmups(sleep=lambda _: None, environment="e1", chat=lambda: None, keys=fails)

    with pytest.raises(Unavailable):
        warmups.run("authorize", warmup(0))


@pytest.mark.parametrize("wish", [None, {}, {"hold_ms": -1}, {"hold_ms": 5001}, {"hold_ms": True}])
def test_nobody_stays_for_ever(wish: Any) -> None:
    walk = Walk()

    with pytest.raises(BadRequest, match="hold_ms must be an integer from 0 to 5000"):
        walk.warmups().run("authorize", {"warmup": wish})

    assert (walk.parts, walk.pauses) == ([], [])


@given(st.dictionaries(st.text(), st.text()))
def test_nothing_with_a_request_context_is_a_warmup(event: dict[str, Any]) -> None:
    assert not is_warmup({**event, **warmup(0), "requestContext": {}})


@pytest.mark.parametrize(
    "event",
    [
        None,
        "warmup",
        ["warmup"],
        {},
        {"warmup": {"hold_ms": 1}, "room": "lobby", "message": "hello"},
        {"warmup": {"hold_ms": 1}, "Records": []},
    ],
)
def test_no_other_event_is_a_warmup(event: object) -> None:
    assert not is_warmup(event)


def test_what_the_warmer_sends_is() -> None:
    assert is_warmup(warmup(300))
