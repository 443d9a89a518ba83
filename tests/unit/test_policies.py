"""The policies of the functions: written from one declaration, and no wider than that."""

import json
import re
from typing import Any

import boto3
import pytest

import app as app_module
from localgateway.functions import REST_FUNCTION, WEBSOCKET_FUNCTIONS
from localgateway.policies import allows
from tools.policies import CHALICE, USES, files, policies

FILES = files()
DOCUMENTS = {path.stem: json.loads(text) for path, text in FILES.items()}
STATEMENTS = [
    (name, statement) for name, document in DOCUMENTS.items() for statement in document["Statement"]
]
# Actions that are no operations of an API.
OF_IAM_ALONE = {
    "dynamodb:ConditionCheckItem",
    "execute-api:ManageConnections",
    "lambda:InvokeFunction",
}


def functions() -> set[str]:
    """Return the names of all functions that Chalice deploys."""
    app = app_module.app
    named: list[Any] = [*app.event_sources, *app.pure_lambda_functions]
    sockets = {WEBSOCKET_FUNCTIONS[route] for route in app.websocket_handlers}
    return {REST_FUNCTION, *sockets, *(function.name for function in named)}


def test_every_function_has_a_declaration() -> None:
    assert set(USES) == functions()


def test_the_files_are_what_is_declared_and_there_are_no_others() -> None:
    written = {path: path.read_text(encoding="utf-8") for path in CHALICE.glob("policy-*.json")}

    assert written == FILES, "run make policies"


@pytest.mark.parametrize(("name", "statement"), STATEMENTS)
def test_a_statement_names_what_it_allows(name: str, statement: dict[str, Any]) -> None:
    stage = name.split("-")[1]

    assert not any("*" in action for action in statement["Action"])
    for resource in statement["Resource"]:
        if statement["Sid"] == "Traces":
            assert resource == "*"
        elif statement["Sid"] == "Sockets":
            assert re.fullmatch(
                r"arn:aws:execute-api:\*:\*:\*/api/(POST|GET|DELETE)/@connections/\*", resource
            )
        else:
            service, place = resource.split(":", 5)[2:6:3]
            assert resource == f"arn:aws:{service}:*:*:{place}"
            assert re.search(rf"dynamowave-{stage}\b", place)
            assert "*" not in place.removesuffix(":*")


@pytest.mark.parametrize(
    "action", sorted({action for _, each in STATEMENTS for action in each["Action"]})
)
def test_an_action_is_one_that_aws_knows(action: str) -> None:
    service, operation = action.split(":")
    client = boto3.client(service, region_name="us-east-1") if action not in OF_IAM_ALONE else None

    assert client is None or operation in client.meta.service_model.operation_names


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_policy_is_one_that_iam_takes(name: str) -> None:
    statements = DOCUMENTS[name]["Statement"]
    sids = [statement["Sid"] for statement in statements]

    assert len(set(sids)) == len(sids)
    assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)
    # Of all policies in a role, without blanks:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    assert len(json.dumps(DOCUMENTS[name], separators=(",", ":"))) <= 10_240


@pytest.mark.parametrize("function", sorted(USES))
def test_a_stage_does_not_reach_into_another(function: str) -> None:
    named = [
        resource
        for name, statement in STATEMENTS
        if name == f"policy-prod-{function}" and statement["Sid"] not in {"Traces", "Sockets"}
        for resource in statement["Resource"]
    ]
    actions = {action for _, statement in STATEMENTS for action in statement["Action"]}
    policy = DOCUMENTS[f"policy-dev-{function}"]

    assert named
    assert not any(allows(policy, action=act, resource=arn) for act in actions for arn in named)


def test_a_stage_that_is_not_traced_has_no_permission_to_trace() -> None:
    traced = {name for name, statement in STATEMENTS if statement["Sid"] == "Traces"}

    assert traced == {f"policy-prod-{function}" for function in USES}


def test_only_the_warmer_may_invoke_functions_and_those_that_its_stage_warms() -> None:
    environ = json.loads((CHALICE / "config.json").read_text(encoding="utf-8"))["stages"]["dev"][
        "environment_variables"
    ]
    few = {"environment_variables": {**environ, "WARM_FUNCTIONS": "deliver"}}

    may = {name for name, statement in STATEMENTS if "lambda:InvokeFunction" in statement["Action"]}
    statement = policies("dev", few)["warm"]["Statement"][0]

    assert may == {"policy-dev-warm", "policy-prod-warm"}
    assert statement["Resource"] == ["arn:aws:lambda:*:*:function:dynamowave-dev-deliver"]


def test_nobody_makes_or_removes_anything_that_holds_state() -> None:
    verbs = ("Create", "DeleteTable", "DeleteQueue", "Purge", "PutSecret", "UpdateTable", "Scan")
    allowed = {action for _, statement in STATEMENTS for action in statement["Action"]}

    found = {it for it in allowed if it.split(":")[1].startswith(verbs)}

    assert found == {"logs:CreateLogStream"}
