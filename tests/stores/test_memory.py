"""The database in memory answers what moto and DynamoDB Local answer."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.stores.memory import MemoryClient
from tests.stores.tables import CONNECTIONS_TABLE

Request = tuple[str, dict[str, Any]]
ANSWERED = ("Item", "Items", "Attributes", "Responses", "LastEvaluatedKey")
HASH = "room#tea"
KEYS = st.sampled_from(["a", "b", "c"]).map(lambda sk: {"pk": {"S": HASH}, "sk": {"S": sk}})
NUMBER = st.sampled_from(["1", "2", "10", "1.5"]).map(lambda n: {"N": n})
STRINGS = st.sets(st.sampled_from(["x", "y", "z"]), min_size=1).map(lambda s: {"SS": sorted(s)})
CONDITIONS = st.sampled_from(
    [
        "attribute_not_exists(pk) OR expires_at <= :n",
        "attribute_exists(pk) AND expires_at > :n",
        "attribute_exists(#rooms) AND (contains(#rooms, :x) OR size(#rooms) < :n)",
        "attribute_exists(pk) AND attribute_not_exists(reactions.#deep)",
        "expires_at BETWEEN :n AND :n OR attribute_exists(reactions.#deep) AND expires_at >= :n",
    ]
)
UPDATES = st.sampled_from(
    [
        "SET expires_at = :n, seen = if_not_exists(seen, :n) REMOVE gone",
        "ADD #rooms :s",
        "DELETE #rooms :s",
        "SET reactions.#deep = :n",
        "SET seen = :n REMOVE reactions.#deep",
    ]
)


def used(names: dict[str, Any], *expressions: str) -> dict[str, Any]:
    return {name: it for name, it in names.items() if any(name in text for text in expressions)}


def placeholders(number: Any, strings: Any, *expressions: str) -> dict[str, Any]:
    """Return those that the expressions use: DynamoDB refuses others."""
    values = used({":n": number, ":s": strings, ":x": {"S": "x"}}, *expressions)
    names = used({"#rooms": "rooms", "#deep": "👍 ada"}, *expressions)
    return {
        **({"ExpressionAttributeValues": values} if values else {}),
        **({"ExpressionAttributeNames": names} if names else {}),
    }


@st.composite
def writes(draw: Callable[..., Any], *, image: bool) -> tuple[str, dict[str, Any]]:
    """Draw a write as transactions have it."""
    kind, key = draw(st.sampled_from(["Put", "Update", "Delete"])), draw(KEYS)
    number, strings, allowed = draw(NUMBER), draw(STRINGS), draw(CONDITIONS)
    write: dict[str, Any] = {"TableName": CONNECTIONS_TABLE, "ConditionExpression": allowed}
    if kind == "Put":
        item = {"expires_at": number, "rooms": strings, "reactions": {"M": {}}, "gone": {"S": "x"}}
        write |= {"Item": {**key, **item}}
        # Puts that are always allowed make sure that there is something.
        if draw(st.booleans()):
            del write["ConditionExpression"]
    elif kind == "Update":
        write |= {"Key": key, "UpdateExpression": draw(UPDATES)}
        if "reactions" in write["UpdateExpression"]:  # a path into nothing is refused
            write["ConditionExpression"] = "attribute_exists(reactions) AND expires_at >= :n"
    else:
        write |= {"Key": key}
    texts = (write.get("ConditionExpression", ""), write.get("UpdateExpression", ""))
    if image and texts[0]:
        write["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return kind, write | placeholders(number, strings, *texts)


def place(write: tuple[str, dict[str, Any]]) -> str:
    """Return the sort key of a write: databases refuse repetitions, each in its own words."""
    key = write[1]["Item" if write[0] == "Put" else "Key"]
    return str(key["sk"]["S"])


@st.composite
def single(draw: Callable[..., Any]) -> Request:
    kind, write = draw(writes(image=False))
    returned = {
        "Put": {},
        "Update": {"ReturnValues": "ALL_NEW"},
        "Delete": {"ReturnValues": "ALL_OLD"},
    }
    return f"{kind.lower()}_item", write | returned[kind]


@st.composite
def queries(draw: Callable[..., Any]) -> Request:
    key, kept = "pk = :pk AND sk BETWEEN :low AND :high", "expires_at > :n"
    return "query", {
        "TableName": CONNECTIONS_TABLE,
        "KeyConditionExpression": key,
        "FilterExpression": kept,
        "ProjectionExpression": "sk, #rooms",
        "ExpressionAttributeNames": {"#rooms": "rooms"},
        "ExpressionAttributeValues": {
            ":pk": {"S": HASH},
            ":low": {"S": draw(st.sampled_from("ab"))},
            ":high": {"S": draw(st.sampled_from("bc"))},
            ":n": draw(NUMBER),
        },
        "ConsistentRead": True,
        "ScanIndexForward": draw(st.booleans()),
        "Limit": draw(st.integers(1, 3)),
    }


REQUESTS: st.SearchStrategy[Request] = st.one_of(
    single(),
    st.lists(writes(image=True), min_size=1, max_size=3, unique_by=place).map(
        lambda them: (
            "transact_write_items",
            {"TransactItems": [{kind: write} for kind, write in them]},
        )
    ),
    queries(),
    st.lists(KEYS, min_size=1, max_size=2, unique_by=lambda key: str(key["sk"]["S"])).map(
        lambda keys: (
            "batch_write_item",
            {"RequestItems": {CONNECTIONS_TABLE: [{"DeleteRequest": {"Key": it}} for it in keys]}},
        )
    ),
    KEYS.map(
        lambda key: (
            "get_item",
            {"TableName": CONNECTIONS_TABLE, "Key": key, "ConsistentRead": True},
        )
    ),
)


def told(client: Any, request: Request) -> Any:
    """Return what the chat looks at in an answer."""
    operation, arguments = request
    try:
        answer = getattr(client, operation)(**arguments)
    except ClientError as error:
        reasons = error.response.get("CancellationReasons", [])
        found = [(reason.get("Code", "None"), reason.get("Item")) for reason in reasons]
        return error.response["Error"]["Code"], normal(found)
    return {name: normal(answer[name]) for name in ANSWERED if answer.get(name) is not None}


def normal(value: Any) -> Any:
    """Return a value in which sets have one order and keys of pages are only there or not."""
    if isinstance(value, dict):
        return {key: sorted(it) if key == "SS" else normal(it) for key, it in value.items()}
    return [normal(it) for it in value] if isinstance(value, list | tuple) else value


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(requests=st.lists(REQUESTS, min_size=4, max_size=14))
def test_the_same_requests_get_the_same_answers(client: Any, requests: list[Request]) -> None:
    memory = MemoryClient()
    for row in client.scan(TableName=CONNECTIONS_TABLE)["Items"]:
        key = {name: row[name] for name in ("pk", "sk")}
        client.delete_item(TableName=CONNECTIONS_TABLE, Key=key)

    for request in requests:
        mine, theirs = told(memory, request), told(client, request)
        if "LastEvaluatedKey" not in mine and isinstance(theirs, dict):
            # With the very last row on the page a database may say either.
            theirs.pop("LastEvaluatedKey", None)
        assert mine == theirs


def test_what_it_lacks_it_refuses() -> None:
    memory = MemoryClient()

    with pytest.raises(AttributeError):
        memory.describe_table(TableName=CONNECTIONS_TABLE)
    with pytest.raises(NotImplementedError):
        memory.scan(TableName=CONNECTIONS_TABLE, Limit=1)
