""".chalice/config.json: read whole by Chalice, which says nothing of what it does not know."""

import ast
import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from chalice.cli.factory import CLIFactory
from chalice.config import Config

from chalicelib.settings import Settings
from tools.policies import CHALICE, USES

ROOT = Path(__file__).parents[2]
CONFIG: dict[str, Any] = json.loads((CHALICE / "config.json").read_text(encoding="utf-8"))
STAGES: dict[str, dict[str, Any]] = CONFIG["stages"]
DEPLOYED = sorted(set(STAGES) - {"local"})
# What an account has, of which Lambda keeps some for functions without any of their own:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
ACCOUNT, KEPT = 1000, 100
# Seconds that API Gateway waits:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
LONGEST_INTEGRATION = 29
BEHIND_API_GATEWAY = {
    "api_handler",
    "authorize",
    "websocket_connect",
    "websocket_disconnect",
    "websocket_message",
}


def lookups() -> Iterator[tuple[str, set[str]]]:
    """Yield each key that Chalice reads, with the places where it may vary."""
    source = inspect.getsource(inspect.getmodule(Config))  # type: ignore[arg-type]
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        if call.func.attr == "_chain_merge":
            yield str(ast.literal_eval(call.args[0])), {"stage", "function of a stage"}
        elif call.func.attr == "_chain_lookup":
            varies = {word.arg for word in call.keywords if ast.literal_eval(word.value)}
            yield str(ast.literal_eval(call.args[0])), set(places(varies))


def places(varies: set[str | None]) -> Iterator[str]:
    if "varies_per_chalice_stage" in varies:
        yield "stage"
    if "varies_per_function" in varies:
        yield from ("function", "function of a stage")


KNOWN = dict(lookups())


def unknown(given: Mapping[str, Any], place: str | None = None) -> set[str]:
    """Return the keys that Chalice does not read in a place; None is the top."""
    known = {name for name, where in KNOWN.items() if place is None or place in where}
    return set(given) - known


def scoped(stage: str, function: str) -> Config:
    """Return what Chalice makes of the file for a function."""
    return CLIFactory(str(ROOT)).create_config_obj(stage).scope(stage, function)


def test_chalice_reads_every_key() -> None:
    assert unknown(CONFIG) == {"version", "stages", "lambda_functions"}
    for own in CONFIG["lambda_functions"].values():
        assert unknown(own, "function") == set()
    for stage in STAGES.values():
        assert unknown(stage, "stage") <= {"lambda_functions"}
        for own in stage.get("lambda_functions", {}).values():
            assert unknown(own, "function of a stage") == set()


def test_a_misspelt_key_would_be_found() -> None:
    assert unknown({"reserved_concurency": 1}, "function") == {"reserved_concurency"}
    assert unknown({"lambda_architecture": "arm64"}, "function") == {"lambda_architecture"}
    assert len(KNOWN) > 20


def test_every_function_that_is_named_exists() -> None:
    named = set(CONFIG["lambda_functions"])
    named |= {name for stage in STAGES.values() for name in stage.get("lambda_functions", {})}

    assert named == set(USES)


@pytest.mark.parametrize("stage", DEPLOYED)
@pytest.mark.parametrize("function", sorted(USES))
def test_a_function_has_a_role_of_its_own_with_its_policy(stage: str, function: str) -> None:
    config = scoped(stage, function)

    assert config.autogen_policy is False
    assert config.manage_iam_role is True
    assert config.iam_policy_file == f"policy-{stage}-{function}.json"


@pytest.mark.parametrize("stage", DEPLOYED)
def test_a_deployed_stage_runs_on_arm_and_does_not_keep_logs_for_ever(stage: str) -> None:
    config = scoped(stage, "deliver")

    assert config.lambda_architecture == "arm64"
    assert config.log_retention_in_days in {14, 90}
    assert config.xray_enabled is (stage == "prod")


def test_the_pages_are_served_over_tls_alone() -> None:
    name = scoped("prod", "api_handler").api_gateway_policy_file
    policy = json.loads((CHALICE / name).read_text(encoding="utf-8"))
    anybody = {"Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}

    assert policy["Statement"] == [
        {"Sid": "WhoeverCalls", "Effect": "Allow", **anybody},
        {
            "Sid": "OnlyOverTls",
            "Effect": "Deny",
            **anybody,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    ]


def test_nobody_waits_longer_than_api_gateway_does() -> None:
    timeouts = {function: scoped("prod", function).lambda_timeout for function in USES}

    assert all(timeouts[function] <= LONGEST_INTEGRATION for function in BEHIND_API_GATEWAY)
    assert timeouts["authorize"] < timeouts["websocket_connect"] < LONGEST_INTEGRATION


def test_the_queue_hides_a_batch_six_times_as_long_as_a_worker_may_take() -> None:
    class Loader(yaml.SafeLoader):
        """Reads templates, but for the functions of CloudFormation."""

    Loader.add_multi_constructor("!", lambda *_node: None)
    text = (ROOT / "infra" / "data.yaml").read_text(encoding="utf-8")
    template = yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
    visible = template["Parameters"]["DeliveriesVisibilityTimeout"]["Default"]

    assert visible == 6 * scoped("prod", "deliver").lambda_timeout


def test_what_is_reserved_leaves_enough_for_the_others() -> None:
    reserved = {it: scoped("prod", it).reserved_concurrency for it in USES}
    critical = {name: most for name, most in reserved.items() if most is not None}
    settings = Settings.from_environ(STAGES["prod"]["environment_variables"])

    assert set(critical) == set(settings.warmer.functions)
    assert sum(critical.values()) <= ACCOUNT - KEPT
    assert min(critical.values()) > settings.warmer.at_once


def test_nothing_is_reserved_in_a_stage_for_trying_things() -> None:
    assert all(scoped("dev", function).reserved_concurrency is None for function in USES)
