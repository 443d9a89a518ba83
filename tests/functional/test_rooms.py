"""Read markers and the rooms that people have joined."""

from typing import Any

import pytest

from tests.functional.chats import Chat, Person


def unread(person: Person) -> dict[str, int]:
    return {room["name"]: room["unread"] for room in person.ask("rooms")["rooms"]}


@pytest.mark.clause("M2")
def test_rooms_tells_what_is_unread(chat: Chat) -> None:
    alice, bob = chat.join("alice", "tea"), chat.join("bob", "tea")
    first = alice.say("one", "tea")
    alice.say("two", "tea")
    alice.ask("react", room="tea", target=first, emoji="\U0001f44d")

    assert unread(bob) == {"lobby": 0, "tea": 2}
    bob.ask("read", room="tea", seq=first)
    assert unread(bob) == {"lobby": 0, "tea": 1}
    bob.ask("read", room="tea", seq=3)
    assert unread(bob) == {"lobby": 0, "tea": 0}


@pytest.mark.clause("M2")
def test_who_joins_a_room_has_nothing_unread_and_then_what_comes(chat: Chat) -> None:
    alice = chat.join("alice", "tea")
    for n in range(5):
        alice.say(f"m{n}", "tea")

    bob = chat.join("bob", "tea")

    assert unread(bob)["tea"] == 0
    alice.say("new", "tea")
    assert unread(bob)["tea"] == 1


@pytest.mark.clause("M2")
def test_unread_counts_survive_a_reconnect(chat: Chat) -> None:
    alice, bob = chat.join("alice", "tea"), chat.join("bob", "tea")
    alice.say("one", "tea")
    bob.ask("read", room="tea", seq=1)
    bob.socket.leave()
    alice.say("two", "tea")

    back = chat.join("bob")

    assert unread(back) == {"lobby": 0, "tea": 1}


@pytest.mark.clause("M2")
def test_what_rooms_answers(chat: Chat) -> None:
    alice = chat.join("alice")
    alice.say("one")

    ack = alice.ask("rooms")

    assert ack["rooms"] == [
        {"name": "lobby", "visibility": "public", "role": "member", "seq": 1, "unread": 0}
    ]
    assert ack["more"] is False


@pytest.mark.clause("M2")
def test_many_rooms_come_in_pages(chat: Chat) -> None:
    alice = chat.join("alice", *(f"room-{n:02}" for n in range(60)))
    pages: list[dict[str, Any]] = []
    after = None

    while not pages or pages[-1]["more"]:
        pages.append(alice.ask("rooms", after=after))
        after = pages[-1]["rooms"][-1]["name"]

    names = [room["name"] for page in pages for room in page["rooms"]]
    assert names == ["lobby", *(f"room-{n:02}" for n in range(60))]
    assert len(pages) == 2


@pytest.mark.clause("M1")
def test_a_marker_only_moves_forward(chat: Chat) -> None:
    alice = chat.join("alice")
    for n in range(3):
        alice.say(f"m{n}")

    markers = [alice.ask("read", room="lobby", seq=seq)["seq"] for seq in (2, 1, 3)]

    assert markers == [2, 2, 3]


@pytest.mark.clause("M1")
@pytest.mark.parametrize(
    ("seq", "code"),
    [
        (2, "not_found"),
        (2**53, "not_found"),
        (0, "bad_request"),
        (-1, "bad_request"),
        (2**53 + 1, "bad_request"),
        ("1", "bad_request"),
        (1.5, "bad_request"),
        (True, "bad_request"),
    ],
)
def test_a_marker_is_on_an_entry(seq: object, code: str, chat: Chat) -> None:
    alice = chat.join("alice")
    alice.say("one")

    error = alice.ask("read", room="lobby", seq=seq)

    assert (error["type"], error["code"]) == ("error", code)
    assert "seq" in error["message"]


@pytest.mark.clause("M3")
def test_a_guests_memberships_are_forgotten_after_a_week(chat: Chat) -> None:
    alice = chat.join("alice", "tea")
    alice.socket.leave()
    chat.clock.now += 604_800

    assert unread(chat.join("alice")) == {"lobby": 0}


@pytest.mark.clause("D3", "M2")
def test_all_devices_of_a_person_know_what_was_read(chat: Chat) -> None:
    alice = chat.join("alice")
    phone, laptop = (chat.join("bob", key="k" * 16) for _ in range(2))
    phone.heard()
    for device in (phone, laptop):
        device.ask("rooms")
    alice.say("hello")

    phone.ask("read", room="lobby", seq=1)

    assert laptop.heard("read") == [
        {"type": "read", "room": "lobby", "user": "bob", "guest": True, "seq": 1}
    ]
    assert phone.heard("read") == alice.heard("read") == []
    assert unread(laptop) == {"lobby": 0}
