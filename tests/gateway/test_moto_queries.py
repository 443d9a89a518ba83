"""Queries of the moto server: as moto answers them, page by page, at a price of their own."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

from localgateway.moto_answers import cheap_answers
from localgateway.moto_queries import Partition, cheap_queries

TABLE = "things"
KEYS = {"pk": "HASH", "sk": "RANGE"}
STOP = object()


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with mock_aws(), cheap_queries(), cheap_answers():
        yield create()


def create() -> Any:
    client = boto3.Session("key", "secret", region_name="us-east-1").client("dynamodb")
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": key, "KeyType": role} for key, role in KEYS.items()],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in KEYS],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


def put(dynamodb: Any, *items: dict[str, Any]) -> None:
    for item in items:
        dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": "p"}, **item})


def query(dynamodb: Any, **request: Any) -> Any:
    return dynamodb.query(
        TableName=TABLE,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "p"}},
        **request,
    )


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 30)),
        st.tuples(st.just("delete"), st.integers(0, 30)),
        st.tuples(st.just("query"), st.integers(1, 5)),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(steps=STEPS, forward=st.booleans(), between=st.booleans())
def test_whatever_was_written_pages_are_the_ones_of_moto_itself(
    steps: list[tuple[str, int]], *, forward: bool, between: bool
) -> None:
    with cheap_queries():
        mended = list(_pages(_table(), steps, forward=forward, between=between))

    assert mended == list(_pages(_table(), steps, forward=forward, between=between))


def _table() -> Table:
    return Table(  # type: ignore[abstract]
        TABLE,
        "123456789012",
        "us-east-1",
        schema=[{"AttributeName": key, "KeyType": role} for key, role in KEYS.items()],
        attr=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
    )


def _pages(
    table: Table, steps: list[tuple[str, int]], *, forward: bool, between: bool
) -> Iterator[list[int]]:
    comparison = ("BETWEEN", [DynamoType({"N": "4"}), DynamoType({"N": "20"})])
    for what, number in [*steps, ("query", 3), ("query", 100)]:
        key = DynamoType({"N": str(number)})
        if what == "put":
            table.put_item({"pk": {"S": "p"}, "sk": {"N": str(number)}})
        elif what == "delete":
            table.delete_item(DynamoType({"S": "p"}), key)
        else:
            after: Any = None
            while after is not STOP:
                operator, values = comparison if between else (None, [])
                items, _, after = table.query(
                    DynamoType({"S": "p"}), operator, values, number, after, forward, None
                )
                yield _numbers(items)
                after = after or STOP


def _numbers(items: list[Item]) -> list[int]:
    return [int(item.range_key.value) for item in items if item.range_key]


def test_a_query_with_a_limit_reads_no_more_of_its_partition_than_one_item_beyond_it() -> None:
    partition = _partition(*range(50))

    found = partition.window(DynamoType({"N": "9"}), 4, forward=True)

    assert _numbers(found) == [10, 11, 12, 13]


def test_going_backwards_it_reads_what_comes_before_the_key() -> None:
    partition = _partition(*range(50))

    found = partition.window(DynamoType({"N": "9"}), 4, forward=False)

    assert _numbers(found) == [5, 6, 7, 8]


def _partition(*numbers: int) -> Partition:
    partition = Partition()
    for number in sorted(numbers, key=str):
        key = DynamoType({"N": str(number)})
        partition[key] = Item(DynamoType({"S": "p"}), key, {})
    return partition


def test_what_comes_back_from_a_backup_is_in_order(dynamodb: Any) -> None:
    put(dynamodb, {"sk": {"S": "c"}}, {"sk": {"S": "a"}})
    backup = dynamodb.create_backup(TableName=TABLE, BackupName="kept")["BackupDetails"]

    dynamodb.delete_table(TableName=TABLE)
    dynamodb.restore_table_from_backup(TargetTableName=TABLE, BackupArn=backup["BackupArn"])
    put(dynamodb, {"sk": {"S": "b"}})

    found = [item["sk"]["S"] for item in query(dynamodb, Limit=2)["Items"]]
    assert found == ["a", "b"]


def test_what_a_query_returns_is_not_changed_by_what_is_written_later(dynamodb: Any) -> None:
    put(dynamodb, {"sk": {"S": "a"}, "n": {"N": "1"}})

    before = query(dynamodb)["Items"]
    put(dynamodb, {"sk": {"S": "a"}, "n": {"N": "2"}})

    assert [item["n"] for item in before] == [{"N": "1"}]


EVERY_TYPE = {
    "text": {"S": "ä\n"},
    "number": {"N": "-1.5"},
    "yes": {"BOOL": True},
    "no": {"BOOL": False},
    "nothing": {"NULL": True},
    "bytes": {"B": b"\x00\xff"},
    "texts": {"SS": ["x"]},
    "numbers": {"NS": ["1"]},
    "blobs": {"BS": [b"\x01"]},
    "list": {"L": [{"S": "a"}, {"L": []}, {"M": {"b": {"B": b"c"}}}]},
    "map": {"M": {"empty": {"M": {}}, "deep": {"M": {"n": {"N": "3"}}}}},
}


def test_every_type_of_attribute_is_written_as_it_was_put(dynamodb: Any) -> None:
    put(dynamodb, {"sk": {"S": "a"}, **EVERY_TYPE})
    aliases = {f"#{name}": name for name in EVERY_TYPE}

    projection = {
        "ProjectionExpression": ", ".join(aliases),
        "ExpressionAttributeNames": aliases,
    }
    (picked,) = query(dynamodb, **projection)["Items"]
    (whole,) = query(dynamodb)["Items"]

    assert picked == EVERY_TYPE
    assert whole == {"pk": {"S": "p"}, "sk": {"S": "a"}, **EVERY_TYPE}


def test_a_projection_has_what_was_asked_for_and_nested_attributes_too(dynamodb: Any) -> None:
    put(dynamodb, {"sk": {"S": "a"}, **EVERY_TYPE})

    flat = query(dynamodb, ProjectionExpression="sk, absent")["Items"]
    nested = query(
        dynamodb, ProjectionExpression="deep.er, #m.deep", ExpressionAttributeNames={"#m": "map"}
    )["Items"]

    assert flat == [{"sk": {"S": "a"}}]
    assert nested == [{"map": {"M": {"deep": {"M": {"n": {"N": "3"}}}}}}]


def test_tables_without_a_range_key_are_queried_as_before() -> None:
    with mock_aws(), cheap_queries(), cheap_answers():
        client = boto3.Session("key", "secret", region_name="us-east-1").client("dynamodb")
        client.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        client.put_item(TableName=TABLE, Item={"pk": {"S": "p"}})

        assert query(client)["Items"] == [{"pk": {"S": "p"}}]


def test_moto_is_left_as_it_was() -> None:
    before = Item.project, Item.__deepcopy__

    with mock_aws(), cheap_queries(), cheap_answers():
        query(create())

    assert (Item.project, Item.__deepcopy__) == before
