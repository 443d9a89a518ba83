"""Rooms that belong to somebody: who gets in, who is taken out, and who says so."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.commands import COMMANDS
from tests.functional.chats import Chat, Person, with_admin

Start = Callable[..., Chat]
THUMB = "\U0001f44d"

# What every action says of the room tea, in which message 1 is carol's.
TEA: dict[str, dict[str, Any]] = {
    "ping": {"rooms": {"tea": 0}},
    "sendmessage": {"message": "hello?"},
    "editmessage": {"target": 1, "message": "other"},
    "deletemessage": {"target": 1},
    "react": {"target": 1, "emoji": THUMB},
    "subscribe": {},
    "unsubscribe": {},
    "history": {},
    "typing": {},
    "presence": {},
    "read": {"seq": 1},
    "invite": {"user": "dave"},
    "kick": {"user": "alice"},
    "ban": {"user": "alice"},
    "unban": {"user": "alice"},
    "setrole": {"user": "carol", "role": "moderator"},
    "slowmode": {"seconds": 9},
}
# These are not about being there.
ELSEWHERE = {"hello", "rooms", "createroom", "leave", "refresh"}
every_action = pytest.mark.parametrize("action", TEA)


@pytest.fixture
def alice(chat: Chat) -> Person:
    """The owner of the private room tea."""
    chat.member("dave").socket.leave()
    alice = chat.member("alice")
    alice.ask("createroom", room="tea", private=True)
    alice.ask("subscribe", room="tea")
    return alice


@pytest.fixture
def carol(chat: Chat, alice: Person) -> Person:
    """A member of tea, who has said something there."""
    carol = chat.member("carol")
    alice.ask("invite", room="tea", user="carol")
    carol.ask("subscribe", room="tea")
    carol.say("hi", "tea")
    for person in (alice, carol):
        person.heard()
    return carol


def said(person: Person, action: str, **fields: Any) -> str:
    """Return the answer in short: ack, or the code of the error."""
    answer = person.ask(action, **fields)
    return str(answer["code"] if answer["type"] == "error" else answer["type"])


def act(person: Person, action: str, room: str = "tea") -> dict[str, Any]:
    fields = {"room": room, **TEA[action]} if action != "ping" else {"rooms": {room: 0}}
    return person.ask(action, **fields)


def rooms(person: Person) -> dict[str, tuple[str, str]]:
    found = person.ask("rooms")["rooms"]
    return {room["name"]: (room["visibility"], room["role"]) for room in found}


def test_the_table_knows_every_action() -> None:
    assert TEA.keys() | ELSEWHERE == COMMANDS.keys()


# Making rooms


@pytest.mark.clause("G1", "M3")
@pytest.mark.parametrize("private", [True, False])
def test_who_makes_a_room_owns_it_and_is_not_subscribed(chat: Chat, private: bool) -> None:  # noqa: FBT001
    alice = chat.member("alice")

    answer = alice.ask("createroom", room="tea", private=private)

    assert answer == {"type": "ack", "id": answer["id"], "action": "createroom", "room": "tea"}
    assert rooms(alice)["tea"] == ("private" if private else "public", "owner")
    assert alice.ask("hello")["rooms"] == ["lobby"]


@pytest.mark.clause("G1")
@pytest.mark.parametrize("how", ["create", "subscribe", "say", "publish", "lobby"])
def test_a_room_that_is_there_cannot_be_made(chat: Chat, how: str) -> None:
    alice, bob = chat.member("alice"), chat.member("bob")
    room = "lobby" if how == "lobby" else "tea"
    if how == "create":
        bob.ask("createroom", room="tea")
    elif how == "subscribe":
        bob.ask("subscribe", room="tea")
    elif how == "say":
        bob.say("x", "tea")
    elif how == "publish":
        chat.client.invoke("publish", {"room": "tea", "message": "x"})

    error = alice.ask("createroom", room=room, private=True)

    assert (error["code"], error["message"]) == ("conflict", f"there is a room {room} already")
    assert said(bob, "history", room=room) == "ack"


@pytest.mark.clause("G1")
def test_guests_make_no_rooms_of_their_own(chat: Chat) -> None:
    guest = chat.join("guest")

    assert said(guest, "createroom", room="tea") == "forbidden"
    assert said(guest, "subscribe", room="tea") == "ack"
    assert rooms(guest)["tea"] == ("public", "member")


@pytest.mark.clause("G2")
@pytest.mark.parametrize("action", ["subscribe", "sendmessage"])
def test_a_public_room_is_made_by_using_it(chat: Chat, action: str) -> None:
    bob = chat.member("bob")

    act(bob, action)

    (room,) = (row for row in chat.rows("memberships") if row["member"] == "#room")
    assert (room["room"], room["visibility"], room["created_by"]) == ("tea", "public", "bob")
    assert "owner" not in room


@pytest.mark.clause("G2")
@pytest.mark.parametrize("action", ["history", "presence", "ping", "read", "unsubscribe"])
def test_reading_makes_no_room(chat: Chat, action: str) -> None:
    act(chat.member("bob"), action)

    assert [row for row in chat.rows("memberships") if row["room"] == "tea"] == []


@pytest.mark.clause("G2")
def test_rooms_are_made_only_so_often_in_whatever_way(start: Start) -> None:
    chat = start(NEW_ROOMS_PER_HOUR="3")
    alice, bob = chat.member("alice"), chat.member("bob")
    alice.ask("createroom", room="r1")
    alice.ask("subscribe", room="r2")
    alice.say("x", "r3")

    refused = [
        alice.ask("createroom", room="r4"),
        alice.ask("subscribe", room="r4"),
        alice.ask("sendmessage", room="r4", message="x"),
    ]

    assert [(it["code"], it["retryable"]) for it in refused] == [("rate_limited", True)] * 3
    assert refused[0]["message"].startswith("too many new rooms")
    assert 0 < refused[0]["retry_after_ms"] <= 1_200_000
    assert said(bob, "subscribe", room="r4") == "ack"
    assert said(alice, "subscribe", room="r4") == "ack"
    chat.clock.now += 1200
    assert said(alice, "createroom", room="r5") == "ack"
    assert said(alice, "createroom", room="r6") == "rate_limited"


@pytest.mark.clause("G2")
def test_tries_that_make_no_room_do_not_count(start: Start) -> None:
    chat = start(NEW_ROOMS_PER_HOUR="1", MAX_SUBSCRIPTIONS="1")
    alice, bob = chat.member("alice"), chat.member("bob")
    bob.ask("subscribe", room="cake")  # too many subscriptions
    alice.ask("createroom", room="tea")

    taken = [said(bob, "createroom", room="tea") for _ in range(5)]

    assert taken == ["conflict"] * 5
    assert said(bob, "createroom", room="cake") == "ack"


# Strangers


@pytest.mark.clause("G3")
@every_action
def test_a_stranger_can_do_nothing_in_a_private_room(
    chat: Chat, alice: Person, carol: Person, action: str
) -> None:
    bob, before = chat.member("bob"), chat.rows("memberships")
    everyone = (alice, carol, bob)
    for person in everyone:
        person.heard()

    error = act(bob, action)

    assert (error["type"], error["code"], error["action"]) == ("error", "forbidden", action)
    assert [person.heard() for person in everyone] == [[], [], []]
    assert chat.rows("memberships") == before
    assert len(carol.ask("history", room="tea")["events"]) == 1


@pytest.mark.clause("G3")
def test_a_stranger_who_leaves_changes_nothing(chat: Chat, alice: Person, carol: Person) -> None:
    bob, before = chat.member("bob"), chat.rows("memberships")
    for person in (alice, carol):
        person.heard()

    assert said(bob, "leave", room="tea") == "ack"
    assert chat.rows("memberships") == before
    assert alice.heard() == carol.heard() == []


@pytest.mark.clause("G3")
def test_a_ping_that_names_a_private_room_is_refused_with_its_name(
    chat: Chat, alice: Person
) -> None:
    alice.say("x", "tea")

    error = chat.member("bob").ask("ping", rooms={"lobby": 0, "tea": 0})

    assert error["message"] == "you are not a member of tea, which is private"


@pytest.mark.clause("G3")
def test_guests_are_never_in_a_private_room(chat: Chat, alice: Person) -> None:
    guest = chat.join("guest")

    assert said(alice, "invite", room="tea", user="guest") == "not_found"
    assert said(guest, "history", room="tea") == "forbidden"


# Being invited


@pytest.mark.clause("G4")
def test_who_is_invited_is_told_and_has_nothing_unread(chat: Chat, alice: Person) -> None:
    phone, laptop = chat.member("bob"), chat.member("bob")
    alice.say("before", "tea")

    answer = alice.ask("invite", room="tea", user="bob")

    told = {"type": "invited", "room": "tea", "user": "alice"}
    assert answer == {**answer, "type": "ack", "action": "invite", "room": "tea", "user": "bob"}
    assert [phone.heard("invited"), laptop.heard("invited")] == [[told], [told]]
    (tea,) = (room for room in phone.ask("rooms")["rooms"] if room["name"] == "tea")
    assert (tea["visibility"], tea["role"], tea["unread"]) == ("private", "member", 0)
    assert said(phone, "sendmessage", room="tea", message="hi") == "ack"
    assert said(phone, "subscribe", room="tea") == "ack"


@pytest.mark.clause("G4")
def test_to_invite_a_member_changes_nothing(chat: Chat, alice: Person, carol: Person) -> None:
    alice.ask("setrole", room="tea", user="carol", role="moderator")
    before = chat.rows("memberships")

    assert said(alice, "invite", room="tea", user="carol") == "ack"
    assert said(alice, "invite", room="tea", user="alice") == "ack"
    assert chat.rows("memberships") == before
    assert carol.heard("invited") == [{"type": "invited", "room": "tea", "user": "alice"}]


@pytest.mark.clause("G4")
def test_members_invite_into_public_rooms_and_moderators_into_private_ones(
    chat: Chat, alice: Person, carol: Person
) -> None:
    erin = chat.member("erin", "park")

    assert said(carol, "invite", room="tea", user="erin") == "forbidden"
    alice.ask("setrole", room="tea", user="carol", role="moderator")
    assert said(carol, "invite", room="tea", user="erin") == "ack"
    assert said(carol, "invite", room="park", user="dave") == "forbidden"
    assert said(erin, "invite", room="park", user="dave") == "ack"


@pytest.mark.clause("G4", "G5")
def test_who_is_banned_is_not_invited(chat: Chat, alice: Person) -> None:
    chat.member("bob")
    alice.ask("ban", room="tea", user="bob")

    error = alice.ask("invite", room="tea", user="bob")

    assert error["code"] == "conflict"
    assert error["message"] == "bob is banned from tea: unban them first"


# Being taken out


@pytest.mark.clause("G5")
@every_action
@pytest.mark.parametrize("verb", ["kick", "ban"])
def test_who_is_taken_out_of_a_private_room_can_do_nothing_there(
    alice: Person, carol: Person, verb: str, action: str
) -> None:
    alice.ask(verb, room="tea", user="carol")
    for person in (alice, carol):
        person.heard()

    error = act(carol, action)

    assert (error["type"], error["code"]) == ("error", "forbidden")
    assert alice.heard() == []
    assert len(alice.ask("history", room="tea")["events"]) == 1
    assert "tea" not in rooms(carol)


@pytest.mark.clause("G5")
@every_action
def test_who_is_banned_from_a_public_room_can_do_nothing_there(chat: Chat, action: str) -> None:
    alice = chat.member("alice")
    alice.ask("createroom", room="tea")
    alice.ask("subscribe", room="tea")
    carol = chat.member("carol", "tea")
    carol.say("hi", "tea")
    alice.ask("ban", room="tea", user="carol")
    for person in (alice, carol):
        person.heard()

    error = act(carol, action)

    assert (error["type"], error["code"]) == ("error", "forbidden")
    assert alice.heard() == []
    assert "tea" not in rooms(carol)


@pytest.mark.clause("G5")
@pytest.mark.parametrize("verb", ["kick", "ban"])
def test_who_is_taken_out_is_told_and_hears_nothing_more_on_any_device(
    chat: Chat, alice: Person, carol: Person, verb: str
) -> None:
    other = chat.member("carol", "tea")
    alice.heard()

    answer = alice.ask(verb, room="tea", user="carol")
    alice.say("is she gone?", "tea")
    alice.send("typing", room="tea")

    told = {"type": "kicked", "room": "tea", "by": "alice", "banned": verb == "ban"}
    assert answer == {**answer, "type": "ack", "action": verb, "room": "tea", "user": "carol"}
    assert carol.heard() == other.heard() == [told]
    assert [it["status"] for it in alice.heard("presence")] == ["left"]
    assert carol.ask("hello")["rooms"] == ["lobby"]
    assert alice.ask("presence", room="tea")["users"] == ["alice"]


@pytest.mark.clause("G5")
def test_after_a_kick_one_comes_back_to_a_public_room_and_is_invited_to_a_private_one(
    alice: Person, carol: Person
) -> None:
    alice.ask("createroom", room="park")
    carol.ask("subscribe", room="park")

    for room in ("tea", "park"):
        alice.ask("kick", room=room, user="carol")

    assert said(carol, "subscribe", room="park") == "ack"
    assert said(carol, "subscribe", room="tea") == "forbidden"
    alice.ask("invite", room="tea", user="carol")
    assert said(carol, "subscribe", room="tea") == "ack"


@pytest.mark.clause("G5")
def test_after_an_unban_one_comes_back_to_a_public_room_and_is_invited_to_a_private_one(
    alice: Person, carol: Person
) -> None:
    alice.ask("createroom", room="park")
    for room in ("tea", "park"):
        alice.ask("ban", room=room, user="carol")
        alice.ask("kick", room=room, user="carol")  # does not lift it
    before = [said(carol, "subscribe", room=room) for room in ("tea", "park")]

    for room in ("tea", "park"):
        assert [said(alice, "unban", room=room, user="carol") for _ in range(2)] == ["ack"] * 2

    assert before == ["forbidden"] * 2
    assert said(carol, "subscribe", room="park") == "ack"
    assert said(carol, "subscribe", room="tea") == "forbidden"


@pytest.mark.clause("G5")
def test_a_ban_holds_for_those_who_were_never_there(chat: Chat) -> None:
    alice, bob = chat.member("alice"), chat.member("bob")
    alice.ask("createroom", room="tea")

    alice.ask("ban", room="tea", user="bob")

    error = bob.ask("subscribe", room="tea")
    assert (error["code"], error["message"]) == ("forbidden", "you are banned from tea")


@pytest.mark.clause("G5")
def test_the_ban_of_a_guest_is_of_the_name(chat: Chat) -> None:
    alice = chat.member("alice")
    alice.ask("createroom", room="tea")
    guest = chat.join("guest", "tea")

    alice.ask("ban", room="tea", user="guest")
    guest.socket.leave()
    chat.clock.now += 30 * 86_400

    assert said(chat.join("guest"), "subscribe", room="tea") == "forbidden"
    assert said(chat.join("other"), "subscribe", room="tea") == "ack"


@pytest.mark.clause("G5")
def test_a_kick_of_somebody_who_is_not_there_tells_nobody_that_they_left(
    chat: Chat, alice: Person, carol: Person
) -> None:
    chat.member("dave")
    carol.heard()

    assert said(alice, "kick", room="tea", user="dave") == "ack"
    assert said(alice, "kick", room="tea", user="nobody") == "ack"
    assert carol.heard() == []


@pytest.mark.clause("G5", "L3")
def test_a_cid_brings_nobody_back_into_a_room(alice: Person, carol: Person) -> None:
    carol.say("once", "tea", cid="c1")
    alice.ask("kick", room="tea", user="carol")
    alice.heard()

    error = carol.ask("sendmessage", room="lobby", message="x", cid="c1")

    assert error["code"] == "forbidden"
    assert alice.heard() == []


@pytest.mark.clause("G6")
@pytest.mark.parametrize("verb", ["kick", "ban"])
def test_nobody_takes_themselves_out(alice: Person, verb: str) -> None:
    error = alice.ask(verb, room="tea", user="alice")

    assert error["code"] == "bad_request"
    assert error["message"] == "user is yourself: there is leave for that"


# Roles


@pytest.mark.clause("G6")
def test_a_moderator_rules_over_members_only(chat: Chat, alice: Person, carol: Person) -> None:
    for name in ("dave", "erin"):
        chat.member(name)
        alice.ask("invite", room="tea", user=name)
    for name in ("carol", "dave"):
        alice.ask("setrole", room="tea", user=name, role="moderator")

    answers = {
        name: [said(carol, verb, room="tea", user=name) for verb in ("kick", "ban", "unban")]
        for name in ("alice", "dave", "erin")
    }

    assert answers == {
        "alice": ["forbidden", "forbidden", "ack"],
        "dave": ["forbidden", "forbidden", "ack"],
        "erin": ["ack", "ack", "ack"],
    }
    assert said(carol, "setrole", room="tea", user="dave", role="member") == "forbidden"
    assert said(carol, "slowmode", room="tea", seconds=5) == "ack"
    assert rooms(alice)["tea"] == ("private", "owner")


@pytest.mark.clause("G6")
def test_a_role_is_given_and_taken(alice: Person, carol: Person) -> None:
    seen = []
    for role in ("moderator", "moderator", "member"):
        alice.ask("setrole", room="tea", user="carol", role=role)
        seen.append(rooms(carol)["tea"][1])

    assert seen == ["moderator", "moderator", "member"]


@pytest.mark.clause("G6")
def test_roles_are_for_members_with_an_account(chat: Chat) -> None:
    alice = chat.member("alice")
    alice.ask("createroom", room="park")
    chat.member("bob")
    chat.join("guest", "park")

    for role in ("moderator", "owner"):
        assert said(alice, "setrole", room="park", user="guest", role=role) == "not_found"
        assert said(alice, "setrole", room="park", user="bob", role=role) == "not_found"


@pytest.mark.clause("G6")
def test_a_room_is_handed_over_in_one_step(alice: Person, carol: Person) -> None:
    assert said(alice, "setrole", room="tea", user="carol", role="owner") == "ack"

    assert (rooms(alice)["tea"][1], rooms(carol)["tea"][1]) == ("moderator", "owner")
    assert said(alice, "setrole", room="tea", user="carol", role="member") == "forbidden"
    assert said(alice, "kick", room="tea", user="carol") == "forbidden"
    assert said(carol, "kick", room="tea", user="alice") == "ack"


@pytest.mark.clause("G6")
@pytest.mark.parametrize("role", ["owner", "moderator", "member"])
def test_an_owner_stays_the_owner(alice: Person, role: str) -> None:
    assert said(alice, "setrole", room="tea", user="alice", role=role) == "conflict"
    assert rooms(alice)["tea"][1] == "owner"


@pytest.mark.clause("G6")
def test_admins_are_like_owners_in_public_rooms_and_like_anyone_in_private_ones(
    start: Start,
) -> None:
    chat = with_admin(start)
    rhea, alice = chat.member("rhea"), chat.member("alice")
    alice.ask("createroom", room="tea", private=True)
    alice.ask("createroom", room="park")
    bob = chat.member("bob", "park", "square")

    assert {action: act(rhea, action)["code"] for action in TEA} == dict.fromkeys(TEA, "forbidden")
    assert said(rhea, "kick", room="park", user="alice") == "forbidden"
    assert said(rhea, "setrole", room="park", user="alice", role="member") == "conflict"
    assert said(rhea, "setrole", room="park", user="bob", role="owner") == "conflict"
    assert said(rhea, "setrole", room="park", user="bob", role="moderator") == "ack"
    assert said(rhea, "kick", room="park", user="bob") == "ack"
    assert said(rhea, "setrole", room="square", user="bob", role="owner") == "ack"
    assert rooms(bob)["square"] == ("public", "owner")
    assert said(rhea, "ban", room="lobby", user="bob") == "ack"
    assert [push["room"] for push in bob.heard("kicked")] == ["park", "lobby"]
    assert said(bob, "sendmessage", message="hello?") == "forbidden"
    assert said(rhea, "setrole", room="lobby", user="alice", role="owner") in {
        "not_found",
        "conflict",
    }


@pytest.mark.clause("G6")
def test_a_guest_with_the_name_of_an_admin_is_none(start: Start) -> None:
    chat = start(ADMINS="rhea")
    guest = chat.join("rhea")
    chat.member("bob", "park")

    assert said(guest, "kick", room="park", user="bob") == "forbidden"


# Leaving


@pytest.mark.clause("G8")
def test_who_leaves_is_out_on_all_devices(chat: Chat, alice: Person, carol: Person) -> None:
    other = chat.member("carol", "tea")
    alice.heard()

    answer = carol.ask("leave", room="tea")
    alice.say("is she gone?", "tea")

    assert answer == {"type": "ack", "id": answer["id"], "action": "leave", "room": "tea"}
    assert (carol.heard(), other.heard()) == ([], [{"type": "left", "room": "tea"}])
    assert [it["status"] for it in alice.heard("presence")] == ["left"]
    assert "tea" not in rooms(carol)
    assert said(other, "subscribe", room="tea") == "forbidden"
    assert said(carol, "leave", room="tea") == "ack"


@pytest.mark.clause("G8")
def test_an_owner_leaves_last(alice: Person, carol: Person) -> None:
    early = alice.ask("leave", room="tea")
    carol.ask("leave", room="tea")

    assert early["code"] == "conflict"
    assert early["message"] == "tea is yours, and others are there: make one of them the owner"
    assert said(alice, "leave", room="tea") == "ack"


@pytest.mark.clause("G8")
def test_a_private_room_that_its_owner_has_left_is_closed(chat: Chat, alice: Person) -> None:
    alice.say("a secret", "tea")
    alice.ask("leave", room="tea")

    for person in (alice, chat.member("bob")):
        assert said(person, "createroom", room="tea") == "conflict"
        assert said(person, "subscribe", room="tea") == "forbidden"
        assert said(person, "history", room="tea") == "forbidden"


@pytest.mark.clause("G8")
def test_who_hands_a_room_over_may_leave_it(alice: Person, carol: Person) -> None:
    alice.ask("setrole", room="tea", user="carol", role="owner")

    assert said(alice, "leave", room="tea") == "ack"
    assert rooms(carol)["tea"] == ("private", "owner")


@pytest.mark.clause("G8")
def test_the_lobby_is_left_until_the_next_connection(chat: Chat) -> None:
    bob = chat.member("bob")
    rooms(bob)

    bob.ask("leave", room="lobby")

    assert rooms(bob) == {}
    assert list(rooms(chat.member("bob"))) == ["lobby"]


@pytest.mark.clause("G8")
def test_a_ban_is_not_left(alice: Person, carol: Person) -> None:
    alice.ask("ban", room="tea", user="carol")

    carol.ask("leave", room="tea")

    assert said(alice, "invite", room="tea", user="carol") == "conflict"
