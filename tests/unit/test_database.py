"""What the repositories are told when DynamoDB does not do as asked."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from chalicelib.database import ConditionError, Database, number, string
from chalicelib.errors import Unavailable
from tests.unit.fakes import CONNECTIONS_TABLE, Clock, Faulty, cancelled, client_error

KEY = {"pk": string("conn#a"), "sk": string("conn")}
PUT = {"Put": {"TableName": CONNECTIONS_TABLE, "Item": KEY}}


@pytest.mark.parametrize(
    "error",
    [
        client_error("ProvisionedThroughputExceededException"),
        client_error("ThrottlingException"),
        client_error("RequestLimitExceeded"),
        client_error("TransactionInProgressException"),
        client_error("InternalServerError", status=500),
        client_error("SomethingNew", status=503),
        EndpointConnectionError(endpoint_url="http://localhost"),
        ReadTimeoutError(endpoint_url="http://localhost"),
    ],
)
def test_what_passes_is_unavailable_and_says_from_what(
    error: Exception, database: Database, dynamodb: Faulty
) -> None:
    dynamodb.plan("get_item", error)

    with pytest.raises(Unavailable) as caught:
        database.get(CONNECTIONS_TABLE, KEY)

    assert caught.value.__cause__ is error
    assert caught.value.retry_after_ms == 1000


@pytest.mark.parametrize(
    "code", ["ResourceNotFoundException", "AccessDeniedException", "ValidationException"]
)
def test_a_fault_of_the_deployment_stays_what_it_is(
    code: str, database: Database, dynamodb: Faulty
) -> None:
    dynamodb.plan("get_item", client_error(code))

    with pytest.raises(ClientError, match=code):
        database.get(CONNECTIONS_TABLE, KEY)


def test_a_collision_with_a_transaction_is_tried_again(
    database: Database, dynamodb: Faulty
) -> None:
    collision = client_error("TransactionConflictException")
    dynamodb.plan("delete_item", collision, collision, None)

    database.delete(CONNECTIONS_TABLE, KEY)

    assert dynamodb.count("delete_item") == 3


def test_collisions_without_end_are_unavailable(
    database: Database, dynamodb: Faulty, clock: Clock
) -> None:
    dynamodb.always("delete_item", client_error("TransactionConflictException"))

    with pytest.raises(Unavailable):
        database.delete(CONNECTIONS_TABLE, KEY)

    assert dynamodb.count("delete_item") == 20
    assert sum(clock.slept) < 5


@pytest.mark.parametrize(
    "reason", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]
)
def test_a_transaction_in_the_way_is_tried_again(
    reason: str, database: Database, dynamodb: Faulty
) -> None:
    dynamodb.plan("transact_write_items", cancelled("None", reason), None)

    database.transact_until_done([PUT])

    assert database.get(CONNECTIONS_TABLE, KEY) == KEY
    assert dynamodb.count("transact_write_items") == 2


def test_a_transaction_that_never_gets_through_is_unavailable(
    database: Database, dynamodb: Faulty
) -> None:
    dynamodb.always("transact_write_items", cancelled("TransactionConflict"))

    with pytest.raises(Unavailable):
        database.transact_until_done([PUT])


def test_a_failed_condition_wins_over_a_conflict_and_is_not_tried_again(
    database: Database, dynamodb: Faulty
) -> None:
    error = cancelled("TransactionConflict", "ConditionalCheckFailed")
    dynamodb.plan("transact_write_items", error)

    with pytest.raises(ConditionError) as caught:
        database.transact_until_done([PUT])

    assert caught.value.failed == {1: {}}
    assert dynamodb.count("transact_write_items") == 1


@pytest.mark.parametrize("reasons", [["ValidationError"], ["None"], []])
def test_a_transaction_cancelled_for_our_fault_stays_what_it_is(
    reasons: list[str], database: Database, dynamodb: Faulty
) -> None:
    dynamodb.plan("transact_write_items", cancelled(*reasons))

    with pytest.raises(ClientError, match="TransactionCanceledException"):
        database.transact_until_done([PUT])


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


def test_batches_that_are_never_done_are_unavailable(database: Database, dynamodb: Faulty) -> None:
    dynamodb.always("batch_write_item", lambda a: {"UnprocessedItems": a["RequestItems"]})
    dynamodb.always(
        "batch_get_item", lambda a: {"Responses": {}, "UnprocessedKeys": a["RequestItems"]}
    )

    with pytest.raises(Unavailable):
        database.delete_all(CONNECTIONS_TABLE, [KEY])
    with pytest.raises(Unavailable):
        list(database.get_all(CONNECTIONS_TABLE, [KEY]))


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


def test_every_read_is_strongly_consistent(database: Database, dynamodb: Faulty) -> None:
    arguments = {
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": string("a")},
    }

    database.get(CONNECTIONS_TABLE, KEY)
    list(database.query(CONNECTIONS_TABLE, **arguments))
    database.newest(CONNECTIONS_TABLE, **arguments)

    assert [call["ConsistentRead"] for _, call in dynamodb.calls] == [True, True, True]


@pytest.mark.parametrize(("value", "text"), [(7, "7"), (1_767_323_045.678, "1767323045.678")])
def test_numbers_are_written_exactly(value: float, text: str) -> None:
    assert number(value) == {"N": text}
