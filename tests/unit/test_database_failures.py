"""What the repositories are told when DynamoDB does not do as asked."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from chalicelib.database import ConditionError, Database, string
from chalicelib.errors import Unavailable
from tests.unit.fakes import CONNECTIONS_TABLE, Clock, Faulty, cancelled, client_error

KEY = {"pk": string("conn#a"), "sk": string("conn")}
PUT: dict[str, Any] = {"Put": {"TableName": CONNECTIONS_TABLE, "Item": KEY}}
OF_KEY: dict[str, Any] = {
    "KeyConditionExpression": "pk = :pk",
    "ExpressionAttributeValues": {":pk": KEY["pk"]},
}
# What has certainly not been carried out.
REFUSED = [
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionConflictException",
]


@pytest.mark.parametrize(
    "error",
    [
        client_error("TransactionInProgressException"),
        client_error("InternalServerError", status=500),
        client_error("LimitExceededException"),
        client_error("ServiceUnavailable", status=503),
        client_error("SomethingNew", status=500),
        EndpointConnectionError(endpoint_url="http://localhost"),
        ReadTimeoutError(endpoint_url="http://localhost"),
    ],
)
def test_what_may_have_been_carried_out_is_unavailable_at_once_and_says_from_what(
    error: Exception, database: Database, dynamodb: Faulty, clock: Clock
) -> None:
    dynamodb.always("put_item", error)

    with pytest.raises(Unavailable) as caught:
        database.put(CONNECTIONS_TABLE, KEY)

    assert caught.value.__cause__ is error
    assert caught.value.retry_after_ms == 1000
    assert (dynamodb.count("put_item"), clock.slept) == (1, [])


@pytest.mark.parametrize("code", REFUSED)
@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("get_item", lambda database: database.get(CONNECTIONS_TABLE, KEY)),
        ("put_item", lambda database: database.put(CONNECTIONS_TABLE, KEY)),
        ("delete_item", lambda database: database.delete(CONNECTIONS_TABLE, KEY)),
        ("query", lambda database: list(database.query(CONNECTIONS_TABLE, **OF_KEY))),
        ("query", lambda database: database.page(CONNECTIONS_TABLE, limit=1, **OF_KEY)),
        ("batch_get_item", lambda database: list(database.get_all(CONNECTIONS_TABLE, [KEY]))),
        ("batch_write_item", lambda database: database.delete_all(CONNECTIONS_TABLE, [KEY])),
        ("transact_write_items", lambda database: database.transact([PUT])),
    ],
)
def test_what_was_refused_is_tried_again_after_a_pause(
    operation: str,
    call: Callable[[Database], object],
    code: str,
    database: Database,
    dynamodb: Faulty,
) -> None:
    dynamodb.plan(operation, client_error(code), client_error(code), None)

    call(database)

    assert dynamodb.count(operation) == 3


@pytest.mark.parametrize("code", REFUSED)
def test_refusals_without_end_are_unavailable_within_the_deadline(
    code: str, database: Database, dynamodb: Faulty, clock: Clock
) -> None:
    dynamodb.always("query", client_error(code, status=400))

    with pytest.raises(Unavailable):
        database.page(CONNECTIONS_TABLE, limit=1, **OF_KEY)

    assert len(clock.slept) == dynamodb.count("query") - 1
    assert 2 < dynamodb.count("query") <= 20
    assert sum(clock.slept) <= 5


@pytest.mark.parametrize(
    "code", ["ResourceNotFoundException", "AccessDeniedException", "ValidationException"]
)
def test_a_fault_of_the_deployment_stays_what_it_is(
    code: str, database: Database, dynamodb: Faulty
) -> None:
    dynamodb.plan("get_item", client_error(code))

    with pytest.raises(ClientError, match=code):
        database.get(CONNECTIONS_TABLE, KEY)


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


def test_batches_that_are_never_done_are_unavailable(database: Database, dynamodb: Faulty) -> None:
    dynamodb.always("batch_write_item", lambda a: {"UnprocessedItems": a["RequestItems"]})
    dynamodb.always(
        "batch_get_item", lambda a: {"Responses": {}, "UnprocessedKeys": a["RequestItems"]}
    )

    with pytest.raises(Unavailable):
        database.delete_all(CONNECTIONS_TABLE, [KEY])
    with pytest.raises(Unavailable):
        list(database.get_all(CONNECTIONS_TABLE, [KEY]))


def test_a_transaction_is_tried_once_where_others_are_in_the_way(
    database: Database, dynamodb: Faulty
) -> None:
    dynamodb.always("transact_write_items", cancelled("None", "TransactionConflict"))

    with pytest.raises(ConditionError) as caught:
        database.transact([PUT])

    assert caught.value.failed == {}
    assert dynamodb.count("transact_write_items") == 1


@pytest.mark.clause("L3")
def test_all_tries_of_a_transaction_have_one_token_and_the_next_transaction_another(
    database: Database, dynamodb: Faulty
) -> None:
    # An earlier attempt may have been carried out, and its answer lost.
    dynamodb.plan("transact_write_items", client_error("ThrottlingException"), None)

    database.transact([PUT])
    database.transact([PUT])

    tokens = [call["ClientRequestToken"] for name, call in dynamodb.calls if "transact" in name]
    assert tokens[0] == tokens[1] != tokens[2]
