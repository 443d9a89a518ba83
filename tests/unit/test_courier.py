"""Deliveries: each with its outcome, the gone forgotten, and nothing ever raised."""

import pytest

from chalicelib.connections import ConnectionRepository
from chalicelib.courier import Courier, Push
from chalicelib.gateway import Outcome, Post, Recipient
from chalicelib.models import ConnectionId, Departure, Member, RoomName, UserName
from tests.unit.fakes import ENDPOINT, Clock, Faulty, RecordingGateway, client_error, new_session

pytestmark = pytest.mark.memory

LOBBY, GAMES = RoomName("lobby"), RoomName("games")
A, B, C = ConnectionId("A="), ConnectionId("B="), ConnectionId("C=")
ACK = Post(ENDPOINT, A, b"ack")
PEOPLE = {A: UserName("alice"), B: UserName("bob"), C: UserName("carol")}


def push(connection_id: ConnectionId, room: RoomName = LOBBY, *, joined_at: float = 0) -> Push:
    member = Member(connection_id, PEOPLE[connection_id], ENDPOINT, joined_at)
    return Push(room, member, f"for {connection_id}".encode())


@pytest.fixture(autouse=True)
def room(connections: ConnectionRepository, clock: Clock) -> None:
    for connection_id, user in PEOPLE.items():
        connections.add(new_session(connection_id, user, "lobby", now=clock.now))
    clock.now += 60


def test_every_push_is_posted_in_one_batch_behind_what_goes_with_it(
    courier: Courier, gateway: RecordingGateway
) -> None:
    receipt = courier.deliver([push(B), push(C)], also=[ACK])

    assert gateway.batches == [[ACK, Post(ENDPOINT, B, b"for B="), Post(ENDPOINT, C, b"for C=")]]
    assert list(receipt.outcomes) == [Outcome.DELIVERED] * 2
    assert list(receipt.departures) == []


def test_the_outcomes_are_those_of_the_pushes_in_their_order(
    courier: Courier, gateway: RecordingGateway
) -> None:
    gateway.outcomes = {A: Outcome.REFUSED, B: Outcome.RETRYABLE}

    receipt = courier.deliver([push(C), push(B), push(A)], also=[ACK])

    assert list(receipt.outcomes) == [Outcome.DELIVERED, Outcome.RETRYABLE, Outcome.REFUSED]
    assert list(receipt.departures) == []


def test_nothing_to_deliver_asks_nobody(
    courier: Courier, gateway: RecordingGateway, dynamodb: Faulty
) -> None:
    calls = len(dynamodb.calls)

    receipt = courier.deliver([])

    assert (list(receipt.outcomes), list(receipt.departures)) == ([], [])
    assert gateway.batches == []
    assert len(dynamodb.calls) == calls


def test_what_goes_with_nothing_is_posted_all_the_same(
    courier: Courier, gateway: RecordingGateway
) -> None:
    courier.deliver([], also=[ACK])

    assert gateway.batches == [[ACK]]


def test_the_gone_are_removed_and_their_departures_told(
    courier: Courier, gateway: RecordingGateway, connections: ConnectionRepository
) -> None:
    gateway.outcomes = {B: Outcome.GONE}

    receipt = courier.deliver([push(A), push(B)])

    assert list(receipt.outcomes) == [Outcome.DELIVERED, Outcome.GONE]
    assert sorted(receipt.departures) == [("@bob", "bob", False), ("lobby", "bob", False)]
    assert [member.user for member in connections.members(LOBBY)] == ["alice", "carol"]


def test_a_connection_gone_twice_in_one_batch_departs_once(
    courier: Courier, gateway: RecordingGateway, connections: ConnectionRepository, clock: Clock
) -> None:
    dave = new_session("D=", "dave", "lobby", "games", now=clock.now - 60)
    connections.add(dave)
    gateway.outcomes = {"D=": Outcome.GONE}
    member = Member(dave.connection_id, dave.user, ENDPOINT, 0)

    receipt = courier.deliver([Push(LOBBY, member, b"one"), Push(GAMES, member, b"two")])

    assert sorted(receipt.departures) == [
        ("@dave", "dave", False),
        ("games", "dave", False),
        ("lobby", "dave", False),
    ]


def test_neither_the_outcome_nor_the_end_of_what_goes_with_it_is_looked_at(
    courier: Courier, gateway: RecordingGateway, connections: ConnectionRepository
) -> None:
    gateway.outcomes = {A: Outcome.GONE}

    receipt = courier.deliver([push(B)], also=[ACK])

    assert list(receipt.outcomes) == [Outcome.DELIVERED]
    assert list(receipt.departures) == []
    assert connections.touch(A).user == "alice"


def test_a_gateway_that_breaks_is_logged_and_counts_as_worth_another_try(
    courier: Courier, gateway: RecordingGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.failure = RuntimeError("no credentials")

    receipt = courier.deliver([push(B), push(C)], also=[ACK])

    assert list(receipt.outcomes) == [Outcome.RETRYABLE] * 2
    assert "3 frames could not be posted" in caplog.text
    assert "no credentials" in caplog.text


@pytest.mark.parametrize(
    "failure", [client_error("InternalServerError", status=500), RuntimeError("bug")]
)
def test_a_removal_that_fails_is_logged_and_nobody_departs(
    courier: Courier,
    gateway: RecordingGateway,
    dynamodb: Faulty,
    caplog: pytest.LogCaptureFixture,
    failure: Exception,
) -> None:
    gateway.outcomes = {B: Outcome.GONE}
    dynamodb.always("batch_get_item", failure)

    receipt = courier.deliver([push(A), push(B)])

    assert list(receipt.outcomes) == [Outcome.DELIVERED, Outcome.GONE]
    assert list(receipt.departures) == []
    assert "1 connections that are gone could not be removed" in caplog.text


def test_one_call_removes_a_thousand_at_most(courier: Courier, dynamodb: Faulty) -> None:
    gone = [
        (LOBBY, Member(ConnectionId(f"c{n}"), UserName("erin"), ENDPOINT, 0)) for n in range(1001)
    ]

    departures = courier.forget(gone)

    assert departures == [Departure(LOBBY, UserName("erin"))]
    removed = [
        request
        for name, arguments in dynamodb.calls
        if name == "batch_write_item"
        for requests in arguments["RequestItems"].values()
        for request in requests
    ]
    assert len(removed) == 1000


def test_forgetting_nobody_asks_nobody(courier: Courier, dynamodb: Faulty) -> None:
    calls = len(dynamodb.calls)

    assert courier.forget([]) == []
    assert len(dynamodb.calls) == calls


def test_connections_are_closed_in_one_batch(courier: Courier, gateway: RecordingGateway) -> None:
    both = [Recipient(ENDPOINT, A), Recipient(ENDPOINT, B)]

    courier.close(both)
    courier.close([])

    assert gateway.disconnected == both


def test_it_is_logged_how_many_could_not_be_closed(
    courier: Courier, gateway: RecordingGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.outcomes = {A: Outcome.GONE, B: Outcome.REFUSED, C: Outcome.RETRYABLE}

    courier.close([Recipient(ENDPOINT, each) for each in (A, B, C)])

    assert "2 of 3 connections could not be closed" in caplog.text


def test_closing_never_raises(
    courier: Courier, gateway: RecordingGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.failure = RuntimeError("broken")

    courier.close([Recipient(ENDPOINT, A)])

    assert "1 connections could not be closed" in caplog.text
