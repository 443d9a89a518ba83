"""What the repositories ask of DynamoDB, and what they are told."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.database import ConditionError, Database, number, string
from tests.unit.fakes import CONNECTIONS_TABLE, Clock, Faulty

KEY = {"pk": string("conn#a"), "sk": string("conn")}
PUT: dict[str, Any] = {"Put": {"TableName": CONNECTIONS_TABLE, "Item": KEY}}
OF_KEY: dict[str, Any] = {
    "KeyConditionExpression": "pk = :pk",
    "ExpressionAttributeValues": {":pk": KEY["pk"]},
}
IS_NEW = "attribute_not_exists(pk)"


def test_what_a_batch_leaves_over_is_written_after_a_pause(
    database: Database, dynamodb: Faulty, clock: Clock
) -> None:
    def half(arguments: dict[str, Any]) -> dict[str, Any]:
        requests = arguments["RequestItems"][CONNECTIONS_TABLE]
        dynamodb.client.batch_write_item(RequestItems={CONNECTIONS_TABLE: requests[:2]})
        return {"UnprocessedItems": {CONNECTIONS_TABLE: requests[2:]}}

    keys = [{"pk": string(f"p{n}"), "sk": string("s")} for n in range(5)]
    for key in keys:
        dynamodb.client.put_item(TableName=CONNECTIONS_TABLE, Item=key)
    dynamodb.plan("batch_write_item", half, None)

    database.delete_all(CONNECTIONS_TABLE, keys)

    assert list(database.get_all(CONNECTIONS_TABLE, keys)) == []
    assert len(clock.slept) == 1


def test_what_a_batch_leaves_unread_is_read_after_a_pause(
    database: Database, dynamodb: Faulty, clock: Clock
) -> None:
    def nothing(arguments: dict[str, Any]) -> dict[str, Any]:
        return {"Responses": {}, "UnprocessedKeys": arguments["RequestItems"]}

    dynamodb.client.put_item(TableName=CONNECTIONS_TABLE, Item=KEY)
    dynamodb.plan("batch_get_item", nothing, None)

    found = list(database.get_all(CONNECTIONS_TABLE, [KEY]))

    assert found == [KEY]
    assert len(clock.slept) == 1


def test_batches_keep_to_the_limits_of_dynamodb(database: Database, dynamodb: Faulty) -> None:
    keys = [{"pk": string(f"p{n}"), "sk": string("s")} for n in range(101)]

    database.delete_all(CONNECTIONS_TABLE, keys)
    list(database.get_all(CONNECTIONS_TABLE, keys))

    assert dynamodb.count("batch_write_item") == 5
    assert dynamodb.count("batch_get_item") == 2


def test_every_page_of_more_than_a_megabyte_is_read(database: Database, dynamodb: Faulty) -> None:
    padding = string("x" * 300_000)
    for n in range(8):
        item = {"pk": string("big"), "sk": string(str(n)), "padding": padding}
        dynamodb.client.put_item(TableName=CONNECTIONS_TABLE, Item=item)

    rows = database.query(
        CONNECTIONS_TABLE,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": string("big")},
    )

    assert [row["sk"]["S"] for row in rows] == list("01234567")
    assert dynamodb.count("query") >= 2


def test_a_page_is_cut_at_its_limit_or_at_a_megabyte_and_says_so(
    database: Database, dynamodb: Faulty
) -> None:
    padding = string("x" * 300_000)
    for n in range(5):
        item = {**KEY, "sk": string(str(n)), "padding": padding}
        dynamodb.client.put_item(TableName=CONNECTIONS_TABLE, Item=item)

    pages = [database.page(CONNECTIONS_TABLE, limit=n, **OF_KEY) for n in (1, 2, 6)]

    assert [more for _, more in pages] == [True, True, True]
    assert [len(items) for items, _ in pages[:2]] == [1, 2]
    assert len(pages[2][0]) < 5


def test_a_page_that_holds_everything_says_so(database: Database, dynamodb: Faulty) -> None:
    dynamodb.client.put_item(TableName=CONNECTIONS_TABLE, Item=KEY)

    assert database.page(CONNECTIONS_TABLE, limit=2, **OF_KEY) == ([KEY], False)


def test_every_read_is_strongly_consistent_but_for_that_of_an_index(
    database: Database, dynamodb: Faulty
) -> None:
    dynamodb.always("query", lambda _: {"Items": []})

    database.get(CONNECTIONS_TABLE, KEY)
    list(database.query(CONNECTIONS_TABLE, **OF_KEY))
    database.page(CONNECTIONS_TABLE, limit=1, **OF_KEY)
    database.page(CONNECTIONS_TABLE, limit=1, IndexName="i", **OF_KEY)

    assert [call.get("ConsistentRead") for _, call in dynamodb.calls] == [True, True, True, None]


def test_an_update_returns_what_the_item_is_now(database: Database, dynamodb: Faulty) -> None:
    dynamodb.client.put_item(TableName=CONNECTIONS_TABLE, Item=KEY | {"color": string("red")})

    item = database.update(
        CONNECTIONS_TABLE,
        KEY,
        UpdateExpression="SET weight = :weight",
        ExpressionAttributeValues={":weight": number(7)},
    )

    assert item == KEY | {"color": string("red"), "weight": number(7)}


def test_a_deletion_returns_what_the_item_was(database: Database, dynamodb: Faulty) -> None:
    dynamodb.client.put_item(TableName=CONNECTIONS_TABLE, Item=KEY | {"color": string("red")})

    first = database.delete(CONNECTIONS_TABLE, KEY)
    second = database.delete(CONNECTIONS_TABLE, KEY)

    assert (first, second) == (KEY | {"color": string("red")}, None)


def test_a_put_replaces_what_was_there(database: Database, dynamodb: Faulty) -> None:
    dynamodb.client.put_item(TableName=CONNECTIONS_TABLE, Item=KEY | {"color": string("red")})

    database.put(CONNECTIONS_TABLE, KEY)

    assert database.get(CONNECTIONS_TABLE, KEY) == KEY


@pytest.mark.parametrize(
    "call",
    [
        lambda database: database.put(CONNECTIONS_TABLE, KEY, ConditionExpression=IS_NEW),
        lambda database: database.delete(CONNECTIONS_TABLE, KEY, ConditionExpression=IS_NEW),
        lambda database: database.update(
            CONNECTIONS_TABLE,
            KEY,
            ConditionExpression=IS_NEW,
            UpdateExpression="SET weight = :weight",
            ExpressionAttributeValues={":weight": number(7)},
        ),
    ],
)
def test_a_condition_that_is_not_met_leaves_the_item_and_is_not_tried_again(
    call: Callable[[Database], object], database: Database, dynamodb: Faulty
) -> None:
    dynamodb.client.put_item(TableName=CONNECTIONS_TABLE, Item=KEY | {"color": string("red")})

    with pytest.raises(ConditionError) as caught:
        call(database)

    assert list(caught.value.failed) == [0]
    assert len(dynamodb.calls) == 1
    assert database.get(CONNECTIONS_TABLE, KEY) == KEY | {"color": string("red")}


def test_a_transaction_tells_which_condition_failed_and_shows_what_was_asked_for(
    database: Database, dynamodb: Faulty
) -> None:
    dynamodb.client.put_item(TableName=CONNECTIONS_TABLE, Item=KEY | {"color": string("red")})
    shown = {"ConditionExpression": IS_NEW, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    other = KEY | {"sk": string("other")}
    put = {"Put": {"TableName": CONNECTIONS_TABLE, "Item": other}}

    with pytest.raises(ConditionError) as caught:
        database.transact([put, {"Put": {**PUT["Put"], **shown}}])

    assert caught.value.failed == {1: KEY | {"color": string("red")}}
    assert database.get(CONNECTIONS_TABLE, other) is None


@pytest.mark.parametrize(("value", "text"), [(7, "7"), (1_767_323_045.678, "1767323045.678")])
def test_numbers_are_written_exactly(value: float, text: str) -> None:
    assert number(value) == {"N": text}
