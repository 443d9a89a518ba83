"""What boto3 would not send comes to no client."""

from typing import Any

import pytest
from botocore.exceptions import ParamValidationError

from tests.stores.memory import MemoryClient
from tests.stores.requests import CheckedClient
from tests.stores.tables import CONNECTIONS_TABLE

KEY = {"pk": {"S": "room#tea"}, "sk": {"S": "a"}}


@pytest.mark.parametrize(
    ("operation", "wrong"),
    [
        ("put_item", {"Item": {"pk": "room#tea"}}),
        ("put_item", {"Item": {"pk": {"N": 7}}}),
        ("put_item", {}),
        ("get_item", {"Key": KEY, "Consistent": True}),
        ("get_item", {"Key": KEY, "ConsistentRead": "yes"}),
        ("query", {"Limit": "1"}),
    ],
)
def test_a_request_that_is_not_one_is_refused(operation: str, wrong: dict[str, Any]) -> None:
    client = CheckedClient(MemoryClient())

    with pytest.raises(ParamValidationError):
        getattr(client, operation)(TableName=CONNECTIONS_TABLE, **wrong)


def test_any_other_is_handed_on() -> None:
    client = CheckedClient(MemoryClient())

    client.put_item(TableName=CONNECTIONS_TABLE, Item=KEY)

    assert client.get_item(TableName=CONNECTIONS_TABLE, Key=KEY) == {"Item": KEY}


def test_what_the_client_lacks_it_lacks_too() -> None:
    with pytest.raises(AttributeError):
        CheckedClient(MemoryClient()).describe_limits  # noqa: B018
