"""`make destroy`: asks, says what stays, and leaves it."""

from pathlib import Path

import pytest

from tests.unit.clouds import Cloud, desk, project
from tools.shipping.desks import Desk
from tools.shipping.errors import ShippingError
from tools.shipping.removals import destroy


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def cloud() -> Cloud:
    cloud = Cloud()
    for name in ("dynamowave-dev-data", "dynamowave-dev", "dynamowave-dev-observability"):
        cloud.formation.has(name)
    return cloud


@pytest.fixture
def here(tmp_path: Path, cloud: Cloud, told: list[str]) -> Desk:
    return desk(project(tmp_path), cloud, told)


def test_what_stands_upon_the_service_goes_first_and_the_data_stays(
    here: Desk, cloud: Cloud, told: list[str]
) -> None:
    destroy(here, confirmed="dev")

    gone = [request["StackName"] for _, request in cloud.formation.asked]
    assert gone == ["dynamowave-dev-observability", "dynamowave-dev"]
    assert "  stays: stack dynamowave-dev-data, with all that it holds:" in told
    assert "  stays: table Messages" in told


def test_the_data_stack_goes_when_it_is_asked_for_and_says_what_it_leaves(
    here: Desk, cloud: Cloud, told: list[str]
) -> None:
    destroy(here, confirmed="dev", data=True)

    assert "dynamowave-dev-data" not in cloud.formation.stacks
    assert "  stays: table Messages" in told


def test_to_repeat_it_removes_nothing(here: Desk, cloud: Cloud, told: list[str]) -> None:
    cloud.formation.stacks.clear()

    destroy(here)

    assert cloud.formation.did == []
    assert told == ["destroy: removes nothing, as nothing is there"]


@pytest.mark.parametrize("answer", ["", "prod", "yes"])
def test_another_answer_than_the_stage_removes_nothing(
    here: Desk, cloud: Cloud, *, answer: str
) -> None:
    with pytest.raises(ShippingError, match="nothing was removed"):
        destroy(here, ask=lambda _: answer)

    assert cloud.formation.did == []


def test_nobody_there_to_answer_is_told_what_to_do(here: Desk, cloud: Cloud) -> None:
    def nobody(_: str) -> str:
        raise EOFError

    with pytest.raises(ShippingError, match="CONFIRM=dev"):
        destroy(here, ask=nobody)

    assert cloud.formation.did == []
