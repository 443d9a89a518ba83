"""The queue in SQS: batches within its limits, entries that fail tried again, nothing unsaid."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from msgspec import Raw

from chalicelib.backoff import Backoff
from chalicelib.jobs import Job, decode_job
from chalicelib.models import ConnectionId, RoomName
from chalicelib.queues import SqsQueue, keep
from chalicelib.sqs import Sqs
from tests.unit.fakes import DEAD_LETTER_QUEUE, DELIVERIES_QUEUE, Clock, client_error


class FakeSqs:
    """An SQS that takes everything but what a test tells it to fail."""

    def __init__(self) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self.answers: list[Any] = []
        self.urls_asked = 0

    def get_queue_url(self, *, QueueName: str) -> dict[str, Any]:  # noqa: N803
        self.urls_asked += 1
        return {"QueueUrl": f"https://sqs/{QueueName}"}

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        self.batches.append([{**entry, "queue": QueueUrl} for entry in Entries])
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    @property
    def jobs(self) -> list[Job]:
        return [decode_job(entry["MessageBody"]) for batch in self.batches for entry in batch]


def job(number: int = 1, *, size: int = 10, attempt: int = 0) -> Job:
    return Job(
        room=RoomName("lobby"),
        endpoint="https://here.example/api",
        connection_ids=[ConnectionId(f"c{number}")],
        frame=Raw(b'{"m":"' + b"x" * size + b'"}'),
        attempt=attempt,
    )


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


@pytest.fixture
def queue(sqs: FakeSqs, clock: Clock) -> SqsQueue:
    return SqsQueue(
        Sqs(lambda: sqs),
        queue=DELIVERIES_QUEUE,
        dead_letters=DEAD_LETTER_QUEUE,
        backoff=Backoff(clock=clock, sleep=clock.sleep, random=lambda: 0.5, attempts=3),
        random=lambda: 0.5,
        redelivery=2,
    )


def failed(*places: int, hopeless: bool = False) -> dict[str, Any]:
    return {"Failed": [{"Id": str(place), "SenderFault": hopeless} for place in places]}


def test_no_job_asks_nobody(queue: SqsQueue, sqs: FakeSqs) -> None:
    assert queue.send([]) == []
    assert (sqs.batches, sqs.urls_asked) == ([], 0)


def test_jobs_go_in_batches_of_ten(queue: SqsQueue, sqs: FakeSqs) -> None:
    jobs = [job(number) for number in range(25)]

    assert queue.send(jobs) == []

    assert sorted(len(batch) for batch in sqs.batches) == [5, 10, 10]
    assert sorted(each.connection_ids for each in sqs.jobs) == sorted(
        each.connection_ids for each in jobs
    )


def test_a_batch_is_no_larger_than_sqs_takes(queue: SqsQueue, sqs: FakeSqs) -> None:
    assert queue.send([job(number, size=100_000) for number in range(5)]) == []

    sizes = [sum(len(entry["MessageBody"]) for entry in batch) for batch in sqs.batches]
    assert len(sqs.jobs) == 5
    assert max(sizes) <= 256 * 1024


def test_only_the_entries_that_fail_are_sent_again(queue: SqsQueue, sqs: FakeSqs) -> None:
    sqs.answers = [failed(1, 2)]

    assert queue.send([job(number) for number in range(3)]) == []

    assert [[entry["Id"] for entry in batch] for batch in sqs.batches] == [
        ["0", "1", "2"],
        ["1", "2"],
    ]


def test_what_is_wrong_with_an_entry_is_not_sent_again(queue: SqsQueue, sqs: FakeSqs) -> None:
    sqs.answers = [failed(0, hopeless=True)]

    assert queue.send([job(0), job(1)]) == [job(0)]
    assert len(sqs.batches) == 1


@pytest.mark.parametrize(
    "failure",
    [client_error("ServiceUnavailable", status=503), EndpointConnectionError(endpoint_url="x")],
)
def test_a_batch_that_fails_is_sent_again_with_pauses_and_told_in_the_end(
    queue: SqsQueue, sqs: FakeSqs, clock: Clock, failure: Exception
) -> None:
    sqs.answers = [failure, failure, failure]

    assert queue.send([job(0), job(1)]) == [job(0), job(1)]
    assert len(sqs.batches) == 3
    assert len(clock.slept) == 2


def test_a_batch_that_failed_once_is_not_lost(queue: SqsQueue, sqs: FakeSqs) -> None:
    sqs.answers = [client_error("ServiceUnavailable", status=503)]

    assert queue.send([job()]) == []


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(0, 0), (1, 1), (2, 6), (3, 24), (5, 384), (6, 900), (9, 900)]
)
def test_a_job_waits_the_longer_the_more_often_it_has_failed_and_at_most_what_sqs_lets_it(
    queue: SqsQueue, sqs: FakeSqs, attempt: int, seconds: int
) -> None:
    queue.send([job(attempt=attempt)])

    assert sqs.batches[0][0]["DelaySeconds"] == seconds
    assert sqs.batches[0][0]["queue"] == f"https://sqs/{DELIVERIES_QUEUE}"


def test_dead_letters_do_not_wait(queue: SqsQueue, sqs: FakeSqs) -> None:
    assert queue.bury([job(attempt=6)]) == []

    assert sqs.batches[0][0]["DelaySeconds"] == 0
    assert sqs.batches[0][0]["queue"] == f"https://sqs/{DEAD_LETTER_QUEUE}"


def test_what_could_not_be_kept_for_whatever_reason_is_told(queue: SqsQueue, sqs: FakeSqs) -> None:
    sqs.answers = [OSError("no route"), failed(1, hopeless=True)]

    assert keep(queue.send, [job(0), job(1)]) == [job(0), job(1)]
    assert keep(queue.send, [job(0), job(1)]) == [job(1)]
    assert keep(queue.send, []) == []
    assert len(sqs.batches) == 2


def test_sending_begins_while_jobs_are_still_read_and_what_reading_raises_is_raised(
    queue: SqsQueue, sqs: FakeSqs
) -> None:
    def reading() -> Any:
        for number in range(20):
            yield job(number)
        raise RuntimeError("the table is gone")

    with pytest.raises(RuntimeError, match="the table is gone"):
        queue.send(reading())

    assert sqs.batches


@pytest.mark.usefixtures("moto")
def test_sqs_takes_a_job_of_the_queues_of_the_template(clock: Clock) -> None:
    client = boto3.client("sqs", region_name="eu-west-1")
    queue = SqsQueue(
        Sqs(lambda: client),
        queue=DELIVERIES_QUEUE,
        dead_letters=DEAD_LETTER_QUEUE,
        backoff=Backoff(clock=clock, sleep=clock.sleep, random=lambda: 0.5),
        random=lambda: 0.5,
        redelivery=2,
    )

    assert queue.send([job(number) for number in range(12)]) == []

    url = client.get_queue_url(QueueName=DELIVERIES_QUEUE)["QueueUrl"]
    attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == "12"
    assert DEAD_LETTER_QUEUE in attributes["RedrivePolicy"]
