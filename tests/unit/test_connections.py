"""The registry: who is connected, and to which rooms."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chalicelib.backoff import Backoff
from chalicelib.claims import NameTakenError
from chalicelib.connections import HANDSHAKE_SECONDS, ConnectionRepository
from chalicelib.database import Database
from chalicelib.errors import RateLimited, TooManySubscriptions, Unauthorized, Unavailable
from chalicelib.models import ConnectionId, Departure, Member, RoomName, Session, UserName
from chalicelib.rates import Rate
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
LOBBY, GAMES, ALICES = RoomName("lobby"), RoomName("games"), RoomName("@alice")
DOWN = client_error("InternalServerError", status=500)


def rows(dynamodb: Faulty) -> set[tuple[str, str]]:
    """Every key in the table."""
    items = dynamodb.client.scan(TableName=CONNECTIONS_TABLE)["Items"]
    return {(item["pk"]["S"], item["sk"]["S"]) for item in items}


def member_ids(connections: ConnectionRepository, room: RoomName) -> list[ConnectionId]:
    return [member.connection_id for member in connections.members(room)]


def member_of(session: Session) -> Member:
    return Member(
        session.connection_id,
        session.user,
        session.endpoint,
        session.connected_at,
        session.guest,
    )


def taking(connections: ConnectionRepository, *rooms: RoomName) -> list[bool]:
    """Whether the only member of each room takes arrays."""
    return [member.arrays for room in rooms for member in connections.members(room)]


def forget_connection(dynamodb: Faulty, connection_id: ConnectionId) -> None:
    """Leave of a connection what an interrupted removal leaves: its subscriptions."""
    key = {"pk": {"S": f"conn#{connection_id}"}, "sk": {"S": "conn"}}
    dynamodb.client.delete_item(TableName=CONNECTIONS_TABLE, Key=key)


@pytest.fixture
def alice(connections: ConnectionRepository, clock: Clock) -> Session:
    session = new_session(A, "alice", "lobby", now=clock.now, guest=True)
    connections.add(session)
    return session


@pytest.fixture
def roomy(database: Database, clock: Clock) -> ConnectionRepository:
    """Connections that may be in many rooms."""
    return ConnectionRepository(
        database, table=CONNECTIONS_TABLE, clock=clock, max_subscriptions=100
    )


# Registering


def test_a_connection_is_registered_with_its_rooms(
    connections: ConnectionRepository, alice: Session, clock: Clock, dynamodb: Faulty
) -> None:
    found = connections.touch(A)

    assert found == alice
    assert alice.public_rooms == ["lobby"]
    alice_there = Member(A, UserName("alice"), ENDPOINT, clock.now, guest=True)
    assert list(connections.members(LOBBY)) == [alice_there]
    assert member_ids(connections, RoomName("@alice")) == [A]
    assert dynamodb.count("transact_write_items") == 1


def test_registering_in_the_way_of_others_is_tried_again(
    connections: ConnectionRepository, clock: Clock, dynamodb: Faulty
) -> None:
    dynamodb.plan("transact_write_items", cancelled("TransactionConflict"), None)

    connections.add(new_session(A, "alice", now=clock.now, guest=True))

    assert connections.touch(A).user == "alice"


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

    assert connections.touch(B).user == "alice"


@pytest.mark.clause("D4")
def test_the_name_of_a_guest_who_left_is_free(
    connections: ConnectionRepository, alice: Session, clock: Clock
) -> None:
    connections.remove(alice.connection_id)

    connections.add(new_session(B, "alice", now=clock.now, guest=True))

    assert connections.touch(B).user == "alice"


def test_one_person_who_is_no_guest_may_have_several_connections(
    connections: ConnectionRepository, clock: Clock
) -> None:
    connections.add(new_session(A, "alice", "lobby", now=clock.now))
    connections.add(new_session(B, "alice", "lobby", now=clock.now))

    assert member_ids(connections, RoomName("@alice")) == [A, B]


def guest(connection_id: str, clock: Clock) -> Session:
    return new_session(connection_id, "alice", "lobby", now=clock.now, guest=True)


@pytest.mark.clause("D5")
def test_a_guest_with_the_key_has_the_name_on_several_connections(
    connections: ConnectionRepository, clock: Clock
) -> None:
    for connection_id in (A, B):
        connections.add(guest(connection_id, clock), key="k1")

    assert member_ids(connections, RoomName("@alice")) == [A, B]


@pytest.mark.clause("D4")
@pytest.mark.parametrize(("first", "second"), [("k1", "k2"), ("k1", None), (None, "k1")])
def test_without_the_same_key_nobody_takes_the_name_of_a_live_guest(
    connections: ConnectionRepository, clock: Clock, first: str | None, second: str | None
) -> None:
    connections.add(guest(A, clock), key=first)

    with pytest.raises(NameTakenError):
        connections.add(guest(B, clock), key=second)

    assert member_ids(connections, LOBBY) == [A]


@pytest.mark.clause("D4")
@pytest.mark.parametrize("end", ["removed", "pruned"])
def test_a_name_with_a_key_waits_for_its_holder_as_long_as_a_connection_may_last(
    connections: ConnectionRepository, clock: Clock, end: str
) -> None:
    holder = guest(A, clock)
    connections.add(holder, key="k1")
    clock.now += HANDSHAKE_SECONDS
    if end == "removed":
        connections.remove(A)
    else:
        connections.prune([(LOBBY, member_of(holder))])

    clock.now = holder.expires_at - 0.001
    with pytest.raises(NameTakenError):
        connections.add(guest(B, clock), key="k2")
    connections.add(guest(C, clock), key="k1")
    connections.remove(C)

    # Coming back has renewed the claim.
    clock.now += 7799
    with pytest.raises(NameTakenError):
        connections.add(guest(B, clock), key="k2")
    clock.now += 1
    connections.add(guest(B, clock), key="k2")
    assert member_ids(connections, LOBBY) == [B]


# Frames and the session


def limited(dynamodb: Faulty, clock: Clock) -> ConnectionRepository:
    backoff = Backoff(clock=clock, sleep=clock.sleep, random=lambda: 0.5)
    return ConnectionRepository(
        Database(dynamodb, backoff),
        table=CONNECTIONS_TABLE,
        clock=clock,
        max_subscriptions=3,
        frames=Rate.per(1, 10, burst=50),
    )


@pytest.mark.usefixtures("alice")
def test_a_burst_of_frames_is_followed_by_ten_a_second(dynamodb: Faulty, clock: Clock) -> None:
    connections = limited(dynamodb, clock)
    for _ in range(50):
        connections.touch(A)

    with pytest.raises(RateLimited, match="too many frames") as caught:
        connections.touch(A)
    assert caught.value.retry_after_ms == 100

    clock.now += 0.1
    connections.touch(A)
    with pytest.raises(RateLimited):
        connections.touch(A)


@pytest.mark.usefixtures("alice")
def test_one_connection_does_not_pay_for_another(dynamodb: Faulty, clock: Clock) -> None:
    connections = limited(dynamodb, clock)
    connections.add(new_session(B, "bob", now=clock.now))
    for _ in range(50):
        connections.touch(A)

    assert connections.touch(B).user == "bob"


@pytest.mark.usefixtures("alice")
def test_counting_a_frame_is_the_same_write_that_finds_the_session(
    dynamodb: Faulty, clock: Clock
) -> None:
    connections = limited(dynamodb, clock)
    dynamodb.calls.clear()

    connections.touch(A)
    clock.now += 1
    connections.touch(A)

    assert [name for name, _ in dynamodb.calls] == ["update_item", "update_item"]


def test_nobody_is_limited_who_is_not_there(dynamodb: Faulty, clock: Clock) -> None:
    with pytest.raises(Unauthorized):
        limited(dynamodb, clock).touch(A)

    assert rows(dynamodb) == set()


def test_a_session_is_extended_with_all_its_subscriptions(
    connections: ConnectionRepository, clock: Clock
) -> None:
    short = replace(
        new_session(A, "ada", "lobby", now=clock.now), session_expires_at=int(clock.now) + 60
    )
    connections.add(short)
    connections.subscribe(short, GAMES)

    extended = connections.extend(short, int(clock.now) + 600)

    clock.now += 599
    assert connections.touch(A) == extended
    assert not extended.is_over(clock.now)
    for room in (LOBBY, GAMES, RoomName("@ada")):
        assert member_ids(connections, room) == [A]


def test_nothing_is_pushed_to_a_session_that_is_over(
    connections: ConnectionRepository, clock: Clock
) -> None:
    connections.add(
        replace(
            new_session(A, "ada", "lobby", now=clock.now), session_expires_at=int(clock.now) + 60
        )
    )

    clock.now += 60
    assert member_ids(connections, LOBBY) == []
    assert connections.touch(A).is_over(clock.now)
    assert [device.connection_id for device in connections.devices(UserName("ada"))] == [A]


def test_a_session_is_never_made_shorter(
    connections: ConnectionRepository, alice: Session, clock: Clock
) -> None:
    assert connections.extend(alice, int(clock.now) + 1) == alice


def test_an_extension_that_was_interrupted_is_finished_by_another(
    connections: ConnectionRepository, dynamodb: Faulty, clock: Clock
) -> None:
    short = replace(
        new_session(A, "ada", "lobby", now=clock.now), session_expires_at=int(clock.now) + 60
    )
    connections.add(short)
    dynamodb.plan("update_item", None, client_error("InternalServerError", status=500))
    with pytest.raises(Unavailable):
        connections.extend(short, int(clock.now) + 600)

    connections.extend(short, int(clock.now) + 600)

    clock.now += 599
    assert member_ids(connections, LOBBY) == [A]


def test_a_subscription_that_has_ended_is_not_brought_back_by_an_extension(
    connections: ConnectionRepository, alice: Session, dynamodb: Faulty, clock: Clock
) -> None:
    key = {"pk": {"S": "room#lobby"}, "sk": {"S": A}}
    dynamodb.client.delete_item(TableName=CONNECTIONS_TABLE, Key=key)

    connections.extend(alice, int(clock.now) + 9000)

    assert member_ids(connections, LOBBY) == []


def test_a_connection_that_has_gone_is_not_extended(
    connections: ConnectionRepository, alice: Session, clock: Clock
) -> None:
    connections.remove(A)

    with pytest.raises(Unauthorized):
        connections.extend(alice, int(clock.now) + 9000)


# Being heard of


def test_who_takes_arrays_does_so_in_all_rooms_and_later_ones(
    connections: ConnectionRepository, alice: Session
) -> None:
    before = taking(connections, LOBBY, ALICES)

    marked = connections.take_arrays(alice)
    connections.subscribe(connections.touch(A), GAMES)

    assert before == [False, False]
    assert marked == replace(alice, arrays=True)
    assert taking(connections, LOBBY, ALICES, GAMES) == [True, True, True]
    assert [device.arrays for device in connections.devices(UserName("alice"))] == [True]
    assert [member.arrays for member in connections.first_members(LOBBY, limit=1)[0]] == [True]


def test_nobody_else_takes_arrays(
    connections: ConnectionRepository, alice: Session, clock: Clock
) -> None:
    connections.add(new_session(B, "bob", "lobby", now=clock.now))

    connections.take_arrays(alice)

    assert {it.connection_id: it.arrays for it in connections.members(LOBBY)} == {A: True, B: False}
    assert not connections.touch(B).arrays


def test_to_take_arrays_once_more_costs_nothing(
    connections: ConnectionRepository, alice: Session, dynamodb: Faulty
) -> None:
    marked = connections.take_arrays(alice)
    dynamodb.calls.clear()

    assert connections.take_arrays(marked) is marked
    assert dynamodb.calls == []


@pytest.mark.parametrize("done", range(3))
def test_what_was_interrupted_of_taking_arrays_is_finished_by_another_try(
    connections: ConnectionRepository, alice: Session, dynamodb: Faulty, done: int
) -> None:
    dynamodb.plan("update_item", *[None] * done, DOWN)
    with pytest.raises(Unavailable):
        connections.take_arrays(alice)

    connections.take_arrays(connections.touch(A))

    assert connections.touch(A).arrays
    assert taking(connections, LOBBY, ALICES) == [True, True]


def test_a_subscription_that_has_ended_is_not_brought_back_by_taking_arrays(
    connections: ConnectionRepository, alice: Session
) -> None:
    connections.unsubscribe(alice, LOBBY)

    marked = connections.take_arrays(alice)

    assert member_ids(connections, LOBBY) == []
    assert marked.public_rooms == []


def test_a_connection_that_has_gone_takes_nothing_and_is_not_brought_back(
    connections: ConnectionRepository, alice: Session, dynamodb: Faulty
) -> None:
    connections.remove(A)

    with pytest.raises(Unauthorized):
        connections.take_arrays(alice)
    assert rows(dynamodb) == set()


def test_a_connection_whose_time_is_over_takes_no_arrays(
    connections: ConnectionRepository, alice: Session, clock: Clock
) -> None:
    clock.now = alice.expires_at

    with pytest.raises(Unauthorized):
        connections.take_arrays(alice)


def test_a_session_that_is_extended_takes_arrays_as_before(
    connections: ConnectionRepository, alice: Session, clock: Clock
) -> None:
    connections.take_arrays(alice)

    extended = connections.extend(alice, int(clock.now) + 9000)

    assert extended.arrays
    assert taking(connections, LOBBY, ALICES) == [True, True]


def test_a_connection_that_is_touched_was_heard_of_this_moment(
    connections: ConnectionRepository, alice: Session, clock: Clock
) -> None:
    came = clock.now
    clock.now += 100

    assert connections.touch(A) == alice

    members = [member_of(alice)]
    assert connections.silent(members, since=came + 99.999) == (set(), set())
    assert connections.silent(members, since=came + 100) == ({A}, set())


def test_a_connection_that_is_not_there_is_not_brought_about_by_touching_it(
    connections: ConnectionRepository, dynamodb: Faulty
) -> None:
    with pytest.raises(Unauthorized):
        connections.touch(A)

    assert rows(dynamodb) == set()


@pytest.mark.usefixtures("alice")
def test_a_connection_whose_time_is_over_is_not_renewed(
    connections: ConnectionRepository, clock: Clock
) -> None:
    came = int(clock.now)
    clock.now = came + 7799.999
    assert connections.touch(A).user == "alice"

    clock.now = came + 7800
    with pytest.raises(Unauthorized):
        connections.touch(A)


@pytest.mark.usefixtures("alice")
def test_what_has_expired_is_not_in_a_room_although_the_table_still_has_it(
    connections: ConnectionRepository, clock: Clock, dynamodb: Faulty
) -> None:
    clock.now += 7800

    assert list(connections.members(LOBBY)) == []
    assert connections.first_members(LOBBY, limit=10) == ([], False)
    assert ("room#lobby", A) in rows(dynamodb)


def test_of_members_those_not_heard_of_since_are_silent_and_those_not_registered_are_unknown(
    connections: ConnectionRepository, alice: Session, clock: Clock, dynamodb: Faulty
) -> None:
    bob = new_session(B, "bob", "lobby", now=clock.now + 1)
    carol = new_session(C, "carol", "lobby", now=clock.now + 2)
    for session in (bob, carol):
        connections.add(session)
    forget_connection(dynamodb, C)
    came = clock.now
    clock.now += 2 + HANDSHAKE_SECONDS

    silent, unknown = connections.silent(
        [member_of(session) for session in (alice, bob, carol, alice)], since=came
    )

    assert (silent, unknown) == ({A}, {C})


def test_a_subscription_that_is_seen_before_its_connection_is_not_unknown(
    connections: ConnectionRepository, alice: Session, clock: Clock, dynamodb: Faulty
) -> None:
    # Reads are not isolated from transactions: the connection may show a moment later.
    forget_connection(dynamodb, A)
    clock.now += HANDSHAKE_SECONDS - 0.1

    silent, unknown = connections.silent([member_of(alice)], since=0)
    departures = connections.prune([(LOBBY, member_of(alice))])

    assert (silent, unknown, departures) == (set(), set(), [])
    assert ("room#lobby", A) in rows(dynamodb)


@pytest.mark.clause("P1")
def test_a_removal_whose_answer_was_lost_removes_everything(
    connections: ConnectionRepository, clock: Clock, dynamodb: Faulty
) -> None:
    connections.add(new_session(A, "alice", "lobby", now=clock.now, guest=True))
    dynamodb.plan(
        "delete_item", None, lambda arguments: dynamodb.client.delete_item(**arguments) and {}
    )

    departures = connections.remove(A)

    assert Departure(LOBBY, UserName("alice"), guest=True) in departures
    assert rows(dynamodb) == set()


def test_more_members_than_one_read_takes_are_looked_up(
    connections: ConnectionRepository, dynamodb: Faulty
) -> None:
    members = [
        Member(ConnectionId(f"c{n}"), UserName("bob"), ENDPOINT, 0.0) for n in (*range(101), 0)
    ]

    silent, unknown = connections.silent(members, since=0)

    assert (silent, len(unknown)) == (set(), 101)
    assert dynamodb.count("batch_get_item") == 2


def test_nobody_is_looked_up_where_there_is_nobody(
    connections: ConnectionRepository, dynamodb: Faulty
) -> None:
    assert connections.silent([], since=0) == (set(), set())
    assert dynamodb.calls == []


# Subscribing


def test_subscribing_writes_both_sides(
    connections: ConnectionRepository, alice: Session, clock: Clock
) -> None:
    clock.now += 5

    connections.subscribe(alice, GAMES)

    assert connections.touch(A).public_rooms == ["games", "lobby"]
    alice_there = Member(A, UserName("alice"), ENDPOINT, clock.now, guest=True)
    assert list(connections.members(GAMES)) == [alice_there]


def test_subscribing_again_is_harmless_even_at_the_limit(
    connections: ConnectionRepository, alice: Session
) -> None:
    for room in ["r1", "r2", "r2", "r1", "lobby"]:
        connections.subscribe(alice, RoomName(room))

    assert connections.touch(A).public_rooms == ["lobby", "r1", "r2"]


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
    with pytest.raises(Unauthorized):
        connections.unsubscribe(alice, LOBBY)

    assert ("room#games", A) not in rows(dynamodb)


def test_subscribing_and_leaving_in_the_way_of_others_are_tried_again(
    connections: ConnectionRepository, alice: Session, dynamodb: Faulty
) -> None:
    conflict = cancelled("TransactionConflict", "None")

    dynamodb.plan("transact_write_items", conflict, None, conflict, None)
    connections.subscribe(alice, GAMES)
    connections.unsubscribe(alice, LOBBY)

    assert connections.touch(A).public_rooms == ["games"]


def test_leaving_a_room_is_a_departure(connections: ConnectionRepository, alice: Session) -> None:
    departures = connections.unsubscribe(alice, LOBBY)

    assert departures == [Departure(LOBBY, UserName("alice"), guest=True)]
    assert connections.touch(A).public_rooms == []
    assert member_ids(connections, LOBBY) == []


def test_leaving_a_room_one_is_not_in_is_no_error(
    connections: ConnectionRepository, alice: Session
) -> None:
    connections.unsubscribe(alice, GAMES)

    assert connections.touch(A) == alice


# Removing


def test_removing_leaves_nothing_behind_and_tells_what_was_left(
    connections: ConnectionRepository, alice: Session, clock: Clock, dynamodb: Faulty
) -> None:
    connections.add(new_session(B, "bob", "lobby", now=clock.now))
    connections.subscribe(alice, GAMES)

    departures = connections.remove(A)

    assert departures == [
        Departure(RoomName(room), UserName("alice"), guest=True)
        for room in ("@alice", "games", "lobby")
    ]
    assert rows(dynamodb) == {("conn#B=", "conn"), ("room#lobby", B), ("room#@bob", B)}


def test_removing_many_subscriptions_takes_batches(
    dynamodb: Faulty, roomy: ConnectionRepository, clock: Clock
) -> None:
    roomy.add(new_session(A, "alice", *(f"r{n}" for n in range(60)), now=clock.now))

    departures = roomy.remove(A)

    assert len(departures) == 61
    assert rows(dynamodb) == set()
    assert dynamodb.count("batch_write_item") == 3


@pytest.mark.usefixtures("alice")
def test_removing_twice_is_harmless_and_the_second_time_nobody_leaves(
    connections: ConnectionRepository,
) -> None:
    connections.remove(A)

    assert connections.remove(A) == []


def test_removing_does_not_take_a_name_that_is_anothers_by_now(
    connections: ConnectionRepository, alice: Session, clock: Clock, dynamodb: Faulty
) -> None:
    clock.now += 7800
    connections.add(new_session(B, "alice", now=clock.now, guest=True))

    connections.remove(alice.connection_id)

    assert ("user#allce", "guest") in rows(dynamodb)


def test_a_removal_that_was_interrupted_is_finished_by_pruning(
    connections: ConnectionRepository, alice: Session, dynamodb: Faulty, clock: Clock
) -> None:
    clock.now += HANDSHAKE_SECONDS
    dynamodb.plan("batch_write_item", DOWN)
    with pytest.raises(Unavailable):
        connections.remove(A)
    assert ("room#lobby", A) in rows(dynamodb)

    departures = connections.prune([(LOBBY, member_of(alice))])

    assert departures == [Departure(LOBBY, UserName("alice"), guest=True)]
    assert ("room#lobby", A) not in rows(dynamodb)


# Pruning


def test_pruning_removes_the_dead_with_everything_and_nobody_else(
    connections: ConnectionRepository, alice: Session, clock: Clock, dynamodb: Faulty
) -> None:
    bob = new_session(B, "bob", "lobby", now=clock.now)
    connections.subscribe(alice, GAMES)
    connections.add(bob)
    connections.add(new_session(C, "carol", "lobby", now=clock.now))
    clock.now += HANDSHAKE_SECONDS

    departures = connections.prune([(LOBBY, member_of(session)) for session in (alice, bob, alice)])

    assert sorted(departures) == [
        ("@alice", "alice", True),
        ("@bob", "bob", False),
        ("games", "alice", True),
        ("lobby", "alice", True),
        ("lobby", "bob", False),
    ]
    assert rows(dynamodb) == {("conn#C=", "conn"), ("room#lobby", C), ("room#@carol", C)}


def test_pruning_spares_a_connection_whose_handshake_may_not_be_over(
    connections: ConnectionRepository, alice: Session, clock: Clock
) -> None:
    clock.now += HANDSHAKE_SECONDS - 0.1

    departures = connections.prune([(LOBBY, member_of(alice))])

    assert departures == []
    assert connections.touch(A) == alice
    assert member_ids(connections, LOBBY) == [A]


def test_pruning_spares_the_young_among_the_dead(
    connections: ConnectionRepository, alice: Session, clock: Clock, dynamodb: Faulty
) -> None:
    clock.now += HANDSHAKE_SECONDS
    bob = new_session(B, "bob", "lobby", now=clock.now)
    connections.add(bob)

    departures = connections.prune([(LOBBY, member_of(bob)), (LOBBY, member_of(alice))])

    assert {departure.user for departure in departures} == {"alice"}
    assert rows(dynamodb) == {("conn#B=", "conn"), ("room#lobby", B), ("room#@bob", B)}


def test_pruning_removes_a_subscription_whose_connection_has_gone(
    connections: ConnectionRepository, alice: Session, dynamodb: Faulty, clock: Clock
) -> None:
    clock.now += HANDSHAKE_SECONDS
    forget_connection(dynamodb, A)

    departures = connections.prune([(LOBBY, member_of(alice))])

    assert departures == [Departure(LOBBY, UserName("alice"), guest=True)]
    assert ("room#lobby", A) not in rows(dynamodb)


def test_a_pruning_that_was_interrupted_can_be_done_again_from_the_connection(
    roomy: ConnectionRepository, clock: Clock, dynamodb: Faulty
) -> None:
    alice = new_session(A, "alice", *(f"r{n:02}" for n in range(40)), now=clock.now)
    roomy.add(alice)
    clock.now += HANDSHAKE_SECONDS
    gone = [(RoomName("r00"), member_of(alice))]
    dynamodb.plan("batch_write_item", None, DOWN)
    with pytest.raises(Unavailable):
        roomy.prune(gone)

    departures = roomy.prune(gone)

    assert {departure.room for departure in departures} == alice.rooms
    assert rows(dynamodb) == set()


def test_pruning_frees_the_name_of_a_guest(
    connections: ConnectionRepository, alice: Session, clock: Clock
) -> None:
    clock.now += HANDSHAKE_SECONDS
    connections.prune([(LOBBY, member_of(alice))])

    connections.add(new_session(B, "alice", now=clock.now, guest=True))

    assert connections.touch(B).user == "alice"


def test_pruning_does_not_take_a_name_that_is_anothers_by_now(
    connections: ConnectionRepository, alice: Session, clock: Clock, dynamodb: Faulty
) -> None:
    clock.now += 7800
    connections.add(new_session(B, "alice", now=clock.now, guest=True))

    connections.prune([(LOBBY, member_of(alice))])

    assert ("user#allce", "guest") in rows(dynamodb)
    assert ("conn#A=", "conn") not in rows(dynamodb)


def test_more_connections_than_one_read_takes_are_pruned(
    connections: ConnectionRepository, alice: Session, dynamodb: Faulty, clock: Clock
) -> None:
    strangers = [
        Member(ConnectionId(f"c{n}"), UserName("bob"), ENDPOINT, clock.now) for n in range(100)
    ]
    clock.now += HANDSHAKE_SECONDS

    connections.prune([(LOBBY, member) for member in [*strangers, member_of(alice)]])

    assert rows(dynamodb) == set()
    assert dynamodb.count("batch_get_item") == 2


def test_pruning_nobody_asks_nobody(connections: ConnectionRepository, dynamodb: Faulty) -> None:
    assert connections.prune([]) == []
    assert dynamodb.calls == []


# Reading a room


def test_all_pages_of_a_room_are_read(
    connections: ConnectionRepository, clock: Clock, dynamodb: Faulty
) -> None:
    for n in range(7):
        connections.add(new_session(f"c{n}", f"user{n}", "lobby", now=clock.now))
    dynamodb.always("query", lambda arguments: dynamodb.client.query(**arguments, Limit=2))

    members = member_ids(connections, LOBBY)

    assert members == [f"c{n}" for n in range(7)]
    assert dynamodb.count("query") == 4


def test_the_first_members_of_a_room_cost_one_bounded_read(
    connections: ConnectionRepository, clock: Clock, dynamodb: Faulty
) -> None:
    for n in range(7):
        connections.add(new_session(f"c{n}", f"user{n}", "lobby", now=clock.now))

    few, more = connections.first_members(LOBBY, limit=3)
    everyone, no_more = connections.first_members(LOBBY, limit=8)

    assert ([member.connection_id for member in few], more) == (["c0", "c1", "c2"], True)
    assert (len(everyone), no_more) == (7, False)
    queries = [arguments for name, arguments in dynamodb.calls if name == "query"]
    assert [query["Limit"] for query in queries] == [3, 8]


def test_expired_subscriptions_count_towards_the_bound_of_the_first_members(
    connections: ConnectionRepository, clock: Clock
) -> None:
    for n in range(3):
        connections.add(new_session(f"c{n}", f"user{n}", "lobby", now=clock.now))
    clock.now += 7800
    connections.add(new_session("c9", "user9", "lobby", now=clock.now))

    assert connections.first_members(LOBBY, limit=3) == ([], True)


# All of it


@pytest.mark.parametrize(
    "call",
    [
        lambda connections, alice: connections.add(alice),
        lambda connections, _: connections.touch(A),
        lambda connections, alice: connections.take_arrays(alice),
        lambda connections, alice: connections.subscribe(alice, GAMES),
        lambda connections, alice: connections.unsubscribe(alice, LOBBY),
        lambda connections, _: list(connections.members(LOBBY)),
        lambda connections, _: connections.first_members(LOBBY, limit=1),
        lambda connections, alice: connections.silent([member_of(alice)], since=0),
        lambda connections, _: connections.remove(A),
        lambda connections, alice: connections.prune([(LOBBY, member_of(alice))]),
    ],
    ids=[
        "add",
        "touch",
        "arrays",
        "subscribe",
        "unsubscribe",
        "members",
        "first",
        "silent",
        "rm",
        "prune",
    ],
)
def test_the_database_away_is_unavailable(
    connections: ConnectionRepository,
    alice: Session,
    dynamodb: Faulty,
    call: Callable[[ConnectionRepository, Session], object],
) -> None:
    for operation in ("query", "delete_item", "transact_write_items", "update_item"):
        dynamodb.always(operation, DOWN)
    for operation in ("batch_get_item", "batch_write_item"):
        dynamodb.always(operation, DOWN)

    with pytest.raises(Unavailable):
        call(connections, alice)


def test_nothing_ever_scans_the_table_and_every_read_is_consistent(
    connections: ConnectionRepository, alice: Session, dynamodb: Faulty
) -> None:
    connections.subscribe(alice, GAMES)
    members = list(connections.members(GAMES))
    connections.first_members(GAMES, limit=1)
    connections.silent(members, since=0)
    connections.prune([(GAMES, member) for member in members])
    connections.remove(A)

    assert "scan" not in {name for name, _ in dynamodb.calls}
    assert all("IndexName" not in arguments for _, arguments in dynamodb.calls)
    reads = [arguments for name, arguments in dynamodb.calls if name in {"query", "get_item"}]
    reads += [
        wanted
        for name, arguments in dynamodb.calls
        if name == "batch_get_item"
        for wanted in arguments["RequestItems"].values()
    ]
    assert len(reads) == 5
    assert all(read["ConsistentRead"] for read in reads)
