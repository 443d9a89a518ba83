"""The templates beside each other, beside the code, and beside what is said of them."""

import json
import re
from typing import Any

import pytest

from app import app
from chalicelib.telemetry import Metric
from tests.infra.templates import INFRA, ROOT, STAGES, config, functions, of_type, template

_TABLE = "AWS::DynamoDB::Table"
_GLOBAL = "AWS::DynamoDB::GlobalTable"
_SAME = ("TableName", "AttributeDefinitions", "KeySchema", "TimeToLiveSpecification")


def test_what_is_worth_keeping_outlives_its_stack() -> None:
    data = template("data")["Resources"]

    kept = {name for name, each in data.items() if each.get("DeletionPolicy", "Delete") != "Delete"}
    assert kept == {
        *("Messages", "Memberships", "Accounts"),
        *("Undelivered", "Unpublished"),
        *("Key", "TokenSecret", "OriginSecret"),
    }
    for name in kept:
        assert data[name]["UpdateReplacePolicy"] == "Retain"


def test_tables_that_are_kept_can_be_restored_and_are_locked() -> None:
    tables = of_type(template("data"), _TABLE)

    for name, table in tables.items():
        properties = table["Properties"]
        worth_it = name != "Connections"
        assert ("PointInTimeRecoverySpecification" in properties) is worth_it
        assert ("DeletionProtectionEnabled" in properties) is worth_it


def test_tables_queues_topics_and_secrets_are_encrypted_with_the_key() -> None:
    declared = template("data")
    keys = [
        *(t["Properties"]["SSESpecification"]["KMSMasterKeyId"] for t in _all(declared, _TABLE)),
        *(q["Properties"]["KmsMasterKeyId"] for q in _all(declared, "AWS::SQS::Queue")),
        *(t["Properties"]["KmsMasterKeyId"] for t in _all(declared, "AWS::SNS::Topic")),
        *(
            {"Fn::If": ["IsDeployed", s["Properties"]["KmsKeyId"], {"Ref": "AWS::NoValue"}]}
            for s in _all(declared, "AWS::SecretsManager::Secret")
        ),
    ]

    used = {"Fn::If": ["IsDeployed", {"Fn::GetAtt": ["Key", "Arn"]}, {"Ref": "AWS::NoValue"}]}
    assert len(keys) == 10
    assert all(key == used for key in keys)
    assert declared["Resources"]["Key"]["Properties"]["EnableKeyRotation"] is True


def test_no_queue_can_be_used_without_tls() -> None:
    declared = template("data")

    policy = declared["Resources"]["QueuePolicy"]["Properties"]
    assert {queue["Ref"] for queue in policy["Queues"]} == set(of_type(declared, "AWS::SQS::Queue"))
    # The copy of a queue may not name the others.
    assert [each["Resource"] for each in policy["PolicyDocument"]["Statement"]] == ["*"]


def test_every_table_and_index_scales_if_it_is_provisioned() -> None:
    declared = template("data")
    tables = of_type(declared, _TABLE)
    indexes = [
        f"table/${{{name}}}/index/{index['IndexName']}"
        for name, table in tables.items()
        for index in table["Properties"].get("GlobalSecondaryIndexes", [])
    ]

    targets = _all(declared, "AWS::ApplicationAutoScaling::ScalableTarget")
    scaled = sorted(target["Properties"]["ResourceId"]["Fn::Sub"] for target in targets)
    assert scaled == sorted(2 * [*(f"table/${{{name}}}" for name in tables), *indexes])


def test_a_visible_delivery_has_time_for_six_timeouts() -> None:
    visibility = template("data")["Parameters"]["DeliveriesVisibilityTimeout"]["Default"]

    assert visibility == 6 * dict(functions(config()))["deliver"]


def test_tables_are_the_same_in_one_region_and_in_two() -> None:
    tables, copies = of_type(template("data"), _TABLE), of_type(template("multiregion"), _GLOBAL)

    assert tables.keys() == copies.keys()
    for name, table in tables.items():
        here, there = table["Properties"], copies[name]["Properties"]
        assert [here.get(key) for key in _SAME] == [there.get(key) for key in _SAME]
        assert _indexes(here) == _indexes(there)
        for replica in there["Replicas"]:
            recovery = replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
            assert recovery is ("PointInTimeRecoverySpecification" in here)


