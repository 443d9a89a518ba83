"""Fixtures of the unit tests: tables in moto, a clock, and the chat over fakes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.backoff import Backoff
from chalicelib.connections import ConnectionRepository
from chalicelib.database import Database
from chalicelib.messages import MessageLog
from tests.unit.fakes import (
    CONNECTIONS_TABLE,
    MESSAGES_TABLE,
    Clock,
    Faulty,
    RecordingGateway,
    ServiceFactory,
)

TEMPLATE = Path(__file__).parents[2] / "infra" / "data.yaml"


@pytest.fixture
def clock() -> Clock:
    return Clock(1_767_323_045.678)  # 2026-01-02T03:04:05.678Z


@pytest.fixture(scope="module")
def moto() -> Iterator[Any]:
    """The tables of infra/data.yaml, in moto; the value is a client."""
    with mock_aws():
        boto3.client("cloudformation", region_name="eu-west-1").create_stack(
            StackName="data",
            TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
            Parameters=[{"ParameterKey": "Stage", "ParameterValue": "test"}],
        )
        yield boto3.client("dynamodb", region_name="eu-west-1")


@pytest.fixture
def tables(moto: Any) -> Any:
    """The same, empty."""
    for table, keys in {CONNECTIONS_TABLE: ("pk", "sk"), MESSAGES_TABLE: ("room", "seq")}.items():
        for item in moto.scan(TableName=table)["Items"]:
            moto.delete_item(TableName=table, Key={key: item[key] for key in keys})
    return moto


@pytest.fixture
def dynamodb(tables: Any) -> Faulty:
    return Faulty(tables)


@pytest.fixture
def database(dynamodb: Faulty, clock: Clock) -> Database:
    return Database(dynamodb, Backoff(clock=clock, sleep=clock.sleep, random=lambda: 0.5))


@pytest.fixture
def connections(database: Database, clock: Clock) -> ConnectionRepository:
    return ConnectionRepository(database, table=CONNECTIONS_TABLE, clock=clock, max_subscriptions=3)


@pytest.fixture
def log(database: Database, clock: Clock) -> MessageLog:
    return MessageLog(database, table=MESSAGES_TABLE, clock=clock, idempotency_ttl=86_400)


@pytest.fixture
def gateway() -> RecordingGateway:
    return RecordingGateway()


@pytest.fixture
def build_service(dynamodb: Faulty, gateway: RecordingGateway, clock: Clock) -> ServiceFactory:
    return ServiceFactory(dynamodb, gateway, clock)
