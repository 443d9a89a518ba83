"""The dead-letter queue: looked at without a trace, moved without a loss."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from msgspec import Raw

from chalicelib.errors import BadRequest, Unavailable
from chalicelib.jobs import Job, decode_job, encode_job
from chalicelib.models import ConnectionId, RoomName
from chalicelib.redrive import Redrive
from chalicelib.sqs import Sqs
from tests.unit.fakes import DEAD_LETTER_QUEUE, DELIVERIES_QUEUE, Clock, client_error

POISON = '{"secret": "text"}'


class FailingSqs:
    """SQS with the calls that a test lets fail."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.failing: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        outcome = self.failing.get(name)
        if isinstance(outcome, Exception):
            raise outcome
        return getattr(self._client, name) if outcome is None else outcome


@pytest.fixture
def sqs() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("sqs", region_name="eu-west-1")
        for name in (DELIVERIES_QUEUE, DEAD_LETTER_QUEUE):
            client.create_queue(QueueName=name)
        yield FailingSqs(client)


@pytest.fixture
def redrive(sqs: Any, clock: Clock) -> Redrive:
    return Redrive(
        Sqs(lambda: sqs), queue=DELIVERIES_QUEUE, dead_letters=DEAD_LETTER_QUEUE, clock=clock
    )


def job(room: str = "lobby", people: int = 2) -> Job:
    return Job(
        room=RoomName(room),
        endpoint="https://here.example/api",
        connection_ids=[ConnectionId(f"c{number}") for number in range(people)],
        frame=Raw(b'{"m":"secret"}'),
        attempt=6,
    )


def bury(sqs: Any, *bodies: str) -> None:
    url = sqs.get_queue_url(QueueName=DEAD_LETTER_QUEUE)["QueueUrl"]
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)


def bodies(sqs: Any, queue: str) -> list[str]:
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    found: list[str] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [message["Body"] for message in messages]
    return found


def test_what_is_there_is_told_without_its_text_and_stays(redrive: Redrive, sqs: Any) -> None:
    bury(sqs, encode_job(job()), encode_job(job("tea", 3)), POISON)

    told = [redrive.run({}) for _ in range(2)]

    for answer in told:
        assert (answer["seen"], answer["recipients"], answer["poison"]) == (3, 5, 1)
        assert answer["rooms"] == {"tea": 3, "lobby": 2}
        assert answer["left"] == 3
        assert "secret" not in str(answer)
    assert bodies(sqs, DELIVERIES_QUEUE) == []


def test_jobs_are_moved_to_begin_anew_and_what_is_none_as_it_is(redrive: Redrive, sqs: Any) -> None:
    bury(sqs, *[encode_job(job(people=1)) for _ in range(12)], POISON)

    answer = redrive.run({"move": True})

    assert (answer["moved"], answer["recipients"], answer["left"]) == (13, 12, 0)
    moved = bodies(sqs, DELIVERIES_QUEUE)
    moved.remove(POISON)
    assert {decode_job(body).attempt for body in moved} == {1}
    assert len(moved) == 12
    assert bodies(sqs, DEAD_LETTER_QUEUE) == []


def test_no_more_are_moved_than_were_asked_for(redrive: Redrive, sqs: Any) -> None:
    bury(sqs, *[encode_job(job())] * 5)

    answer = redrive.run({"move": True, "limit": 2})

    assert (answer["moved"], answer["left"]) == (2, 3)


def test_what_the_queue_does_not_take_stays(redrive: Redrive, sqs: Any) -> None:
    bury(sqs, POISON, encode_job(job()))
    sqs.failing["send_message_batch"] = lambda **_: {"Successful": [{"Id": "1"}]}

    answer = redrive.run({"move": True})

    assert answer["moved"] == 1


def test_an_empty_queue_is_told(redrive: Redrive) -> None:
    answer = redrive.run(None)

    assert (answer["seen"], answer["left"], answer["oldest_seconds"]) == (0, 0, 0)


def test_sqs_out_of_order_is_unavailable(redrive: Redrive, sqs: Any) -> None:
    sqs.failing["receive_message"] = lambda **_: (_ for _ in ()).throw(
        client_error("ServiceUnavailable", status=503)
    )

    with pytest.raises(Unavailable):
        redrive.run({"move": True})


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ([1], "payload"),
        ("move", "payload"),
        ({"move": "yes"}, "payload"),
        ({"moved": True}, "payload"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": 1.5}, "payload"),
    ],
)
def test_what_cannot_be_wished_for_is_refused_by_name(
    redrive: Redrive, payload: object, said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        redrive.run(payload)
