"""AWS as the commands that ship see it: in memory, with a record of what was asked."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from tools.shipping.accounts import Account
from tools.shipping.desks import Desk
from tools.shipping.projects import Stage

SERVICE = """
Parameters:
  Stage: {Type: String}
  Revision: {Type: String, Default: "1"}
  AccessLogDays: {Type: Number, Default: 30}
  ThrottleRate: {Type: Number, Default: 1000}
  ThrottleBurst: {Type: Number, Default: 2000}
  ConnectRate: {Type: Number, Default: 200}
  ConnectBurst: {Type: Number, Default: 400}
  DeliverConcurrency: {Type: Number, Default: 20}
  OriginSecretVersions: {Type: String, Default: none}
  RestTlsPolicy: {Type: String, Default: ""}
Resources:
  WebsocketAPIStage: {Properties: {AccessLogSettings: {Format: socket}}}
  RestAPI: {Properties: {AccessLogSetting: {Format: rest}}}
  PublishEvent:
    Properties:
      FunctionName: !Sub dynamowave-${Stage}-publish_event
      EventInvokeConfig:
        MaximumRetryAttempts: 2
        MaximumEventAgeInSeconds: 60
        DestinationConfig: {OnFailure: {Destination: !Sub "arn:aws:sqs:${AWS::Region}:x"}}
"""
DATA = """
Resources:
  Messages:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties: {TableName: !Sub "dynamowave-${Stage}-messages"}
  Connections: {Type: "AWS::DynamoDB::Table", DeletionPolicy: Delete}
  Undelivered:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub "dynamowave-${Stage}-undelivered"}
  Tokens:
    Type: AWS::SecretsManager::Secret
    Properties: {Name: !Sub "dynamowave-${Stage}-tokens"}
"""


def error(code: str, text: str = "") -> ClientError:
    """Return what boto3 raises."""
    return ClientError({"Error": {"Code": code, "Message": text}}, "Anything")


def project(root: Path, **config: Any) -> Stage:
    """Write a project with the stages local, dev and prod; returns dev."""
    stages: dict[str, Any] = {name: {"environment_variables": {}} for name in ("local", "dev")}
    whole = {"api_gateway_stage": "api", "stages": {**stages, "prod": {}}, **config}
    for folder in (".chalice", "infra"):
        (root / folder).mkdir()
    (root / ".chalice" / "config.json").write_text(json.dumps(whole))
    (root / "infra" / "data.yaml").write_text(DATA)
    (root / "infra" / "service.yaml").write_text(SERVICE)
    (root / "requirements.txt").write_text("# what is packed\nPyJWT==2.15.1\nmsgspec==0.22.0\n")
    return Stage(root, "dev")


class Formation:
    """CloudFormation: `stacks` by name, and what changes of them lead to."""

    def __init__(self) -> None:
        self.stacks: dict[str, dict[str, Any]] = {}
        self.changes: list[dict[str, Any]] = [change("Add", "Messages", "AWS::DynamoDB::Table")]
        self.refusal: str | None = None
        self.outcome: str | None = None
        self.events: list[dict[str, Any]] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def has(self, name: str, state: str = "CREATE_COMPLETE", **outputs: str) -> None:
        told = [{"OutputKey": key, "OutputValue": text} for key, text in outputs.items()]
        self.stacks[name] = {"StackId": f"id:{name}", "StackStatus": state, "Outputs": told}

    def describe_stacks(self, *, StackName: str) -> Any:  # noqa: N803
        name = StackName.removeprefix("id:")
        if name not in self.stacks:
            raise error("ValidationError", f"Stack with id {name} does not exist")
        return {"Stacks": [self.stacks[name]]}

    def create_change_set(self, **request: Any) -> Any:
        self.asked.append(("create_change_set", request))
        return {"Id": request["StackName"]}

    def describe_change_set(self, *, ChangeSetName: str) -> Any:  # noqa: N803
        if self.refusal:
            return {
                "Status": "FAILED",
                "StatusReason": self.refusal,
                "ChangeSetId": ChangeSetName,
            }
        return {"Status": "CREATE_COMPLETE", "Changes": self.changes}

    def get_paginator(self, name: str) -> Any:
        if name == "describe_change_set":
            return SimpleNamespace(paginate=lambda **_: [{"Changes": self.changes}])
        summaries = [c["ResourceChange"] for c in self.changes]
        pages = [{"StackResourceSummaries": summaries}]
        return SimpleNamespace(paginate=lambda **_: pages)

    def execute_change_set(self, *, ChangeSetName: str) -> None:  # noqa: N803
        kind = "UPDATE" if ChangeSetName in self.stacks else "CREATE"
        self.asked.append(("execute_change_set", {"StackName": ChangeSetName}))
        self.has(ChangeSetName, self.outcome or f"{kind}_COMPLETE", Page="https://x/api/")
        self.events.insert(0, event("CREATE_FAILED", "Messages", "it is there already"))

    def describe_stack_events(self, **_: Any) -> Any:
        return {"StackEvents": self.events}

    def delete_stack(self, *, StackName: str) -> None:  # noqa: N803
        self.asked.append(("delete_stack", {"StackName": StackName}))
        self.stacks.pop(StackName, None)

    def delete_change_set(self, **request: Any) -> None:
        self.asked.append(("delete_change_set", request))

    def update_termination_protection(self, **request: Any) -> None:
        self.asked.append(("protect", request))

    @property
    def did(self) -> list[str]:
        """What was asked that changes something."""
        return [name for name, _ in self.asked]


def change(action: str, name: str, kind: str, **more: Any) -> dict[str, Any]:
    """Return a change of a change set."""
    told = {"Action": action, "LogicalResourceId": name, "ResourceType": kind, **more}
    return {"ResourceChange": told}


def event(status: str, name: str, reason: str = "") -> dict[str, Any]:
    """Return an event of a stack."""
    return {
        "EventId": f"{status} {name} {reason}",
        "ResourceStatus": status,
        "LogicalResourceId": name,
        "ResourceStatusReason": reason,
    }


class Recorder:
    """A client of any service: records what it is asked, and answers what it was given."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []
        kinds = ("ResourceAlreadyExists", "ResourceNotFound", "BadRequest")
        self.exceptions = SimpleNamespace(
            **{f"{kind}Exception": type(f"{kind}Exception", (Exception,), {}) for kind in kinds}
        )
        self.meta = SimpleNamespace(endpoint_url="https://s3.eu-west-1.amazonaws.com")

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            self.asked.append((name, request))
            answer = self.answers.get(name, {})
            if isinstance(answer, Exception):
                raise answer
            return answer(**request) if callable(answer) else answer

        return call

    def of(self, name: str) -> list[dict[str, Any]]:
        """Return what was asked of one operation."""
        return [request for asked, request in self.asked if asked == name]


class Cloud:
    """An account, as tools.shipping.accounts.Account."""

    region, number, partition = "eu-west-1", "123456789012", "aws"
    arn: Any = Account.arn  # of these three

    def __init__(self, **clients: Any) -> None:
        self.formation = Formation()
        self.clients = {"cloudformation": self.formation, **clients}

    def client(self, service: str, region: str | None = None) -> Any:
        return self.clients.setdefault(f"{service} in {region}" if region else service, Recorder())


def desk(stage: Stage, cloud: Cloud, told: list[str]) -> Desk:
    """Return a desk whose time passes only when somebody sleeps."""
    ticks: Iterator[float] = iter(range(10_000))
    arguments: Mapping[str, Any] = {"account": cloud, "stage": stage, "say": told.append}
    return Desk(**arguments, sleep=lambda _: None, clock=lambda: float(next(ticks)))
