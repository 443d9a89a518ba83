"""Presence as people see it: by person, honest about those who vanished, silent in large rooms."""

from collections.abc import Callable

import pytest

from tests.functional.chats import Chat, Person

LEASE, HEARTBEAT = 600, 240


def seen(person: Person) -> list[tuple[str, str]]:
    return [(push["user"], push["status"]) for push in person.heard("presence")]


@pytest.mark.clause("P1")
def test_the_others_see_who_comes_and_goes(chat: Chat) -> None:
    alice = chat.join("alice", "tea")

    bob = chat.join("bob")
    bob.ask("subscribe", room="tea")
    bob.ask("unsubscribe", room="tea")
    bob.socket.leave()

    pushes = alice.heard("presence")
    assert [(push["room"], push["user"], push["status"]) for push in pushes] == [
        ("lobby", "bob", "joined"),
        ("tea", "bob", "joined"),
        ("tea", "bob", "left"),
        ("lobby", "bob", "left"),
    ]
    assert {push["at"] for push in pushes} == {"2027-01-15T08:00:00.000Z"}


@pytest.mark.clause("P3")
def test_who_vanished_is_noticed_by_a_ping_at_the_latest_after_lease_and_heartbeat(
    chat: Chat,
) -> None:
    alice, ghost = chat.join("alice"), chat.join("ghost")
    ghost.socket.lose(disconnect=False)
    alice.heard()
    noticed = None

    for elapsed in range(HEARTBEAT, LEASE + HEARTBEAT + 1, HEARTBEAT):
        chat.clock.now += HEARTBEAT
        alice.ask("ping", rooms={"lobby": 0})
        if seen(alice) == [("ghost", "left")]:
            noticed = elapsed
            break

    assert noticed is not None
    assert noticed <= LEASE + HEARTBEAT
    assert not any(ghost.socket.id in str(row) for row in chat.rows("connections"))


@pytest.mark.clause("P3")
@pytest.mark.parametrize(("elapsed", "users"), [(599, ["alice", "ghost"]), (600, ["alice"])])
def test_who_asks_for_presence_is_not_told_of_ghosts(
    elapsed: int, users: list[str], chat: Chat
) -> None:
    alice, ghost = chat.join("alice"), chat.join("ghost")
    ghost.socket.lose(disconnect=False)
    chat.clock.now += elapsed

    assert alice.ask("presence", room="lobby")["users"] == users


@pytest.mark.clause("P3")
def test_who_is_silent_but_there_stays(chat: Chat) -> None:
    alice, reader = chat.join("alice"), chat.join("reader")
    chat.clock.now += LEASE
    alice.heard()

    who = alice.ask("presence", room="lobby")

    assert who["users"] == ["alice", "reader"]
    assert seen(alice) == []
    alice.say("still there?")
    assert [frame["message"] for frame in reader.heard("message")] == ["still there?"]


@pytest.mark.clause("P3")
def test_a_push_finds_who_vanished_in_all_their_rooms(chat: Chat) -> None:
    alice, bob = chat.join("alice"), chat.join("bob", "tea")
    ghost = chat.join("ghost", "tea")
    ghost.socket.lose(disconnect=False)
    chat.clock.now += 31
    bob.heard()

    alice.say("anyone?")

    left = {(push["room"], push["user"]) for push in bob.heard("presence")}
    assert left == {("lobby", "ghost"), ("tea", "ghost")}


@pytest.mark.clause("P2")
def test_a_large_room_tells_only_how_many_are_there(start: Callable[..., Chat]) -> None:
    chat = start(PRESENCE_LIST_LIMIT="2")
    alice, bob = chat.join("alice"), chat.join("bob")
    assert seen(alice) == [("bob", "joined")]

    carol = chat.join("carol")
    carol.send("typing", room="lobby")
    who = alice.ask("presence", room="lobby")
    carol.socket.leave()

    assert (who["users"], who["count"]) == ([], 3)
    # Of the one who left, those who stay are told: the room is small again.
    assert [push["type"] for push in bob.heard("presence", "typing")] == ["presence"]
    assert seen(alice) == [("carol", "left")]


@pytest.mark.clause("P4")
def test_typing_is_shown_to_the_others(chat: Chat) -> None:
    alice, bob, carol = chat.join("alice"), chat.join("bob"), chat.join("carol")
    for person in (alice, bob):
        person.heard()

    alice.send("typing", room="lobby")

    assert bob.heard() == carol.heard() == [TYPING]
    assert alice.heard() == []


TYPING = {"type": "typing", "room": "lobby", "user": "alice", "guest": True}
KEY = "k" * 16


@pytest.mark.clause("P1", "D5")
def test_a_second_tab_comes_and_goes_unseen(chat: Chat) -> None:
    alice, first = chat.join("alice"), chat.join("bob", key=KEY)
    alice.heard()
    chat.clock.now += 1

    second = chat.join("bob", key=KEY)
    first.socket.leave()

    assert second.name == "bob"
    assert seen(alice) == []
    assert alice.ask("presence", room="lobby")["users"] == ["alice", "bob"]
    second.socket.leave()
    assert seen(alice) == [("bob", "left")]
