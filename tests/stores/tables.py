"""The tables of infra/data.yaml, for databases without CloudFormation."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).parents[2] / "infra" / "data.yaml"
STAGE = "test"
CONNECTIONS_TABLE = f"dynamowave-{STAGE}-connections"
MESSAGES_TABLE = f"dynamowave-{STAGE}-messages"
MEMBERSHIPS_TABLE = f"dynamowave-{STAGE}-memberships"
ACCOUNTS_TABLE = f"dynamowave-{STAGE}-accounts"
DELIVERIES_QUEUE = f"dynamowave-{STAGE}-deliveries"
DEAD_LETTER_QUEUE = f"dynamowave-{STAGE}-undelivered"

# CreateTable knows neither of the first two, and DynamoDB Local not this form of the last.
_ELSEWHERE = {"TimeToLiveSpecification", "PointInTimeRecoverySpecification", "SSESpecification"}


def create_tables(client: Any) -> None:
    """Create every table of the template, with its keys and streams, through a boto3 client."""
    for resource in _template()["Resources"].values():
        if resource["Type"] == "AWS::DynamoDB::Table":
            client.create_table(**_arguments(_given(resource["Properties"])))


def _arguments(properties: dict[str, Any]) -> dict[str, Any]:
    arguments = {name: value for name, value in properties.items() if name not in _ELSEWHERE}
    if "StreamSpecification" in arguments:
        # CloudFormation has no StreamEnabled; CreateTable insists on it.
        arguments["StreamSpecification"] = {
            "StreamEnabled": True,
            **arguments["StreamSpecification"],
        }
    return arguments


def _given(value: Any) -> Any:
    """Leave out what has no value."""
    if isinstance(value, dict):
        return {name: _given(part) for name, part in value.items() if part is not None}
    return [_given(part) for part in value] if isinstance(value, list) else value


class _Loader(yaml.SafeLoader):
    """Reads a template as it is for tests: no condition holds, and only the stage is known."""


def _substituted(_: yaml.SafeLoader, node: Any) -> str:
    return str(node.value).replace("${Stage}", STAGE)


def _otherwise(loader: yaml.SafeLoader, node: Any) -> Any:
    return loader.construct_object(node.value[2], deep=True)


_Loader.add_constructor("!Sub", _substituted)
_Loader.add_constructor("!If", _otherwise)
_Loader.add_multi_constructor("!", lambda *_node: None)  # AWS::NoValue among them


@cache
def _template() -> dict[str, Any]:
    template: dict[str, Any] = yaml.load(TEMPLATE.read_text(encoding="utf-8"), _Loader)  # noqa: S506
    return template
