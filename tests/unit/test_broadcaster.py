"""Fan-out: who gets the frame, and what becomes of those who cannot."""

import json
from typing import Any

import pytest

from chalicelib.broadcaster import Broadcaster
from chalicelib.connections import ConnectionRepository
from chalicelib.gateway import Outcome, Post
from chalicelib.models import ConnectionId, Delivery, RoomName
from chalicelib.telemetry import Metric
from tests.unit.fakes import (
    ENDPOINT,
    Clock,
    Faulty,
    RecordingGateway,
    RecordingQueue,
    RecordingTelemetry,
    client_error,
    new_session,
)

pytestmark = pytest.mark.memory

LOBBY = RoomName("lobby")
A, B, C = ConnectionId("A="), ConnectionId("B="), ConnectionId("C=")
ACK = Post(ENDPOINT, A, b"ack")


@pytest.fixture(autouse=True)
def room(connections: ConnectionRepository, clock: Clock) -> None:
    for connection_id, user in ((A, "alice"), (B, "bob"), (C, "carol")):
        connections.add(new_session(connection_id, user, "lobby", now=clock.now))
    clock.now += 60


@pytest.mark.clause("L4")
def test_everyone_in_the_room_gets_the_frame(
    broadcaster: Broadcaster, gateway: RecordingGateway
) -> None:
    delivery = broadcaster.broadcast(LOBBY, b"push")

    assert delivery == Delivery(delivered=3)
    assert gateway.batches == [[Post(ENDPOINT, member, b"push") for member in (A, B, C)]]


@pytest.mark.clause("L4")
def test_the_author_gets_another_frame_in_the_same_batch_and_is_not_counted(
    broadcaster: Broadcaster, gateway: RecordingGateway
) -> None:
    delivery = broadcaster.broadcast(LOBBY, b"push", skip=A, also=[ACK])

    assert delivery == Delivery(delivered=2)
    assert gateway.batches == [[ACK, Post(ENDPOINT, B, b"push"), Post(ENDPOINT, C, b"push")]]


def test_an_empty_room_gets_nothing(broadcaster: Broadcaster, gateway: RecordingGateway) -> None:
    assert broadcaster.broadcast(RoomName("empty"), b"push") == Delivery()
    assert gateway.batches == []


@pytest.mark.clause("D1")
def test_a_direct_room_is_all_connections_of_both_people_whatever_they_subscribed_to(
    broadcaster: Broadcaster,
    connections: ConnectionRepository,
    gateway: RecordingGateway,
    clock: Clock,
) -> None:
    connections.add(new_session("A2", "alice", now=clock.now))

    delivery = broadcaster.broadcast(RoomName("dm:alice:bob"), b"push", skip=A)

    assert delivery == Delivery(delivered=2)
    assert [post.connection_id for batch in gateway.batches for post in batch] == ["A2", B]


@pytest.mark.clause("D1")
def test_whoever_writes_to_themselves_gets_one_frame_on_each_device(
    broadcaster: Broadcaster, gateway: RecordingGateway
) -> None:
    delivery = broadcaster.broadcast(RoomName("dm:bob:bob"), b"push")

    assert delivery == Delivery(delivered=1)
    assert gateway.batches == [[Post(ENDPOINT, B, b"push")]]


def test_one_recipient_that_fails_changes_nothing_for_the_others(
    broadcaster: Broadcaster, gateway: RecordingGateway, connections: ConnectionRepository
) -> None:
    gateway.outcomes = {A: Outcome.RETRYABLE, B: Outcome.REFUSED}

    delivery = broadcaster.broadcast(LOBBY, b"push")

    assert delivery == Delivery(delivered=1, queued=1, failed=1)
    assert len(list(connections.members(LOBBY))) == 3


