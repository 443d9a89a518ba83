"""Presence: people and not connections, small rooms only, and those who vanished."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import pytest

from chalicelib.connections import HANDSHAKE_SECONDS, ConnectionRepository
from chalicelib.courier import Courier
from chalicelib.database import Database
from chalicelib.errors import Unavailable
from chalicelib.gateway import Outcome, Recipient
from chalicelib.models import ConnectionId, Departure, RoomName, Session, UserName
from chalicelib.presence import Presence, Roster
from chalicelib.records import connection_item, subscription_item
from tests.interleaving import Scheduler, SwitchingClient
from tests.unit.fakes import (
    CONNECTIONS_TABLE,
    ENDPOINT,
    Clock,
    Faulty,
    RecordingGateway,
    client_error,
    new_session,
)

pytestmark = pytest.mark.memory

LOBBY, GAMES, CHESS = RoomName("lobby"), RoomName("games"), RoomName("chess")
DIRECT = RoomName("dm:alice:bob")
NOW = "2026-01-02T03:04:05.678Z"
LEASE = 600
DOWN = client_error("InternalServerError", status=500)
FAILURES = pytest.mark.parametrize("failure", [DOWN, RuntimeError("bug")], ids=["down", "bug"])

Come: TypeAlias = Callable[..., Session]
Limited: TypeAlias = Callable[[int], Presence]


class BrokenGateway(RecordingGateway):
    def check(self, probes: Sequence[Recipient]) -> list[Outcome]:
        self.probes += probes
        raise RuntimeError("no credentials")


@pytest.fixture
def come(connections: ConnectionRepository, clock: Clock) -> Come:
    """Register a connection; nobody is told."""

    def register(connection_id: str, user: str, *rooms: str) -> Session:
        session = new_session(connection_id, user, *rooms, now=clock.now)
        connections.add(session)
        return session

    return register


@pytest.fixture
def alice(come: Come) -> Session:
    return come("A=", "alice", "lobby")


@pytest.fixture
def limited(
    connections: ConnectionRepository, courier: Courier, gateway: RecordingGateway, clock: Clock
) -> Limited:
    """Presence with another limit to what is a small room."""

    def build(limit: int) -> Presence:
        return Presence(connections, courier, gateway, clock=clock, limit=limit, lease=LEASE)

    return build


def crowd(dynamodb: Faulty, clock: Clock, people: int, *, tabs: int = 1) -> None:
    """Put this many people into the lobby, without the cost of transactions."""
    for n in range(people):
        for tab in range(tabs):
            session = new_session(f"c{n:03}-{tab}", f"u{n:03}", "lobby", now=clock.now)
            for item in (
                connection_item(session),
                subscription_item(session, LOBBY, session.connected_at),
            ):
                dynamodb.client.put_item(TableName=CONNECTIONS_TABLE, Item=item)


def told(gateway: RecordingGateway, connection_id: str) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in gateway.frames(connection_id)]


def changes(gateway: RecordingGateway, connection_id: str) -> list[tuple[str, str, str]]:
    return [(push["room"], push["user"], push["status"]) for push in told(gateway, connection_id)]


def departures(user: str, *rooms: str) -> list[Departure]:
    return [Departure(RoomName(room), UserName(user)) for room in rooms]


def roster_of(*users: str) -> Roster:
    return Roster(list(map(UserName, users)), len(users))


# Who comes


@pytest.mark.clause("P1")
@pytest.mark.usefixtures("alice")
def test_the_others_are_told_who_came(
    presence: Presence, come: Come, gateway: RecordingGateway
) -> None:
    presence.joined(come("B=", "bob", "lobby"), [LOBBY])

    assert told(gateway, "A=") == [
        {"type": "presence", "room": "lobby", "user": "bob", "status": "joined", "at": NOW}
    ]
    assert told(gateway, "B=") == []


@pytest.mark.clause("P1")
@pytest.mark.usefixtures("alice")
def test_a_second_tab_tells_nobody(
    presence: Presence, come: Come, gateway: RecordingGateway, clock: Clock
) -> None:
    come("B2", "bob", "lobby")
    clock.now += 1

    presence.joined(come("B1", "bob", "lobby"), [LOBBY])

    assert gateway.batches == []


@pytest.mark.usefixtures("alice")
def test_of_two_tabs_that_come_in_the_same_moment_exactly_one_is_the_first(
    presence: Presence, come: Come, gateway: RecordingGateway
) -> None:
    tabs = [come("B1", "bob", "lobby"), come("B2", "bob", "lobby")]

    for tab in tabs:
        presence.joined(tab, [LOBBY])

    assert changes(gateway, "A=") == [("lobby", "bob", "joined")]


@pytest.mark.clause("P1")
@pytest.mark.usefixtures("alice")
def test_of_two_tabs_that_come_at_once_at_least_one_tells(
    dynamodb: Faulty, database: Database, gateway: RecordingGateway, clock: Clock
) -> None:
    traces = set()
    for seed in range(40):
        scheduler = Scheduler(seed)
        switching = Database(SwitchingClient(dynamodb, scheduler), database.backoff)
        connections = ConnectionRepository(
            switching, table=CONNECTIONS_TABLE, clock=clock, max_subscriptions=3
        )
        courier = Courier(connections, gateway)
        presence = Presence(connections, courier, gateway, clock=clock, limit=3, lease=LEASE)
        # The clocks of two functions are not one: either tab may have the earlier time.
        tabs = [
            new_session(tab, "bob", "lobby", now=clock.now + ahead)
            for tab, ahead in (("B1", seed % 3), ("B2", seed % 2))
        ]

        def appear(
            tab: Session,
            connections: ConnectionRepository = connections,
            presence: Presence = presence,
        ) -> None:
            connections.add(tab)
            presence.joined(tab, [LOBBY])

        run = scheduler.run(one=lambda: appear(tabs[0]), other=lambda: appear(tabs[1]))  # noqa: B023

        assert ("lobby", "bob", "joined") in changes(gateway, "A="), run
        traces.add(tuple(run.trace))
        gateway.batches.clear()
        for tab in tabs:
            connections.remove(tab.connection_id)
    assert len(traces) > 10


@pytest.mark.usefixtures("alice")
def test_each_room_is_judged_by_itself_and_all_are_told_in_one_batch(
    presence: Presence, come: Come, gateway: RecordingGateway, clock: Clock
) -> None:
    come("C=", "carol", "games", "chess")
    come("B1", "bob", "lobby")
    clock.now += 1

    presence.joined(come("B2", "bob", "lobby", "games", "chess"), [CHESS, GAMES, LOBBY])

    assert changes(gateway, "A=") == []
    assert changes(gateway, "C=") == [("chess", "bob", "joined"), ("games", "bob", "joined")]
    assert len(gateway.batches) == 1


@pytest.mark.usefixtures("alice")
def test_who_has_left_again_already_is_not_announced(
    presence: Presence, come: Come, gateway: RecordingGateway, connections: ConnectionRepository
) -> None:
    bob = come("B=", "bob", "lobby")
    connections.remove(bob.connection_id)

    presence.joined(bob, [LOBBY])

    assert gateway.batches == []


@pytest.mark.clause("P1")
@pytest.mark.usefixtures("alice")
def test_a_first_tab_that_has_gone_already_speaks_for_the_second_which_it_silenced(
    presence: Presence,
    come: Come,
    gateway: RecordingGateway,
    connections: ConnectionRepository,
    clock: Clock,
) -> None:
    first = come("B1", "bob", "lobby")
    clock.now += 1
    presence.joined(come("B2", "bob", "lobby"), [LOBBY])
    silenced = list(gateway.batches)
    connections.remove(first.connection_id)

    presence.joined(first, [LOBBY])

    assert silenced == []
    assert changes(gateway, "A=") == [("lobby", "bob", "joined")]


# Who goes


@pytest.mark.clause("P1")
@pytest.mark.usefixtures("alice")
def test_the_others_are_told_who_left(presence: Presence, gateway: RecordingGateway) -> None:
    presence.left(departures("bob", "lobby"))

    assert told(gateway, "A=") == [
        {"type": "presence", "room": "lobby", "user": "bob", "status": "left", "at": NOW}
    ]


@pytest.mark.clause("P1")
@pytest.mark.usefixtures("alice")
def test_a_person_has_left_only_with_their_last_connection(
    presence: Presence, come: Come, gateway: RecordingGateway, connections: ConnectionRepository
) -> None:
    tabs = [come(tab, "bob", "lobby") for tab in ("B1", "B2")]

    presence.left(connections.remove(tabs[0].connection_id))
    first = changes(gateway, "A=")
    presence.left(connections.remove(tabs[1].connection_id))

    assert first == []
    assert changes(gateway, "A=") == [("lobby", "bob", "left")]
    assert gateway.frames("B2") == []


@pytest.mark.usefixtures("alice")
def test_each_person_and_room_is_told_once(
    presence: Presence, come: Come, gateway: RecordingGateway
) -> None:
    come("D=", "dave", "games")

    presence.left(departures("bob", "lobby", "games", "lobby") + departures("carol", "lobby"))

    assert changes(gateway, "A=") == [("lobby", "bob", "left"), ("lobby", "carol", "left")]
    assert changes(gateway, "D=") == [("games", "bob", "left")]
    assert len(gateway.batches) == 1


@pytest.mark.parametrize("room", ["@bob", "dm:alice:bob", "dm:bob:carol"])
@pytest.mark.usefixtures("alice")
def test_nobody_is_told_of_personal_or_direct_rooms(
    presence: Presence, gateway: RecordingGateway, dynamodb: Faulty, come: Come, room: str
) -> None:
    come("X=", "bob", "lobby")
    calls = len(dynamodb.calls)

    presence.left(departures("carol", room))

    assert gateway.batches == []
    assert len(dynamodb.calls) == calls


def test_where_nobody_left_nothing_is_read(presence: Presence, dynamodb: Faulty) -> None:
    presence.left([])

    assert dynamodb.calls == []


# When


@pytest.mark.clause("P1")
@pytest.mark.parametrize(
    "change",
    [
        lambda presence, bob: presence.joined(bob, [LOBBY]),
        lambda presence, _: presence.left(departures("carol", "lobby")),
    ],
    ids=["joined", "left"],
)
@pytest.mark.usefixtures("alice")
def test_a_push_carries_the_time_before_the_room_was_read(
    *,
    presence: Presence,
    come: Come,
    gateway: RecordingGateway,
    dynamodb: Faulty,
    clock: Clock,
    change: Callable[[Presence, Session], None],
) -> None:
    bob = come("B=", "bob", "lobby")

    def slowly(arguments: dict[str, Any]) -> Any:
        clock.now += 3
        return dynamodb.client.query(**arguments)

    dynamodb.always("query", slowly)

    change(presence, bob)

    assert [push["at"] for push in told(gateway, "A=")] == [NOW]


# Large rooms


@pytest.mark.clause("P2")
@pytest.mark.parametrize("limit", [0, 1, 100])
def test_a_roster_names_as_many_people_as_the_limit_and_counts_more(
    limited: Limited, dynamodb: Faulty, clock: Clock, limit: int
) -> None:
    presence = limited(limit)
    crowd(dynamodb, clock, limit)

    full = presence.roster(LOBBY)
    crowd(dynamodb, clock, limit + 1)
    overfull = presence.roster(LOBBY)

    assert full == roster_of(*(f"u{n:03}" for n in range(limit)))
    assert overfull == Roster([], limit + 1)


@pytest.mark.clause("P2")
@pytest.mark.parametrize(("limit", "pushes"), [(0, 0), (1, 0), (2, 0), (3, 2), (100, 2)])
def test_only_in_a_room_within_the_limit_anybody_is_told_anything(
    *,
    limited: Limited,
    dynamodb: Faulty,
    clock: Clock,
    come: Come,
    gateway: RecordingGateway,
    limit: int,
    pushes: int,
) -> None:
    presence = limited(limit)
    crowd(dynamodb, clock, 2)
    bob = come("B=", "bob", "lobby")

    calls: list[Callable[[], None]] = [
        lambda: presence.joined(bob, [LOBBY]),
        lambda: presence.left(departures("carol", "lobby")),
        lambda: presence.typing(bob, LOBBY),
    ]

    for call in calls:
        gateway.batches.clear()
        call()

        # Carol's departure is pushed to bob as well.
        posts = [post for batch in gateway.batches for post in batch if post.connection_id != "B="]
        assert len(posts) == pushes


@pytest.mark.clause("P2")
def test_tabs_do_not_make_a_room_large(
    limited: Limited, dynamodb: Faulty, clock: Clock, gateway: RecordingGateway
) -> None:
    presence = limited(3)
    crowd(dynamodb, clock, 3, tabs=3)

    assert presence.roster(LOBBY).users == ["u000", "u001", "u002"]
    presence.left(departures("bob", "lobby"))
    assert [len(batch) for batch in gateway.batches] == [9]


def test_to_tell_that_a_room_is_large_costs_one_read_however_full_it_is(
    limited: Limited, dynamodb: Faulty, clock: Clock, gateway: RecordingGateway
) -> None:
    presence = limited(2)
    crowd(dynamodb, clock, 50)

    presence.left(departures("bob", "lobby"))
    presence.sweep([LOBBY])

    assert [arguments["Limit"] for _, arguments in dynamodb.calls] == [8, 8]
    assert gateway.batches == []


# Who is there


@pytest.mark.clause("P2")
def test_a_large_room_is_counted_once_in_ten_seconds(
    presence: Presence, come: Come, clock: Clock, dynamodb: Faulty
) -> None:
    def whole_reads() -> int:
        return sum("Limit" not in it for name, it in dynamodb.calls if name == "query")

    for n in range(5):
        come(f"c{n}", f"u{n}", "lobby")
    start = whole_reads()
    counts = [presence.roster(LOBBY).count]
    come("c5", "u5", "lobby")
    clock.now += 9.9
    counts.append(presence.roster(LOBBY).count)
    once = whole_reads() - start
    clock.now += 0.2

    counts.append(presence.roster(LOBBY).count)

    assert counts == [5, 5, 6]
    assert (once, whole_reads() - start) == (1, 2)


def test_a_roster_is_sorted_and_names_everyone_once(presence: Presence, come: Come) -> None:
    for connection_id, user in (("1", "carol"), ("2", "bob"), ("3", "carol"), ("4", "alice")):
        come(connection_id, user, "lobby")

    assert presence.roster(LOBBY) == roster_of("alice", "bob", "carol")
    assert presence.roster(RoomName("empty")) == Roster([], 0)


@pytest.mark.parametrize("limit", [0, 1, 100])
def test_the_roster_of_a_direct_room_is_which_of_the_two_are_connected(
    limited: Limited, come: Come, limit: int
) -> None:
    presence = limited(limit)

    come("B=", "bob")
    one = presence.roster(DIRECT)
    come("A=", "alice", "lobby")
    come("C=", "carol", "lobby")
    both = presence.roster(DIRECT)

    assert one == roster_of("bob")
    assert both == roster_of("alice", "bob")


@FAILURES
def test_a_roster_without_the_database_is_an_error(
    presence: Presence, dynamodb: Faulty, failure: Exception
) -> None:
    dynamodb.always("query", failure)

    with pytest.raises(Unavailable if failure is DOWN else RuntimeError):
        presence.roster(LOBBY)


# Who vanished

LOOKS = pytest.mark.parametrize(
    "look",
    [Presence.roster, lambda presence, room: presence.sweep([room])],
    ids=["roster", "sweep"],
)


@pytest.fixture
def bob(come: Come) -> Session:
    return come("B=", "bob", "lobby")


@pytest.mark.clause("P3")
@LOOKS
@pytest.mark.usefixtures("alice", "bob")
def test_a_connection_is_asked_for_when_it_has_been_silent_for_the_lease_and_not_before(
    presence: Presence,
    gateway: RecordingGateway,
    connections: ConnectionRepository,
    clock: Clock,
    look: Callable[[Presence, RoomName], object],
) -> None:
    came = clock.now
    gateway.outcomes = {"B=": Outcome.GONE}
    clock.now = came + LEASE - 60
    connections.touch(ConnectionId("A="))
    clock.now = came + LEASE - 0.001
    look(presence, LOBBY)
    before = list(gateway.probes)

    clock.now = came + LEASE
    # Another function looks: the first does not so soon again.
    again = Presence(connections, presence._courier, gateway, clock=clock, limit=3, lease=LEASE)
    look(again, LOBBY)

    assert before == []
    assert gateway.probes == [Recipient(ENDPOINT, ConnectionId("B="))]
    assert changes(gateway, "A=") == [("lobby", "bob", "left")]
    assert [member.user for member in connections.members(LOBBY)] == ["alice"]


@pytest.mark.clause("P3")
@pytest.mark.usefixtures("alice", "bob")
def test_who_vanished_is_not_in_the_roster(
    presence: Presence, gateway: RecordingGateway, clock: Clock
) -> None:
    gateway.outcomes = {"B=": Outcome.GONE}
    clock.now += LEASE

    assert presence.roster(LOBBY) == roster_of("alice")


@pytest.mark.clause("P3")
@LOOKS
@pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.RETRYABLE, Outcome.REFUSED])
@pytest.mark.usefixtures("alice", "bob")
def test_only_who_is_certainly_gone_is_removed(
    *,
    presence: Presence,
    gateway: RecordingGateway,
    connections: ConnectionRepository,
    clock: Clock,
    look: Callable[[Presence, RoomName], object],
    outcome: Outcome,
) -> None:
    gateway.outcomes = {"B=": outcome}
    clock.now += LEASE

    look(presence, LOBBY)

    assert presence.roster(LOBBY).users == ["alice", "bob"]
    assert connections.touch(ConnectionId("B=")).user == "bob"
    assert gateway.batches == []


@pytest.mark.clause("P3")
@LOOKS
def test_what_an_interrupted_removal_left_is_removed_without_asking(
    *,
    presence: Presence,
    gateway: RecordingGateway,
    connections: ConnectionRepository,
    dynamodb: Faulty,
    alice: Session,
    bob: Session,
    clock: Clock,
    look: Callable[[Presence, RoomName], object],
) -> None:
    clock.now += HANDSHAKE_SECONDS
    dynamodb.plan("batch_write_item", DOWN)
    with pytest.raises(Unavailable):
        connections.remove(bob.connection_id)

    look(presence, LOBBY)

    assert gateway.probes == []
    assert [member.user for member in connections.members(LOBBY)] == [alice.user]
    assert changes(gateway, "A=") == [("lobby", "bob", "left")]


@pytest.mark.usefixtures("alice", "bob")
def test_a_tab_that_vanished_takes_nobody_away_who_has_another(
    presence: Presence, gateway: RecordingGateway, come: Come, clock: Clock
) -> None:
    clock.now += LEASE
    come("B2", "bob", "lobby")
    gateway.outcomes = {"B=": Outcome.GONE}

    assert presence.roster(LOBBY).users == ["alice", "bob"]
    assert gateway.batches == []


@pytest.mark.usefixtures("alice", "bob")
def test_who_vanished_from_a_direct_room_leaves_all_their_rooms(
    presence: Presence, gateway: RecordingGateway, connections: ConnectionRepository, clock: Clock
) -> None:
    gateway.outcomes = {"B=": Outcome.GONE}
    clock.now += LEASE

    roster = presence.roster(DIRECT)

    assert roster == roster_of("alice")
    assert list(connections.members(RoomName("@bob"))) == []
    assert changes(gateway, "A=") == [("lobby", "bob", "left")]


@pytest.mark.clause("P3")
@LOOKS
@pytest.mark.usefixtures("alice", "bob")
def test_where_those_who_vanished_cannot_be_removed_the_others_are_told_nothing(
    presence: Presence,
    gateway: RecordingGateway,
    dynamodb: Faulty,
    clock: Clock,
    look: Callable[[Presence, RoomName], object],
) -> None:
    gateway.outcomes = {"B=": Outcome.GONE}
    clock.now += LEASE
    dynamodb.always("batch_write_item", DOWN)

    look(presence, LOBBY)

    assert gateway.batches == []


@pytest.mark.usefixtures("alice")
def test_a_room_is_swept_once_in_each_interval(
    presence: Presence, gateway: RecordingGateway, clock: Clock
) -> None:
    clock.now += LEASE
    swept = []

    for seconds in (0, 59.999, 0.001, 59.999, 0.001):
        clock.now += seconds
        presence.sweep([LOBBY])
        swept.append(len(gateway.probes))

    assert swept == [1, 1, 2, 2, 3]


@pytest.mark.usefixtures("alice")
def test_rooms_are_swept_independently_and_those_of_long_ago_are_forgotten(
    presence: Presence, dynamodb: Faulty, clock: Clock
) -> None:
    for n in range(100):
        presence.sweep([RoomName(f"r{n}")])
        clock.now += 1

    assert dynamodb.count("query") == 100
    assert len(presence._swept) <= 60


def test_a_sweep_in_the_middle_of_another_harms_neither(
    presence: Presence, dynamodb: Faulty, clock: Clock
) -> None:
    class Meddlesome(str):
        """A name at whose sight, as in another thread, another room is swept."""

        __slots__ = ()
        others: Iterator[str] = iter(())

        def __eq__(self, other: object) -> bool:
            return str(self) == other

        def __hash__(self) -> int:
            for other in self.others:
                presence.sweep([RoomName(other)])
            return hash(str(self))

    presence.sweep([RoomName(Meddlesome("lobby"))])
    clock.now += 30
    Meddlesome.others = iter([f"r{n}" for n in range(20)])

    presence.sweep([GAMES])

    assert dynamodb.count("query") == 22


# Posts that find somebody gone


@pytest.mark.clause("P3")
def test_those_who_are_found_gone_by_a_push_leave_in_turn(
    presence: Presence,
    gateway: RecordingGateway,
    connections: ConnectionRepository,
    come: Come,
    clock: Clock,
) -> None:
    come("A=", "alice", "lobby", "games", "chess")
    come("B=", "bob", "lobby", "games")
    come("C=", "carol", "games", "chess")
    clock.now += 60
    gateway.outcomes = {"B=": Outcome.GONE, "C=": Outcome.GONE}

    presence.joined(come("D=", "dave", "lobby"), [LOBBY])

    joined, *left = changes(gateway, "A=")
    assert joined == ("lobby", "dave", "joined")
    assert set(left[:2]) == {("games", "bob", "left"), ("lobby", "bob", "left")}
    assert set(left[2:]) == {("chess", "carol", "left"), ("games", "carol", "left")}
    assert changes(gateway, "D=") == [("lobby", "bob", "left")]
    assert [len(list(connections.members(room))) for room in (LOBBY, GAMES, CHESS)] == [2, 1, 1]


def test_a_room_in_which_everyone_is_gone_comes_to_rest(
    presence: Presence, gateway: RecordingGateway, dynamodb: Faulty, clock: Clock
) -> None:
    crowd(dynamodb, clock, 3, tabs=2)
    gateway.outcomes = {f"c{n:03}-{tab}": Outcome.GONE for n in range(3) for tab in range(2)}
    clock.now += 60

    presence.left(departures("bob", "lobby"))

    assert len(gateway.batches) == 1
    assert presence.roster(LOBBY) == Roster([], 0)


@pytest.mark.parametrize("spared", ["young", "not removable"])
@pytest.mark.usefixtures("alice", "bob")
def test_somebody_gone_who_cannot_be_removed_is_not_told_again_and_again(
    presence: Presence, gateway: RecordingGateway, dynamodb: Faulty, clock: Clock, spared: str
) -> None:
    gateway.outcomes = {"B=": Outcome.GONE}
    if spared != "young":
        clock.now += 60
        dynamodb.always("batch_write_item", DOWN)

    presence.left(departures("carol", "lobby"))

    assert len(gateway.batches) == 1


# Who is writing


@pytest.mark.clause("P4")
@pytest.mark.usefixtures("alice")
def test_the_other_people_see_somebody_writing_and_their_own_tabs_do_not(
    presence: Presence, come: Come, gateway: RecordingGateway
) -> None:
    tabs = [come(tab, "bob", "lobby") for tab in ("B1", "B2")]
    come("A2", "alice", "lobby")

    presence.typing(tabs[0], LOBBY)

    push = {"type": "typing", "room": "lobby", "user": "bob"}
    assert told(gateway, "A=") == told(gateway, "A2") == [push]
    assert told(gateway, "B1") == told(gateway, "B2") == []


@pytest.mark.clause("P4", "D1")
@pytest.mark.usefixtures("alice")
def test_writing_to_one_person_is_seen_on_all_their_devices_and_by_nobody_else(
    limited: Limited, come: Come, gateway: RecordingGateway
) -> None:
    bob = come("B=", "bob")
    come("A2", "alice")
    come("C=", "carol", "lobby")

    limited(0).typing(bob, DIRECT)

    assert [post.connection_id for batch in gateway.batches for post in batch] == ["A2", "A="]


def test_typing_without_the_database_is_an_error(
    presence: Presence, alice: Session, dynamodb: Faulty
) -> None:
    dynamodb.always("query", DOWN)

    with pytest.raises(Unavailable):
        presence.typing(alice, LOBBY)


@pytest.mark.usefixtures("alice")
def test_who_is_found_gone_by_typing_has_left(
    presence: Presence, come: Come, gateway: RecordingGateway, clock: Clock, bob: Session
) -> None:
    clock.now += 60
    come("C=", "carol", "lobby")
    gateway.outcomes = {"A=": Outcome.GONE}

    presence.typing(bob, LOBBY)

    assert changes(gateway, "B=") == [("lobby", "alice", "left")]


@pytest.mark.usefixtures("alice")
def test_who_is_found_gone_by_writing_to_one_person_loses_the_personal_subscription(
    *,
    presence: Presence,
    gateway: RecordingGateway,
    connections: ConnectionRepository,
    dynamodb: Faulty,
    clock: Clock,
    bob: Session,
) -> None:
    clock.now += HANDSHAKE_SECONDS
    dynamodb.plan("batch_write_item", DOWN)
    with pytest.raises(Unavailable):
        connections.remove(ConnectionId("A="))
    gateway.outcomes = {"A=": Outcome.GONE}

    presence.typing(bob, DIRECT)

    assert list(connections.members(RoomName("@alice"))) == []


def test_two_people_with_many_devices_are_no_large_room(limited: Limited, come: Come) -> None:
    presence = limited(0)
    for number in range(6):
        come(f"A{number}=", "alice")

    assert presence.roster(DIRECT) == roster_of("alice")


# What goes wrong

CALLS = pytest.mark.parametrize(
    "call",
    [
        lambda presence, session: presence.joined(session, [LOBBY]),
        lambda presence, _: presence.left(departures("carol", "lobby")),
        lambda presence, _: presence.sweep([LOBBY]),
    ],
    ids=["joined", "left", "sweep"],
)


@CALLS
@FAILURES
@pytest.mark.usefixtures("alice")
def test_without_the_database_nothing_is_raised_and_it_is_logged(
    *,
    presence: Presence,
    bob: Session,
    dynamodb: Faulty,
    caplog: pytest.LogCaptureFixture,
    call: Callable[[Presence, Session], None],
    failure: Exception,
) -> None:
    for operation in ("query", "batch_get_item", "batch_write_item"):
        dynamodb.always(operation, failure)

    call(presence, bob)

    assert "presence could not be told or looked after" in caplog.text
    assert type(failure).__name__ in caplog.text


@CALLS
@pytest.mark.usefixtures("alice")
def test_without_the_gateway_nothing_is_raised(
    connections: ConnectionRepository,
    bob: Session,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    call: Callable[[Presence, Session], None],
) -> None:
    gateway = BrokenGateway()
    gateway.failure = RuntimeError("no credentials")
    courier = Courier(connections, gateway)
    presence = Presence(connections, courier, gateway, clock=clock, limit=3, lease=LEASE)
    clock.now += LEASE

    call(presence, bob)

    assert "no credentials" in caplog.text


def test_typing_without_the_gateway_raises_nothing(
    presence: Presence, gateway: RecordingGateway, alice: Session, bob: Session
) -> None:
    gateway.failure = RuntimeError("no credentials")

    presence.typing(alice, LOBBY)

    assert presence.roster(LOBBY).users == [alice.user, bob.user]
