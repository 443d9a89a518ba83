"""Counts what is asked of DynamoDB, and the capacity units that AWS charges for it."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from botocore.exceptions import ClientError

Item: TypeAlias = Mapping[str, Any]
Request: TypeAlias = Mapping[str, Any]

_READ_BYTES, _WRITE_BYTES = 4096, 1024
_TRANSACTIONAL = 2
# What has been carried out as far as its conditions; any other error is taken to be free.
_CHARGED = {"ConditionalCheckFailedException", "TransactionCanceledException"}
_PLACEHOLDER = re.compile(r"[:#]\w+")


@dataclass(slots=True)
class Usage:
    """Requests by operation, and the units that they consumed."""

    requests: Counter[str] = field(default_factory=Counter)
    wcu: float = 0
    rcu: float = 0


class _Index(NamedTuple):
    keys: frozenset[str]
    attributes: frozenset[str] | None  # None: all of them


class _Table(NamedTuple):
    keys: frozenset[str]
    indexes: Mapping[str, _Index]


class _Write(NamedTuple):
    table: str
    key: Item
    new: Item | None  # what a put brings; of an update it is read afterwards


class Meter:
    """A boto3 client of DynamoDB that counts; what it reads itself for that is not counted.

    By https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html,
    for indexes https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.Writes

    AWS does not say what a cancelled transaction costs: here each of its writes costs what it would
    alone, twice. Nor whether the index writes of a transaction count twice: once, as measured in
    https://github.com/nubo-db/dynoxide/pull/188. One thread at a time; an operation that is not
    known is refused.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._usage = Usage()
        self._table = cache(self._described)
        self._reads: dict[str, Callable[[Request], float]] = {
            "get_item": self._get,
            "batch_get_item": self._batch_get,
            "query": self._query,
        }

    def take(self) -> Usage:
        """Return what was used since the last time."""
        usage, self._usage = self._usage, Usage()
        return usage

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation not in {*self._reads, *_WRITES}:
            raise AttributeError(operation)

        def call(**request: Any) -> Any:
            self._usage.requests[operation] += 1
            if operation in self._reads:
                self._usage.rcu += self._reads[operation](request)
                return getattr(self._client, operation)(**request)
            return self._write(operation, request)

        return call

    def _get(self, request: Request) -> float:
        sizes = [self._size(request["TableName"], request["Key"])]
        return _read_units(sizes, consistent=request.get("ConsistentRead", False))

    def _batch_get(self, request: Request) -> float:
        return sum(
            _read_units([self._size(table, key)], consistent=wanted.get("ConsistentRead", False))
            for table, wanted in request["RequestItems"].items()
            for key in wanted["Keys"]
        )

    def _query(self, request: Request) -> float:
        """Charge for all that the page looks at, whatever a filter or a projection leaves of it."""
        plain = {
            name: value
            for name, value in request.items()
            if name not in {"FilterExpression", "ProjectionExpression"}
        }
        used = set(_PLACEHOLDER.findall(request["KeyConditionExpression"]))
        for kind in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
            named = {name: it for name, it in plain.pop(kind, {}).items() if name in used}
            plain |= {kind: named} if named else {}
        items = self._client.query(**plain)["Items"]
        return _read_units(map(item_size, items), consistent=request.get("ConsistentRead", False))

    def _write(self, operation: str, request: Request) -> Any:
        factor = _TRANSACTIONAL if operation == "transact_write_items" else 1
        writes = list(self._writes(_WRITES[operation](request)))
        before = [self._image(write.table, write.key) for write in writes]
        try:
            answer = getattr(self._client, operation)(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] in _CHARGED:
                self._charge(writes, before, before, factor)
            raise
        after = [self._image(write.table, write.key) for write in writes]
        self._charge(writes, before, after, factor)
        return answer

    def _charge(
        self,
        writes: Sequence[_Write],
        before: Sequence[Item | None],
        after: Sequence[Item | None],
        factor: int,
    ) -> None:
        for write, old, new in zip(writes, before, after, strict=True):
            self._usage.wcu += factor * _write_units(old, new, write.new)
            for index in self._table(write.table).indexes.values():
                self._usage.wcu += _index_units(_entry(old, index), _entry(new, index), index)

    def _writes(self, writes: Sequence[tuple[str, Request]]) -> Iterator[_Write]:
        for table, wanted in writes:
            source = wanted.get("Item") or wanted["Key"]
            key = {name: source[name] for name in self._table(table).keys}
            yield _Write(table, key, wanted.get("Item"))

    def _size(self, table: str, key: Item) -> int:
        return item_size(self._image(table, key) or {})

    def _image(self, table: str, key: Item) -> Item | None:
        answer = self._client.get_item(TableName=table, Key=key, ConsistentRead=True)
        item: Item | None = answer.get("Item")
        return item

    def _described(self, table: str) -> _Table:
        described = self._client.describe_table(TableName=table)["Table"]
        keys = _keys(described)
        indexes = described.get("GlobalSecondaryIndexes", [])
        return _Table(keys, {it["IndexName"]: _index(it, keys) for it in indexes})


