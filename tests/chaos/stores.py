"""The databases that a round can have: one in memory, or moto, which takes longer."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

from tests.stores.memory import MemoryClient
from tests.stores.tables import create_tables

NewStore: TypeAlias = Callable[[], Any]


@contextmanager
def memory() -> Iterator[NewStore]:
    """Make empty databases in memory."""
    yield MemoryClient


@contextmanager
def moto() -> Iterator[NewStore]:
    """Make empty databases of moto, in this process."""
    import boto3  # noqa: PLC0415 - seconds that the other does not need
    from moto import mock_aws  # noqa: PLC0415

    from localgateway.moto_transactions import cheap_transactions  # noqa: PLC0415

    with cheap_transactions(), mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")

        def new() -> Any:
            for table in client.list_tables()["TableNames"]:
                client.delete_table(TableName=table)
            create_tables(client)
            return client

        yield new


STORES: dict[str, Callable[[], AbstractContextManager[NewStore]]] = {
    "memory": memory,
    "moto": moto,
}
