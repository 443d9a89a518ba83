"""Coming in: tickets burn, names are taken, and nobody has too many connections."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chalicelib.accounts import AccountRepository
from chalicelib.arrivals import Arrivals
from chalicelib.claims import Claims
from chalicelib.connections import HANDSHAKE_SECONDS, ConnectionRepository
from chalicelib.database import Database
from chalicelib.doorkeeper import Visit
from chalicelib.errors import Conflict, RateLimited, TooManyConnections, Unauthorized, Unavailable
from chalicelib.gateway import Outcome
from chalicelib.identities import Identity, Ticket
from chalicelib.limiter import Limiter
from chalicelib.memberships import MembershipRepository
from chalicelib.models import ConnectionId, RoomName, UserName
from chalicelib.origins import Origin
from chalicelib.presence import Presence
from chalicelib.settings import Settings
from tests.unit.fakes import (
    ACCOUNTS_TABLE,
    ALICE,
    BOB,
    CONNECTIONS_TABLE,
    ENDPOINT,
    ENVIRON,
    LOBBY,
    Clock,
    Faulty,
    RecordingGateway,
    client_error,
)

pytestmark = pytest.mark.memory

Arrive = Callable[..., Arrivals]
HOME = "192.0.2.1"


@pytest.fixture
def accounts(database: Database, clock: Clock) -> AccountRepository:
    return AccountRepository(
        database,
        table=ACCOUNTS_TABLE,
        connections_table=CONNECTIONS_TABLE,
        clock=clock,
        has_messages=lambda _: False,
    )


@pytest.fixture
def build(  # noqa: PLR0917 - fixtures
    database: Database,
    connections: ConnectionRepository,
    accounts: AccountRepository,
    memberships: MembershipRepository,
    presence: Presence,
    clock: Clock,
) -> Arrive:
    def make(**environ: str) -> Arrivals:
        return Arrivals(
            settings=Settings.from_environ({**ENVIRON, **environ}),
            connections=connections,
            claims=Claims(database, table=CONNECTIONS_TABLE, clock=clock),
            limiter=Limiter(database, table=CONNECTIONS_TABLE, clock=clock),
            accounts=accounts,
            memberships=memberships,
            presence=presence,
            clock=clock,
            random=lambda: 0.5,
            new_id=lambda: "x" * 22,
        )

    return make


@pytest.fixture
def arrivals(build: Arrive, accounts: AccountRepository) -> Arrivals:
    accounts.create(ALICE, "hash")
    return build()


def at(connection: str) -> Origin:
    return Origin(ConnectionId(connection), ENDPOINT)


def ticket(clock: Clock, number: str = "t1", user: UserName = ALICE, version: int = 1) -> Ticket:
    now = int(clock.now)
    return Ticket(
        identity=Identity(user=user, version=version),
        id=number,
        expires_at=now + 30,
        session_expires_at=now + 3600,
    )


def rooms_of(connections: ConnectionRepository, connection: str) -> list[RoomName]:
    return connections.touch(ConnectionId(connection)).public_rooms


# With a ticket


def test_a_ticket_opens_a_session_for_as_long_as_it_says(
    arrivals: Arrivals, connections: ConnectionRepository, clock: Clock
) -> None:
    session = arrivals.register(at("A="), ticket(clock), address=HOME)

    assert connections.touch(ConnectionId("A=")) == session
    assert (session.user, session.guest) == ("alice", False)
    assert session.session_expires_at == int(clock.now) + 3600
    assert session.public_rooms == [LOBBY]


def test_of_two_connections_with_one_ticket_one_gets_in(
    arrivals: Arrivals, connections: ConnectionRepository, clock: Clock
) -> None:
    arrivals.register(at("A="), ticket(clock), address=HOME)

    with pytest.raises(Unauthorized, match="has been used"):
        arrivals.register(at("B="), ticket(clock), address=HOME)

    assert [member.connection_id for member in connections.members(LOBBY)] == ["A="]


def test_a_ticket_of_before_logging_out_is_worth_nothing(
    arrivals: Arrivals, accounts: AccountRepository, clock: Clock
) -> None:
    before = ticket(clock)
    accounts.raise_version(ALICE)

    with pytest.raises(Unauthorized, match="logged out"):
        arrivals.register(at("A="), before, address=HOME)
    # It was not burnt either: nothing was written.
    with pytest.raises(Unauthorized, match="logged out"):
        arrivals.register(at("A="), before, address=HOME)


def test_nobody_comes_in_under_an_account_that_is_not_there(
    arrivals: Arrivals, clock: Clock
) -> None:
    with pytest.raises(Unauthorized):
        arrivals.register(at("A="), ticket(clock, user=BOB), address=HOME)


# As a guest


def test_a_guest_may_choose_a_free_name(arrivals: Arrivals) -> None:
    session = arrivals.register(at("A="), Visit(BOB, None), address=HOME)

    assert (session.user, session.guest) == ("bob", True)
    assert session.session_expires_at == session.expires_at


@pytest.mark.parametrize("wanted", ["alice", "a1ice", "al.ice", "a-l-i-c-e", "aiice"])
def test_a_guest_neither_takes_nor_resembles_a_registered_name(
    arrivals: Arrivals, wanted: str
) -> None:
    session = arrivals.register(at("A="), Visit(UserName(wanted), None), address=HOME)

    assert session.user.startswith(f"{wanted}-")


@pytest.mark.parametrize("wanted", ["admin", "adm1n", "support", "everyone", "sy.stem"])
def test_a_guest_does_not_pretend_to_be_somebody(arrivals: Arrivals, wanted: str) -> None:
    session = arrivals.register(at("A="), Visit(UserName(wanted), None), address=HOME)

    assert session.user.startswith(f"{wanted}-")


def test_a_name_can_be_kept_before_connecting(arrivals: Arrivals, clock: Clock) -> None:
    identity = arrivals.reserve(BOB)
    later = ticket(clock)

    taken = arrivals.register(at("B="), Visit(BOB, None), address=HOME)
    session = arrivals.register(at("A="), replace(later, identity=identity), address=HOME)

    assert identity.user == session.user == "bob"
    assert taken.user != "bob"
    assert session.guest


def test_a_name_that_was_kept_and_not_used_goes_to_another(
    arrivals: Arrivals, clock: Clock
) -> None:
    identity = arrivals.reserve(BOB)
    clock.now += 7800
    assert arrivals.register(at("B="), Visit(BOB, None), address=HOME).user == "bob"

    with pytest.raises(Conflict, match="another's"):
        arrivals.register(at("A="), replace(ticket(clock), identity=identity), address=HOME)


def test_a_guest_who_asks_for_a_registered_name_is_given_another_one_to_keep(
    arrivals: Arrivals,
) -> None:
    assert arrivals.reserve(ALICE).user.startswith("alice-")
    assert arrivals.reserve(None).user.startswith("guest-")


def test_where_every_name_is_taken_it_is_for_now(build: Arrive) -> None:
    arrivals = build()
    arrivals.register(at("A="), Visit(None, None), address=HOME)

    # Chance always comes to the same here.
    with pytest.raises(Unavailable, match="free name"):
        arrivals.register(at("B="), Visit(None, None), address=HOME)
    with pytest.raises(Unavailable, match="free name"):
        arrivals.reserve(None)


# The lobby


def test_without_a_lobby_one_is_in_no_room(build: Arrive) -> None:
    session = build(LOBBY="").register(at("A="), Visit(BOB, None), address=HOME)

    assert session.public_rooms == []


# How many connections


@pytest.fixture
def two_each(build: Arrive, accounts: AccountRepository, clock: Clock) -> Arrivals:
    accounts.create(ALICE, "hash")
    arrivals = build(MAX_CONNECTIONS="2")
    for number in ("1", "2"):
        arrivals.register(at(f"{number}="), ticket(clock, f"t{number}"), address=HOME)
        clock.now += 1
    return arrivals


def test_one_connection_too_many_is_refused_and_leaves_nothing_behind(
    two_each: Arrivals, connections: ConnectionRepository, clock: Clock
) -> None:
    with pytest.raises(TooManyConnections, match="at most 2 connections"):
        two_each.register(at("3="), ticket(clock, "t3"), address=HOME)

    assert [member.connection_id for member in connections.members(LOBBY)] == ["1=", "2="]
    with pytest.raises(Unauthorized):
        connections.touch(ConnectionId("3="))


def test_others_are_let_in_all_the_same(two_each: Arrivals) -> None:
    assert two_each.register(at("3="), Visit(BOB, None), address=HOME).user == "bob"


def test_one_that_has_died_unnoticed_makes_room(
    two_each: Arrivals, gateway: RecordingGateway, clock: Clock
) -> None:
    clock.now += 600 + HANDSHAKE_SECONDS
    gateway.outcomes = {"1=": Outcome.GONE}

    assert two_each.register(at("3="), ticket(clock, "t3"), address=HOME).user == "alice"


@pytest.mark.usefixtures("two_each")
def test_without_a_limit_there_is_none(build: Arrive, clock: Clock) -> None:
    assert build(MAX_CONNECTIONS="0").register(at("3="), ticket(clock, "t3"), address=HOME)


def test_connections_lost_a_moment_ago_do_not_keep_their_person_out(
    two_each: Arrivals, gateway: RecordingGateway, clock: Clock
) -> None:
    clock.now += HANDSHAKE_SECONDS
    gateway.outcomes = {"1=": Outcome.GONE}

    assert two_each.register(at("3="), ticket(clock, "t3"), address=HOME).user == "alice"


def test_so_many_guests_come_from_one_address(build: Arrive) -> None:
    arrivals = build(VISITS_PER_HOUR="2")
    for name in ("ann", "ben"):
        arrivals.register(at(f"{name}="), Visit(UserName(name), None), address=HOME)

    with pytest.raises(RateLimited, match="guests from this address"):
        arrivals.register(at("cyd="), Visit(UserName("cyd"), None), address=HOME)
    assert arrivals.register(at("cyd="), Visit(UserName("cyd"), None), address="192.0.2.2")


def test_who_cannot_be_counted_is_let_in(
    two_each: Arrivals, dynamodb: Faulty, clock: Clock
) -> None:
    dynamodb.always("query", client_error("InternalServerError", status=500))

    assert two_each.register(at("3="), ticket(clock, "t3"), address=HOME).user == "alice"
