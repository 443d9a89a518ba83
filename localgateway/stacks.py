"""The resources of a CloudFormation template, created in an engine."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import BotoCoreError, ClientError

from localgateway.engine import REGION, Engine
from localgateway.errors import EngineError

_DONE = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}


def create_stack(
    engine: Engine,
    template: Path,
    parameters: Mapping[str, str],
    *,
    stack_name: str,
    region: str = REGION,
    deadline: float = 60,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Create the stack of a template, or bring the existing one up to date, and wait for it.

    Args:
        engine: Where; its CloudFormation does the work.
        template: A YAML or JSON file.
        parameters: Those that the template does not declare are left out.
        stack_name: The name of the stack.
        region: The region of the stack.
        deadline: Seconds until waiting ends.
        clock: Seconds that only grow.
        sleep: Waits some seconds between two looks.

    Raises:
        EngineError: One line with the file and the cause.
    """
    text, declared = _read(template)
    # One attempt: the second would find the stack that the first failed to create.
    stack = _Stack(engine.client("cloudformation", region, attempts=1), stack_name)
    wanted = {
        "TemplateBody": text,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in parameters.items()
            if name in declared.get("Parameters", {})
        ],
    }
    try:
        stack.apply(wanted)
        status = stack.settled(clock() + deadline, clock, sleep)
        missing = _missing(declared["Resources"], stack.resources())
    except (BotoCoreError, ClientError) as error:
        raise EngineError(f"{template}: {_cause(error)}") from error
    if status not in _DONE:
        raise EngineError(f"{template}: stack {stack_name} is {status}{stack.reason()}")
    if missing:
        raise EngineError(f"{template}: the engine does not support {', '.join(missing)}")


class _Stack:
    """A stack, through a CloudFormation client."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def apply(self, wanted: Mapping[str, Any]) -> None:
        try:
            self._client.create_stack(StackName=self._name, OnFailure="DO_NOTHING", **wanted)
        except self._client.exceptions.AlreadyExistsException:
            self._update(wanted)
        except ClientError:
            # moto keeps what it had begun, which would be in the way of the next attempt.
            with suppress(ClientError):
                self._client.delete_stack(StackName=self._name)
            raise

    def _update(self, wanted: Mapping[str, Any]) -> None:
        try:
            self._client.update_stack(StackName=self._name, **wanted)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise

    def settled(
        self, due: float, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> str:
        """Wait until nothing is in progress any more; the status at the end, or when due."""
        while True:
            status = str(self._described()["StackStatus"])
            if not status.endswith("IN_PROGRESS") or clock() > due:
                return status
            sleep(0.2)

    def resources(self) -> set[str]:
        pages = self._client.get_paginator("list_stack_resources").paginate(StackName=self._name)
        return {
            # moto lists what it does not support, without a name.
            summary.get("LogicalResourceId", "")
            for page in pages
            for summary in page["StackResourceSummaries"]
        }

    def reason(self) -> str:
        reason = self._described().get("StackStatusReason")
        return f": {reason}" if reason else ""

    def _described(self) -> dict[str, Any]:
        answer = self._client.describe_stacks(StackName=self._name)
        described: dict[str, Any] = answer["Stacks"][0]
        return described


class _Loader(yaml.SafeLoader):
    """Reads templates for what they declare; intrinsic functions are the engine's to evaluate."""


_Loader.add_multi_constructor("!", lambda *_node: None)


def _read(template: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = template.read_text(encoding="utf-8")
        declared = json.loads(text) if template.suffix == ".json" else yaml.load(text, _Loader)  # noqa: S506
    except OSError as error:
        raise EngineError(f"{template}: {error.strerror}") from error
    except (ValueError, yaml.YAMLError) as error:
        raise EngineError(f"{template}: {_line(str(error))}") from error
    resources = declared.get("Resources") if isinstance(declared, dict) else None
    if not resources or not isinstance(resources, dict):
        raise EngineError(f"{template}: not a CloudFormation template: it has no Resources")
    return text, declared


def _missing(declared: Mapping[str, Any], existing: set[str]) -> list[str]:
    """The types of the resources that the engine left out; a condition may be why it did."""
    absent = (
        resource
        for name, resource in declared.items()
        if name not in existing and "Condition" not in resource
    )
    return sorted({str(resource.get("Type")) for resource in absent})


def _cause(error: BotoCoreError | ClientError) -> str:
    if isinstance(error, ClientError):
        return _line(str(error.response["Error"].get("Message") or error))
    return _line(str(error))


def _line(text: str) -> str:
    return " ".join(text.split())
