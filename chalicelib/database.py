"""DynamoDB as the repositories use it: our retries, our errors, and its attribute values."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.backoff import Backoff
from chalicelib.errors import Unavailable

Item: TypeAlias = dict[str, dict[str, Any]]

_CONFLICT = "TransactionConflictException"
# What is over after a while.
_TRANSIENT = {
    _CONFLICT,
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionInProgressException",
}
# What is worth trying again: short of capacity, or somebody else's transaction is under way. Only a
# transaction can have been carried out all the same, by an earlier attempt of the client whose
# answer was lost; its token sees to that.
_REFUSED = {
    _CONFLICT,
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
}
_TRANSIENT_REASONS = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
_FAILED_CONDITION = "ConditionalCheckFailed"
_HTTP_SERVER_ERROR = 500
_BATCH_WRITE_LIMIT = 25
_BATCH_GET_LIMIT = 100


def string(value: str) -> dict[str, Any]:
    """Return the attribute value of a string."""
    return {"S": value}


def strings(values: Iterable[str]) -> dict[str, Any]:
    """Return the attribute value of a set of strings, which DynamoDB wants not to be empty."""
    return {"SS": sorted(values)}


def number(value: float) -> dict[str, Any]:
    """Return the attribute value of a number."""
    return {"N": str(value)}


def put_write(table: str, item: Item, **condition: Any) -> dict[str, Any]:
    """Return the write of an item as part of a transaction; `condition` is as for put."""
    return {"Put": {"TableName": table, "Item": item, **condition}}


def check_write(table: str, key: Item, **condition: Any) -> dict[str, Any]:
    """Return the part of a transaction that writes nothing and fails unless a condition holds."""
    return {"ConditionCheck": {"TableName": table, "Key": key, **condition}}


def is_live(item: Item, now: float) -> bool:
    """Tell whether an item has not expired: the time to live of a table may be days late."""
    return "expires_at" not in item or float(item["expires_at"]["N"]) > now


class ConditionError(Exception):
    """Nothing was written, because of the state of the items.

    Attributes:
        failed: the items that did not meet their condition, by their place in the transaction;
            an empty item where there is none, or where its image was not asked for.
            No place at all: only conflicts with other transactions, so try again.
    """

    def __init__(self, failed: Mapping[int, Item]) -> None:
        super().__init__(f"conditions failed: {sorted(failed)}")
        self.failed = failed


class Database:
    """The calls that the repositories make.

    Every one raises Unavailable when the database is throttled, unreachable or failing. What is a
    fault of the deployment (no such table, access denied) stays as botocore raised it, so that the
    log tells it with its traceback.
    """

    def __init__(self, client: Any, backoff: Backoff) -> None:
        self._client = client
        self._backoff = backoff

    @property
    def backoff(self) -> Backoff:
        """The policy for what has to be worked out anew before it is tried again."""
        return self._backoff

    def get(self, table: str, key: Item) -> Item | None:
        """Read one item, strongly consistent."""
        answer = self._call("get_item", TableName=table, Key=key, ConsistentRead=True)
        return answer.get("Item")

    def get_all(self, table: str, keys: Sequence[Item]) -> Iterator[Item]:
        """Read the items that exist, strongly consistent, in any order."""
        for chunk in _chunks(keys, _BATCH_GET_LIMIT):
            yield from self._get_batch(table, chunk)

    def query(self, table: str, *, first: int | None = None, **arguments: Any) -> Iterator[Item]:
        """Read every page of a query, strongly consistent.

        A page has 1 MB, but the first one at most `first` items, where that is given: thousands
        take botocore a second on a small function, which who needs only a few should not wait for.
        """
        where: dict[str, Any] = {} if first is None else {"Limit": first}
        while True:
            page = self._call("query", TableName=table, ConsistentRead=True, **arguments, **where)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            where = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def page(self, table: str, *, limit: int, **arguments: Any) -> tuple[list[Item], bool]:
        """Read at most `limit` items, and 1 MB, of a query, and whether there are others.

        Strongly consistent, but for a query of an index.
        """
        consistent = {} if "IndexName" in arguments else {"ConsistentRead": True}
        page = self._call("query", TableName=table, Limit=limit, **consistent, **arguments)
        return page["Items"], "LastEvaluatedKey" in page

    def update(self, table: str, key: Item, **arguments: Any) -> Item:
        """Change one item and return what it is now.

        Raises:
            ConditionError: it does not meet the condition given in `arguments`.
        """
        answer = self._call(
            "update_item", TableName=table, Key=key, ReturnValues="ALL_NEW", **arguments
        )
        item: Item = answer["Attributes"]
        return item

    def put(self, table: str, item: Item, **arguments: Any) -> None:
        """Write one item.

        Raises:
            ConditionError: what is there does not meet the condition given in `arguments`.
        """
        self._call("put_item", TableName=table, Item=item, **arguments)

    def delete(self, table: str, key: Item, **arguments: Any) -> Item | None:
        """Delete one item and return what it was, or None if it was not there.

        Raises:
            ConditionError: it does not meet the condition given in `arguments`.
        """
        answer = self._call(
            "delete_item", TableName=table, Key=key, ReturnValues="ALL_OLD", **arguments
        )
        return answer.get("Attributes")

    def delete_all(self, table: str, keys: Sequence[Item]) -> None:
        """Delete the items, in order but not in one transaction."""
        for chunk in _chunks(keys, _BATCH_WRITE_LIMIT):
            self._write_batch(table, [{"DeleteRequest": {"Key": key}} for key in chunk])

    def transact(self, writes: Sequence[Mapping[str, Any]]) -> None:
        """Write all or nothing, once.

        A write that got no answer may have happened. No retry can do it twice: all have the same
        ClientRequestToken, under which DynamoDB applies a transaction once in 10 minutes.
        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html

        Raises:
            ConditionError: see there.
        """
        self._call(
            "transact_write_items", TransactItems=list(writes), ClientRequestToken=uuid4().hex
        )

    def transact_until_done(self, writes: Sequence[Mapping[str, Any]]) -> None:
        """As transact, but try again while the only trouble is other transactions.

        Raises:
            ConditionError: a condition failed.
        """
        for _ in self._backoff.tries():
            try:
                return self.transact(writes)
            except ConditionError as error:
                if error.failed:
                    raise
        raise Unavailable

    def _get_batch(self, table: str, keys: Sequence[Item]) -> list[Item]:
        found: list[Item] = []
        wanted: dict[str, Any] = {table: {"Keys": list(keys), "ConsistentRead": True}}
        for _ in self._backoff.tries():
            answer = self._call("batch_get_item", RequestItems=wanted)
            found += answer["Responses"].get(table, [])
            wanted = answer.get("UnprocessedKeys") or {}
            if not wanted:
                return found
        raise Unavailable

    def _write_batch(self, table: str, requests: list[dict[str, Any]]) -> None:
        left: dict[str, Any] = {table: requests}
        for _ in self._backoff.tries():
            left = self._call("batch_write_item", RequestItems=left).get("UnprocessedItems") or {}
            if not left:
                return
        raise Unavailable

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        for _ in self._backoff.tries():
            try:
                answer: dict[str, Any] = getattr(self._client, operation)(**arguments)
            except ClientError as error:
                # The client itself retries three times at most, and collisions not at all.
                if _code(error) not in _REFUSED:
                    raise _translated(error) from error
            except BotoCoreError as error:
                raise Unavailable from error
            else:
                return answer
        raise Unavailable


def _translated(error: ClientError) -> Exception:
    failure: Exception = error
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if _code(error) == "TransactionCanceledException":
        return _cancellation(error)
    if _code(error) == "ConditionalCheckFailedException":
        return ConditionError({0: error.response.get("Item", {})})
    if _code(error) in _TRANSIENT or status >= _HTTP_SERVER_ERROR:
        return Unavailable()
    return failure


def _cancellation(error: ClientError) -> Exception:
    failure: Exception = error
    reasons = error.response.get("CancellationReasons", [])
    codes = {reason.get("Code", "None") for reason in reasons} - {"None"}
    if not codes or codes - _TRANSIENT_REASONS - {_FAILED_CONDITION}:
        return failure
    return ConditionError(
        {
            place: reason.get("Item", {})
            for place, reason in enumerate(reasons)
            if reason.get("Code") == _FAILED_CONDITION
        }
    )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _chunks(keys: Sequence[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(keys)
    while chunk := list(islice(rest, size)):
        yield chunk
