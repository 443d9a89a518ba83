"""What is left out for the emulator is in the templates, and nothing else is left out."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.adaptations import DROPPED_TYPES, adapt
from tools.shipping.templates import read_template

INFRA = Path(__file__).parents[2] / "infra"


def test_types_that_the_emulator_refuses_are_dropped_with_who_waits_for_them() -> None:
    table = {"Type": "AWS::DynamoDB::Table", "DependsOn": ["Scaling", "Other"]}
    scaling = {"Type": "AWS::ApplicationAutoScaling::ScalableTarget"}

    adapted = adapt({"Resources": {"Table": table, "Scaling": scaling, "Other": {"Type": "X"}}})

    assert set(adapted["Resources"]) == {"Table", "Other"}
    assert adapted["Resources"]["Table"]["DependsOn"] == ["Other"]


@pytest.mark.parametrize("name", ["data.yaml", "service.yaml"])
def test_of_a_template_only_those_and_the_demand_for_tls_are_missing(name: str) -> None:
    template = read_template(INFRA / name)

    adapted = adapt(read_template(INFRA / name))

    dropped = set(template["Resources"]) - set(adapted["Resources"])
    assert {template["Resources"][each]["Type"] for each in dropped} <= set(DROPPED_TYPES)
    assert {key: value for key, value in adapted.items() if key != "Resources"} == {
        key: value for key, value in template.items() if key != "Resources"
    }


def test_queues_and_topics_are_reached_by_tls_only() -> None:
    resources = read_template(INFRA / "data.yaml")["Resources"]

    policies = [r for r in resources.values() if r["Type"].endswith(("QueuePolicy", "TopicPolicy"))]

    assert policies
    for policy in policies:
        statements = policy["Properties"]["PolicyDocument"]["Statement"]
        assert any(_demands_tls(each) for each in statements)
    assert not any(_demands_tls(each) for each in _dictionaries(adapt({"Resources": resources})))


def _demands_tls(part: Any) -> bool:
    condition = str(part.get("Condition")).lower()
    return part.get("Effect") == "Deny" and "'aws:securetransport': 'false'" in condition


def _dictionaries(part: Any) -> Any:
    if isinstance(part, dict):
        yield part
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _dictionaries(each)
