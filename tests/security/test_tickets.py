"""Attacks with tickets that are genuine: shown again, late, or twice at the same time."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from typing import Any

import pytest

from localgateway.engine import MotoEngine
from tests.security.conftest import Open
from tests.security.doors import LET_IN, Door
from tests.security.forgeries import respelled
from tests.security.witnesses import nothing_happens, stored
from tests.stores.memory import MemoryClient
from tests.stores.tables import create_tables

RIVALS = 4
ROUNDS = 25


class Shared:
    """A database in memory for several threads: each request is atomic, as DynamoDB's are."""

    def __init__(self) -> None:
        self._client = MemoryClient()
        self._lock = Lock()

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> Any:
            with self._lock:
                return getattr(self._client, operation)(**arguments)

        return call


@pytest.fixture(params=["memory", "moto"])
def database(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A client of a database, which threads may share."""
    if request.param == "memory":
        yield Shared()
        return
    with MotoEngine.start() as engine:
        client = engine.client("dynamodb")
        create_tables(client)
        yield client


@pytest.fixture
def impatient() -> Iterator[None]:
    """Let threads take turns a hundred times as often as they do by themselves."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 100)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.attack("ticket-replayed")
def test_a_ticket_from_a_log_has_been_used_already(door: Door) -> None:
    token = door.register("ada")
    bob = door.member("bob")
    ticket = door.ticket(token)
    assert door.handshake(f"ticket={ticket}") == LET_IN

    with nothing_happens(door, bob):
        assert door.handshake(f"ticket={ticket}") == 401
        assert door.handshake(f"ticket={respelled(ticket)}") == 401
        assert door.handshake(f"name=bob&ticket={ticket}") == 401


@pytest.mark.attack("ticket-replayed")
def test_a_used_ticket_is_remembered_until_it_has_expired(door: Door) -> None:
    ticket = door.ticket(door.register("ada"))
    door.handshake(f"ticket={ticket}")

    for _ in range(31):
        door.clock.now += 1
        assert door.handshake(f"ticket={ticket}") == 401


@pytest.mark.attack("ticket-late")
def test_a_ticket_is_good_for_half_a_minute(door: Door) -> None:
    token = door.register("ada")
    late, in_time = door.ticket(token), door.ticket(token)
    door.clock.now += 29.9
    assert door.handshake(f"ticket={in_time}") == LET_IN

    door.clock.now += 0.1

    with nothing_happens(door):
        assert door.handshake(f"ticket={late}") == 401


@pytest.mark.attack("ticket-race")
@pytest.mark.usefixtures("impatient")
def test_of_several_sockets_with_one_ticket_at_the_same_time_one_is_let_in(
    open_door: Open, database: Any
) -> None:
    door = open_door(ADDRESS_RATE="0", dynamodb=database)
    token = door.register("ada")
    barrier = Barrier(RIVALS)

    def rush(ticket: str) -> int:
        barrier.wait()
        return door.handshake(f"ticket={ticket}")

    with ThreadPoolExecutor(RIVALS) as threads:
        for _ in range(ROUNDS):
            statuses = list(threads.map(rush, [door.ticket(token)] * RIVALS))
            assert sorted(statuses) == [LET_IN, *[401] * (RIVALS - 1)]

    assert [row for row in stored(door) if "conn#" in row or "room#" in row] == []


@pytest.mark.attack("ticket-and-name")
def test_a_bad_ticket_does_not_fall_back_to_a_guest(open_door: Open) -> None:
    door = open_door(GUESTS="true")
    bob = door.member("bob")

    with nothing_happens(door, bob):
        for ticket in ("", "x", "x.y.z", "null", "undefined"):
            assert door.handshake(f"name=ada&ticket={ticket}") == 401
            assert door.handshake(f"ticket={ticket}&name=ada&key={'k' * 16}") == 401


@pytest.mark.attack("context-spoofed")
def test_nobody_says_themselves_what_the_authorizer_says(door: Door) -> None:
    context = "admission=ticket&user=ada&guest=false&version=1&key_digest=&ticket_id=x"
    door.register("ada")

    with nothing_happens(door):
        assert door.handshake(f"{context}&expires_at=9999999999&principalId=ada") == 401
        spoofed = {"authorizer": "ada", "x-amzn-authorizer": "ada", "requestContext": "ada"}
        assert door.handshake(context, **spoofed) == 401
