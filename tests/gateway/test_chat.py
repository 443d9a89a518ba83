"""The chat itself as `make run` serves it: what no client sets off, over real sockets."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from websockets.sync.client import connect

from tests.functional.workers import SCHEDULED
from tests.gateway.servers import PATIENCE, eventually

ROOT = Path(__file__).parents[2]
TOPIC = "dynamowave-local-events"
COMMAND = [
    *(sys.executable, "-m", "localgateway", "--stage", "local", "--port", "0", "--quiet"),
    *("--template", "infra/data.yaml", "--authorizer", "authorize"),
    *("--partial-batch-failures", "deliver"),
]


@dataclass
class Stage:
    """A stage that is served."""

    http: str
    engine: str

    def client(self, service: str, url: str) -> Any:
        session = boto3.Session("local", "local", region_name="us-east-1")
        return session.client(service, endpoint_url=url)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with subprocess.Popen(
        COMMAND, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Stage(**_announced(process))
        finally:
            process.terminate()


def _announced(process: "subprocess.Popen[str]") -> dict[str, str]:
    found: dict[str, str] = {}
    assert process.stdout
    while found.keys() != {"http", "engine"}:
        line = process.stdout.readline()
        assert line, "it has not started"
        name, _, value = line.strip().partition(" ")
        if name in {"http", "engine"}:
            found[name] = value.strip().rstrip("/")
    return found


def test_what_is_published_to_the_topic_reaches_the_sockets(stage: Stage) -> None:
    sns = stage.client("sns", stage.engine)
    topic = sns.create_topic(Name=TOPIC)["TopicArn"]
    eventually(lambda: sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"])

    with connect(f"ws{stage.http.removeprefix('http')}/api?name=ada", proxy=None) as ada:
        sns.publish(TopicArn=topic, Message='{"room": "lobby", "message": "deployed"}')
        push = json.loads(ada.recv(PATIENCE))

    assert (push["type"], push["user"], push["message"]) == ("message", "system", "deployed")


def test_the_schedule_warms_the_critical_functions_through_lambda(stage: Stage) -> None:
    functions = stage.client("lambda", stage.http)

    answer = functions.invoke(FunctionName="dynamowave-local-warm", Payload=json.dumps(SCHEDULED))

    report = json.loads(answer["Payload"].read())
    assert (report["warmed"], report["failed"]) == (12, 0)
    assert set(report["environments"].values()) == {1}
