"""Direct messages: between two people, on all devices of both, and nobody else's business."""

from typing import Any

import pytest

from tests.functional.chats import Chat

ROOM = "dm:alice:bob"


@pytest.mark.clause("D1")
def test_a_direct_message_reaches_the_other_person_without_subscribing(chat: Chat) -> None:
    bob, carol, alice = chat.join("bob"), chat.join("carol"), chat.join("alice")
    for person in (bob, carol):
        person.heard()

    ack = bob.ask("sendmessage", to="alice", message="psst", cid="c1")

    assert (ack["room"], ack["seq"]) == (ROOM, 1)
    (push,) = alice.heard()
    assert (push["room"], push["seq"], push["user"], push["message"]) == (ROOM, 1, "bob", "psst")
    assert carol.heard() == []
    assert bob.heard() == []


@pytest.mark.clause("D1")
def test_who_was_away_finds_direct_messages_and_catches_up(chat: Chat) -> None:
    bob = chat.join("bob")
    chat.member("alice").socket.leave()
    bob.ask("sendmessage", to="alice", message="are you there?")
    bob.ask("sendmessage", room=ROOM, message="hello?")
    alice = chat.member("alice")

    rooms = alice.ask("rooms")["rooms"]
    ack = alice.ask("subscribe", room=ROOM, after=0)

    found = next(room for room in rooms if room["name"] == ROOM)
    assert (found["visibility"], found["seq"], found["unread"]) == ("direct", 2, 2)
    assert [event["message"] for event in ack["events"]] == ["are you there?", "hello?"]
    bob.ask("sendmessage", to="alice", message="ah")
    assert [frame["seq"] for frame in alice.heard("message")] == [3]


@pytest.mark.clause("D1")
def test_everything_works_between_two_people_as_in_a_room(chat: Chat) -> None:
    alice, bob = chat.join("alice"), chat.join("bob")
    bob.ask("sendmessage", to="alice", message="helo")
    alice.heard()

    bob.ask("editmessage", room=ROOM, target=1, message="hello")
    alice.ask("react", room=ROOM, target=1, emoji="\U0001f44d")
    bob.send("typing", room=ROOM)
    alice.ask("read", room=ROOM, seq=1)
    who = alice.ask("presence", room=ROOM)

    assert [frame["type"] for frame in alice.heard()] == ["edit", "typing"]
    assert [frame["type"] for frame in bob.heard("reaction", "typing", "read")] == ["reaction"]
    assert (who["users"], who["count"]) == (["alice", "bob"], 2)
    assert alice.ask("ping", rooms={ROOM: 1})["rooms"] == {ROOM: 3}
    assert len(alice.ask("history", room=ROOM)["events"]) == 3
    bob.socket.leave()
    assert alice.ask("presence", room=ROOM)["users"] == ["alice"]


def test_somebody_can_write_to_themselves(chat: Chat) -> None:
    alice = chat.join("alice")

    ack = alice.ask("sendmessage", to="alice", message="milk, bread")

    assert (ack["room"], ack["seq"]) == ("dm:alice:alice", 1)
    assert alice.ask("history", room="dm:alice:alice")["events"][0]["message"] == "milk, bread"
    assert [room["name"] for room in alice.ask("rooms")["rooms"]] == ["dm:alice:alice", "lobby"]


@pytest.mark.clause("D2")
@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("sendmessage", {"message": "let me in"}),
        ("editmessage", {"target": 1, "message": "x"}),
        ("deletemessage", {"target": 1}),
        ("react", {"target": 1, "emoji": "\U0001f44d"}),
        ("subscribe", {"after": 0}),
        ("subscribe", {}),
        ("unsubscribe", {}),
        ("history", {}),
        ("typing", {}),
        ("presence", {}),
        ("read", {"seq": 1}),
    ],
)
def test_a_third_person_is_refused_by_every_action(
    action: str, fields: dict[str, Any], chat: Chat
) -> None:
    bob, mallory = chat.join("bob"), chat.join("mallory")
    bob.ask("sendmessage", to="alice", message="secret")
    bob.heard()

    error = mallory.ask(action, room=ROOM, **fields)

    assert (error["type"], error["code"]) == ("error", "forbidden")
    assert "secret" not in str(error)
    assert bob.heard() == []


@pytest.mark.clause("D2")
def test_a_ping_does_not_tell_a_third_person_how_much_is_said(chat: Chat) -> None:
    chat.join("bob").ask("sendmessage", to="alice", message="secret")
    mallory = chat.join("mallory")

    assert mallory.ask("ping", rooms={ROOM: 0})["code"] == "forbidden"


@pytest.mark.parametrize("room", ["dm:bob:alice", "dm:alice", "dm:alice:bob:carol", "dm::", "@bob"])
def test_a_room_that_is_no_direct_room_is_refused(room: str, chat: Chat) -> None:
    alice = chat.join("alice")

    error = alice.ask("history", room=room)

    assert error["code"] == "bad_request"
    assert error["message"].startswith("room ")


def test_a_message_goes_to_a_room_or_to_a_person(chat: Chat) -> None:
    alice = chat.join("alice")

    error = alice.ask("sendmessage", room="lobby", to="bob", message="x")

    assert (error["code"], error["message"].split()[0]) == ("bad_request", "to")


@pytest.mark.clause("D4")
def test_direct_messages_go_with_the_name(chat: Chat) -> None:
    bob, alice = chat.join("bob"), chat.join("alice")
    bob.ask("sendmessage", to="alice", message="hello")
    alice.socket.leave()

    heiress = chat.join("alice")

    assert heiress.ask("history", room=ROOM)["events"][0]["message"] == "hello"


@pytest.mark.clause("D1", "D5", "L4")
def test_a_direct_message_is_on_all_devices_of_both(chat: Chat) -> None:
    phone, laptop = (chat.join("alice", key="k" * 16) for _ in range(2))
    bobs = [chat.join("bob", key="b" * 16) for _ in range(2)]

    bobs[0].ask("sendmessage", to="alice", message="psst")

    assert [device.heard("message")[0]["message"] for device in (phone, laptop, bobs[1])] == [
        "psst"
    ] * 3
    assert bobs[0].heard("message") == []


@pytest.mark.clause("D1")
@pytest.mark.parametrize("room", [{"to": "nobody-yet"}, {"room": "dm:bob:nobody-yet"}])
def test_nothing_is_said_to_who_is_not_there_yet(chat: Chat, room: dict[str, str]) -> None:
    bob = chat.join("bob")

    answer = bob.ask("sendmessage", message="are you there?", **room)

    assert (answer["code"], answer["message"]) == (
        "not_found",
        "there is nobody called nobody-yet",
    )
    # So nobody can take a name by writing to it, nor read what was not for them.
    somebody = chat.member("nobody-yet")
    assert [room["name"] for room in somebody.ask("rooms")["rooms"]] == ["lobby"]
