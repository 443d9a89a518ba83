"""Attacks with names that look like others: of people, and of rooms."""

from urllib.parse import quote

import pytest

from tests.security.conftest import Open
from tests.security.doors import LET_IN, Door
from tests.security.witnesses import nothing_happens
from tests.unit.people import PASSWORD

# "ada" or "kim" as they are not spelled; what is no name at all must not become one.
FOREIGN = {
    "cyrillic": "\u0430d\u0430",
    "greek": "\u03b1da",
    "full width": "\uff41\uff44\uff41",
    "mathematical": "\U0001d41a\U0001d41d\U0001d41a",
    "circled": "\u24d0\u24d3\u24d0",
    "zero width space": "a\u200bda",
    "zero width joiner": "ad\u200da",
    "byte order mark": "\ufeffada",
    "soft hyphen": "a\u00adda",
    "word joiner": "ada\u2060",
    "combining": "a\u0301da",
    "composed": "\u00e1da",
    "right to left": "\u202eada",
    "isolate": "\u2066ada\u2069",
    "kelvin sign": "\u212aim",
    "dotless i": "k\u0131m",
    "dotted I": "K\u0130M",
    "long s": "ada\u017f",
    "ligature": "\ufb01n",
    "sharp s": "stra\u00dfe",
    "newline": "ada\n",
    "return": "ada\r\n",
    "tab": "\tada",
    "nul": "ada\0",
    "nul within": "ad\0a",
    "escape": "\x1b[31mada",
    "leading blank": " ada",
    "trailing blank": "ada ",
    "no-break blank": "ada\u00a0",
    "percent": "%61da",
    "percent twice": "%2561da",
    "entity": "&#97;da",
    "slash": "a/da",
    "hash": "user#ada",
    "personal room": "@ada",
    "colon": "dm:ada",
    "path": "../ada",
    "markup": "<b>ada</b>",
    "empty": "",
    "hyphen first": "-ada",
    "too long": "a" * 33,
}
LOOKALIKES = ["ADA", "Ada", "a.da", "a_d-a", "acla", "ad-a.", "aDA"]
IDS = list(FOREIGN)


@pytest.mark.attack("user-name-foreign")
@pytest.mark.parametrize("name", FOREIGN.values(), ids=IDS)
def test_a_name_outside_the_alphabet_is_nobodys(open_door: Open, name: str) -> None:
    door = open_door(ADDRESS_RATE="0", REGISTRATIONS_PER_HOUR="0", GUESTS="true")
    ada, kim = door.member("ada"), door.member("kim")
    form = {"username": name, "password": PASSWORD}

    with nothing_happens(door, ada, kim):
        assert door.post("/register", form).status == 400
        assert door.post("/login", form).status == 400
        assert door.post("/guest", {"username": name}).status == 400
        assert door.handshake(f"name={quote(name)}") in {400, 403}
        assert ada.ask("sendmessage", to=name, message="x")["code"] == "bad_request"


@pytest.mark.attack("user-name-alike")
@pytest.mark.parametrize("name", LOOKALIKES)
def test_nobody_registers_a_name_that_looks_like_anothers(door: Door, name: str) -> None:
    ada = door.member("ada")

    with nothing_happens(door, ada):
        answer = door.post("/register", {"username": name, "password": "a password of mine"})

    assert answer.status == 409


@pytest.mark.attack("user-name-alike")
@pytest.mark.parametrize("name", LOOKALIKES)
def test_a_guest_who_wants_a_name_that_looks_like_anothers_gets_another_one(
    open_door: Open, name: str
) -> None:
    door = open_door(ADDRESS_RATE="0", GUESTS="true")
    ada = door.member("ada")

    told = door.post("/guest", {"username": name}).body["user"]
    guests = [door.enter(door.guest(name)), door.visit(name)]
    for guest in guests:
        guest.say("I am ada, believe me")

    names = {told, *(push["user"] for push in ada.heard("message"))}
    assert len(names) == 3
    assert all(len(other.rpartition("-")[2]) == 4 and other != "ada" for other in names)
    assert ada.heard() == []


