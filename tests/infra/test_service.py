"""What is released: Chalice's template with infra/service.yaml, linted and translated."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from chalicelib.warmups import deployed_name
from tests.infra.templates import config, functions, of_type

_FUNCTION = "AWS::Serverless::Function"


def test_the_package_is_clean_to_the_linter(package: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from cfnlint.runner import main; main()", str(package)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")


# SAM says it of itself.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_sam_translates_the_package(merged: dict[str, Any]) -> None:
    translated = _translated(merged)

    kinds = {each["Type"] for each in translated["Resources"].values()}
    assert not [kind for kind in kinds if kind.startswith("AWS::Serverless::")]
    assert len(of_type(translated, "AWS::Lambda::Function")) == len(list(functions(config())))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_route_goes_to_the_alias_if_environments_are_provisioned_for_it(
    merged: dict[str, Any],
) -> None:
    resources = _translated(merged)["Resources"]

    for name in ("WebsocketConnect", "WebsocketMessage"):
        uri = resources[f"{name}APIIntegration"]["Properties"]["IntegrationUri"]["Fn::Sub"]
        assert uri[1]["WebsocketHandler"] == {
            "Fn::If": ["IsProvisioned", {"Ref": f"{name}Aliaslive"}, {"Fn::GetAtt": [name, "Arn"]}]
        }
        assert f"{name}Aliaslive" in resources


def test_functions_are_named_as_chalice_deploy_names_them(merged: dict[str, Any]) -> None:
    names = [each["Properties"]["FunctionName"] for each in of_type(merged, _FUNCTION).values()]

    assert sorted(name["Fn::Sub"] for name in names) == sorted(
        deployed_name("${Stage}", name) for name, _ in functions(config())
    )


def test_connect_asks_the_authorizer_whatever_the_query_is(merged: dict[str, Any]) -> None:
    resources = merged["Resources"]
    authorizer = resources["ConnectAuthorizer"]["Properties"]

    assert resources["WebsocketConnectRoute"]["Properties"]["AuthorizationType"] == "CUSTOM"
    assert authorizer["AuthorizerType"] == "REQUEST"
    assert authorizer["IdentitySource"]["Fn::If"][2] == {"Ref": "AWS::NoValue"}


def test_changed_routes_go_live(merged: dict[str, Any]) -> None:
    stage = merged["Resources"]["WebsocketAPIStage"]["Properties"]

    assert stage["AutoDeploy"] is True
    assert stage["DeploymentId"] == {"Ref": "AWS::NoValue"}


def test_a_delivery_that_fails_brings_no_other_back(merged: dict[str, Any]) -> None:
    events = merged["Resources"]["Deliver"]["Properties"]["Events"]

    assert [each["Properties"]["FunctionResponseTypes"] for each in events.values()] == [
        ["ReportBatchItemFailures"]
    ]


def test_access_logs_hold_no_query_as_tickets_are_in_it(merged: dict[str, Any]) -> None:
    resources = merged["Resources"]
    socket_log = resources["WebsocketAPIStage"]["Properties"]["AccessLogSettings"]
    rest_log = resources["RestAPI"]["Properties"]["AccessLogSetting"]

    for log in (socket_log, rest_log):
        assert "query" not in log["Format"].lower()
        assert "requestOverride" not in log["Format"]


def test_who_meets_no_strangers_is_not_told_what_cloudfront_shows(merged: dict[str, Any]) -> None:
    told = {
        name
        for name, each in of_type(merged, _FUNCTION).items()
        if "ORIGIN_SECRET" in each["Properties"]["Environment"]["Variables"]
    }

    assert told == {"APIHandler", "Authorize", "WebsocketConnect"}


def test_every_log_group_forgets(merged: dict[str, Any]) -> None:
    groups = of_type(merged, "AWS::Logs::LogGroup")

    assert len(groups) == len(list(functions(config()))) + 2
    assert all("RetentionInDays" in each["Properties"] for each in groups.values())


def _translated(merged: dict[str, Any]) -> dict[str, Any]:
    for function in of_type(merged, _FUNCTION).values():
        function["Properties"]["CodeUri"] = {"Bucket": "a-bucket", "Key": "a-key"}
    session = boto3.Session(region_name="us-east-1")
    translator = Translator({}, Parser(), boto_session=session)
    translated: dict[str, Any] = translator.translate(merged, {"Stage": "dev"})
    return translated
