"""Fixtures of the unit tests: tables in moto, a clock, and the chat over fakes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from chalicelib.backoff import Backoff
from chalicelib.broadcaster import Broadcaster
from chalicelib.connections import ConnectionRepository
from chalicelib.courier import Courier
from chalicelib.database import Database
from chalicelib.memberships import MembershipRepository
from chalicelib.messages import MessageLog
from chalicelib.presence import Presence
from localgateway.moto_transactions import cheap_transactions
from tests.stores.memory import MemoryClient
from tests.stores.requests import CheckedClient
from tests.unit.fakes import (
    CONNECTIONS_TABLE,
    MEMBERSHIPS_TABLE,
    MESSAGES_TABLE,
    Clock,
    Faulty,
    LogFactory,
    RecordingGateway,
    RecordingQueue,
    RecordingTelemetry,
    ServiceFactory,
)

REGION = "eu-west-1"
TEMPLATE = Path(__file__).parents[2] / "infra" / "data.yaml"


@pytest.fixture
def clock() -> Clock:
    return Clock(1_767_323_045.678)  # 2026-01-02T03:04:05.678Z


@pytest.fixture(scope="module")
def moto() -> Iterator[Any]:
    """The tables of infra/data.yaml, in moto; the value is a client."""
    # Without the first, each transaction of a test costs as much as the table holds.
    with cheap_transactions(), mock_aws():
        boto3.client("cloudformation", region_name=REGION).create_stack(
            StackName="data",
            TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
            Parameters=[{"ParameterKey": "Stage", "ParameterValue": "test"}],
        )
        yield boto3.client("dynamodb", region_name=REGION)


@pytest.fixture
def tables(request: pytest.FixtureRequest) -> Any:
    """The same, empty; with the mark `memory` a stand-in, which tests/stores checks against it."""
    if request.node.get_closest_marker("memory"):
        return CheckedClient(MemoryClient())
    client = request.getfixturevalue("moto")
    # Not through the client: that took a third of the time of a test.
    for table in dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables.values():
        table.items.clear()
    return client


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
def new_log(database: Database, clock: Clock) -> LogFactory:
    """Make logs of one table: each is what another function sees of it."""

    def make(**arguments: Any) -> MessageLog:
        given = {"idempotency_ttl": 86_400, **arguments}
        return MessageLog(database, table=MESSAGES_TABLE, clock=clock, **given)

    return make


@pytest.fixture
def memberships(database: Database, clock: Clock) -> MembershipRepository:
    return MembershipRepository(database, table=MEMBERSHIPS_TABLE, clock=clock, guest_ttl=604_800)


@pytest.fixture
def gateway() -> RecordingGateway:
    return RecordingGateway()


@pytest.fixture
def build_service(dynamodb: Faulty, gateway: RecordingGateway, clock: Clock) -> ServiceFactory:
    return ServiceFactory(dynamodb, gateway, clock)


@pytest.fixture
def courier(connections: ConnectionRepository, gateway: RecordingGateway) -> Courier:
    return Courier(connections, gateway)


@pytest.fixture
def presence(
    connections: ConnectionRepository, courier: Courier, gateway: RecordingGateway, clock: Clock
) -> Presence:
    return Presence(connections, courier, gateway, clock=clock, limit=3, lease=600)


@pytest.fixture
def queue() -> RecordingQueue:
    return RecordingQueue()


@pytest.fixture
def telemetry() -> RecordingTelemetry:
    return RecordingTelemetry()


@pytest.fixture
def broadcaster(  # noqa: PLR0917 - fixtures come by position
    connections: ConnectionRepository,
    courier: Courier,
    presence: Presence,
    queue: RecordingQueue,
    telemetry: RecordingTelemetry,
    clock: Clock,
) -> Broadcaster:
    return Broadcaster(
        connections,
        courier,
        presence,
        queue=queue,
        telemetry=telemetry,
        clock=clock,
        direct_fanout=3,
    )
