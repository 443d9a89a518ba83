"""Which rooms people have joined, and how far they have read."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.errors import Unavailable
from chalicelib.memberships import MembershipRepository
from chalicelib.messages import MessageLog
from chalicelib.models import RoomName, direct_room
from chalicelib.places import Membership
from chalicelib.positions import Position
from tests.unit.fakes import (
    ALICE,
    BOB,
    GAMES,
    LOBBY,
    MEMBERSHIPS_TABLE,
    Clock,
    Faulty,
    cancelled,
    client_error,
    joined,
    said,
)

WEEK = 604_800
DIRECT = direct_room(ALICE, BOB)


def rooms_of(memberships: MembershipRepository, user: Any = ALICE) -> dict[str, int]:
    found, _ = memberships.of(user, after=None, limit=50)
    return {membership.room: membership.read.seq for membership in found}


def expiry(dynamodb: Faulty, room: str) -> str | None:
    key = {"room": {"S": room}, "member": {"S": "alice"}}
    item = dynamodb.client.get_item(TableName=MEMBERSHIPS_TABLE, Key=key)["Item"]
    return str(item["expires_at"]["N"]) if "expires_at" in item else None


@pytest.mark.clause("M2")
def test_who_joins_is_a_member_from_there_on(memberships: MembershipRepository) -> None:
    joined(memberships, LOBBY, ALICE, Position(7, messages=4), guest=False)

    found = memberships.of(ALICE, after=None, limit=50)

    assert found == ([Membership(LOBBY, "member", Position(7, messages=4))], False)
    assert rooms_of(memberships, BOB) == {}


@pytest.mark.parametrize("guest", [True, False])
def test_to_join_again_changes_nothing(
    memberships: MembershipRepository,
    guest: bool,  # noqa: FBT001
) -> None:
    joined(memberships, LOBBY, ALICE, Position(7), guest=guest)

    joined(memberships, LOBBY, ALICE, Position(9), guest=guest)

    assert rooms_of(memberships) == {"lobby": 7}


@pytest.mark.clause("M1")
@pytest.mark.parametrize(
    ("seq", "answer", "marker"),
    [(8, (8, True), 8), (7, (7, True), 7), (6, (7, False), 7), (1, (7, False), 7)],
)
def test_a_marker_only_moves_forward(
    seq: int, answer: tuple[int, bool], marker: int, memberships: MembershipRepository
) -> None:
    joined(memberships, LOBBY, ALICE, Position(7, messages=7), guest=False)

    moved = memberships.read(LOBBY, ALICE, Position(seq, messages=seq), guest=False)

    assert moved == answer
    found, _ = memberships.of(ALICE, after=None, limit=1)
    assert found[0].read == Position(marker, messages=marker)


@pytest.mark.clause("M1")
def test_markers_are_numbers_and_not_texts(memberships: MembershipRepository) -> None:
    joined(memberships, LOBBY, ALICE, Position(9), guest=False)

    assert memberships.read(LOBBY, ALICE, Position(10), guest=False) == (10, True)
    assert memberships.read(LOBBY, ALICE, Position(9), guest=False) == (10, False)


@pytest.mark.clause("G2")
def test_to_read_makes_nobody_a_member(memberships: MembershipRepository) -> None:
    moved = memberships.read(LOBBY, ALICE, Position(3, messages=2), guest=False)

    assert moved is None
    assert rooms_of(memberships) == {}


def test_each_person_has_a_marker_of_their_own_in_each_room(
    memberships: MembershipRepository,
) -> None:
    for user, room, seq in [(ALICE, LOBBY, 1), (ALICE, GAMES, 2), (BOB, LOBBY, 3)]:
        joined(memberships, room, user, Position())
        memberships.read(room, user, Position(seq), guest=False)

    assert rooms_of(memberships) == {"games": 2, "lobby": 1}
    assert rooms_of(memberships, BOB) == {"lobby": 3}


@pytest.mark.clause("M3")
def test_a_guests_membership_is_forgotten_after_its_time_although_the_table_has_it(
    memberships: MembershipRepository, clock: Clock
) -> None:
    clock.now = 1_000_000.5
    joined(memberships, LOBBY, ALICE, Position(7), guest=True)
    joined(memberships, GAMES, ALICE, Position(7), guest=False)

    clock.now += WEEK - 1
    before = rooms_of(memberships)
    clock.now += 1

    assert before == {"games": 7, "lobby": 7}
    assert rooms_of(memberships) == {"games": 7}


@pytest.mark.clause("M3")
@pytest.mark.parametrize("guest", [True, False])
def test_a_name_that_has_been_forgotten_joins_anew(
    memberships: MembershipRepository,
    clock: Clock,
    guest: bool,  # noqa: FBT001
) -> None:
    joined(memberships, LOBBY, ALICE, Position(7), guest=True)
    clock.now += WEEK

    joined(memberships, LOBBY, ALICE, Position(9), guest=guest)

    assert rooms_of(memberships) == {"lobby": 9}


@pytest.mark.clause("M3")
@pytest.mark.parametrize("guest", [True, False])
def test_a_name_that_has_been_forgotten_has_no_marker(
    memberships: MembershipRepository,
    clock: Clock,
    guest: bool,  # noqa: FBT001
) -> None:
    joined(memberships, LOBBY, ALICE, Position(7), guest=True)
    clock.now += WEEK

    moved = memberships.read(LOBBY, ALICE, Position(9), guest=guest)

    assert moved is None
    assert rooms_of(memberships) == {}


def test_a_guest_who_reads_is_remembered_for_longer(
    memberships: MembershipRepository, clock: Clock, dynamodb: Faulty
) -> None:
    clock.now = 1_000_000.0
    joined(memberships, LOBBY, ALICE, Position(7), guest=True)
    clock.now += 60
    memberships.read(LOBBY, ALICE, Position(7), guest=True)
    unmoved = expiry(dynamodb, "lobby")

    memberships.read(LOBBY, ALICE, Position(8), guest=True)

    assert unmoved == str(1_000_000 + WEEK)
    assert expiry(dynamodb, "lobby") == str(1_000_060 + WEEK)


def test_what_people_with_an_account_read_does_not_expire(
    memberships: MembershipRepository, dynamodb: Faulty
) -> None:
    joined(memberships, LOBBY, ALICE, Position(), guest=False)
    before = expiry(dynamodb, "lobby")

    memberships.read(LOBBY, ALICE, Position(8), guest=False)

    assert (before, expiry(dynamodb, "lobby")) == (None, None)


@pytest.mark.clause("M2")
def test_memberships_come_by_name_page_by_page(memberships: MembershipRepository) -> None:
    for name in ("b", "a-1", "dm:alice:bob", "a", "a.1"):
        joined(memberships, RoomName(name), ALICE, Position(), guest=False)

    first, more = memberships.of(ALICE, after=None, limit=3)
    rest, no_more = memberships.of(ALICE, after=first[-1].room, limit=3)

    assert [membership.room for membership in first] == ["a", "a-1", "a.1"]
    assert [membership.room for membership in rest] == ["b", "dm:alice:bob"]
    assert (more, no_more) == (True, False)


def test_the_rooms_of_a_person_are_not_said_to_be_more_than_they_are(
    memberships: MembershipRepository, dynamodb: Faulty
) -> None:
    def as_dynamodb_does(arguments: dict[str, Any]) -> Any:
        # It stops at the limit without looking whether anything follows; moto looks.
        answer = dynamodb.client.query(**arguments)
        if len(answer["Items"]) == arguments["Limit"]:
            answer["LastEvaluatedKey"] = {}
        return answer

    for name in ("a", "b", "c"):
        joined(memberships, RoomName(name), ALICE, Position(), guest=False)
    dynamodb.always("query", as_dynamodb_does)

    found, more = memberships.of(ALICE, after=None, limit=3)

    assert [membership.room for membership in found] == ["a", "b", "c"]
    assert more is False


@pytest.mark.clause("M2", "M3")
def test_forgotten_memberships_take_no_place_in_a_page(
    memberships: MembershipRepository, clock: Clock
) -> None:
    for name in ("a", "b", "c", "e"):
        joined(memberships, RoomName(name), ALICE, Position(), guest=True)
    clock.now += WEEK
    for name in ("d", "f", "g"):
        joined(memberships, RoomName(name), ALICE, Position(), guest=True)

    first, more = memberships.of(ALICE, after=None, limit=2)
    rest, no_more = memberships.of(ALICE, after=first[-1].room, limit=2)

    assert ([it.room for it in first], more) == (["d", "f"], True)
    assert ([it.room for it in rest], no_more) == (["g"], False)


@pytest.mark.clause("M2", "D1")
def test_the_first_direct_message_makes_both_people_members(
    memberships: MembershipRepository, log: MessageLog
) -> None:
    founding = memberships.founding(DIRECT)

    log.append(said(room=DIRECT), founding=lambda: founding)

    assert rooms_of(memberships, ALICE) == {"dm:alice:bob": 0}
    assert rooms_of(memberships, BOB) == {"dm:alice:bob": 0}


@pytest.mark.clause("M1")
def test_later_direct_messages_leave_the_markers_alone(
    memberships: MembershipRepository, log: MessageLog
) -> None:
    founding = memberships.founding(DIRECT)
    log.append(said(room=DIRECT), founding=lambda: founding)
    memberships.read(DIRECT, BOB, Position(1, messages=1), guest=True)

    log.append(said(room=DIRECT), founding=lambda: founding)

    assert rooms_of(memberships, BOB) == {"dm:alice:bob": 1}


@pytest.mark.clause("M2", "L2")
def test_without_the_message_nobody_becomes_a_member(
    memberships: MembershipRepository, log: MessageLog, dynamodb: Faulty
) -> None:
    founding = memberships.founding(DIRECT)
    log.append(said(cid="c1"))
    dynamodb.plan("transact_write_items", client_error("InternalServerError", status=500))

    with pytest.raises(Unavailable):
        log.append(said(room=DIRECT), founding=lambda: founding)
    duplicate = log.append(said(room=DIRECT, cid="c1"), founding=lambda: founding)

    assert duplicate.room == LOBBY
    assert rooms_of(memberships, ALICE) == rooms_of(memberships, BOB) == {}


def test_after_a_conflict_the_founding_is_tried_again(
    memberships: MembershipRepository, log: MessageLog, dynamodb: Faulty
) -> None:
    founding = memberships.founding(DIRECT)
    dynamodb.plan("transact_write_items", cancelled("TransactionConflict"), None)

    log.append(said(room=DIRECT), founding=lambda: founding)

    assert rooms_of(memberships, BOB) == {"dm:alice:bob": 0}


def test_a_room_of_one_is_founded_once(memberships: MembershipRepository, log: MessageLog) -> None:
    alone = direct_room(ALICE, ALICE)

    log.append(said(room=alone), founding=lambda: memberships.founding(alone))

    assert rooms_of(memberships) == {"dm:alice:alice": 0}


def test_public_rooms_are_not_founded(memberships: MembershipRepository) -> None:
    assert memberships.founding(LOBBY) == []


@pytest.mark.clause("M2", "M3")
def test_direct_rooms_are_never_forgotten(
    memberships: MembershipRepository, log: MessageLog, clock: Clock
) -> None:
    log.append(said(room=DIRECT), founding=lambda: memberships.founding(DIRECT))
    memberships.read(DIRECT, ALICE, Position(1, messages=1), guest=True)
    clock.now += WEEK

    assert rooms_of(memberships) == {"dm:alice:bob": 1}


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("put_item", lambda them: joined(them, LOBBY, ALICE, Position(), guest=False)),
        ("update_item", lambda them: them.read(LOBBY, ALICE, Position(1), guest=False)),
        ("query", lambda them: them.of(ALICE, after=None, limit=1)),
    ],
)
def test_a_database_that_fails_is_unavailable(
    operation: str,
    call: Callable[[MembershipRepository], object],
    memberships: MembershipRepository,
    dynamodb: Faulty,
) -> None:
    dynamodb.always(operation, client_error("InternalServerError", status=500))

    with pytest.raises(Unavailable):
        call(memberships)
