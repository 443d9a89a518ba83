"""The commands from outside: what is wrong is one line, exit code 2, and nothing is done."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.clouds import Cloud, Recorder, desk, error, project
from tools import ship
from tools.shipping.buckets import Bucket
from tools.shipping.deployments import Deployed, deploy
from tools.shipping.errors import ShippingError
from tools.shipping.functions import adjust_functions
from tools.shipping.projects import Stage, find_stage
from tools.shipping.releases import release
from tools.shipping.removals import destroy
from tools.shipping.rest import adjust_rest
from tools.shipping.websockets import adjust_websocket
from tools.shipping.wishes import Wishes


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, no region, no AWS."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line that a command ends with."""
    assert ship.main(arguments) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return told


@pytest.mark.parametrize("command", ["data", "deploy", "release", "destroy"])
@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "no region is chosen: set AWS_DEFAULT_REGION"),
        ({"AWS_DEFAULT_REGION": "eu-west-99"}, "region 'eu-west-99' does not exist"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "there are no AWS credentials here"),
        ({"AWS_PROFILE": "work"}, "The config profile (work) could not be found"),
    ],
)
def test_without_an_account_nothing_is_done(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    command: str,
    environ: dict[str, str],
    said: str,
) -> None:
    project(tmp_path)
    for name, text in environ.items():
        monkeypatch.setenv(name, text)

    told = refused(capsys, command, "--stage", "dev", "--project", str(tmp_path))

    assert told.startswith(f"{command}: ")
    assert said in told


@pytest.mark.parametrize(
    ("stage", "said"),
    [("staging", "has dev, prod"), ("local", "is the laptop's, which `make run` serves")],
)
def test_a_stage_that_is_none_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, stage: str, said: str
) -> None:
    project(tmp_path)

    assert said in refused(capsys, "data", "--stage", stage, "--project", str(tmp_path))


def test_another_folder_than_the_project_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(capsys, "data", "--stage", "dev", "--project", str(tmp_path))

    assert "config.json cannot be read" in told


def test_what_an_api_refuses_is_one_line_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def make(**_: Any) -> Any:
        raise error("AccessDenied", "you may not\ndo that")

    monkeypatch.setattr(ship, "connect", Cloud)
    project(tmp_path)

    assert ship.main(["data", "--stage", "dev", "--project", str(tmp_path)], make=make) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_parameter_has_a_key_and_a_value(tmp_path: Path) -> None:
    stage = project(tmp_path)
    (tmp_path / "infra" / "parameters.json").write_text(
        json.dumps({"dev": {"data": {"Capacity": "on-demand", "Other": "1"}}})
    )

    assert stage.parameters("data", ["Capacity=a=b"]) == {"Capacity": "a=b", "Other": "1"}
    with pytest.raises(ShippingError, match="'Capacity' is not of the form Key=Value"):
        stage.parameters("data", ["Capacity"])


def test_functions_are_named_as_chalice_names_them(tmp_path: Path) -> None:
    project(tmp_path)
    stage = find_stage(tmp_path, "prod")

    assert stage.function("deliver") == "dynamowave-prod-deliver"
    assert stage.function("api_handler") == "dynamowave-prod"


@pytest.mark.parametrize("ship_it", [release, deploy])
def test_functions_need_the_data_first(tmp_path: Path, *, ship_it: Any) -> None:
    cloud = Cloud()

    with pytest.raises(ShippingError, match=r"`make data STAGE=dev` first"):
        ship_it(desk(project(tmp_path), cloud, []))

    assert cloud.formation.did == []


def test_a_stage_is_deployed_one_way_or_the_other(tmp_path: Path) -> None:
    cloud = Cloud()
    cloud.formation.has("dynamowave-dev-data")
    here = desk(project(tmp_path), cloud, [])
    with pytest.raises(ShippingError, match="was deployed by `make deploy`"):
        release(here)

    cloud.formation.has("dynamowave-dev")
    with pytest.raises(ShippingError, match="was released as stack dynamowave-dev"):
        deploy(here)


def test_what_another_checkout_has_deployed_is_not_deployed_beside_it(tmp_path: Path) -> None:
    cloud, stage = Cloud(), project(tmp_path)
    cloud.formation.has("dynamowave-dev-data")
    with pytest.raises(ShippingError, match="was deployed from another checkout"):
        deploy(desk(stage, cloud, []))


