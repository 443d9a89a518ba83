"""Queries of moto's DynamoDB whose cost does not depend on what else is in the table."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from operator import attrgetter
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

from localgateway.moto_transactions import replaced

# What keys are compared by; DynamoType works it out anew for each comparison.
_value = attrgetter("cast_value")


class Partition(dict[DynamoType, Item]):
    """The items of one partition by their range keys, whose order is kept from read to read."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._order: list[DynamoType] = []

    def window(self, after: DynamoType | None, most: int | None, *, forward: bool) -> list[Item]:
        """Return `most` items (None: all), from one end or from beyond a key, in no set order."""
        order = self._in_order()
        if after is not None:
            value = after.cast_value
            start, end = bisect_right(order, value, key=_value), None
            if not forward:
                start, end = 0, bisect_left(order, value, key=_value)
            order = order[start:end]
        if most is not None:
            order = order[:most] if forward else order[max(0, len(order) - most) :]
        return [self[key] for key in order]

    def pop(self, key: DynamoType, *default: Any) -> Any:
        """Remove an item, as dict.pop does."""
        if key in self and len(self._order) == len(self):
            del self._order[bisect_left(self._order, key.cast_value, key=_value)]
        return super().pop(key, *default)

    def __setitem__(self, key: DynamoType, item: Item) -> None:
        ordered = len(self._order) == len(self)
        if ordered and key not in self:
            insort(self._order, key, key=_value)
        super().__setitem__(key, item)

    def _in_order(self) -> list[DynamoType]:
        # Copies are made past the methods above, and come without an order.
        if len(self._order) != len(self):
            self._order = sorted(self, key=_value)
        return self._order


@contextmanager
def cheap_queries() -> Iterator[None]:
    """Let moto's queries look at their partition only, and at no more of it than they return.

    moto sorts the whole table for each. With a limit it then reads one item more than that, by
    which it tells that there is another page; what it compares range keys with is not cut. Nor are
    items copied: nobody changes them until the answer is written, with one request at a time.
    """
    create, original = Table.__init__, Table.query
    names = list(signature(original).parameters)

    def init(self: Table, *arguments: Any, **options: Any) -> None:
        create(self, *arguments, **options)
        self.items.default_factory = Partition

    def query(self: Table, *arguments: Any, **options: Any) -> Any:
        asked = {**dict(zip(names[1:], arguments, strict=False)), **options}
        if asked.get("index_name") is not None or not self.range_key_attr:
            return original(self, **asked)
        found = _window(self, asked)
        # An attribute of the table hides its method for the time of the query.
        self.__dict__["all_items"] = lambda: found
        try:
            with replaced(Item, "__deepcopy__", lambda item, _memo: item):
                return original(self, **asked)
        finally:
            del self.__dict__["all_items"]

    with replaced(Table, "__init__", init), replaced(Table, "query", query):
        yield


def _window(table: Table, asked: dict[str, Any]) -> list[Item]:
    partition: Any = table.items.get(asked["hash_key"]) or Partition()
    after, limit = asked["exclusive_start_key"], asked["limit"]
    found: list[Item] = partition.window(
        DynamoType(after[table.range_key_attr]) if after else None,
        limit + 1 if limit and not asked["range_comparison"] else None,
        forward=asked["scan_index_forward"],
    )
    return found
