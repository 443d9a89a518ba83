"""A DynamoDB in memory, for tests that make a million calls; what it lacks, it refuses."""

import operator
import pickle
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from tests.stores.expressions import Item, Names, comparable, condition, update
from tests.stores.tables import create_tables

Request = Mapping[str, Any]
_Key = tuple[Any, ...]

_PLACEHOLDERS = {"ExpressionAttributeNames", "ExpressionAttributeValues"}
_CONDITION = {"ConditionExpression", "ReturnValuesOnConditionCheckFailure", *_PLACEHOLDERS}
_KNOWN = {
    "get_item": {"TableName", "Key", "ConsistentRead"},
    "batch_get_item": {"RequestItems"},
    "put_item": {"TableName", "Item", *_CONDITION},
    "update_item": {"TableName", "Key", "UpdateExpression", "ReturnValues", *_CONDITION},
    "delete_item": {"TableName", "Key", "ReturnValues", *_CONDITION},
    "batch_write_item": {"RequestItems"},
    "transact_write_items": {"TransactItems", "ClientRequestToken"},
    "scan": {"TableName"},
    "query": {
        "TableName",
        "IndexName",
        "KeyConditionExpression",
        "FilterExpression",
        "ProjectionExpression",
        "ConsistentRead",
        "ScanIndexForward",
        "Limit",
        "ExclusiveStartKey",
        *_PLACEHOLDERS,
    },
}


class MemoryClient:
    """A client of a database of its own, with the tables of infra/data.yaml.

    Takes and answers what a boto3 client does, and raises its ClientError. Every read is strongly
    consistent, pages have no limit in bytes, ReturnValues are the image after an update and the
    one before a deletion, and a ClientRequestToken is remembered for ever. Not for several threads
    at a time.
    """

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}
        self._done: dict[str, Any] = {}
        create_tables(self)

    def create_table(self, **request: Any) -> None:
        """Create a table whose indexes have two attributes as their key."""
        indexes = request.get("GlobalSecondaryIndexes", ())
        orders = {index["IndexName"]: _names(index)[1] for index in indexes}
        self._tables[request["TableName"]] = _Table(_names(request), orders)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation not in _KNOWN:
            raise AttributeError(operation)

        def call(**request: Any) -> Any:
            if unknown := request.keys() - _KNOWN[operation]:
                raise NotImplementedError(f"{operation} with {unknown}")
            # Copies both ways: nobody else may have what is stored.
            return _copy(getattr(self, f"_{operation}")(_copy(request)))

        return call

    def _get_item(self, request: Request) -> Any:
        return _with("Item", self._tables[request["TableName"]].image(request["Key"]))

    def _batch_get_item(self, request: Request) -> Any:
        found = {
            name: [self._tables[name].image(key) for key in wanted["Keys"]]
            for name, wanted in request["RequestItems"].items()
        }
        return {"Responses": {name: [it for it in items if it] for name, items in found.items()}}

    def _put_item(self, request: Request) -> Any:
        self._write("Put", request)
        return {}

    def _update_item(self, request: Request) -> Any:
        return {"Attributes": self._write("Update", request).image}

    def _delete_item(self, request: Request) -> Any:
        old = self._tables[request["TableName"]].image(request["Key"])
        self._write("Delete", request)
        return _with("Attributes", old)

    def _write(self, kind: str, request: Request) -> "_Write":
        write = _Write(kind, request, self._tables)
        if not write.is_allowed():
            raise _error("ConditionalCheckFailedException", **write.refusal())
        write.apply()
        return write

    def _batch_write_item(self, request: Request) -> Any:
        self._all_or_nothing(
            [
                _Write("Delete", {"TableName": name, **wanted["DeleteRequest"]}, self._tables)
                for name, requests in request["RequestItems"].items()
                for wanted in requests
            ]
        )
        return {}

    def _transact_write_items(self, request: Request) -> Any:
        token = request.get("ClientRequestToken")
        if token in self._done:
            if self._done[token] != request:
                raise _error("IdempotentParameterMismatchException")
            return {}
        self._all_or_nothing(
            [
                _Write(kind, wanted, self._tables)
                for item in request["TransactItems"]
                for kind, wanted in item.items()
            ]
        )
        if token is not None:
            self._done[token] = _copy(request)
        return {}

    def _all_or_nothing(self, writes: "Sequence[_Write]") -> None:
        if len({write.place for write in writes}) != len(writes):
            raise _error("ValidationException")
        if not all(write.is_allowed() for write in writes):
            reasons = [
                {"Code": "None"}
                if write.is_allowed()
                else {"Code": "ConditionalCheckFailed", **write.refusal()}
                for write in writes
            ]
            raise _error("TransactionCanceledException", CancellationReasons=reasons)
        for write in writes:
            write.apply()

    def _scan(self, request: Request) -> Any:
        return {"Items": self._tables[request["TableName"]].all()}

    def _query(self, request: Request) -> Any:
        table, placeholders = self._tables[request["TableName"]], _placeholders(request)
        wanted = condition(request["KeyConditionExpression"])
        order = table.orders[request.get("IndexName")]
        newest_first = not request.get("ScanIndexForward", True)
        items: Iterable[Item] = table.near(request, newest_first=newest_first)
        if "ExclusiveStartKey" in request:
            # By its place and not itself: it may be gone.
            start = comparable(request["ExclusiveStartKey"][order])
            beyond = operator.lt if newest_first else operator.gt
            items = (item for item in items if beyond(comparable(item[order]), start))
        found = (item for item in items if wanted(item, *placeholders))
        page = list(islice(found, request.get("Limit")))
        more = {"LastEvaluatedKey": table.keys_of(page[-1])} if any(found) else {}
        if "FilterExpression" in request:
            kept = condition(request["FilterExpression"])
            page = [item for item in page if kept(item, *placeholders)]
        return {"Items": [_projected(item, request) for item in page], **more}