@pytest.mark.clause("P3")
def test_the_gone_are_counted_and_removed_and_the_others_told_who_left(
    broadcaster: Broadcaster, gateway: RecordingGateway, connections: ConnectionRepository
) -> None:
    gateway.outcomes = {B: Outcome.GONE}

    delivery = broadcaster.broadcast(LOBBY, b"push", skip=A)

    assert delivery == Delivery(delivered=1, gone=1)
    assert [member.user for member in connections.members(LOBBY)] == ["alice", "carol"]
    _, pushes = gateway.batches
    assert [post.connection_id for post in pushes] == [A, C]
    told = json.loads(pushes[0].frame)
    assert (told["type"], told["user"], told["status"]) == ("presence", "bob", "left")


def test_the_end_of_an_author_is_not_looked_at(
    broadcaster: Broadcaster, gateway: RecordingGateway, connections: ConnectionRepository
) -> None:
    gateway.outcomes = {A: Outcome.GONE}

    delivery = broadcaster.broadcast(LOBBY, b"push", skip=A, also=[ACK])

    assert delivery == Delivery(delivered=2)
    assert connections.touch(A).user == "alice"


def test_a_removal_that_fails_harms_nobody(
    broadcaster: Broadcaster, gateway: RecordingGateway, dynamodb: Faulty
) -> None:
    gateway.outcomes = {B: Outcome.GONE}
    dynamodb.always("batch_get_item", client_error("InternalServerError", status=500))

    delivery = broadcaster.broadcast(LOBBY, b"push")

    assert delivery == Delivery(delivered=2, gone=1)
    assert len(gateway.batches) == 1


@pytest.mark.parametrize(
    "failure", [client_error("InternalServerError", status=500), RuntimeError("bug")]
)
def test_a_room_that_cannot_be_read_is_logged_and_its_author_answered_all_the_same(
    broadcaster: Broadcaster,
    gateway: RecordingGateway,
    dynamodb: Faulty,
    caplog: pytest.LogCaptureFixture,
    failure: Exception,
) -> None:
    dynamodb.always("query", failure)

    delivery = broadcaster.broadcast(LOBBY, b"push", skip=A, also=[ACK])

    assert delivery == Delivery(complete=False)
    assert gateway.batches == [[ACK]]
    assert "the members of a room could not all be read" in caplog.text


def test_a_room_of_which_only_a_part_can_be_read_gets_nothing(
    broadcaster: Broadcaster, gateway: RecordingGateway, dynamodb: Faulty
) -> None:
    dynamodb.plan(
        "query",
        lambda arguments: dynamodb.client.query(**arguments | {"Limit": 1}),
        client_error("InternalServerError", status=500),
    )

    assert broadcaster.broadcast(LOBBY, b"push") == Delivery(complete=False)
    assert gateway.batches == []


