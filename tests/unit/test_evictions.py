"""Ending connections: who is told what, in which order, and what a failure leaves."""

from collections.abc import Sequence

import pytest

from chalicelib.claims import Claims
from chalicelib.connections import ConnectionRepository
from chalicelib.courier import Courier
from chalicelib.database import Database
from chalicelib.errors import Unavailable
from chalicelib.evictions import Evictions
from chalicelib.gateway import Outcome, Post, Recipient
from chalicelib.identities import Identity
from chalicelib.models import ConnectionId, RoomName, UserName
from chalicelib.presence import Presence
from tests.unit.fakes import (
    CONNECTIONS_TABLE,
    ENDPOINT,
    Client,
    Clock,
    Faulty,
    RecordingGateway,
    ServiceFactory,
    client_error,
    new_session,
)

ADA = Identity(user=UserName("ada"), version=1)
PHONE, LAPTOP, BOB = ConnectionId("P="), ConnectionId("L="), ConnectionId("B=")
BOTH = [Recipient(ENDPOINT, LAPTOP), Recipient(ENDPOINT, PHONE)]
DOWN = client_error("InternalServerError", status=500)


class Recorder(RecordingGateway):
    """Notes the order of calls, and who is registered when connections are closed."""

    def __init__(self, connections: ConnectionRepository) -> None:
        super().__init__()
        self._connections = connections
        self.steps: list[tuple[str, list[str]]] = []

    def post(self, posts: Sequence[Post], *, within: float | None = None) -> list[Outcome]:
        self.steps.append(("post", sorted(post.connection_id for post in posts)))
        return super().post(posts)

    def disconnect(self, recipients: Sequence[Recipient]) -> list[Outcome]:
        people = [member.user for member in self._connections.members(RoomName("lobby"))]
        self.steps.append(("disconnect", sorted(map(str, people))))
        return super().disconnect(recipients)


@pytest.fixture
def gateway(connections: ConnectionRepository) -> Recorder:
    return Recorder(connections)


@pytest.fixture
def evictions(
    connections: ConnectionRepository,
    courier: Courier,
    presence: Presence,
    database: Database,
    clock: Clock,
) -> Evictions:
    for connection_id, user in ((PHONE, "ada"), (LAPTOP, "ada"), (BOB, "bob")):
        connections.add(new_session(connection_id, user, "lobby", now=clock.now))
    clock.now += 60
    claims = Claims(database, table=CONNECTIONS_TABLE, clock=clock)
    return Evictions(connections, claims, courier, presence)


def people(connections: ConnectionRepository) -> list[str]:
    return [member.user for member in connections.members(RoomName("lobby"))]


def test_they_are_told_first_and_closed_together_when_they_have_no_session_any_more(
    evictions: Evictions, gateway: Recorder
) -> None:
    evictions.evict(ADA)

    told, closed, others = gateway.steps
    assert told == ("post", [LAPTOP, PHONE])
    assert closed == ("disconnect", ["bob"])
    assert others == ("post", [BOB])
    assert gateway.disconnected == BOTH


def test_who_has_no_connection_is_not_closed(evictions: Evictions, gateway: Recorder) -> None:
    evictions.evict(Identity(user=UserName("carol"), version=1))

    assert gateway.steps == []


@pytest.mark.parametrize("outcome", [Outcome.GONE, Outcome.RETRYABLE, Outcome.REFUSED])
def test_what_cannot_be_told_or_closed_has_no_session_all_the_same(
    evictions: Evictions,
    gateway: Recorder,
    connections: ConnectionRepository,
    outcome: Outcome,
) -> None:
    gateway.outcomes = dict.fromkeys([PHONE, LAPTOP], outcome)

    evictions.evict(ADA)

    assert gateway.disconnected == BOTH
    assert people(connections) == ["bob"]


@pytest.mark.parametrize("gone", [[PHONE], [LAPTOP], [PHONE, LAPTOP]])
def test_the_others_hear_that_who_was_gone_already_has_left(
    evictions: Evictions, gateway: Recorder, gone: list[ConnectionId]
) -> None:
    gateway.outcomes = dict.fromkeys(gone, Outcome.GONE)

    evictions.evict(ADA)

    (frame,) = gateway.frames(BOB)
    assert (b'"status":"left"' in frame, b'"user":"ada"' in frame) == (True, True)


def test_what_cannot_be_removed_is_closed_and_found_again(
    evictions: Evictions, gateway: Recorder, connections: ConnectionRepository, dynamodb: Faulty
) -> None:
    dynamodb.plan("delete_item", None, DOWN, DOWN, DOWN, DOWN)

    with pytest.raises(Unavailable):
        evictions.evict(ADA)
    closed = list(gateway.disconnected)
    gateway.outcomes = {PHONE: Outcome.GONE}
    evictions.evict(ADA)

    assert closed == BOTH
    assert people(connections) == ["bob"]


def test_the_disconnect_that_follows_finds_nothing_to_do(
    evictions: Evictions, gateway: Recorder, build_service: ServiceFactory
) -> None:
    evictions.evict(ADA)
    steps = list(gateway.steps)

    Client(build_service(), gateway, PHONE).disconnect()

    assert gateway.steps == steps
