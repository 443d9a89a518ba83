"""The worker: each recipient with its outcome, nothing lost, whatever fails."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import Raw

from chalicelib.connections import ConnectionRepository
from chalicelib.courier import Courier
from chalicelib.deliveries import Deliveries
from chalicelib.gateway import Outcome
from chalicelib.jobs import Job, encode_job
from chalicelib.models import ConnectionId, RoomName
from chalicelib.presence import Presence
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
FRAME = b'{"type":"message","seq":1}'


@pytest.fixture(autouse=True)
def room(connections: ConnectionRepository, clock: Clock) -> None:
    for connection_id, user in ((A, "alice"), (B, "bob"), (C, "carol")):
        connections.add(new_session(connection_id, user, "lobby", now=clock.now))
    clock.now += 60


@pytest.fixture
def deliveries(  # noqa: PLR0917 - fixtures come by position
    connections: ConnectionRepository,
    courier: Courier,
    presence: Presence,
    queue: RecordingQueue,
    telemetry: RecordingTelemetry,
    clock: Clock,
) -> Deliveries:
    return Deliveries(
        connections=connections,
        courier=courier,
        presence=presence,
        queue=queue,
        telemetry=telemetry,
        clock=clock,
        max_deliveries=3,
    )


def job(*ids: ConnectionId, frame: bytes = FRAME, attempt: int = 0, arrays: bool = False) -> Job:
    return Job(
        room=LOBBY,
        endpoint=ENDPOINT,
        connection_ids=list(ids or (A, B, C)),
        frame=Raw(frame),
        attempt=attempt,
        arrays=arrays,
        correlation_id="r1",
    )


def event(clock: Clock, *jobs: Job | str, age: float = 0, received: int = 1) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "body": each if isinstance(each, str) else encode_job(each),
                "attributes": {
                    "SentTimestamp": str(int((clock.now - age) * 1000) + number),
                    "ApproximateReceiveCount": str(received),
                },
            }
            for number, each in enumerate(jobs)
        ]
    }


def failures(answer: dict[str, Any]) -> Sequence[str]:
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def left(job: Job) -> tuple[list[ConnectionId], int]:
    return job.connection_ids, job.attempt


def test_everyone_gets_the_frame_in_one_batch_without_a_question_to_the_database(
    deliveries: Deliveries, gateway: RecordingGateway, dynamodb: Faulty, clock: Clock
) -> None:
    calls = len(dynamodb.calls)

    answer = deliveries.deliver(event(clock, job(A, B), job(C)), remaining=20)

    assert failures(answer) == []
    assert [[post.connection_id for post in batch] for batch in gateway.batches] == [[A, B, C]]
    assert {post.frame for post in gateway.batches[0]} == {FRAME}
    assert len(dynamodb.calls) == calls


def test_those_who_fail_and_no_others_wait_for_another_attempt(
    deliveries: Deliveries, gateway: RecordingGateway, queue: RecordingQueue, clock: Clock
) -> None:
    gateway.outcomes = {B: Outcome.RETRYABLE}

    answer = deliveries.deliver(event(clock, job()), remaining=20)

    assert failures(answer) == []
    assert [left(each) for each in queue.sent] == [([B], 1)]
    assert queue.sent[0].correlation_id == "r1"
    assert queue.buried == []


def test_after_the_last_attempt_they_are_left_to_the_dead_letter_queue(
    deliveries: Deliveries, gateway: RecordingGateway, queue: RecordingQueue, clock: Clock
) -> None:
    gateway.outcomes = {B: Outcome.RETRYABLE}

    deliveries.deliver(event(clock, job(attempt=2)), remaining=20)

    assert queue.sent == []
    assert [left(each) for each in queue.buried] == [([B], 3)]


def test_who_is_refused_is_left_to_the_dead_letter_queue_at_once(
    deliveries: Deliveries, gateway: RecordingGateway, queue: RecordingQueue, clock: Clock
) -> None:
    gateway.outcomes = {A: Outcome.REFUSED, B: Outcome.RETRYABLE}

    deliveries.deliver(event(clock, job()), remaining=20)

    assert [left(each) for each in queue.sent] == [([B], 1)]
    assert [left(each) for each in queue.buried] == [([A], 1)]


@pytest.mark.parametrize("raises", [False, True])
def test_what_cannot_be_queued_again_comes_again_from_sqs(
    deliveries: Deliveries,
    gateway: RecordingGateway,
    queue: RecordingQueue,
    clock: Clock,
    *,
    raises: bool,
) -> None:
    gateway.outcomes = {B: Outcome.RETRYABLE}
    queue.refuses = lambda _: True
    queue.failure = RuntimeError("no queue") if raises else None

    answer = deliveries.deliver(event(clock, job(B), job(A)), remaining=20)

    assert failures(answer) == ["m0"]


def test_what_is_no_job_comes_again_until_sqs_buries_it_and_the_others_are_done(
    deliveries: Deliveries,
    gateway: RecordingGateway,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = deliveries.deliver(event(clock, '{"secret text":', job(A)), remaining=20)

    assert failures(answer) == ["m0"]
    assert gateway.frames(A) == [FRAME]
    assert "message m0 is not a job" in caplog.text
    assert "secret" not in caplog.text


def test_the_gone_are_removed_and_the_others_told_who_left(
    deliveries: Deliveries,
    gateway: RecordingGateway,
    queue: RecordingQueue,
    connections: ConnectionRepository,
    clock: Clock,
) -> None:
    gateway.outcomes = {B: Outcome.GONE}

    answer = deliveries.deliver(event(clock, job()), remaining=20)

    assert failures(answer) == []
    assert (queue.sent, queue.buried) == ([], [])
    assert [member.user for member in connections.members(LOBBY)] == ["alice", "carol"]
    told = json.loads(gateway.batches[1][0].frame)
    assert (told["type"], told["user"], told["status"]) == ("presence", "bob", "left")


@pytest.mark.parametrize(
    ("late", "fields"),
    [
        (job(A, B, attempt=1), {}),
        (job(A, B), {"age": 6}),
        (job(A, B), {"received": 2}),
    ],
)
def test_who_has_left_the_room_meanwhile_gets_nothing(
    deliveries: Deliveries,
    gateway: RecordingGateway,
    connections: ConnectionRepository,
    telemetry: RecordingTelemetry,
    dynamodb: Faulty,
    *,
    clock: Clock,
    late: Job,
    fields: dict[str, Any],
) -> None:
    connections.unsubscribe(new_session(B, "bob", "lobby", now=clock.now), LOBBY)

    answer = deliveries.deliver(event(clock, late, **fields), remaining=20)

    assert failures(answer) == []
    assert gateway.frames(A) == [FRAME]
    assert gateway.frames(B) == []
    assert connections.touch(B).user == "bob"
    assert telemetry.records[0][0][Metric.GONE] == 1
    assert dynamodb.count("batch_get_item") == 1


def test_where_it_cannot_be_told_who_is_still_there_the_job_comes_again(
    deliveries: Deliveries, gateway: RecordingGateway, dynamodb: Faulty, clock: Clock
) -> None:
    dynamodb.always("batch_get_item", client_error("InternalServerError", status=500))

    answer = deliveries.deliver(event(clock, job(A, attempt=1), job(B)), remaining=20)

    assert failures(answer) == ["m0"]
    assert gateway.frames(A) == []
    assert gateway.frames(B) == [FRAME]


def test_a_gateway_that_breaks_loses_nothing(
    deliveries: Deliveries, gateway: RecordingGateway, queue: RecordingQueue, clock: Clock
) -> None:
    gateway.failure = RuntimeError("no credentials")

    answer = deliveries.deliver(event(clock, job()), remaining=20)

    assert failures(answer) == []
    assert [left(each) for each in queue.sent] == [([A, B, C], 1)]


def test_what_waits_for_one_connection_travels_as_an_array_where_its_client_takes_that(
    deliveries: Deliveries,
    gateway: RecordingGateway,
    telemetry: RecordingTelemetry,
    clock: Clock,
) -> None:
    one, two = b'{"seq":1}', b'{"seq":2}'

    deliveries.deliver(
        event(
            clock,
            job(A, B, frame=one, arrays=True),
            job(A, frame=two, arrays=True),
            job(C, frame=one),
            job(C, frame=two),
        ),
        remaining=20,
    )

    assert gateway.frames(A) == [b'[{"seq":1},{"seq":2}]']
    assert gateway.frames(B) == [one]
    assert gateway.frames(C) == [one, two]
    values = telemetry.records[0][0]
    assert (values[Metric.DELIVERED], values[Metric.POSTS]) == (5, 4)


def test_an_array_is_no_longer_than_what_is_metered_as_one(
    deliveries: Deliveries, gateway: RecordingGateway, clock: Clock
) -> None:
    frames = [b'{"m":"' + b"x" * 12_000 + b'"}' for _ in range(5)]

    deliveries.deliver(
        event(clock, *(job(A, frame=frame, arrays=True) for frame in frames)), remaining=20
    )

    sent = gateway.frames(A)
    assert max(map(len, sent)) <= 32 * 1024
    assert [len(json.loads(each)) for each in sent[:2]] == [2, 2]
    assert len(sent) == 3


def test_an_array_that_fails_leaves_each_of_its_jobs_to_be_done(
    deliveries: Deliveries, gateway: RecordingGateway, queue: RecordingQueue, clock: Clock
) -> None:
    gateway.outcomes = {A: Outcome.RETRYABLE}

    deliveries.deliver(
        event(
            clock,
            job(A, B, frame=b'{"seq":1}', arrays=True),
            job(A, frame=b'{"seq":2}', arrays=True),
        ),
        remaining=20,
    )

    assert [(*left(each), bytes(each.frame)) for each in queue.sent] == [
        ([A], 1, b'{"seq":1}'),
        ([A], 1, b'{"seq":2}'),
    ]
    assert {each.arrays for each in queue.sent} == {True}