def test_a_gateway_that_breaks_is_logged_and_counted(
    broadcaster: Broadcaster, gateway: RecordingGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.failure = RuntimeError("no credentials")

    delivery = broadcaster.broadcast(LOBBY, b"push", skip=A, also=[ACK])

    assert delivery == Delivery(queued=2)
    assert "3 frames could not be posted" in caplog.text


def test_a_room_of_many_is_left_to_the_queue_and_the_author_answered_first(
    broadcaster: Broadcaster,
    connections: ConnectionRepository,
    gateway: RecordingGateway,
    queue: RecordingQueue,
    clock: Clock,
) -> None:
    connections.add(new_session("D=", "dora", "lobby", now=clock.now))
    connections.add(new_session("E=", "emil", "lobby", now=clock.now))

    delivery = broadcaster.broadcast(LOBBY, b"{}", skip=A, also=[ACK])

    assert delivery == Delivery(queued=4)
    assert gateway.batches == [[ACK]]
    (job,) = queue.sent
    assert (job.room, job.endpoint, job.connection_ids) == (LOBBY, ENDPOINT, [B, C, "D=", "E="])
    assert (bytes(job.frame), job.attempt) == (b"{}", 0)


def test_the_author_of_a_room_of_many_waits_for_no_more_of_it_than_tells_that_it_is_one(
    broadcaster: Broadcaster,
    connections: ConnectionRepository,
    gateway: RecordingGateway,
    dynamodb: Faulty,
    clock: Clock,
) -> None:
    posted: list[int] = []
    for number in range(3):
        connections.add(new_session(f"more-{number}", "dora", "lobby", now=clock.now))

    def query(arguments: dict[str, Any]) -> Any:
        posted.append(len(gateway.batches))
        return dynamodb.client.query(**arguments)

    dynamodb.plan("query", query, query)
    delivery = broadcaster.broadcast(LOBBY, b"{}", skip=A, also=[ACK])

    assert delivery == Delivery(queued=5)
    assert posted == [0, 1]
    first, second = (arguments for name, arguments in dynamodb.calls if name == "query")
    assert (first["Limit"], "Limit" in second) == (5, False)


def test_what_the_queue_does_not_take_is_posted_after_all(
    broadcaster: Broadcaster,
    connections: ConnectionRepository,
    gateway: RecordingGateway,
    queue: RecordingQueue,
    clock: Clock,
) -> None:
    connections.add(new_session("D=", "dora", "lobby", now=clock.now))
    queue.refuses = lambda _: True

    delivery = broadcaster.broadcast(LOBBY, b"{}")

    assert delivery == Delivery(delivered=4)
    assert {post.connection_id for post in gateway.batches[-1]} == {A, B, C, "D="}


def test_a_queue_that_breaks_loses_nothing(
    broadcaster: Broadcaster,
    connections: ConnectionRepository,
    gateway: RecordingGateway,
    queue: RecordingQueue,
    clock: Clock,
) -> None:
    connections.add(new_session("D=", "dora", "lobby", now=clock.now))
    queue.failure = RuntimeError("no queue")
    gateway.outcomes = {B: Outcome.RETRYABLE}

    delivery = broadcaster.broadcast(LOBBY, b"{}")

    assert delivery == Delivery(delivered=3, failed=1)


def test_a_room_of_many_that_cannot_be_read_to_its_end_is_said_to_be_incomplete(
    broadcaster: Broadcaster,
    connections: ConnectionRepository,
    queue: RecordingQueue,
    dynamodb: Faulty,
    clock: Clock,
) -> None:
    for number in range(3):
        connections.add(new_session(f"more-{number}", "dora", "lobby", now=clock.now))
    dynamodb.plan(
        "query",
        lambda arguments: dynamodb.client.query(**arguments | {"Limit": 4}),
        client_error("InternalServerError", status=500),
    )

    delivery = broadcaster.broadcast(LOBBY, b"{}")

    assert delivery == Delivery(queued=4, complete=False)
    assert len(queue.sent) == 1


def test_those_who_fail_are_queued_and_those_who_are_refused_are_buried(
    broadcaster: Broadcaster, gateway: RecordingGateway, queue: RecordingQueue
) -> None:
    gateway.outcomes = {A: Outcome.RETRYABLE, B: Outcome.REFUSED}

    delivery = broadcaster.broadcast(LOBBY, b"{}")

    assert delivery == Delivery(delivered=1, queued=1, failed=1)
    assert [(job.connection_ids, job.attempt) for job in queue.sent] == [([A], 1)]
    assert [(job.connection_ids, job.attempt) for job in queue.buried] == [([B], 1)]


def test_what_became_of_a_broadcast_is_measured_by_the_size_of_the_room(
    broadcaster: Broadcaster, gateway: RecordingGateway, telemetry: RecordingTelemetry
) -> None:
    gateway.outcomes = {B: Outcome.GONE}

    broadcaster.broadcast(LOBBY, b"{}")

    (values, recipients) = telemetry.records[0]
    assert recipients == 3
    assert (values[Metric.DELIVERED], values[Metric.GONE]) == (2, 1)
    assert values[Metric.FAN_OUT_TIME] == 0
