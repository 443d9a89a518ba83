"""Attacks with HTTP requests and handshakes that are too large, too deep or too many."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.security.conftest import Open
from tests.security.doors import LET_IN, Door
from tests.security.witnesses import nothing_happens
from tests.unit.people import PASSWORD

ROUTES = ["/register", "/login", "/guest", "/ticket", "/token", "/logout", "/password"]
HUGE = 100_000
BODIES: dict[str, tuple[Any, int]] = {
    "4,097 bytes": (b"x" * 4097, 413),
    "a megabyte": (b'{"username":"' + b"x" * 1_000_000 + b'"}', 413),
    "user name": ({"username": "u" * 3000, "password": PASSWORD}, 400),
    "password": ({"username": "ada", "password": "p" * 3900}, 400),
    "nested": (b"[" * 4000, 400),
    "nested field": (b'{"username":' + b"[" * 2000 + b"]" * 2000 + b"}", 400),
    "digits": (b'{"username":' + b"9" * 4000 + b"}", 400),
    "a list": ({"username": ["a"] * 500, "password": PASSWORD}, 400),
    "repeated names": (b'{"username":"ada","username":"bob","password":"x"}', 400),
    "nul": (b"\0" * 100, 400),
    "utf-16": ('{"username":"ada"}'.encode("utf-16"), 400),
}


@pytest.mark.attack("body-oversized")
@pytest.mark.parametrize(("body", "status"), BODIES.values(), ids=list(BODIES))
def test_a_body_that_is_too_much_is_refused_before_any_work(
    door: Door, body: Any, status: int
) -> None:
    with nothing_happens(door):
        registered, logged_in = (door.post(path, body) for path in ("/register", "/login"))

    assert registered.status == status
    assert logged_in.status in {status, 401}  # any text may be tried as a password
    assert all(len(str(answer.body)) < 1000 for answer in (registered, logged_in))
    assert door.hasher.hashed == []


@pytest.mark.attack("header-oversized")
@pytest.mark.parametrize("path", ["/ticket", "/token", "/logout", "/password"])
@pytest.mark.parametrize(
    "header",
    ["Bearer " + "x" * HUGE, "Bearer " + "x.y.z" * 20_000, "Bearer" + " " * HUGE + "x", "." * HUGE],
    ids=["long", "dots", "blanks", "no scheme"],
)
def test_a_header_of_any_length_is_refused(door: Door, path: str, header: str) -> None:
    with nothing_happens(door):
        answer = door.post(path, {}, authorization=header)

    assert answer.status == 401
    assert len(str(answer.body)) < 1000


@pytest.mark.attack("query-oversized")
@pytest.mark.parametrize(
    "query",
    [
        f"ticket={'x' * HUGE}",
        f"ticket={'x.' * 2000}",
        f"name={'n' * HUGE}",
        f"name=ada&key={'k' * 65}",
        f"name=ada&key={'k' * HUGE}",
        f"name=ada&key={quote('ключ' * 8)}",
        "name=ada&key=",
        "name=ada&key=short",
    ],
    ids=["ticket", "dots", "name", "key of 65", "key", "foreign key", "empty key", "short key"],
)
def test_a_query_of_any_length_is_refused(open_door: Open, query: str) -> None:
    door = open_door(GUESTS="true")

    with nothing_happens(door):
        assert door.handshake(query) in {400, 401, 403}


@pytest.mark.attack("query-oversized")
def test_other_parameters_and_headers_are_ignored_however_many_they_are(open_door: Open) -> None:
    door = open_door(GUESTS="true")
    others = "&".join(f"p{number}={'v' * 10}" for number in range(500))
    headers = {f"X-{number}": "v" * 100 for number in range(50)}

    assert door.handshake(f"name=ada&{others}", **headers) == LET_IN


@pytest.mark.attack("requests-flooded")
@pytest.mark.parametrize("path", ROUTES)
def test_an_address_asks_so_often_and_no_more(open_door: Open, path: str) -> None:
    door = open_door(GUESTS="true", REGISTRATIONS_PER_HOUR="0")

    statuses = [door.post(path, {"username": "x"}, token="x").status for _ in range(100)]

    assert statuses[60:] == [429] * 40
    assert 429 not in statuses[:60]