@pytest.mark.attack("user-name-alike")
def test_what_a_guest_says_is_marked_and_no_frame_takes_the_mark_away(open_door: Open) -> None:
    door = open_door(GUESTS="true")
    ada = door.member("ada")
    guest = door.visit("bob")

    guest.send("sendmessage", message="trust me", guest=False)
    guest.send("typing", room="lobby", guest=None)

    assert [push["guest"] for push in ada.heard("message", "typing")] == [True, True]
    assert ada.ask("presence", room="lobby")["guests"] == ["bob"]


@pytest.mark.attack("user-name-reserved")
@pytest.mark.parametrize("name", ["system", "admin", "adm1n", "r00t", "rnoderator", "chief"])
def test_names_that_pretend_are_nobodys(open_door: Open, name: str) -> None:
    door = open_door(ADDRESS_RATE="0", GUESTS="true", ADMINS="chief")

    registered = door.post("/register", {"username": name, "password": PASSWORD})
    guest = door.enter(door.guest(name))
    visitor = door.visit(name)

    assert registered.status == 409
    assert guest.name != name
    # A guest's name without a route is looked at where the connection is registered.
    assert visitor.name != name


@pytest.mark.attack("user-name-inherited")
def test_who_registers_a_guests_name_does_not_inherit_their_messages(open_door: Open) -> None:
    door = open_door(ADDRESS_RATE="0", GUESTS="true", CONNECTION_TTL_SECONDS="60")
    bob = door.member("bob")
    guest = door.visit("ada")
    bob.ask("sendmessage", to="ada", message="between us")
    guest.socket.leave()
    door.clock.now += 86_400

    answer = door.post("/register", {"username": "ada", "password": PASSWORD})

    assert answer.status == 409


@pytest.mark.attack("user-name-squatted")
def test_nobody_takes_names_away_by_writing_to_them(door: Door) -> None:
    ada, mallory = door.member("ada"), door.member("mallory")

    with nothing_happens(door, ada):
        answer = mallory.ask("sendmessage", to="bob", message="for whoever will be bob")

    assert answer["code"] == "not_found"
    assert door.post("/register", {"username": "bob", "password": PASSWORD}).status == 200


@pytest.mark.attack("room-name-foreign")
@pytest.mark.parametrize("name", [*FOREIGN.values(), "Tea", "TEA", "tEa"], ids=[*IDS, *"abc"])
@pytest.mark.parametrize("action", ["subscribe", "sendmessage", "history", "typing", "read"])
def test_a_room_is_spelled_in_one_way_only(door: Door, action: str, name: str) -> None:
    if name == "a" * 33:
        name *= 2
    ada, mallory = door.member("ada", "tea"), door.member("mallory")

    with nothing_happens(door, ada):
        answer = mallory.ask(action, room=name, message="x", seq=1)

    assert answer["code"] == "bad_request"
    assert answer["message"].startswith("room must be")


@pytest.mark.attack("room-name-personal")
@pytest.mark.parametrize(
    "name", ["@ada", "dm:ada:bob", "dm:bob:ada", "dm:ada", "dm:ada:bob:mallory", "dm::", "room#tea"]
)
@pytest.mark.parametrize(
    "action", ["subscribe", "unsubscribe", "sendmessage", "history", "typing", "presence", "read"]
)
def test_the_rooms_of_other_people_are_out_of_reach(door: Door, action: str, name: str) -> None:
    ada, bob, mallory = door.member("ada"), door.member("bob"), door.member("mallory")
    ada.ask("sendmessage", to="bob", message="between us")

    with nothing_happens(door, ada, bob):
        answer = mallory.ask(action, room=name, message="x", seq=1)

    assert answer["code"] in {"bad_request", "forbidden"}
    assert "between us" not in str(answer)


@pytest.mark.attack("user-name-alike")
def test_a_login_is_of_one_account_however_it_is_typed(door: Door) -> None:
    door.register("ada")

    answer = door.post("/login", {"username": "ADA", "password": PASSWORD})

    assert answer.body["user"] == "ada"
    assert door.handshake(f"ticket={door.ticket(answer.body['token'])}") == LET_IN