@pytest.mark.parametrize("place", [("us-east-1", "123456789012"), ("eu-west-1", "210987654321")])
@pytest.mark.parametrize("command", [deploy, destroy])
def test_what_is_in_another_region_or_account_is_left_alone(
    tmp_path: Path, *, command: Any, place: tuple[str, str]
) -> None:
    cloud, stage = Cloud(), project(tmp_path)
    cloud.formation.has("dynamowave-dev-data")
    remember(stage, *place)

    region, number = place
    with pytest.raises(ShippingError, match=rf"to {region} of account {number} from here"):
        command(desk(stage, cloud, []))

    assert cloud.formation.did == []


def remember(stage: Stage, region: str, number: str = "123456789012") -> None:
    """Write what Chalice does after it has deployed."""
    arn = f"arn:aws:lambda:{region}:{number}:function:dynamowave-dev-deliver"
    stage.deployed.parent.mkdir()
    listed = [{"name": "deliver", "lambda_arn": arn}]
    stage.deployed.write_text(json.dumps({"resources": listed}))


def test_what_chalice_has_deployed_is_read_by_name(tmp_path: Path) -> None:
    stage = project(tmp_path)
    assert Deployed.read(stage) is None

    remember(stage, "eu-west-1")

    found = Deployed.read(stage)
    assert found is not None
    assert found.place == ("123456789012", "eu-west-1")
    assert found["deliver", "lambda_arn"].endswith("dynamowave-dev-deliver")


@pytest.mark.parametrize("text", ["", "<<<<<<< HEAD", "[]", "{}", '{"resources": [{}]}'])
@pytest.mark.parametrize("command", [deploy, destroy])
def test_a_broken_memory_of_chalice_is_one_line(tmp_path: Path, *, command: Any, text: str) -> None:
    cloud, stage = Cloud(), project(tmp_path)
    cloud.formation.has("dynamowave-dev-data")
    stage.deployed.parent.mkdir()
    stage.deployed.write_text(text)

    with pytest.raises(ShippingError, match=r"dev\.json is broken"):
        command(desk(stage, cloud, []))


def test_a_parameter_for_releases_only_is_refused(tmp_path: Path) -> None:
    here = desk(project(tmp_path), Cloud(), [])

    with pytest.raises(ShippingError, match="OriginSecretVersions is for `make release`"):
        Wishes.of(here, ["OriginSecretVersions=current"])
    with pytest.raises(ShippingError, match="RestTlsPolicy is for `make release`"):
        Wishes.of(here, ["RestTlsPolicy=SecurityPolicy_TLS13_1_3_2025_09"])
    with pytest.raises(ShippingError, match="no parameter Burst"):
        Wishes.of(here, ["Burst=1"])
    with pytest.raises(ShippingError, match=r"ThrottleRate .* is not a number"):
        Wishes.of(here, ["ThrottleRate=fast"])


def test_what_chalice_wipes_is_set_again_and_then_made_live(tmp_path: Path) -> None:
    gateway = Recorder(
        get_routes={"Items": [{"RouteKey": "$connect", "RouteId": "r1"}, {"RouteKey": "$default"}]},
        get_authorizers={"Items": []},
        create_authorizer={"AuthorizerId": "a1"},
        create_deployment={"DeploymentId": "d1"},
    )
    here = desk(project(tmp_path), Cloud(apigatewayv2=gateway), [])

    adjust_websocket(here, "api1", Wishes.of(here, ["ConnectRate=7"]))

    routed = gateway.of("update_route")
    assert [r["RouteId"] for r in routed] == ["r1"]
    assert routed[0]["AuthorizerId"] == "a1"
    assert gateway.of("create_authorizer")[0]["IdentitySource"] == []
    names = [name for name, _ in gateway.asked]
    assert names.index("update_route") < names.index("create_deployment")
    live, limited, logged = gateway.of("update_stage")
    assert live["DeploymentId"] == "d1"
    assert limited["RouteSettings"]["$connect"]["ThrottlingRateLimit"] == 7
    assert logged["AccessLogSettings"]["Format"] == "socket"


def test_an_authorizer_that_is_there_is_used_again(tmp_path: Path) -> None:
    gateway = Recorder(
        get_routes={"Items": []},
        get_authorizers={"Items": [{"Name": "authorize", "AuthorizerId": "a1"}]},
        create_deployment={"DeploymentId": "d1"},
    )
    functions = Recorder(add_permission=error("ResourceConflictException"))
    here = desk(project(tmp_path), Cloud(**{"apigatewayv2": gateway, "lambda": functions}), [])

    adjust_websocket(here, "api1", Wishes.of(here))

    assert gateway.of("create_authorizer") == []
    assert [each["AuthorizerId"] for each in gateway.of("update_authorizer")] == ["a1"]


