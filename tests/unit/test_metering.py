"""What the benchmarks rest on: capacity units as AWS charges them, and a model of DynamoDB."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bench.metering import Meter, item_size
from tests.stores.engines import DynamoDBLocal, missing
from tests.stores.tables import MEMBERSHIPS_TABLE, MESSAGES_TABLE, create_tables

KEY = {"room": {"S": "r"}, "seq": {"N": "1"}}
OTHER = {"room": {"S": "r"}, "seq": {"N": "2"}}
STRONG = {"ConsistentRead": True}
MEMBER = {"room": {"S": "r"}, "member": {"S": "ada"}}


def text(size: int, **more: Any) -> dict[str, Any]:
    """Return an item that counts for so many bytes, those of `more` not included."""
    return {**KEY, **more, "t": {"S": "x" * (size - item_size(KEY) - 1)}}


@pytest.fixture
def meter(tables: Any) -> Meter:
    return Meter(tables)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": ""}, 0),
        ({"S": "größe"}, 7),
        ({"N": "7"}, 2),
        ({"N": "1795241234"}, 6),
        ({"N": "1000000"}, 2),
        ({"N": "-0.250"}, 2),
        ({"BOOL": False}, 1),
        ({"NULL": True}, 1),
        ({"B": b"123"}, 3),
        ({"SS": ["ab", "c"]}, 3),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}, {"N": "1"}]}, 3 + 2 + 2 + 2),
        ({"M": {}}, 3),
        ({"M": {"ab": {"S": "c"}}}, 3 + 1 + 2 + 1),
    ],
)
def test_an_attribute_counts_for_its_name_and_its_value(value: dict[str, Any], size: int) -> None:
    assert item_size({"name": value}) == 4 + size


@pytest.mark.parametrize(("size", "units"), [(100, 1), (1024, 1), (1025, 2), (2048, 2)])
def test_a_write_costs_a_unit_for_each_kilobyte(size: int, units: int, meter: Meter) -> None:
    meter.put_item(TableName=MESSAGES_TABLE, Item=text(size))

    assert meter.take().wcu == units


def test_the_larger_of_the_old_and_the_new_item_counts(meter: Meter) -> None:
    meter.put_item(TableName=MESSAGES_TABLE, Item=text(3000))
    meter.take()

    costs = []
    meter.put_item(TableName=MESSAGES_TABLE, Item=text(10))
    costs.append(meter.take().wcu)
    meter.put_item(TableName=MESSAGES_TABLE, Item=text(3000))
    meter.delete_item(TableName=MESSAGES_TABLE, Key=KEY)
    costs.append(meter.take().wcu)

    assert costs == [3, 6]


def test_a_write_in_a_transaction_costs_twice(meter: Meter) -> None:
    put = {"Put": {"TableName": MESSAGES_TABLE, "Item": text(1025)}}
    delete = {"Delete": {"TableName": MESSAGES_TABLE, "Key": OTHER}}

    meter.transact_write_items(TransactItems=[put, delete])

    assert meter.take().wcu == 2 * (2 + 1)


@pytest.mark.parametrize("operation", ["put_item", "transact_write_items"])
def test_a_condition_that_fails_costs_as_if_it_held(operation: str, meter: Meter) -> None:
    meter.put_item(TableName=MESSAGES_TABLE, Item=text(3000))
    meter.take()
    put = {
        "TableName": MESSAGES_TABLE,
        "Item": text(10),
        "ConditionExpression": "attribute_not_exists(room)",
    }
    transactional = operation == "transact_write_items"

    with pytest.raises(ClientError):
        getattr(meter, operation)(**({"TransactItems": [{"Put": put}]} if transactional else put))

    usage = meter.take()
    assert (usage.wcu, usage.requests) == (6 if transactional else 3, {operation: 1})


def test_what_is_refused_before_it_is_looked_at_costs_a_request_only(meter: Meter) -> None:
    with pytest.raises(ClientError):
        meter.put_item(TableName=MESSAGES_TABLE, Item={**KEY, "seq": {"S": "no number"}})

    usage = meter.take()
    assert (usage.wcu, usage.rcu, usage.requests.total()) == (0, 0, 1)


def test_an_index_costs_a_write_when_what_it_shows_changes(meter: Meter) -> None:
    costs = []
    for seq in ("1", "1", "2"):
        meter.put_item(TableName=MEMBERSHIPS_TABLE, Item={**MEMBER, "read_seq": {"N": seq}})
        costs.append(meter.take().wcu)
    meter.delete_item(TableName=MEMBERSHIPS_TABLE, Key=MEMBER)
    costs.append(meter.take().wcu)

    assert costs == [2, 1, 2, 2]


@pytest.mark.parametrize(
    ("size", "how", "units"),
    [(4096, STRONG, 1), (4097, STRONG, 2), (4097, {}, 1), (0, STRONG, 1), (0, {}, 0.5)],
)
def test_a_read_costs_a_unit_for_each_4_kilobytes_or_half_a_one(
    size: int, how: dict[str, bool], units: float, meter: Meter
) -> None:
    if size:
        meter.put_item(TableName=MESSAGES_TABLE, Item=text(size))
        meter.take()

    meter.get_item(TableName=MESSAGES_TABLE, Key=KEY, **how)

    assert meter.take().rcu == units


def test_a_batch_is_charged_item_by_item(meter: Meter) -> None:
    meter.put_item(TableName=MESSAGES_TABLE, Item=text(5000))
    meter.take()

    wanted = {"Keys": [KEY, OTHER], "ConsistentRead": True}
    meter.batch_get_item(RequestItems={MESSAGES_TABLE: wanted})
    read = meter.take().rcu
    deletes = [{"DeleteRequest": {"Key": key}} for key in (KEY, OTHER)]
    meter.batch_write_item(RequestItems={MESSAGES_TABLE: deletes})

    assert (read, meter.take().wcu) == (2 + 1, 5 + 1)


def query(**more: Any) -> dict[str, Any]:
    return {
        "TableName": MESSAGES_TABLE,
        "KeyConditionExpression": "room = :room",
        "ExpressionAttributeValues": {":room": {"S": "r"}},
        **more,
    }


FILTERED = query(
    ConsistentRead=True,
    FilterExpression="#text = :none",
    ProjectionExpression="seq",
    ExpressionAttributeNames={"#text": "t"},
    ExpressionAttributeValues={":room": {"S": "r"}, ":none": {"S": "-"}},
)


@pytest.mark.parametrize(
    ("request_", "units"),
    [
        (query(ConsistentRead=True), 3),  # 9,000 bytes together, not 1 + 1 + 1 + ... apart
        (query(), 1.5),
        (query(ConsistentRead=True, Limit=4), 1),
        (FILTERED, 3),
    ],
)
def test_a_query_costs_what_it_looks_at(
    request_: dict[str, Any], units: float, meter: Meter
) -> None:
    for seq in range(9):
        item = text(1000) | {"seq": {"N": f"{seq + 1}"}}
        meter.put_item(TableName=MESSAGES_TABLE, Item=item)
    meter.take()

    meter.query(**request_)

    usage = meter.take()
    assert (usage.rcu, usage.requests) == (units, {"query": 1})


def test_an_operation_that_is_not_known_is_refused(meter: Meter) -> None:
    with pytest.raises(AttributeError):
        meter.scan(TableName=MESSAGES_TABLE)


@pytest.fixture(scope="module")
def dynamodb_local() -> Iterator[Any]:
    if reason := missing():
        pytest.skip(reason)
    with DynamoDBLocal.start() as engine:
        client = engine.client("dynamodb")
        create_tables(client)
        yield client


def _of_index(**more: Any) -> dict[str, Any]:
    return {
        "TableName": MEMBERSHIPS_TABLE,
        "IndexName": "by_member",
        "KeyConditionExpression": "#member = :ada",
        "ExpressionAttributeNames": {"#member": "member"},
        "ExpressionAttributeValues": {":ada": {"S": "ada"}},
        **more,
    }


def _put(item: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "put_item", {"TableName": MESSAGES_TABLE, "Item": item}


def _joined(seq: str) -> tuple[str, dict[str, Any]]:
    return "put_item", {
        "TableName": MEMBERSHIPS_TABLE,
        "Item": {**MEMBER, "read_seq": {"N": seq}},
    }


# One after the other, on the same tables. No transactions: that build charges a write that is alone
# in one four times instead of twice.
SCRIPT = [
    _put(text(1024)),
    _put(text(1025)),
    _put(text(4097)),
    _put({**text(900), "seq": {"N": "2"}, "m": {"M": {"k": {"N": "1.25"}}}, "s": {"SS": ["a"]}}),
    ("get_item", {"TableName": MESSAGES_TABLE, "Key": KEY, "ConsistentRead": True}),
    ("get_item", {"TableName": MESSAGES_TABLE, "Key": KEY}),
    ("get_item", {"TableName": MESSAGES_TABLE, "Key": {**KEY, "seq": {"N": "9"}}}),
    ("batch_get_item", {"RequestItems": {MESSAGES_TABLE: {"Keys": [KEY, OTHER]}}}),
    ("query", query(ConsistentRead=True)),
    ("query", query()),
    ("query", query(Limit=1, ScanIndexForward=False)),
    ("query", FILTERED),
    _joined("1"),
    _joined("1"),
    _joined("2"),
    ("query", _of_index()),
    (
        "update_item",
        {
            "TableName": MESSAGES_TABLE,
            "Key": KEY,
            "UpdateExpression": "SET a = :a REMOVE t",
            "ExpressionAttributeValues": {":a": {"S": "b"}},
        },
    ),
    ("delete_item", {"TableName": MESSAGES_TABLE, "Key": KEY}),
    ("delete_item", {"TableName": MESSAGES_TABLE, "Key": KEY}),
    ("delete_item", {"TableName": MEMBERSHIPS_TABLE, "Key": MEMBER}),
]


def test_dynamodb_local_charges_the_same(dynamodb_local: Any) -> None:
    meter = Meter(dynamodb_local)
    ours, theirs = [], []

    for operation, request in SCRIPT:
        answer = getattr(meter, operation)(**request, ReturnConsumedCapacity="TOTAL")
        consumed = answer["ConsumedCapacity"]
        tables = consumed if isinstance(consumed, list) else [consumed]
        theirs.append((operation, sum(table["CapacityUnits"] for table in tables)))
        usage = meter.take()
        ours.append((operation, usage.wcu + usage.rcu))

    assert ours == theirs
