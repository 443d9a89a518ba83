"""Times a transaction of two puts in moto, by the size of its table, with our undo log or not."""

import argparse
import json
import statistics
import sys
import time
from contextlib import AbstractContextManager, nullcontext

from moto.dynamodb.models import DynamoDBBackend

from localgateway.moto_transactions import cheap_transactions

_SIZES = (0, 1_000, 10_000)


def main() -> int:
    """Print a row for each size: milliseconds, the median of a few transactions."""
    parser = argparse.ArgumentParser(prog="python -m bench.transactions", description=__doc__)
    parser.add_argument("--json", action="store_true", help="a line of JSON for each instead")
    as_json = parser.parse_args().json
    if not as_json:
        print("items    moto ms    localgateway ms")
    for size in _SIZES:
        theirs, ours = _median(size, nullcontext()), _median(size, cheap_transactions())
        figures = {"items": size, "moto_ms": round(theirs, 2), "localgateway_ms": round(ours, 2)}
        print(json.dumps(figures) if as_json else f"{size:<8,} {theirs:<10.2f} {ours:.2f}")
    return 0


def _median(size: int, transactions: AbstractContextManager[None]) -> float:
    backend = DynamoDBBackend("us-east-1", "123456789012")
    backend.create_table(
        "log",
        attr=[{"AttributeName": "id", "AttributeType": "N"}],
        schema=[{"AttributeName": "id", "KeyType": "HASH"}],
        indexes=[],
        global_indexes=[],
        streams=None,
        billing_mode="PAY_PER_REQUEST",
        throughput=None,
        sse_specification=None,
        tags=[],
        deletion_protection_enabled=False,
        warm_throughput=None,
    )
    for number in range(size):
        backend.put_item("log", {"id": {"N": str(number)}})
    with transactions:
        return statistics.median(_time(backend, size + 2 * n) for n in range(5)) * 1000


def _time(backend: DynamoDBBackend, first: int) -> float:
    puts = [{"Put": {"TableName": "log", "Item": {"id": {"N": str(first + n)}}}} for n in range(2)]
    started = time.perf_counter()
    backend.transact_write_items(puts)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