@pytest.mark.parametrize("stage", STAGES)
def test_the_parameters_of_a_stage_are_those_of_the_templates(stage: str) -> None:
    chosen = json.loads((INFRA / "parameters.json").read_text())[stage]

    for name, values in chosen.items():
        declared = template(name)["Parameters"]
        for key, value in values.items():
            assert isinstance(value, str)
            allowed = declared[key].get("AllowedValues")
            assert allowed is None or value in map(str, allowed), key


def test_workers_that_may_run_are_no_more_than_are_reserved() -> None:
    chosen = json.loads((INFRA / "parameters.json").read_text())["prod"]["service"]
    reserved = config()["stages"]["prod"]["lambda_functions"]["deliver"]["reserved_concurrency"]

    assert int(chosen["DeliverConcurrency"]) <= reserved


def test_every_function_has_its_alarms_at_four_fifths_of_its_timeout() -> None:
    declared = template("observability")
    watched = declared["Mappings"]["Functions"].values()

    assert {each["Name"]: each["NearlyTimedOut"] for each in watched} == {
        name: 800 * timeout for name, timeout in functions(config())
    }
    loop = declared["Resources"]["Fn::ForEach::Functions"]
    assert set(loop[1]) == set(declared["Mappings"]["Functions"])


def test_metrics_that_are_watched_are_metrics_of_ours() -> None:
    alarms = template("observability")["Resources"].values()
    watched = {
        each["Properties"]["MetricName"]
        for each in alarms
        if isinstance(each, dict) and each["Properties"].get("Namespace") == "DynamoWave"
    }

    assert watched <= {metric.value for metric in Metric}
    assert {"Failed", "Buried"} <= watched


def test_the_dashboard_is_json() -> None:
    dashboard = template("observability")["Resources"]["Dashboard"]["Properties"]

    body = json.loads(dashboard["DashboardBody"]["Fn::Sub"][0])
    assert len(body["widgets"]) > 10


def test_what_to_do_is_said_of_every_alarm() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    alarms = re.findall(
        r"^ +(?:AlarmName: !Sub |- )dynamowave-\$\{Stage\}-(?:\$\{(?:Name|Table)\}-)?([a-z-]+)$",
        (INFRA / "observability.yaml").read_text(encoding="utf-8"),
        re.MULTILINE,
    )

    assert len(alarms) > 20
    assert [name for name in alarms if f"`{name}`" not in text] == []


def test_the_firewall_knows_every_path_of_the_app() -> None:
    pattern = _firewall("no-such-path")["NotStatement"]["Statement"]["RegexMatchStatement"]
    pages = (ROOT / "chalicelib" / "web").iterdir()
    static = [f"/static/{page.name}" for page in pages]
    routes = [path for path in app.routes if "{" not in path]

    for path in [*routes, *static, "/api"]:
        assert re.search(pattern["RegexString"], path), path
    for path in ("/wp-login.php", "/.env", "/static/../app.py", "/api/x", "/staticx"):
        assert not re.search(pattern["RegexString"], path), path


def test_the_firewall_knows_every_method_of_the_app() -> None:
    pattern = _firewall("no-such-method")["NotStatement"]["Statement"]["RegexMatchStatement"]

    used = {method for entries in app.routes.values() for method in entries}
    assert all(re.search(pattern["RegexString"], method) for method in used)


def test_cloudfront_keeps_no_answer() -> None:
    declared = template("edge")["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
    disabled = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"  # Managed-CachingDisabled

    behaviours = [declared["DefaultCacheBehavior"], *declared["CacheBehaviors"]]
    assert {each["CachePolicyId"] for each in behaviours} == {disabled}


def test_both_apis_are_shown_the_secret() -> None:
    declared = template("edge")["Resources"]["Distribution"]["Properties"]["DistributionConfig"]

    for origin in declared["Origins"]:
        (header,) = origin["OriginCustomHeaders"]
        assert header["HeaderName"] == "X-Origin-Verify"
        assert (
            "resolve:secretsmanager:dynamowave-${Stage}-origin" in header["HeaderValue"]["Fn::Sub"]
        )


def _firewall(rule: str) -> dict[str, Any]:
    rules = template("edge")["Resources"]["Firewall"]["Properties"]["Rules"]
    statement: dict[str, Any] = next(each for each in rules if each["Name"] == rule)["Statement"]
    return statement


def _all(declared: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return list(of_type(declared, kind).values())


def _indexes(properties: dict[str, Any]) -> list[dict[str, Any]]:
    indexes = properties.get("GlobalSecondaryIndexes", [])
    return [{k: v for k, v in each.items() if k != "ProvisionedThroughput"} for each in indexes]
