"""The items of rooms, and what a function remembers of them."""

from typing import Any

import pytest

from chalicelib.database import Database
from chalicelib.errors import Unavailable
from chalicelib.memberships import MembershipRepository
from chalicelib.models import RoomName
from chalicelib.places import Membership, OutdatedError, Room, until_true
from chalicelib.positions import Position
from chalicelib.rooms import RoomRepository
from tests.unit.fakes import (
    ALICE,
    BOB,
    GAMES,
    LOBBY,
    MEMBERSHIPS_TABLE,
    Clock,
    Faulty,
    client_error,
)

TEA = RoomName("tea")


@pytest.fixture
def rooms(database: Database, clock: Clock) -> RoomRepository:
    return RoomRepository(database, table=MEMBERSHIPS_TABLE, clock=clock, remembered=2)


@pytest.mark.clause("G1")
@pytest.mark.parametrize(
    "made",
    [Room("private", ALICE), Room("public", ALICE), Room("private", ALICE, slow_mode=30)],
)
def test_a_room_is_made_with_its_owner(
    made: Room, rooms: RoomRepository, memberships: MembershipRepository
) -> None:
    rooms.create(TEA, made, ALICE)

    place = memberships.places([TEA], ALICE, BOB)[0]
    assert place.room == made
    assert place.private == (made.visibility == "private")
    assert place.members == {ALICE: Membership(TEA, "owner", Position())}
    assert (place.role(ALICE), place.role(BOB), place.banned) == ("owner", None, frozenset())


@pytest.mark.clause("G1", "G2")
def test_a_room_is_made_once(rooms: RoomRepository, memberships: MembershipRepository) -> None:
    rooms.create(TEA, Room("private", ALICE), ALICE)

    with pytest.raises(OutdatedError):
        rooms.create(TEA, Room("public", BOB), BOB)
    with pytest.raises(OutdatedError):
        rooms.open(TEA, BOB)

    place = memberships.places([TEA], BOB)[0]
    assert (place.room, place.role(BOB)) == (Room("private", ALICE), None)


@pytest.mark.clause("G2")
def test_a_room_that_is_used_is_public_and_nobodys(
    rooms: RoomRepository, memberships: MembershipRepository
) -> None:
    before = rooms.is_unused(TEA)

    rooms.open(TEA, BOB)

    place = memberships.places([TEA], BOB)[0]
    assert (before, rooms.is_unused(TEA)) == (True, False)
    assert (place.room, place.private, place.members) == (Room(), False, {})


def test_the_lobby_is_there_without_anyone_having_made_it(
    database: Database, clock: Clock, dynamodb: Faulty
) -> None:
    memberships = MembershipRepository(
        database, table=MEMBERSHIPS_TABLE, clock=clock, guest_ttl=60, lobby="lobby"
    )

    places = memberships.places([LOBBY, GAMES, LOBBY], ALICE)

    assert [(place.name, place.room) for place in places] == [(LOBBY, Room()), (GAMES, None)]
    ((_, request),) = dynamodb.calls
    keys = request["RequestItems"][MEMBERSHIPS_TABLE]["Keys"]
    assert [(key["room"]["S"], key["member"]["S"]) for key in keys] == [
        ("lobby", "alice"),
        ("games", "#room"),
        ("games", "alice"),
    ]


def test_no_rooms_are_read_without_a_request(
    memberships: MembershipRepository, dynamodb: Faulty
) -> None:
    assert memberships.places([], ALICE) == []
    assert dynamodb.calls == []


@pytest.mark.clause("G7")
def test_the_slow_mode_is_read_every_five_seconds(
    rooms: RoomRepository, dynamodb: Faulty, clock: Clock
) -> None:
    clock.now = 1_000_000.0
    rooms.create(TEA, Room("public", ALICE, slow_mode=30), ALICE)

    found = [rooms.slow_mode(TEA) for _ in range(3)]
    clock.now += 4.9
    found.append(rooms.slow_mode(TEA))
    reads = dynamodb.count("get_item")
    clock.now += 0.1
    found.append(rooms.slow_mode(TEA))

    assert found == [30] * 5
    assert (reads, dynamodb.count("get_item")) == (1, 2)


def test_a_room_without_an_item_is_remembered_too(rooms: RoomRepository, dynamodb: Faulty) -> None:
    assert [rooms.slow_mode(TEA) for _ in range(3)] == [0, 0, 0]
    assert dynamodb.count("get_item") == 1


def test_what_is_forgotten_is_read_anew(rooms: RoomRepository, dynamodb: Faulty) -> None:
    rooms.slow_mode(TEA)

    rooms.forget(TEA)
    rooms.forget(GAMES)
    rooms.slow_mode(TEA)

    assert dynamodb.count("get_item") == 2


def test_only_so_many_rooms_are_remembered(rooms: RoomRepository, dynamodb: Faulty) -> None:
    for name in ("a", "b", "c", "c", "b", "a"):
        rooms.slow_mode(RoomName(name))

    assert dynamodb.count("get_item") == 4


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("transact_write_items", lambda them: them.open(TEA, ALICE)),
        ("get_item", lambda them: them.slow_mode(TEA)),
        ("query", lambda them: them.is_unused(TEA)),
    ],
)
def test_a_database_that_fails_is_unavailable(
    operation: str, call: Any, rooms: RoomRepository, dynamodb: Faulty
) -> None:
    dynamodb.always(operation, client_error("InternalServerError", status=500))

    with pytest.raises(Unavailable):
        call(rooms)


@pytest.mark.clause("G9")
def test_who_is_beaten_every_time_is_told_to_try_again() -> None:
    tries = []

    def attempt() -> None:
        tries.append(1)
        raise OutdatedError

    with pytest.raises(Unavailable):
        until_true(attempt)

    assert len(tries) == 10
