"""Attacks from pages of others, and past what stands in front of the chat."""

import pytest

from tests.security.conftest import Open
from tests.security.doors import LET_IN, Door
from tests.security.witnesses import nothing_happens

OURS = "https://chat.example"
SECRET = "s" * 32
OLD_SECRET = "o" * 32
EDGE = "127.0.0.1"  # who connects to the test client's gateway


@pytest.mark.attack("cross-origin")
@pytest.mark.parametrize(
    "origin",
    [
        "https://mallory.example",
        "http://chat.example",
        "https://chat.example:8443",
        "https://chat.example.mallory.example",
        "https://mallory.example/https://chat.example",
        "https://notchat.example",
        "https://sub.chat.example",
        "https://chat.example/",
        "https://chat.example,https://mallory.example",
        "https://chat.example https://mallory.example",
        "HTTPS://CHAT.EXAMPLE",
        "null",
        "",
        "file://",
    ],
)
@pytest.mark.parametrize("header", ["Origin", "origin", "ORIGIN"])
def test_a_page_of_another_origin_does_not_connect_not_even_with_a_good_ticket(
    open_door: Open, origin: str, header: str
) -> None:
    door = open_door(ALLOWED_ORIGINS=f"{OURS},https://www.chat.example")
    ticket = door.ticket(door.register("ada"))

    with nothing_happens(door):
        assert door.handshake(f"ticket={ticket}", **{header: origin}) == 403

    assert door.handshake(f"ticket={ticket}", **{header: OURS}) == LET_IN


@pytest.mark.attack("cross-origin")
def test_no_page_of_another_origin_may_read_what_a_route_answers(door: Door) -> None:
    token = door.register("ada")
    page = {"origin": "https://mallory.example", "cookie": f"token={token}"}

    answers = [door.post(path, {}, **page) for path in ("/ticket", "/token", "/login", "/logout")]

    for answer in answers:
        names = {name.lower() for name in answer.headers}
        assert answer.status in {400, 401}
        assert not any(name.startswith("access-control-") for name in names)
        assert "set-cookie" not in names  # what no browser sends by itself, no page can ride on
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.attack("past-the-edge")
@pytest.mark.parametrize("shown", [None, "", "x" * 32, SECRET[:-1], SECRET + "s", f"{SECRET},x"])
def test_who_goes_around_cloudfront_gets_nothing(open_door: Open, shown: str | None) -> None:
    door = open_door(ORIGIN_SECRET=f"{SECRET},{OLD_SECRET}")
    through = {"x_origin_verify": SECRET}
    account = {"username": "ada", "password": "correct horse"}
    token = door.post("/register", account, **through).body["token"]
    ticket = door.post("/ticket", token=token, **through).body["ticket"]
    past = {} if shown is None else {"x-origin-verify": shown}

    with nothing_happens(door):
        for path in ("/login", "/register", "/ticket", "/token", "/logout", "/password"):
            assert door.post(path, account, token=token, **past).status == 403
        for path in ("/", "/config", "/static/app.js"):
            assert door.chat.client.request("GET", path, headers=past).status == 403
        assert door.handshake(f"ticket={ticket}", **past) == 403

    assert door.handshake(f"ticket={ticket}", **{"x-origin-verify": OLD_SECRET}) == LET_IN


def test_who_looks_after_the_health_of_a_region_need_not_come_through_cloudfront(
    open_door: Open,
) -> None:
    door = open_door(ORIGIN_SECRET=SECRET)

    assert door.chat.client.request("GET", "/health").status == 200


@pytest.mark.attack("address-made-up")
def test_who_makes_addresses_up_is_counted_as_the_one_that_they_have(open_door: Open) -> None:
    door = open_door(ORIGIN_SECRET=SECRET, ADDRESS_RATE="1", ADDRESS_BURST="3")
    wrong = {"username": "ada", "password": "not this one"}

    statuses = [
        door.post(
            "/login", wrong, x_origin_verify=SECRET, x_forwarded_for=f"{made_up}192.0.2.1, {EDGE}"
        ).status
        for made_up in ("", "10.0.0.1, ", "10.0.0.2, ", "::1, ", "192.0.2.77, 10.0.0.9, ", "x, ")
    ]

    assert statuses == [401, 401, 401, 429, 429, 429]


@pytest.mark.attack("address-made-up")
def test_without_cloudfront_a_forwarded_address_counts_for_nothing(open_door: Open) -> None:
    door = open_door(ADDRESS_RATE="1", ADDRESS_BURST="3")
    wrong = {"username": "ada", "password": "not this one"}
    names = ("x_forwarded_for", "forwarded", "x_real_ip", "true_client_ip", "cf_connecting_ip")

    statuses = [
        door.post("/login", wrong, **{name: f"192.0.2.{number}"}).status
        for number, name in enumerate(names)
    ]

    assert statuses == [401, 401, 401, 429, 429]
