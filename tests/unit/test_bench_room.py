"""The benchmark of rooms: it goes the whole way, counts what it says, and notices a loss."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from bench.chatroom import Audience, Loss
from bench.functions import Function, Spent
from bench.room import Row, ratios
from bench.services import Services
from bench.targets import serving
from chalicelib.database import Item
from chalicelib.models import ConnectionId
from tests.stores.tables import CONNECTIONS_TABLE, DELIVERIES_QUEUE
from tests.unit.commands import run_module

ROOT = Path(__file__).parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_module("bench.room", *arguments)


def test_a_message_goes_directly_to_few_and_by_the_queue_to_many() -> None:
    done = bench("--sizes=600,5", "--latency-ms=1", "--service-ms=0", "--messages=2", "--json")

    assert done.returncode == 0, done.stderr
    few, many = json.loads(done.stdout)["rooms"]
    counts = ("recipients", "posts", "jobs", "sends", "invocations")
    assert [few[name] for name in counts] == [5, 6, 0, 0, 0]
    assert [many[name] for name in counts] == [600, 601, 3, 1, 1]
    assert (few["dynamodb_requests"], many["dynamodb_requests"]) == (3, 4)
    assert few["deliver_cpu_us"] == 0 < many["deliver_cpu_us"] < many["cpu_us"]
    assert "message 2 of 2" in done.stderr


@pytest.mark.parametrize("wrong", ["--sizes=", "--sizes=0", "--sizes=ten", "--messages=0"])
def test_a_mistake_is_told_in_the_terms_of_the_command(wrong: str) -> None:
    done = bench(wrong)

    assert done.returncode == 2
    assert f"argument {wrong.partition('=')[0]}: expected" in done.stderr


def test_ratios_compare_the_largest_room_with_the_floor_and_the_others() -> None:
    found = ratios([row(10, 100.0), row(1000, 50.0)])

    assert found["CPU a recipient, 1,000 / 10"] == 0.5
    assert found["CPU a recipient of 1,000 / bare sockets"] == 2.0


def row(recipients: int, cpu_us: float) -> Row:
    floats = {"ack_ms": 1.0, "last_ms": 1.0, "deliver_cpu_us": 0.0, "bare_ms": 1.0}
    counts = {"posts": 1, "jobs": 0, "sends": 0, "invocations": 0, "dynamodb_requests": 3}
    known: dict[str, Any] = floats | counts
    peaks: dict[str, Any] = {"sender_peak_mb": None, "worker_peak_mb": None}
    return Row(recipients=recipients, messages=1, cpu_us=cpu_us, bare_cpu_us=25.0, **known, **peaks)


def client(service: str, url: str) -> Any:
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )


def subscription(number: int, padding: int = 0) -> Item:
    item = {"pk": "room#lobby", "sk": f"c{number:05}", "user": "u" * padding, "expires_at": 1}
    return {name: TypeSerializer().serialize(value) for name, value in item.items()}


def test_the_members_come_in_pages_of_a_megabyte_as_from_dynamodb() -> None:
    members = [subscription(number, padding=100_000) for number in range(25)]
    services = Services(0, members)

    with services.served() as url:
        pages = [
            page["Items"]
            for page in client("dynamodb", url)
            .get_paginator("query")
            .paginate(TableName=CONNECTIONS_TABLE, KeyConditionExpression="pk = :pk")
        ]

    assert [len(page) for page in pages] == [10, 10, 5]
    assert [item["sk"] for page in pages for item in page] == [it["sk"] for it in members]
    assert services.take()["DynamoDB_20120810.Query"] == 3


def test_a_page_of_members_ends_at_its_limit_and_the_next_one_goes_on_from_there() -> None:
    services = Services(0, [subscription(number) for number in range(5)])
    query: dict[str, Any] = {
        "TableName": CONNECTIONS_TABLE,
        "KeyConditionExpression": "pk = :pk",
    }

    with services.served() as url:
        dynamodb = client("dynamodb", url)
        first = dynamodb.query(**query, Limit=2)
        rest = dynamodb.query(**query, ExclusiveStartKey=first["LastEvaluatedKey"])

    assert [item["sk"]["S"] for item in first["Items"]] == ["c00000", "c00001"]
    assert [item["sk"]["S"] for item in rest["Items"]] == ["c00002", "c00003", "c00004"]
    assert "LastEvaluatedKey" not in rest


def test_a_worker_that_comes_late_finds_who_is_still_there() -> None:
    services = Services(0, [subscription(1)])
    keys = [{"pk": {"S": "room#lobby"}, "sk": {"S": f"c{number:05}"}} for number in (1, 2)]

    with services.served() as url:
        found = client("dynamodb", url).batch_get_item(
            RequestItems={CONNECTIONS_TABLE: {"Keys": keys}}
        )

    assert found["Responses"][CONNECTIONS_TABLE] == [subscription(1)]


class Mute(Function):
    """Handles everything, and posts nothing."""

    def __init__(self) -> None:
        """Start no process."""

    def invoke(self, name: str, event: Mapping[str, Any]) -> Spent:
        return Spent(0.0, 0.0, None, None)


def test_a_message_that_does_not_arrive_is_no_result() -> None:
    with serving(0, b"") as target:
        audience = Audience({ConnectionId("c")}, Services(0, []), target, Mute(), Mute())

        with pytest.raises(Loss, match="0 posts for 0 of 1 people"):
            audience.say()


def test_a_condition_that_fails_is_told_as_dynamodb_tells_it() -> None:
    services = Services(0, [])

    with services.served() as url, pytest.raises(ClientError) as refusal:
        client("dynamodb", url).put_item(
            TableName=CONNECTIONS_TABLE,
            Item=subscription(1),
            ConditionExpression="attribute_exists(pk)",
        )

    assert refusal.value.response["Error"]["Code"] == "ConditionalCheckFailedException"


def test_jobs_wait_until_they_are_deleted() -> None:
    services = Services(0, [])
    with services.served() as url:
        client("sqs", url).send_message_batch(
            QueueUrl=DELIVERIES_QUEUE, Entries=[{"Id": "0", "MessageBody": "{}"}]
        )

    [job] = services.receive(0)
    left = services.waiting()
    services.delete([job["messageId"]])

    assert (job["body"], left, services.waiting()) == ("{}", 1, 0)
    assert services.take()["jobs"] == 1
