"""Fan-out: who gets the frame, and what becomes of those who cannot."""

import pytest

from chalicelib.broadcaster import Broadcaster
from chalicelib.connections import ConnectionRepository
from chalicelib.gateway import Outcome, Post
from chalicelib.models import ConnectionId, Delivery, RoomName
from tests.unit.fakes import ENDPOINT, Clock, Faulty, RecordingGateway, client_error, new_session

LOBBY = RoomName("lobby")
A, B, C = ConnectionId("A="), ConnectionId("B="), ConnectionId("C=")
ACK = Post(ENDPOINT, A, b"ack")


@pytest.fixture
def broadcaster(connections: ConnectionRepository, gateway: RecordingGateway) -> Broadcaster:
    return Broadcaster(connections, gateway)


@pytest.fixture(autouse=True)
def room(connections: ConnectionRepository, clock: Clock) -> None:
    for connection_id, user in ((A, "alice"), (B, "bob"), (C, "carol")):
        connections.add(new_session(connection_id, user, "lobby", now=clock.now))
    clock.now += 60


def test_everyone_in_the_room_gets_the_frame(
    broadcaster: Broadcaster, gateway: RecordingGateway
) -> None:
    delivery = broadcaster.broadcast(LOBBY, b"push")

    assert delivery == Delivery(delivered=3)
    assert gateway.batches == [[Post(ENDPOINT, member, b"push") for member in (A, B, C)]]


def test_the_author_gets_another_frame_in_the_same_batch_and_is_not_counted(
    broadcaster: Broadcaster, gateway: RecordingGateway
) -> None:
    delivery = broadcaster.broadcast(LOBBY, b"push", skip=A, also=[ACK])

    assert delivery == Delivery(delivered=2)
    assert gateway.batches == [[ACK, Post(ENDPOINT, B, b"push"), Post(ENDPOINT, C, b"push")]]


def test_an_empty_room_gets_nothing(broadcaster: Broadcaster) -> None:
    assert broadcaster.broadcast(RoomName("empty"), b"push") == Delivery()


def test_one_recipient_that_fails_changes_nothing_for_the_others(
    broadcaster: Broadcaster, gateway: RecordingGateway
) -> None:
    gateway.outcomes = {A: Outcome.RETRYABLE, B: Outcome.REFUSED}

    delivery = broadcaster.broadcast(LOBBY, b"push")

    assert delivery == Delivery(delivered=1, failed=2)


def test_the_gone_are_counted_and_removed(
    broadcaster: Broadcaster, gateway: RecordingGateway, connections: ConnectionRepository
) -> None:
    gateway.outcomes = {B: Outcome.GONE}

    delivery = broadcaster.broadcast(LOBBY, b"push")

    assert delivery == Delivery(delivered=2, gone=1)
    assert connections.session(B) is None
    assert connections.users(LOBBY) == ["alice", "carol"]


def test_an_author_who_has_gone_is_removed_too(
    broadcaster: Broadcaster, gateway: RecordingGateway, connections: ConnectionRepository
) -> None:
    gateway.outcomes = {A: Outcome.GONE}

    delivery = broadcaster.broadcast(LOBBY, b"push", skip=A, also=[ACK])

    assert delivery == Delivery(delivered=2)
    assert connections.session(A) is None


def test_a_removal_that_fails_is_logged_and_harms_nobody(
    broadcaster: Broadcaster,
    gateway: RecordingGateway,
    dynamodb: Faulty,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gateway.outcomes = {B: Outcome.GONE}
    dynamodb.always("batch_get_item", client_error("InternalServerError", status=500))

    delivery = broadcaster.broadcast(LOBBY, b"push")

    assert delivery == Delivery(delivered=2, gone=1)
    assert "1 connections of lobby that are gone could not be removed" in caplog.text


def test_a_room_that_cannot_be_read_is_logged_and_its_author_answered_all_the_same(
    broadcaster: Broadcaster,
    gateway: RecordingGateway,
    dynamodb: Faulty,
    caplog: pytest.LogCaptureFixture,
) -> None:
    dynamodb.always("query", client_error("InternalServerError", status=500))

    delivery = broadcaster.broadcast(LOBBY, b"push", skip=A, also=[ACK])

    assert delivery == Delivery(complete=False)
    assert gateway.batches == [[ACK]]
    assert "the members of lobby could not be read" in caplog.text


def test_a_gateway_that_breaks_is_logged_and_counted(
    broadcaster: Broadcaster, gateway: RecordingGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.failure = RuntimeError("no credentials")

    delivery = broadcaster.broadcast(LOBBY, b"push", skip=A, also=[ACK])

    assert delivery == Delivery(failed=2)
    assert "3 frames could not be posted" in caplog.text
    assert "no credentials" in caplog.text