class _Table:
    """The items by their keys; `orders` names the sort key of each index, None's is the table's."""

    def __init__(self, names: Sequence[str], orders: Mapping[str, str]) -> None:
        self._partitions: dict[Any, _Partition] = {}
        self.orders: dict[str | None, str] = {None: names[-1]}
        self.orders.update(orders)
        self._names = names

    def key(self, attributes: Item) -> _Key:
        return tuple(comparable(attributes[name]) for name in self._names)

    def keys_of(self, item: Item) -> Item:
        return {name: item[name] for name in self._names}

    def image(self, attributes: Item) -> Item | None:
        return self.partition(attributes).items.get(self.key(attributes))

    def all(self) -> list[Item]:
        return [item for partition in self._partitions.values() for item in partition.ordered()]

    def partition(self, attributes: Item) -> "_Partition":
        return self._partitions.setdefault(comparable(attributes[self._names[0]]), _Partition())

    def near(self, request: Request, *, newest_first: bool) -> Iterable[Item]:
        """Return, in order, the items of the partition that is queried; of an index, all."""
        if "IndexName" in request:
            order = self.orders[request["IndexName"]]
            return sorted(self.all(), key=lambda it: comparable(it[order]), reverse=newest_first)
        name, _, value = request["KeyConditionExpression"].partition(" AND ")[0].split(" ")
        partition = self.partition({name: request["ExpressionAttributeValues"][value]})
        return partition.ordered(newest_first=newest_first)


class _Partition:
    """Items that share their first key, in the order of the second."""

    def __init__(self) -> None:
        self.items: dict[_Key, Item] = {}
        self._keys: list[_Key] = []

    def ordered(self, *, newest_first: bool = False) -> Iterator[Item]:
        keys = reversed(self._keys) if newest_first else iter(self._keys)
        return (self.items[key] for key in keys)

    def put(self, key: _Key, item: Item) -> None:
        if key not in self.items:
            insort(self._keys, key)
        self.items[key] = item

    def delete(self, key: _Key) -> None:
        if self.items.pop(key, None) is not None:
            self._keys.remove(key)


class _Write:
    """A Put, Update, Delete or ConditionCheck of one item."""

    def __init__(self, kind: str, request: Request, tables: Mapping[str, _Table]) -> None:
        self._kind = kind
        self._request = request
        table, attributes = (
            tables[request["TableName"]],
            request["Item" if kind == "Put" else "Key"],
        )
        self._partition, self._key = table.partition(attributes), table.key(attributes)
        self.place = (request["TableName"], self._key)

    @property
    def image(self) -> Item | None:
        return self._partition.items.get(self._key)

    def is_allowed(self) -> bool:
        if "ConditionExpression" not in self._request:
            return True
        met = condition(self._request["ConditionExpression"])
        return met(self.image or {}, *_placeholders(self._request))

    def refusal(self) -> dict[str, Any]:
        asked = self._request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        return _with("Item", _copy(self.image) if asked else None)

    def apply(self) -> None:
        if self._kind == "Put":
            self._partition.put(self._key, self._request["Item"])
        elif self._kind == "Delete":
            self._partition.delete(self._key)
        elif self._kind == "Update":
            item = self.image or dict(self._request["Key"])
            update(self._request["UpdateExpression"])(item, *_placeholders(self._request))
            self._partition.put(self._key, item)


def _names(described: Mapping[str, Any]) -> list[str]:
    return [str(part["AttributeName"]) for part in described["KeySchema"]]


def _placeholders(request: Request) -> tuple[Names, Item]:
    values = request.get("ExpressionAttributeValues", {})
    return request.get("ExpressionAttributeNames", {}), values


def _projected(item: Item, request: Request) -> Item:
    if "ProjectionExpression" not in request:
        return item
    names, _ = _placeholders(request)
    wanted = {names.get(name, name) for name in request["ProjectionExpression"].split(", ")}
    return {name: value for name, value in item.items() if name in wanted}


def _with(name: str, image: Item | None) -> dict[str, Any]:
    return {} if image is None else {name: image}


def _copy(value: Any) -> Any:
    # A fifth of what copy.deepcopy costs.
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own


def _error(code: str, **answer: Any) -> ClientError:
    described = {"Error": {"Code": code, "Message": code}}
    metadata = {"ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError({**described, **metadata, **answer}, "Operation")
