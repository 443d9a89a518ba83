"""Queues by their names: asked for once, unless it is to be known now."""

from typing import Any

from chalicelib.sqs import Sqs


class FakeSqs:
    """SQS whose queues have another URL each time."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get_queue_url(self, *, QueueName: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        self.asked.append(QueueName)
        return {"QueueUrl": f"https://sqs.example/{QueueName}/{len(self.asked)}"}


def test_a_url_is_remembered() -> None:
    fake = FakeSqs()
    sqs = Sqs(lambda: fake)

    urls = [sqs.url("jobs") for _ in range(2)]

    assert urls == ["https://sqs.example/jobs/1"] * 2
    assert fake.asked == ["jobs"]


def test_it_can_be_looked_up_anew() -> None:
    fake = FakeSqs()
    sqs = Sqs(lambda: fake)
    sqs.url("jobs")

    found = sqs.look_up("jobs")

    assert found == sqs.url("jobs") == "https://sqs.example/jobs/2"
