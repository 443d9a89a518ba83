"""DynamoDB as a function meets it: slow, throttled, of unknown outcome."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from tests.chaos.audits import Auditor
from tests.chaos.faults import Misfortune
from tests.chaos.simulation import Simulation
from tests.chaos.trace import Trace

_WRITES = {"put_item", "update_item", "delete_item", "transact_write_items"}
_PATIENCE = 5.0  # after which a call times out


class FaultyClient:
    """A boto3 client of one function: the same database as all others', its own bad luck."""

    def __init__(
        self, store: Any, simulation: Simulation, misfortune: Misfortune, audit: Auditor
    ) -> None:
        self._store = store
        self._simulation = simulation
        self._misfortune = misfortune
        self._audit = audit

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            self._wait()
            self._fail_before(operation, arguments)
            arguments, left = self._cut(operation, arguments)
            answer = getattr(self._store, operation)(**arguments)
            self._audit.written(operation, arguments)
            self._fail_after()
            self._wait()
            return {**answer, **left}

        return call

    def _wait(self) -> None:
        chance = self._misfortune.chance
        if self._misfortune.strikes("slow"):
            self._simulation.pause(chance.between(0.05, 1))
        else:
            self._simulation.pause(chance.between(0.001, 0.006))

    def _fail_before(self, operation: str, arguments: dict[str, Any]) -> None:
        writes = ("conflict",) if operation in _WRITES else ()
        fault = self._misfortune.first_of("throttled", *writes, "broken", "lost_call")
        if not fault:
            return
        if fault == "lost_call":
            self._time_out()
        if fault == "broken":
            raise _refused("InternalServerError", 500)
        if operation == "transact_write_items":
            raise _cancelled(fault, len(arguments["TransactItems"]), self._misfortune)
        code = "ProvisionedThroughputExceededException"
        raise _refused(code if fault == "throttled" else "TransactionConflictException", 400)

    def _fail_after(self) -> None:
        if self._misfortune.strikes("lost_answer"):
            self._time_out()

    def _time_out(self) -> None:
        self._simulation.pause(self._misfortune.chance.between(0.5, _PATIENCE))
        raise ReadTimeoutError(endpoint_url="dynamodb")

    def _cut(self, operation: str, arguments: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        if operation == "query":
            return self._short_page(arguments), {}
        if operation not in ("batch_get_item", "batch_write_item"):
            return arguments, {}
        return self._part(operation, arguments)

    def _short_page(self, arguments: dict[str, Any]) -> dict[str, Any]:
        # Only where a page may reach 1 MB: everyone in a room, or many entries.
        limit = arguments.get("Limit")
        is_long = limit is None or "BETWEEN" in arguments["KeyConditionExpression"]
        if is_long and self._misfortune.strikes("short_page"):
            return {**arguments, "Limit": 2 + self._misfortune.chance.below((limit or 10) - 1)}
        return arguments

    def _part(self, operation: str, arguments: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        ((table, wanted),) = arguments["RequestItems"].items()
        # A batch has no order: that of the server's sets must not decide anything.
        rows = sorted(wanted, key=str) if operation == "batch_write_item" else wanted["Keys"]
        # DynamoDB does at least one, or answers that it is throttled.
        if len(rows) == 1 or not self._misfortune.strikes("unprocessed"):
            return {"RequestItems": {table: _like(wanted, rows)}}, {}
        split = 1 + self._misfortune.chance.below(len(rows) - 1)
        now, later = rows[:split], rows[split:]
        name = "UnprocessedItems" if operation == "batch_write_item" else "UnprocessedKeys"
        return {"RequestItems": {table: _like(wanted, now)}}, {name: {table: _like(wanted, later)}}


class Watched:
    """The database itself, every call of which is a line of the trace."""

    def __init__(self, store: Any, simulation: Simulation, trace: Trace) -> None:
        self._store = store
        self._simulation = simulation
        self._trace = trace

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            self._trace.counts["database calls"] += 1
            who, what = self._simulation.who, f"{operation} {_brief(arguments)}"
            try:
                answer = getattr(self._store, operation)(**arguments)
            except ClientError as error:
                self._trace.note(who, f"{what} -> {error.response['Error']['Code']}")
                raise
            self._trace.note(who, what)
            return answer

        return call


def _brief(arguments: dict[str, Any]) -> str:
    writes = arguments.get("TransactItems")
    if writes is not None:
        return "; ".join(f"{kind} {_place(it)}" for write in writes for kind, it in write.items())
    if "RequestItems" in arguments:
        return str(list(arguments["RequestItems"].values()))
    return _place(arguments)


def _place(request: dict[str, Any]) -> str:
    key = request.get("Key") or request.get("Item") or request.get("ExpressionAttributeValues", {})
    return " ".join(str(next(iter(value.values()))) for value in list(key.values())[:2])


def _like(wanted: Any, rows: list[Any]) -> Any:
    return {**wanted, "Keys": rows} if isinstance(wanted, dict) else rows


def _refused(code: str, status: int, **answer: Any) -> ClientError:
    described = {"Error": {"Code": code, "Message": code}}
    metadata = {"ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError({**described, **metadata, **answer}, "Operation")  # type: ignore[arg-type, unused-ignore]


def _cancelled(fault: str, writes: int, misfortune: Misfortune) -> ClientError:
    reason = "ThrottlingError" if fault == "throttled" else "TransactionConflict"
    codes = ["None"] * writes
    codes[misfortune.chance.below(writes)] = reason
    reasons = [{"Code": code} for code in codes]
    return _refused("TransactionCanceledException", 400, CancellationReasons=reasons)
