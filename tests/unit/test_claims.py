"""Names and tickets: had once, whoever comes at the same time."""

from collections.abc import Callable

import pytest

from chalicelib.claims import Claims, Demand, NameTakenError, meet
from chalicelib.database import Database
from chalicelib.errors import Unauthorized
from chalicelib.identities import Identity, Ticket
from chalicelib.models import ConnectionId, UserName
from tests.unit.fakes import ALICE, BOB, CONNECTIONS_TABLE, Clock, new_session

A, B = ConnectionId("A="), ConnectionId("B=")


@pytest.fixture
def claims(database: Database, clock: Clock) -> Claims:
    return Claims(database, table=CONNECTIONS_TABLE, clock=clock)


@pytest.fixture
def claim(claims: Claims, database: Database, clock: Clock) -> Callable[..., None]:
    def make(name: UserName, connection_id: ConnectionId, key: str | None = None) -> None:
        expires_at = int(clock.now) + 100
        meet(database, [claims.name(name, expires_at, connection_id=connection_id, key=key)])

    return make


def ticket(clock: Clock, number: str = "t1") -> Ticket:
    now = int(clock.now)
    return Ticket(
        identity=Identity(user=ALICE),
        id=number,
        expires_at=now + 30,
        session_expires_at=now + 3600,
    )


def test_a_ticket_is_used_once(claims: Claims, database: Database, clock: Clock) -> None:
    meet(database, [claims.ticket(ticket(clock), A)])

    with pytest.raises(Unauthorized, match="has been used"):
        meet(database, [claims.ticket(ticket(clock), B)])


def test_the_same_connection_may_try_again(
    claims: Claims, database: Database, clock: Clock
) -> None:
    for _ in range(2):
        meet(database, [claims.ticket(ticket(clock), A)])


def test_a_ticket_is_remembered_for_longer_than_it_is_good_by_any_clock(
    claims: Claims, database: Database, clock: Clock
) -> None:
    used = ticket(clock)
    meet(database, [claims.ticket(used, A)])

    item = database.get(CONNECTIONS_TABLE, {"pk": {"S": "ticket#t1"}, "sk": {"S": "ticket"}})
    assert item is not None
    assert int(item["expires_at"]["N"]) >= used.expires_at + 60


def test_tickets_do_not_get_in_each_others_way(
    claims: Claims, database: Database, clock: Clock
) -> None:
    for number in ("t1", "t2"):
        meet(database, [claims.ticket(ticket(clock, number), A)])


def test_what_looks_like_a_guests_name_is_taken_with_it(claim: Callable[..., None]) -> None:
    claim(ALICE, A)

    for name in ("alice", "a1ice", "al.ice", "allce"):
        with pytest.raises(NameTakenError):
            claim(UserName(name), B)
    claim(BOB, B)


def test_a_name_is_kept_for_who_has_the_key(
    claims: Claims, claim: Callable[..., None], clock: Clock
) -> None:
    claims.keep(ALICE, int(clock.now) + 100, "k1")

    with pytest.raises(NameTakenError):
        claim(ALICE, A, "k2")
    claim(ALICE, A, "k1")


def test_a_name_is_not_kept_where_another_demand_fails(
    claims: Claims, database: Database, claim: Callable[..., None], clock: Clock
) -> None:
    meet(database, [claims.ticket(ticket(clock), A)])
    used = claims.ticket(ticket(clock), B)

    with pytest.raises(Unauthorized):
        claims.keep(ALICE, int(clock.now) + 100, "k1", used)

    claim(ALICE, B)


def test_only_its_own_connection_lets_a_name_go(
    claims: Claims, claim: Callable[..., None], clock: Clock
) -> None:
    claim(ALICE, A)
    claims.release([new_session(B, "alice", now=clock.now, guest=True)])

    with pytest.raises(NameTakenError):
        claim(ALICE, B)

    claims.release([new_session(A, "alice", now=clock.now, guest=True)])
    claim(ALICE, B)


def test_the_first_demand_that_is_not_met_is_the_error(
    claims: Claims, database: Database, clock: Clock
) -> None:
    meet(database, [claims.ticket(ticket(clock, number), A) for number in ("t1", "t2")])
    first, second = (
        Demand(claims.ticket(ticket(clock, number), B).write, KeyError(number))
        for number in ("t1", "t2")
    )
    good = claims.ticket(ticket(clock, "t3"), B)

    with pytest.raises(KeyError, match="t1"):
        meet(database, [good, first, second])
