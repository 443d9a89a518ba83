"""Every HTTP route of app.py, whichever there are, with anything in path, query, headers, body."""

import json
import re
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import app as app_module
from tests.fuzz.scenes import scene
from tests.fuzz.shapes import JSON, value

ROUTES = sorted(
    (method, path) for path, methods in app_module.app.routes.items() for method in methods
)


def dump(body: object) -> bytes:
    return json.dumps(body).encode()


FIELDS = ["username", "password", "room", "message", "before", "limit", "q", "token", "cid", "x"]
WORDS = st.sampled_from(["ada", "lobby", "", "correct horse battery", "x" * 5000, "0", "-1", "1"])
TEXTS = WORDS | st.text(max_size=40)
BODIES = st.one_of(
    st.just(b""),
    st.dictionaries(st.sampled_from(FIELDS), TEXTS, max_size=4).map(dump),
    st.fixed_dictionaries({}, optional={name: value(name) for name in FIELDS}).map(dump),
    JSON.map(dump),
    st.binary(max_size=60),
    st.sampled_from([b"[" * 50_000, b'{"username":' * 3000, b"\xff", b"null", b"x" * 100_000]),
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(
            ["application/json", "application/json; charset=latin-1", "text/plain", "x", ""]
        ),
        "Authorization": st.sampled_from(["Bearer", "Bearer ", "Bearer x.y.z", "Basic eA==", ""])
        | TEXTS,
        "Host": st.sampled_from(["chat.example", "[::1]:8000", "", "x y", "\u00e9"]) | TEXTS,
        "Origin": TEXTS,
        "Accept": st.sampled_from(["*/*", "image/png", "", "\u00e9"]),
        "X-Origin-Verify": TEXTS,
    },
)


def filled(path: str, parts: list[str]) -> str:
    """Put parts in the place of a route's parameters."""
    rest = iter(parts)
    return re.sub(r"{\w+}", lambda _: quote(next(rest), safe="", errors="replace"), path)


@pytest.mark.parametrize(("method", "path"), ROUTES)
@settings(max_examples=30, deadline=None)
@given(
    parts=st.lists(TEXTS, min_size=3, max_size=3),
    query=st.dictionaries(st.sampled_from(FIELDS), TEXTS, max_size=3),
    request=st.fixed_dictionaries({"headers": HEADERS, "body": BODIES}),
)
def test_every_request_is_answered(
    method: str, path: str, parts: list[str], query: dict[str, str], request: dict[str, Any]
) -> None:
    with scene() as chat:
        target = f"{filled(path, parts)}?{urlencode(query, errors='replace')}"

        answer = chat.client.request(method, target, **request)

    assert answer.status < 500
    assert b"Traceback" not in answer.body


def test_all_routes_are_tried() -> None:
    assert ("GET", "/health") in ROUTES
