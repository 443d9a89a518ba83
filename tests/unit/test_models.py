"""Names of people and rooms, and who a room is for."""

import pytest

from chalicelib.models import (
    RoomName,
    Session,
    UserName,
    channels,
    direct_room,
    direct_users,
    is_room,
    is_user,
    personal_room,
)
from tests.unit.fakes import ALICE, BOB, LOBBY, new_session


@pytest.mark.parametrize("name", ["a", "7", "a.b_c-d", "a-"])
def test_these_are_names(name: str) -> None:
    assert is_room(name)
    assert is_user(name)


@pytest.mark.parametrize("name", ["", "A", ".a", "_a", "-a", "a\n", "a b", "@a", "a:b", "a#b", "é"])
def test_these_are_not(name: str) -> None:
    assert not is_room(name)
    assert not is_user(name)


def test_names_are_as_long_as_the_protocol_says() -> None:
    assert (is_room("r" * 64), is_room("r" * 65)) == (True, False)
    assert (is_user("u" * 32), is_user("u" * 33)) == (True, False)


@pytest.mark.clause("D1")
@pytest.mark.parametrize(
    ("one", "other", "room"),
    [
        ("alice", "bob", "dm:alice:bob"),
        ("bob", "alice", "dm:alice:bob"),
        ("a", "a", "dm:a:a"),
        ("a-", "a", "dm:a:a-"),
        ("a.b", "a", "dm:a:a.b"),
    ],
)
def test_two_people_share_one_direct_room(one: str, other: str, room: str) -> None:
    made = direct_room(UserName(one), UserName(other))

    assert made == room
    assert direct_users(made) == tuple(sorted((one, other)))


@pytest.mark.parametrize("room", ["lobby", "dm", "dm-a-b", "@alice"])
def test_other_rooms_are_not_direct(room: str) -> None:
    assert direct_users(RoomName(room)) is None


@pytest.mark.clause("D2")
@pytest.mark.parametrize(
    "room", ["dm:", "dm:a", "dm:a:", "dm::a", "dm:b:a", "dm:a:b:c", "dm:A:b", "dm:a:b\n", "dm:a: b"]
)
def test_what_only_begins_like_a_direct_room_is_an_error(room: str) -> None:
    with pytest.raises(ValueError, match="is not a direct room"):
        direct_users(RoomName(room))


@pytest.mark.clause("D1")
def test_direct_messages_go_to_the_personal_rooms_of_both() -> None:
    assert channels(LOBBY) == ["lobby"]
    assert channels(direct_room(BOB, ALICE)) == ["@alice", "@bob"]
    assert channels(direct_room(ALICE, ALICE)) == ["@alice"]


def test_no_client_may_name_a_personal_room() -> None:
    assert not is_room(personal_room(ALICE))


def test_the_personal_room_is_not_among_those_that_clients_know_of() -> None:
    session: Session = new_session("c1", "alice", "lobby", "games", now=0)

    assert session.public_rooms == ["games", "lobby"]
