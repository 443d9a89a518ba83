"""`make destroy`: asks, says what stays, and leaves it."""

from pathlib import Path

import pytest

from tests.unit.clouds import Cloud, Formation, Recorder, desk, error, project
from tools.shipping.desks import Desk
from tools.shipping.errors import ShippingError
from tools.shipping.loggroups import forget_logs
from tools.shipping.removals import destroy


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def cloud() -> Cloud:
    functions = Recorder(get_function_configuration=error("ResourceNotFoundException"))
    cloud = Cloud(**{"lambda": functions, "cloudformation in us-east-1": Formation()})
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


def test_functions_of_another_checkout_are_not_passed_over(here: Desk, cloud: Cloud) -> None:
    cloud.formation.stacks.clear()
    cloud.clients["lambda"] = Recorder()

    with pytest.raises(ShippingError, match="was deployed from another checkout"):
        destroy(here, confirmed="dev")


def test_an_edge_in_its_own_region_stays_and_is_named(
    here: Desk, cloud: Cloud, told: list[str]
) -> None:
    cloud.client("cloudformation", "us-east-1").has("dynamowave-dev-edge")

    destroy(here, confirmed="dev")

    assert any("stays: stack dynamowave-dev-edge in us-east-1" in line for line in told)
    assert cloud.client("cloudformation", "us-east-1").did == []


def test_what_two_regions_share_is_not_torn_down_below_them(here: Desk, cloud: Cloud) -> None:
    cloud.formation.has("dynamowave-dev-multiregion")

    with pytest.raises(ShippingError, match="delete-stack --stack-name dynamowave-dev-multiregion"):
        destroy(here, confirmed="dev")

    assert cloud.formation.did == []


def test_the_logs_that_chalice_leaves_go_as_a_release_would_meet_them(
    here: Desk, cloud: Cloud, told: list[str]
) -> None:
    logs = Recorder()
    access = logs.exceptions.ResourceNotFoundException("/dynamowave/dev/rest")

    def delete(*, logGroupName: str) -> None:  # noqa: N803
        if logGroupName == "/dynamowave/dev/rest":
            raise access

    logs.answers["delete_log_group"] = delete
    cloud.clients["logs"] = logs

    forget_logs(here, ["api_handler", "deliver"])

    assert told == [
        "  deleted the log group /dynamowave/dev/websocket",
        "  deleted the log group /aws/lambda/dynamowave-dev",
        "  deleted the log group /aws/lambda/dynamowave-dev-deliver",
        "  deleted the log group /aws/lambda/dynamowave-dev-api_handler",
    ]


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
