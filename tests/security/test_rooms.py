"""Attacks on rooms: getting into a private one, and staying in one that one was taken out of."""

from typing import Any

import pytest

from chalicelib.commands import COMMANDS
from tests.security.conftest import Open
from tests.security.doors import Door, Member
from tests.security.witnesses import nothing_happens, stored

THUMB = "\U0001f44d"
# What every action says about the room vault, in which message 1 is ada's and 2 is mallory's.
FIELDS: dict[str, dict[str, Any]] = {
    "ping": {"rooms": {"vault": 0}},
    "sendmessage": {"message": "let me in"},
    "editmessage": {"target": 1, "message": "other"},
    "deletemessage": {"target": 1},
    "react": {"target": 1, "emoji": THUMB},
    "subscribe": {"after": 0},
    "unsubscribe": {},
    "history": {},
    "typing": {},
    "presence": {},
    "read": {"seq": 1},
    "createroom": {},
    "invite": {"user": "mallory"},
    "kick": {"user": "ada"},
    "ban": {"user": "bob"},
    "unban": {"user": "mallory"},
    "setrole": {"user": "mallory", "role": "owner"},
    "leave": {},
    "slowmode": {"seconds": 600},
}
# What says nothing of a room, or nothing but what is one's own.
ELSEWHERE = {"hello", "rooms", "refresh"}
ANSWERED: dict[str, set[str | None]] = {"createroom": {"conflict"}, "leave": {None, "forbidden"}}
every_action = pytest.mark.parametrize("action", FIELDS)
SECRET = "the combination is 12345"


def attempt(person: Member, action: str) -> dict[str, Any]:
    return person.ask(action, room="vault", **FIELDS[action])


def refused(answer: dict[str, Any], action: str) -> bool:
    return answer.get("code") in ANSWERED.get(action, {"forbidden"})


@pytest.fixture
def vault(door: Door) -> tuple[Member, Member]:
    """Ada, who owns the private room vault, and bob, who is in it."""
    ada, bob = door.member("ada"), door.member("bob")
    ada.ask("createroom", room="vault", private=True)
    ada.ask("invite", room="vault", user="bob")
    for each in (ada, bob):
        each.ask("subscribe", room="vault")
    ada.say(SECRET, "vault")
    return ada, bob


@pytest.fixture
def mallory(door: Door, vault: tuple[Member, Member]) -> Member:
    """Somebody who was in the room, said something there, and may still have a tab open."""
    owner, _ = vault
    mallory = door.member("mallory")
    owner.ask("invite", room="vault", user="mallory")
    mallory.ask("subscribe", room="vault")
    mallory.say("hello", "vault")
    return mallory


def test_every_action_is_tried() -> None:
    assert set(FIELDS) | ELSEWHERE == set(COMMANDS)


@pytest.mark.attack("private-room-read")
@every_action
def test_a_stranger_gets_nothing_out_of_a_private_room(
    door: Door, vault: tuple[Member, Member], action: str
) -> None:
    stranger = door.member("stranger")

    with nothing_happens(door, *vault):
        answer = attempt(stranger, action)

    assert refused(answer, action)
    assert SECRET not in str(answer)
    assert "bob" not in str(answer)
    vault[0].say(SECRET, "vault")
    assert SECRET not in str(stranger.heard())


@pytest.mark.attack("private-room-listed")
def test_a_private_room_is_in_nobody_elses_list_nor_in_what_they_are_told(
    door: Door, vault: tuple[Member, Member]
) -> None:
    stranger = door.member("stranger")
    ada, _ = vault

    ada.say("more", "vault")
    ada.send("typing", room="vault")

    assert "vault" not in str([stranger.ask("rooms"), stranger.ask("hello"), stranger.heard()])


@pytest.mark.attack("kicked-goes-on")
@pytest.mark.parametrize("way", ["kick", "ban"])
@every_action
def test_who_was_taken_out_does_nothing_more_by_a_socket_that_is_open(
    door: Door, vault: tuple[Member, Member], mallory: Member, action: str, way: str
) -> None:
    ada, bob = vault
    ada.ask(way, room="vault", user="mallory")
    mallory.heard()

    with nothing_happens(door, ada, bob):
        answer = attempt(mallory, action)

    assert refused(answer, action)
    assert SECRET not in str(answer)


