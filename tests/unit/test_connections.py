"""The registry: who is connected, and to which rooms."""

import pytest

from chalicelib.connections import HANDSHAKE_SECONDS, ConnectionRepository, NameTakenError
from chalicelib.database import Database
from chalicelib.errors import TooManySubscriptions, Unauthorized, Unavailable
from chalicelib.models import ConnectionId, Member, RoomName, Session, UserName
from tests.unit.fakes import (
    CONNECTIONS_TABLE,
    ENDPOINT,
    Clock,
    Faulty,
    cancelled,
    client_error,
    new_session,
)

A, B, C = ConnectionId("A="), ConnectionId("B="), ConnectionId("C=")
LOBBY, GAMES = RoomName("lobby"), RoomName("games")


def rows(dynamodb: Faulty) -> set[tuple[str, str]]:
    """Every key in the table."""
    items = dynamodb.client.scan(TableName=CONNECTIONS_TABLE)["Items"]
    return {(item["pk"]["S"], item["sk"]["S"]) for item in items}


def member_ids(connections: ConnectionRepository, room: RoomName) -> list[ConnectionId]:
    return [member.connection_id for member in connections.members(room)]


@pytest.fixture
def alice(connections: ConnectionRepository, clock: Clock) -> Session:
    session = new_session(A, "alice", "lobby", now=clock.now, guest=True)
    connections.add(session)
    return session


def test_a_connection_is_registered_with_its_rooms(
    connections: ConnectionRepository, alice: Session, dynamodb: Faulty
) -> None:
    found = connections.session(A)

    assert found == alice
    assert alice.public_rooms == ["lobby"]
    assert list(connections.members(LOBBY)) == [Member(A, UserName("alice"), ENDPOINT)]
    assert member_ids(connections, RoomName("@alice")) == [A]
    assert dynamodb.count("transact_write_items") == 1


def test_a_connection_that_is_not_there_has_no_session(connections: ConnectionRepository) -> None:
    assert connections.session(A) is None


@pytest.mark.usefixtures("alice")
def test_what_has_expired_is_not_there_although_the_table_still_has_it(
    connections: ConnectionRepository, clock: Clock
) -> None:
    clock.now += 7800

    assert connections.session(A) is None
    assert list(connections.members(LOBBY)) == []
    assert connections.users(LOBBY) == []


def test_registering_in_the_way_of_others_is_tried_again(
    connections: ConnectionRepository, clock: Clock, dynamodb: Faulty
) -> None:
    dynamodb.plan("transact_write_items", cancelled("TransactionConflict"), None)

    connections.add(new_session(A, "alice", now=clock.now, guest=True))

    assert connections.session(A) is not None


@pytest.mark.usefixtures("alice")
def test_a_live_guest_keeps_the_name(
    connections: ConnectionRepository, clock: Clock, dynamodb: Faulty
) -> None:
    before = rows(dynamodb)

    with pytest.raises(NameTakenError):
        connections.add(new_session(B, "alice", "lobby", now=clock.now, guest=True))

    assert rows(dynamodb) == before


@pytest.mark.usefixtures("alice")
def test_registering_twice_after_a_lost_answer_is_no_conflict_with_oneself(
    connections: ConnectionRepository, clock: Clock
) -> None:
    connections.add(new_session(A, "alice", "lobby", now=clock.now, guest=True))

    assert member_ids(connections, LOBBY) == [A]


@pytest.mark.usefixtures("alice")
def test_the_name_of_a_guest_whose_time_is_over_is_free(
    connections: ConnectionRepository, clock: Clock
) -> None:
    clock.now += 7800

    connections.add(new_session(B, "alice", now=clock.now, guest=True))

    assert connections.session(B) is not None


def test_the_name_of_a_guest_who_left_is_free(
    connections: ConnectionRepository, alice: Session, clock: Clock
) -> None:
    connections.remove(alice.connection_id)

    connections.add(new_session(B, "alice", now=clock.now, guest=True))

    assert connections.session(B) is not None


def test_one_person_who_is_no_guest_may_have_several_connections(
    connections: ConnectionRepository, clock: Clock
) -> None:
    connections.add(new_session(A, "alice", "lobby", now=clock.now))
    connections.add(new_session(B, "alice", "lobby", now=clock.now))

    assert member_ids(connections, RoomName("@alice")) == [A, B]
    assert connections.users(LOBBY) == ["alice"]


def test_subscribing_writes_both_sides(connections: ConnectionRepository, alice: Session) -> None:
    connections.subscribe(alice, GAMES)

    found = connections.session(A)
    assert found is not None
    assert found.public_rooms == ["games", "lobby"]
    assert member_ids(connections, GAMES) == [A]


def test_subscribing_again_is_harmless_even_at_the_limit(
    connections: ConnectionRepository, alice: Session
) -> None:
    for room in ["r1", "r2", "r2", "r1", "lobby"]:
        connections.subscribe(alice, RoomName(room))

    found = connections.session(A)
    assert found is not None
    assert found.public_rooms == ["lobby", "r1", "r2"]


def test_the_limit_counts_public_rooms_and_is_named(
    connections: ConnectionRepository, alice: Session, dynamodb: Faulty
) -> None:
    connections.subscribe(alice, RoomName("r1"))
    connections.subscribe(alice, RoomName("r2"))

    with pytest.raises(TooManySubscriptions, match="at most 3 rooms") as caught:
        connections.subscribe(alice, RoomName("r3"))

    assert caught.value.code == "conflict"
    assert ("room#r3", A) not in rows(dynamodb)