def item_size(item: Item) -> int:
    """Return the bytes that an item counts for.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    return _SIZES[kind](content)


def _number_size(text: str) -> int:
    digits = Decimal(text).normalize().as_tuple().digits
    return -(-len(digits) // 2) + 1


_SIZES: dict[str, Callable[[Any], int]] = {
    "S": lambda text: len(text.encode()),
    "N": _number_size,
    "B": len,
    "BOOL": lambda _: 1,
    "NULL": lambda _: 1,
    "SS": lambda texts: sum(len(text.encode()) for text in texts),
    "NS": lambda texts: sum(map(_number_size, texts)),
    "BS": lambda contents: sum(map(len, contents)),
    "L": lambda values: 3 + sum(1 + _value_size(value) for value in values),
    "M": lambda item: 3 + len(item) + item_size(item),
}
_WRITES: dict[str, Callable[[Request], list[tuple[str, Request]]]] = {
    "put_item": lambda request: [(request["TableName"], request)],
    "update_item": lambda request: [(request["TableName"], request)],
    "delete_item": lambda request: [(request["TableName"], request)],
    "batch_write_item": lambda request: [
        (table, wanted)
        for table, requests in request["RequestItems"].items()
        for it in requests
        for wanted in it.values()
    ],
    "transact_write_items": lambda request: [
        (wanted["TableName"], wanted) for it in request["TransactItems"] for wanted in it.values()
    ],
}


def _read_units(sizes: Iterable[int], *, consistent: bool) -> float:
    units = max(1, -(-sum(sizes) // _READ_BYTES))
    return units if consistent else units / 2


def _write_units(*images: Item | None) -> int:
    return max(1, -(-max(item_size(image or {}) for image in images) // _WRITE_BYTES))


def _index_units(old: Item | None, new: Item | None, index: _Index) -> int:
    if old == new:
        return 0
    if old and new and any(old[name] != new[name] for name in index.keys):
        return _write_units(old) + _write_units(new)  # one entry goes, another one comes
    return _write_units(old, new)


def _entry(item: Item | None, index: _Index) -> Item | None:
    if item is None or not index.keys <= item.keys():
        return None
    kept = item.keys() if index.attributes is None else index.attributes
    return {name: value for name, value in item.items() if name in kept}


def _index(described: Mapping[str, Any], table_keys: frozenset[str]) -> _Index:
    keys, projection = _keys(described), described["Projection"]
    if projection["ProjectionType"] == "ALL":
        return _Index(keys, None)
    return _Index(keys, keys | table_keys | set(projection.get("NonKeyAttributes", [])))


def _keys(described: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(part["AttributeName"] for part in described["KeySchema"])