def test_no_access_log_is_told_and_not_the_end(tmp_path: Path) -> None:
    rest, told = Recorder(), list[str]()

    def update(**request: Any) -> Any:
        if any("accessLog" in each["path"] for each in request["patchOperations"]):
            raise rest.exceptions.BadRequestException("CloudWatch Logs role ARN must be set")
        return {}

    rest.answers["update_stage"] = update
    here = desk(project(tmp_path), Cloud(apigateway=rest), told)

    adjust_rest(here, "api1", Wishes.of(here))

    assert "NO access log of the REST API" in told[-1]


def test_functions_are_told_where_the_sockets_are_and_keep_what_they_know(tmp_path: Path) -> None:
    functions = Recorder(
        get_function_configuration={"Environment": {"Variables": {"STAGE": "dev"}}},
        list_event_source_mappings={"EventSourceMappings": [{"UUID": "u1"}]},
    )
    here = desk(project(tmp_path), Cloud(**{"lambda": functions}), [])

    adjust_functions(here, "api1", "wss://x/api/", Wishes.of(here))

    told = functions.of("update_function_configuration")
    expected = {"STAGE": "dev", "WEBSOCKET_URL": "wss://x/api"}
    assert all(each["Environment"]["Variables"] == expected for each in told)
    mapping = functions.of("update_event_source_mapping")[0]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 20}
    kept = functions.of("put_function_event_invoke_config")[0]
    assert kept["DestinationConfig"] == {"OnFailure": {"Destination": "arn:aws:sqs:eu-west-1:x"}}


def test_the_function_of_the_routes_has_a_log_though_chalice_makes_another(tmp_path: Path) -> None:
    logs = Recorder()
    stage = project(tmp_path, log_retention_in_days=14)
    functions = Recorder(list_event_source_mappings={"EventSourceMappings": []})
    here = desk(stage, Cloud(**{"lambda": functions, "logs": logs}), [])

    adjust_functions(here, "api1", "wss://x/api/", Wishes.of(here))

    assert logs.of("create_log_group") == [{"logGroupName": "/aws/lambda/dynamowave-dev"}]
    assert [each["retentionInDays"] for each in logs.of("put_retention_policy")] == [14]


def test_workers_without_a_limit_are_asked_for_by_naming_none(tmp_path: Path) -> None:
    functions = Recorder(list_event_source_mappings={"EventSourceMappings": [{"UUID": "u1"}]})
    here = desk(project(tmp_path), Cloud(**{"lambda": functions}), [])

    adjust_functions(here, "api1", "wss://x/api/", Wishes.of(here, ["DeliverConcurrency=0"]))

    assert [each["ScalingConfig"] for each in functions.of("update_event_source_mapping")] == [{}]


def test_a_function_that_never_settles_is_told(tmp_path: Path) -> None:
    functions = Recorder(get_function_configuration={"LastUpdateStatus": "InProgress"})
    here = desk(project(tmp_path), Cloud(**{"lambda": functions}), [])

    with pytest.raises(ShippingError, match="does not finish its update: repeat"):
        adjust_functions(here, "api1", "wss://x/api", Wishes.of(here))


def test_the_bucket_is_private_encrypted_versioned_and_by_tls_only() -> None:
    s3 = Recorder(head_bucket=error("404"))

    assert Bucket(Cloud(s3=s3)).make()  # type: ignore[arg-type]

    assert s3.of("create_bucket")[0]["CreateBucketConfiguration"]["LocationConstraint"]
    assert all(s3.of("put_public_access_block")[0]["PublicAccessBlockConfiguration"].values())
    assert s3.of("put_bucket_versioning")[0]["VersioningConfiguration"] == {"Status": "Enabled"}
    policy = json.loads(s3.of("put_bucket_policy")[0]["Policy"])
    assert policy["Statement"][0]["Effect"] == "Deny"


def test_a_bucket_of_somebody_else_is_not_used() -> None:
    s3 = Recorder(head_bucket=error("403"))

    with pytest.raises(ShippingError, match="belongs to another account"):
        Bucket(Cloud(s3=s3)).make()  # type: ignore[arg-type]

    assert s3.of("put_bucket_policy") == []


def test_what_is_uploaded_already_is_not_uploaded_again(tmp_path: Path) -> None:
    path = tmp_path / "deployment.zip"
    path.write_bytes(b"zip")
    bucket, there = Recorder(head_object=error("404")), Recorder()

    assert Bucket(Cloud(s3=bucket)).put(path, "dev/a.zip")  # type: ignore[arg-type]
    assert not Bucket(Cloud(s3=there)).put(path, "dev/a.zip")  # type: ignore[arg-type]

    assert there.of("put_object") == []
    with pytest.raises(ClientError):
        Bucket(Cloud(s3=Recorder(head_object=error("403")))).put(path, "x")  # type: ignore[arg-type]