def test_a_room_that_was_left_makes_place_for_another(
    connections: ConnectionRepository, alice: Session
) -> None:
    connections.subscribe(alice, RoomName("r1"))
    connections.subscribe(alice, RoomName("r2"))
    connections.unsubscribe(alice, LOBBY)

    connections.subscribe(alice, RoomName("r3"))

    assert member_ids(connections, RoomName("r3")) == [A]
    assert member_ids(connections, LOBBY) == []


def test_no_subscription_appears_after_the_connection_was_removed(
    connections: ConnectionRepository, alice: Session, dynamodb: Faulty
) -> None:
    connections.remove(A)

    with pytest.raises(Unauthorized):
        connections.subscribe(alice, GAMES)
    with pytest.raises(Unauthorized):
        connections.unsubscribe(alice, LOBBY)

    assert rows(dynamodb) == set()


def test_no_subscription_appears_after_the_session_expired(
    connections: ConnectionRepository, alice: Session, clock: Clock, dynamodb: Faulty
) -> None:
    clock.now += 7800

    with pytest.raises(Unauthorized):
        connections.subscribe(alice, GAMES)

    assert ("room#games", A) not in rows(dynamodb)


def test_leaving_a_room_one_is_not_in_is_no_error(
    connections: ConnectionRepository, alice: Session
) -> None:
    connections.unsubscribe(alice, GAMES)

    assert connections.session(A) == alice


def test_removing_leaves_nothing_behind(
    connections: ConnectionRepository, alice: Session, clock: Clock, dynamodb: Faulty
) -> None:
    connections.add(new_session(B, "bob", "lobby", now=clock.now))
    connections.subscribe(alice, GAMES)

    connections.remove(A)

    assert rows(dynamodb) == {("conn#B=", "conn"), ("room#lobby", B), ("room#@bob", B)}


def test_removing_many_subscriptions_takes_batches(
    dynamodb: Faulty, database: Database, clock: Clock
) -> None:
    connections = ConnectionRepository(
        database, table=CONNECTIONS_TABLE, clock=clock, max_subscriptions=100
    )
    session = new_session(A, "alice", now=clock.now)
    connections.add(session)
    for n in range(60):
        connections.subscribe(session, RoomName(f"r{n}"))

    connections.remove(A)

    assert rows(dynamodb) == set()
    assert dynamodb.count("batch_write_item") == 3


@pytest.mark.usefixtures("alice")
def test_removing_twice_is_harmless(connections: ConnectionRepository) -> None:
    connections.remove(A)
    connections.remove(A)

    assert connections.session(A) is None


def test_removing_does_not_take_a_name_that_is_anothers_by_now(
    connections: ConnectionRepository, alice: Session, clock: Clock, dynamodb: Faulty
) -> None:
    clock.now += 7800
    connections.add(new_session(B, "alice", now=clock.now, guest=True))

    connections.remove(alice.connection_id)

    assert ("user#alice", "guest") in rows(dynamodb)


def test_pruning_removes_the_dead_with_everything_and_nobody_else(
    connections: ConnectionRepository, alice: Session, clock: Clock, dynamodb: Faulty
) -> None:
    connections.subscribe(alice, GAMES)
    connections.add(new_session(B, "bob", "lobby", now=clock.now))
    connections.add(new_session(C, "carol", "lobby", now=clock.now))
    clock.now += HANDSHAKE_SECONDS

    connections.prune(LOBBY, [A, B, A])

    assert rows(dynamodb) == {("conn#C=", "conn"), ("room#lobby", C), ("room#@carol", C)}


@pytest.mark.usefixtures("alice")
def test_pruning_spares_a_connection_whose_handshake_may_not_be_over(
    connections: ConnectionRepository, clock: Clock
) -> None:
    clock.now += HANDSHAKE_SECONDS - 0.1

    connections.prune(LOBBY, [A])

    assert connections.session(A) is not None
    assert member_ids(connections, LOBBY) == [A]


@pytest.mark.usefixtures("alice")
def test_pruning_removes_a_subscription_whose_connection_has_gone(
    connections: ConnectionRepository, dynamodb: Faulty
) -> None:
    dynamodb.client.delete_item(
        TableName=CONNECTIONS_TABLE, Key={"pk": {"S": "conn#A="}, "sk": {"S": "conn"}}
    )

    connections.prune(LOBBY, [A])

    assert ("room#lobby", A) not in rows(dynamodb)


def test_all_pages_of_a_room_are_read(
    connections: ConnectionRepository, clock: Clock, dynamodb: Faulty
) -> None:
    for n in range(7):
        connections.add(new_session(f"c{n}", f"user{n}", "lobby", now=clock.now))
    dynamodb.always("query", lambda arguments: dynamodb.client.query(**arguments, Limit=2))

    members = member_ids(connections, LOBBY)

    assert members == [f"c{n}" for n in range(7)]
    assert dynamodb.count("query") == 4


def test_the_database_away_is_unavailable(
    connections: ConnectionRepository, alice: Session, dynamodb: Faulty
) -> None:
    for operation in ("get_item", "query", "delete_item", "transact_write_items"):
        dynamodb.always(operation, client_error("InternalServerError", status=500))

    for call in (
        lambda: connections.add(alice),
        lambda: connections.session(A),
        lambda: connections.subscribe(alice, GAMES),
        lambda: connections.unsubscribe(alice, LOBBY),
        lambda: connections.users(LOBBY),
        lambda: connections.remove(A),
    ):
        with pytest.raises(Unavailable):
            call()


def test_nothing_ever_scans_the_table(
    connections: ConnectionRepository, alice: Session, dynamodb: Faulty
) -> None:
    connections.subscribe(alice, GAMES)
    connections.users(GAMES)
    connections.prune(GAMES, [A])
    connections.remove(A)

    operations = {name for name, _ in dynamodb.calls}
    assert "scan" not in operations
    assert all("IndexName" not in arguments for _, arguments in dynamodb.calls)
