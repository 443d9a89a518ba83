"""Stacks and the data stack: what is done to them, and what is not."""

import json
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.unit.clouds import Cloud, Recorder, change, desk, error, project
from tools.shipping.data import make_data, require_data
from tools.shipping.desks import Desk
from tools.shipping.errors import ShippingError

TABLE = "AWS::DynamoDB::Table"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(
        sqs=Recorder(get_queue_url=error("AWS.SimpleQueueService.NonExistentQueue")),
        secretsmanager=Recorder(describe_secret=error("ResourceNotFoundException")),
    )


@pytest.fixture
def here(tmp_path: Path, cloud: Cloud, told: list[str]) -> Desk:
    return desk(project(tmp_path), cloud, told)


def test_data_is_made_and_then_protected_and_told(
    here: Desk, cloud: Cloud, told: list[str]
) -> None:
    make_data(here)

    once = ["create_change_set", "execute_change_set"]
    assert cloud.formation.did == [*once, *once, "protect"]
    asked = cloud.formation.asked[0][1]
    assert asked["ChangeSetType"] == "CREATE"
    assert asked["ImportExistingResources"]
    assert {"ParameterKey": "Stage", "ParameterValue": "dev"} in asked["Parameters"]
    assert "  add     Messages (AWS::DynamoDB::Table)" in told


def test_tables_are_protected_only_once_their_stack_stands(here: Desk, cloud: Cloud) -> None:
    make_data(here)

    first, second = (r["Parameters"] for n, r in cloud.formation.asked if n == "create_change_set")
    unprotected = {"ParameterKey": "DeletionProtection", "ParameterValue": "false"}
    assert unprotected in first
    assert unprotected not in second


def test_a_stage_without_protection_is_made_at_once(here: Desk, cloud: Cloud) -> None:
    make_data(here, ["DeletionProtection=false"])

    assert cloud.formation.did == ["create_change_set", "execute_change_set", "protect"]


def test_a_stage_is_never_made_with_the_names_of_another(here: Desk, cloud: Cloud) -> None:
    make_data(here, ["Stage=prod"])

    told = cloud.formation.asked[0][1]["Parameters"]
    assert {"ParameterKey": "Stage", "ParameterValue": "dev"} in told


def test_tables_are_named_in_full_or_they_could_not_be_taken_over(here: Desk, cloud: Cloud) -> None:
    make_data(here)

    template = json.loads(cloud.formation.asked[0][1]["TemplateBody"])
    messages = template["Resources"]["Messages"]["Properties"]
    assert messages["TableName"] == "dynamowave-dev-messages"


def test_what_cannot_be_taken_over_is_named_before_anything_is_made(
    here: Desk, cloud: Cloud
) -> None:
    cloud.clients |= {"sqs": Recorder(), "secretsmanager": Recorder()}

    left = "has left queue dynamowave-dev-undelivered, secret dynamowave-dev-tokens,"
    with pytest.raises(ShippingError, match=left):
        make_data(here)
    with pytest.raises(ShippingError, match="has left queue dynamowave-dev-undelivered, and"):
        make_data(here, ["RegionRole=secondary"])

    assert cloud.formation.did == []


def test_who_may_not_look_is_told_and_nothing_is_made(here: Desk, cloud: Cloud) -> None:
    cloud.clients["sqs"] = Recorder(get_queue_url=error("AccessDenied"))

    with pytest.raises(ClientError, match="AccessDenied"):
        make_data(here)

    assert cloud.formation.did == []


def test_to_repeat_it_changes_nothing(here: Desk, cloud: Cloud, told: list[str]) -> None:
    cloud.formation.has("dynamowave-dev-data")
    cloud.formation.refusal = "The submitted information didn't contain changes."

    make_data(here)

    assert "execute_change_set" not in cloud.formation.did
    assert "delete_stack" not in cloud.formation.did
    assert "  dynamowave-dev-data: nothing to change" in told


@pytest.mark.parametrize(
    "lost",
    [change("Modify", "Messages", TABLE, Replacement="True"), change("Remove", "Messages", TABLE)],
)
def test_what_would_lose_state_is_refused_unless_it_is_asked_for(
    here: Desk, cloud: Cloud, *, lost: dict[str, object]
) -> None:
    cloud.formation.has("dynamowave-dev-data")
    cloud.formation.changes = [lost]

    with pytest.raises(ShippingError, match=r"replace or remove what holds state: Messages"):
        make_data(here)
    assert "execute_change_set" not in cloud.formation.did

    make_data(here, replace=True)
    assert "execute_change_set" in cloud.formation.did


def test_a_failure_is_told_by_its_first_reason(here: Desk, cloud: Cloud) -> None:
    cloud.formation.outcome = "ROLLBACK_COMPLETE"

    with pytest.raises(ShippingError, match=r"ROLLBACK_COMPLETE: Messages: it is there already"):
        make_data(here)


def test_a_template_that_is_refused_is_told_why(here: Desk, cloud: Cloud) -> None:
    cloud.formation.refusal = "Template error: no such resource"

    with pytest.raises(ShippingError, match="Template error: no such resource"):
        make_data(here)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("ROLLBACK_COMPLETE", "aws cloudformation delete-stack --stack-name dynamowave-dev-data"),
        ("CREATE_FAILED", "delete-stack"),
        ("DELETE_FAILED", "its deletion has failed"),
        ("UPDATE_FAILED", "rollback-stack"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
        ("UPDATE_IN_PROGRESS", "wait, then repeat"),
    ],
)
def test_a_stack_that_needs_help_first_says_which(
    here: Desk, cloud: Cloud, *, state: str, said: str
) -> None:
    cloud.formation.has("dynamowave-dev-data", state)

    with pytest.raises(ShippingError, match=said) as raised:
        make_data(here)

    assert "\n" not in str(raised.value)
    assert cloud.formation.did == []


def test_a_stack_that_was_only_ever_reviewed_is_none(here: Desk, cloud: Cloud) -> None:
    cloud.formation.has("dynamowave-dev-data", "REVIEW_IN_PROGRESS")

    with pytest.raises(
        ShippingError, match=r"no stack dynamowave-dev-data in eu-west-1.*make data"
    ):
        require_data(here)


def test_a_failed_data_stack_carries_no_functions(here: Desk, cloud: Cloud) -> None:
    cloud.formation.has("dynamowave-dev-data", "IMPORT_ROLLBACK_FAILED")

    with pytest.raises(ShippingError, match="IMPORT_ROLLBACK_FAILED: look at its events"):
        require_data(here)


def test_who_stops_waiting_is_told(here: Desk, cloud: Cloud) -> None:
    cloud.formation.outcome = "CREATE_IN_PROGRESS"

    with pytest.raises(ShippingError, match="does not finish"):
        make_data(here)
