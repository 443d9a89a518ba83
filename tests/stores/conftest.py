"""Fixtures: the same tests on moto and on DynamoDB Local."""

import random
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, TypeAlias

import pytest

from chalicelib.backoff import Backoff
from chalicelib.database import Database
from chalicelib.messages import MessageLog
from localgateway.engine import Engine, MotoEngine
from tests.stores.engines import DynamoDBLocal, missing
from tests.stores.tables import MESSAGES_TABLE, create_tables

LogFactory: TypeAlias = Callable[..., MessageLog]

_numbers = count()


@pytest.fixture(scope="session", params=["moto", "dynamodb-local"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A database of its own process, with the tables of infra/data.yaml."""
    is_moto = request.param == "moto"
    if not is_moto and (reason := missing()):
        pytest.skip(reason)
    with MotoEngine.start() if is_moto else DynamoDBLocal.start() as started:
        create_tables(started.client("dynamodb"))
        yield started


@pytest.fixture(scope="session")
def client(engine: Engine) -> Any:
    """A client, which threads may share."""
    return engine.client("dynamodb")


@pytest.fixture(scope="session")
def database(client: Any) -> Database:
    return Database(client, Backoff(clock=time.monotonic, sleep=time.sleep, random=random.random))


@pytest.fixture(scope="session")
def new_log(database: Database) -> LogFactory:
    """Make a log that remembers nothing, as another function sees it."""

    def make(**options: Any) -> MessageLog:
        arguments = {"clock": time.time, "idempotency_ttl": 86_400, **options}
        return MessageLog(database, table=MESSAGES_TABLE, **arguments)

    return make


@pytest.fixture(scope="session")
def new_name() -> Callable[[str], str]:
    """Make names that no test has used, so that nothing has to be cleared between tests."""
    return lambda kind: f"{kind}-{next(_numbers)}"