@pytest.mark.attack("kicked-hears")
@pytest.mark.parametrize("way", ["kick", "ban"])
def test_who_was_taken_out_hears_nothing_more_on_any_device(
    door: Door, vault: tuple[Member, Member], mallory: Member, way: str
) -> None:
    ada, bob = vault
    second = door.enter(mallory.token, "vault")

    ada.ask(way, room="vault", user="mallory")
    third = door.enter(mallory.token)
    devices = [mallory, second, third]
    for each in devices:
        each.heard()
    ada.say("they are gone", "vault")
    bob.send("typing", room="vault")
    bob.send("react", room="vault", target=1, emoji=THUMB)

    assert [each.heard() for each in devices] == [[], [], []]
    assert "vault" not in str([each.ask("hello") for each in devices])


@pytest.mark.attack("kicked-goes-on")
def test_a_ban_holds_for_new_connections_a_new_login_and_an_invitation_of_ones_own(
    door: Door, vault: tuple[Member, Member], mallory: Member
) -> None:
    ada, bob = vault
    ada.ask("ban", room="vault", user="mallory")
    again = door.enter(door.post("/token", token=mallory.token).body["token"])

    with nothing_happens(door, ada, bob):
        codes = [attempt(again, action)["code"] for action in ("subscribe", "invite", "unban")]

    assert codes == ["forbidden", "forbidden", "forbidden"]
    assert bob.ask("invite", room="vault", user="mallory")["code"] in {"forbidden", "conflict"}


@pytest.mark.attack("role-usurped")
@pytest.mark.parametrize("action", ["kick", "ban", "setrole", "slowmode", "unban"])
def test_a_member_does_not_rule(
    door: Door, vault: tuple[Member, Member], mallory: Member, action: str
) -> None:
    mallory.heard()

    with nothing_happens(door, *vault):
        answer = attempt(mallory, action)

    assert answer["code"] == "forbidden"


@pytest.mark.attack("role-usurped")
def test_a_moderator_takes_out_neither_the_owner_nor_makes_others_moderators(
    door: Door, vault: tuple[Member, Member], mallory: Member
) -> None:
    ada, bob = vault
    ada.ask("setrole", room="vault", user="mallory", role="moderator")
    mallory.heard()

    with nothing_happens(door, ada, bob):
        answers = [
            mallory.ask("kick", room="vault", user="ada"),
            mallory.ask("ban", room="vault", user="ada"),
            mallory.ask("setrole", room="vault", user="bob", role="moderator"),
            mallory.ask("setrole", room="vault", user="mallory", role="owner"),
            mallory.ask("setrole", room="vault", user="ada", role="member"),
        ]

    assert {answer["code"] for answer in answers} <= {"forbidden", "conflict"}


@pytest.mark.attack("role-usurped")
def test_a_guest_owns_nothing_and_is_invited_nowhere(open_door: Open) -> None:
    door = open_door(GUESTS="true")
    ada, guest = door.member("ada"), door.enter(door.guest("bob"))
    ada.ask("createroom", room="vault", private=True)
    before = stored(door)

    made = guest.ask("createroom", room="lair", private=True)
    invited = ada.ask("invite", room="vault", user="bob")

    assert (made["code"], invited["code"]) == ("forbidden", "not_found")
    assert stored(door) == before


@pytest.mark.attack("room-seized")
@pytest.mark.parametrize("room", ["lobby", "tea"])
def test_a_room_that_is_everybodys_cannot_be_made_ones_own(door: Door, room: str) -> None:
    ada, mallory = door.member("ada", room), door.member("mallory")
    ada.say("hello", room)

    with nothing_happens(door, ada):
        codes = [
            mallory.ask("createroom", room=room, private=True)["code"],
            mallory.ask("setrole", room=room, user="mallory", role="owner")["code"],
            mallory.ask("kick", room=room, user="ada")["code"],
            mallory.ask("slowmode", room=room, seconds=600)["code"],
        ]

    assert codes == ["conflict", "forbidden", "forbidden", "forbidden"]
