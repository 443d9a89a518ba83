"""The items of the connections table: what is written is what is read."""

from dataclasses import replace

import pytest

from chalicelib.models import ConnectionId, Member, RoomName, Session, UserName
from chalicelib.records import (
    connection_item,
    connection_key,
    item_key,
    member_of,
    session_of,
    subscription_item,
    subscription_key,
    subscription_keys,
)
from tests.unit.fakes import ENDPOINT, new_session

A, LOBBY = ConnectionId("A="), RoomName("lobby")
NOW = 1_767_323_045.678


@pytest.fixture(params=[True, False], ids=["guest", "account"])
def session(request: pytest.FixtureRequest) -> Session:
    return new_session(A, "alice", "lobby", "conn", now=NOW, guest=request.param)


def test_a_session_comes_back_from_its_item(session: Session) -> None:
    assert session_of(connection_item(session)) == session


def test_who_takes_arrays_is_marked_in_both_items_and_nobody_else(session: Session) -> None:
    marked = replace(session, arrays=True)
    items = connection_item(marked), subscription_item(marked, LOBBY, NOW)

    assert session_of(items[0]) == marked
    assert member_of(items[1]).arrays
    for item in (connection_item(session), subscription_item(session, LOBBY, NOW)):
        assert "arrays" not in item


def test_a_connection_was_last_heard_of_when_it_came(session: Session) -> None:
    item = connection_item(session)

    assert item["seen_at"] == item["connected_at"] == {"N": "1767323045.678"}


def test_a_member_comes_back_from_a_subscription(session: Session) -> None:
    item = subscription_item(session, LOBBY, NOW + 0.001)

    assert member_of(item) == Member(A, UserName("alice"), ENDPOINT, NOW + 0.001, session.guest)


def test_both_items_expire_with_the_session_in_whole_seconds(session: Session) -> None:
    # DynamoDB's time to live reads nothing but whole numbers.
    for item in (connection_item(session), subscription_item(session, LOBBY, NOW)):
        assert item["expires_at"] == {"N": str(int(NOW) + 7800)}


def test_pushes_end_with_the_session_and_what_is_known_of_it_with_the_connection(
    session: Session,
) -> None:
    short = replace(session, session_expires_at=int(NOW) + 60)

    subscription = subscription_item(short, LOBBY, NOW)
    assert subscription["pushed_until"] == {"N": str(int(NOW) + 60)}
    assert subscription["expires_at"] == connection_item(short)["expires_at"]


def test_the_keys_of_different_things_never_meet() -> None:
    keys = {
        connection_key(ConnectionId("x")),
        subscription_key(RoomName("x"), ConnectionId("x")),
        subscription_key(RoomName("@x"), ConnectionId("conn")),
    }

    assert len(keys) == 3
    assert {key[0].partition("#")[0] for key in keys} == {"conn", "room"}


def test_a_connection_has_a_subscription_for_each_of_its_rooms(session: Session) -> None:
    keys = subscription_keys(session)

    assert set(keys) == {("room#@alice", A), ("room#lobby", A), ("room#conn", A)}
    assert item_key(("room#lobby", A)) == {"pk": {"S": "room#lobby"}, "sk": {"S": "A="}}
