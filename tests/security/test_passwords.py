"""Attacks on passwords: guessing them, measuring, and getting around the limits."""

import pytest

from tests.security.conftest import Open
from tests.security.doors import Answer, Door
from tests.security.witnesses import nothing_happens
from tests.unit.people import PASSWORD

ATTEMPTS = 10_000
LIMIT, WINDOW = 10, 300  # LOGIN_ATTEMPTS and LOGIN_WINDOW_SECONDS; three times as many an address
EDGE = "127.0.0.1"
SECRET = "s" * 32


@pytest.fixture
def wiring() -> None:
    """One of the two: $connect has no part in any of this."""


@pytest.fixture
def behind_edge(open_door: Open) -> Door:
    """The chat as CloudFront calls it, so that requests come from many addresses."""
    return open_door(ORIGIN_SECRET=SECRET, REGISTRATIONS_PER_HOUR="0")


def login(door: Door, name: str, password: str, address: str = "192.0.2.1") -> Answer:
    """Try to log in, from an address."""
    return door.post(
        "/login",
        {"username": name, "password": password},
        x_origin_verify=SECRET,
        x_forwarded_for=f"{address}, {EDGE}",
    )


def resident(door: Door) -> str:
    """Register ada and return her token."""
    return str(
        door.post(
            "/register", {"username": "ada", "password": PASSWORD}, x_origin_verify=SECRET
        ).body["token"]
    )


def ticket(door: Door, token: str) -> int:
    return door.post("/ticket", token=token, x_origin_verify=SECRET).status


def address_of(number: int) -> str:
    return f"10.{number // 65_536}.{number // 256 % 256}.{number % 256}"


@pytest.mark.attack("login-guessed")
def test_of_ten_thousand_guesses_from_one_address_few_are_looked_at(behind_edge: Door) -> None:
    token = resident(behind_edge)
    start = behind_edge.clock.now

    statuses = set()
    for number in range(ATTEMPTS):
        behind_edge.clock.now += 0.1  # a thousand seconds in all
        statuses.add(login(behind_edge, "ada", f"guess number {number}").status)

    elapsed = behind_edge.clock.now - start
    assert statuses == {401, 429}
    assert len(behind_edge.hasher.checked) <= LIMIT + elapsed / (WINDOW / LIMIT)
    assert ticket(behind_edge, token) == 200


@pytest.mark.attack("login-guessed-from-everywhere")
def test_ten_thousand_addresses_have_as_many_guesses_at_an_account_as_one(
    behind_edge: Door,
) -> None:
    token = resident(behind_edge)
    ticket_before = ticket(behind_edge, token)
    start = behind_edge.clock.now

    for number in range(ATTEMPTS):
        behind_edge.clock.now += 0.1
        login(behind_edge, "ada", f"guess number {number}", address_of(number))

    elapsed = behind_edge.clock.now - start
    assert len(behind_edge.hasher.checked) <= LIMIT + elapsed / (WINDOW / LIMIT)
    # The owner is kept out as long as it lasts, but what she has goes on working.
    assert login(behind_edge, "ada", PASSWORD, "192.0.2.99").status == 429
    assert (ticket_before, ticket(behind_edge, token)) == (200, 200)
    refused = login(behind_edge, "ada", PASSWORD, "192.0.2.99")
    behind_edge.clock.now += refused.body["retry_after_ms"] / 1000
    assert login(behind_edge, "ada", PASSWORD, "192.0.2.99").status == 200


@pytest.mark.attack("login-sprayed")
def test_one_password_tried_on_ten_thousand_accounts_is_looked_at_a_few_times(
    behind_edge: Door,
) -> None:
    start = behind_edge.clock.now

    for number in range(ATTEMPTS):
        behind_edge.clock.now += 0.1
        login(behind_edge, f"user-{number}", "123456789")

    elapsed = behind_edge.clock.now - start
    assert len(behind_edge.hasher.checked) <= 3 * LIMIT + elapsed / (WINDOW / LIMIT / 3)
    assert login(behind_edge, "ada", PASSWORD, "192.0.2.99").status == 401


@pytest.mark.attack("login-guessed")
def test_a_failed_login_ends_no_session_and_is_heard_by_nobody(door: Door) -> None:
    ada = door.member("ada")

    with nothing_happens(door, ada):
        for number in range(50):
            door.post("/login", {"username": "ada", "password": f"guess number {number}"})

    assert ada.ask("hello")["type"] == "welcome"
    assert door.post("/ticket", token=ada.token).status == 200


@pytest.mark.attack("login-guessed-elsewhere")
def test_guessing_with_a_stolen_token_by_changing_the_password_is_limited_alike(
    door: Door,
) -> None:
    token = door.register("ada")

    statuses = [
        door.post(
            "/password", {"password": f"guess {number}", "new_password": PASSWORD}, token=token
        ).status
        for number in range(1000)
    ]

    assert statuses == [403] * LIMIT + [429] * (1000 - LIMIT)
    assert len(door.hasher.checked) == LIMIT


@pytest.mark.attack("accounts-probed")
def test_a_login_does_not_tell_who_has_an_account(door: Door) -> None:
    door.register("ada")

    told = {}
    for name in ("ada", "nobody-of-this-name"):
        answers = [
            door.post("/login", {"username": name, "password": "not this one"})
            for _ in range(LIMIT + 2)
        ]
        told[name] = [(answer.status, answer.body, dict(answer.headers)) for answer in answers]

    assert told["ada"] == told["nobody-of-this-name"]
    # Each was compared with a hash, of an account or a decoy: no difference in time either.
    assert len(door.hasher.checked) == 2 * LIMIT


@pytest.mark.attack("accounts-harvested")
def test_who_asks_which_names_are_taken_by_registering_them_is_stopped(open_door: Open) -> None:
    door = open_door(ADDRESS_RATE="0")
    names = [f"user-{number}" for number in range(200)]

    statuses = [
        door.post("/register", {"username": name, "password": PASSWORD}).status for name in names
    ]

    assert statuses == [200] * 20 + [429] * 180


@pytest.mark.attack("password-weak")
@pytest.mark.parametrize("password", ["", "short", "a" * 257, "half \ud800 a character"])
def test_a_password_that_is_none_is_refused_before_it_costs_anything(
    door: Door, password: str
) -> None:
    with nothing_happens(door):
        answer = door.post("/register", {"username": "ada", "password": password})

    assert answer.status == 400
    assert answer.body["Message"].startswith("password ")
    assert door.hasher.hashed == []


@pytest.mark.attack("closed-doors")
def test_what_is_switched_off_is_not_there(open_door: Open) -> None:
    door = open_door(REGISTRATION="false", GUESTS="false")

    with nothing_happens(door):
        body = {"username": "ada", "password": PASSWORD}
        statuses = [door.post(path, body).status for path in ("/register", "/guest")]

    assert statuses == [404, 404]
