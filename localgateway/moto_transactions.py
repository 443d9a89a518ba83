"""Transactions of moto's DynamoDB whose cost does not depend on the size of the tables."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table


class UndoLog:
    """What a transaction is about to change, so that it can be put back.

    Costs as much as the transaction has items, whatever the size of the tables.
    """

    def __init__(self, backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        operations = [(kind, op) for item in transact_items for kind, op in item.items()]
        names = {op.get("TableName") for _, op in operations}
        self.tables = [table for name, table in backend.tables.items() if name in names]
        self._lengths = [(t, len(t.stream_shard.items)) for t in self.tables if t.stream_shard]
        self._items = [
            (table, key, _copy_of(table, key))
            for kind, op in operations
            if (table := backend.tables.get(str(op.get("TableName"))))
            if (key := _key_of(table, op["Item"] if kind == "Put" else op.get("Key", {})))
        ]

    def undo(self) -> None:
        """Put every item and every stream back as they were."""
        for table, (hash_key, range_key), item in reversed(self._items):
            if range_key is None:
                _put_back(table.items, hash_key, item)
            else:
                _put_back(table.items[hash_key], range_key, item)
        for table, length in self._lengths:
            if table.stream_shard:
                del table.stream_shard.items[length:]


def _key_of(
    table: Table, attributes: dict[str, Any]
) -> tuple[DynamoType, DynamoType | None] | None:
    # A key that lacks an attribute is moto's to refuse; nothing has changed by then.
    with suppress(KeyError):
        name = table.range_key_attr
        range_key = DynamoType(attributes[name]) if name else None
        return DynamoType(attributes[table.hash_key_attr]), range_key
    return None


def _copy_of(table: Table, key: tuple[DynamoType, DynamoType | None]) -> Item | None:
    # A copy, because an update changes the item in place.
    return copy.deepcopy(table.get_item(*key))


def _put_back(partition: dict[Any, Any], key: DynamoType, item: Item | None) -> None:
    if item is None:
        partition.pop(key, None)
    else:
        partition[key] = item


@contextmanager
def cheap_transactions() -> Iterator[None]:
    """Let moto's transactions keep an undo log instead of copying their tables."""
    original = DynamoDBBackend.transact_write_items

    def transact_write_items(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        log = UndoLog(self, transact_items)
        for table in log.tables:
            # moto asks for a copy.deepcopy of the table and, on failure, puts it in its place:
            # for the time of the transaction a table is its own copy. Backups still copy.
            table.__dict__["__deepcopy__"] = lambda _memo, table=table: table
        try:
            original(self, transact_items)
        except BaseException:
            log.undo()
            raise
        finally:
            for table in log.tables:
                del table.__dict__["__deepcopy__"]

    with replaced(DynamoDBBackend, "transact_write_items", transact_write_items):
        yield


@contextmanager
def replaced(owner: type, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Put a function in place of a method of a class, for a time."""
    original = getattr(owner, name)
    setattr(owner, name, function)
    try:
        yield
    finally:
        setattr(owner, name, original)
