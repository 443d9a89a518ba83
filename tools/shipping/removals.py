"""`make destroy`: remove what a stage runs, and say what stays."""

from collections.abc import Callable
from typing import Any

from tools.policies import USES
from tools.shipping.deployments import require_here
from tools.shipping.desks import Desk
from tools.shipping.errors import ShippingError
from tools.shipping.loggroups import forget_logs
from tools.shipping.packages import run_chalice

Ask = Callable[[str], str]

# The one region that takes infra/edge.yaml.
_EDGE_REGION = "us-east-1"

_STATEFUL = {
    "AWS::DynamoDB::Table": "table",
    "AWS::SQS::Queue": "queue",
    "AWS::SecretsManager::Secret": "secret",
    "AWS::KMS::Key": "key",
}


def destroy(
    desk: Desk, *, confirmed: str | None = None, data: bool = False, ask: Ask = input
) -> None:
    """Remove functions, APIs, alarms and the edge of a stage; with `data` the data stack too.

    The tables, the secrets, the key and the dead-letter queues stay in any case: `make data` takes
    the tables over again. What is gone already is passed over, so that it can be repeated.

    Raises:
        ShippingError: it was not confirmed, it was deployed from or to elsewhere, two regions
            share a name, or something could not be removed.
    """
    stage = desk.stage
    _refuse_regions(desk)
    if stage.deployed.exists() or not _is(desk, stage.service_stack):
        require_here(desk)
    present = [name for name in (*stage.extra_stacks, stage.service_stack) if _is(desk, name)]
    plan = [f"stack {name}" for name in present]
    if stage.deployed.exists():
        plan.append(f"what chalice deploy has made of stage {stage.name}")
    if data and _is(desk, stage.data_stack):
        plan.append(f"stack {stage.data_stack}, but for what it retains")
    _explain(desk, plan, [*_retained(desk, data=data), *_edge(desk)])
    if not plan:
        return
    _confirm(desk, confirmed, ask)
    for name in present:
        desk.say(f"deleting {name} ...")
        desk.stack(name).delete()
    if stage.deployed.exists():
        desk.say("chalice delete ...")
        run_chalice(["delete", "--stage", stage.name], stage, desk.account.region, desk.say)
        forget_logs(desk, list(USES))
    if data and _is(desk, stage.data_stack):
        _delete_data(desk)
    desk.say(f"Undo: make {'data, then make ' if data else ''}release or deploy.")


def _refuse_regions(desk: Desk) -> None:
    name = desk.stage.regions_stack
    if _is(desk, name):
        raise ShippingError(
            f"stack {name} leads people here: see docs/operations.md, then delete it (aws"
            f" cloudformation delete-stack --stack-name {name}; its tables stay)"
        )


def _edge(desk: Desk) -> list[str]:
    """Name the edge where it is in another region: it may be before the same stage in a third."""
    name, account = desk.stage.extra_stacks[0], desk.account
    elsewhere = account.partition == "aws" and account.region != _EDGE_REGION
    if not elsewhere or desk.stack(name, region=_EDGE_REGION).state is None:
        return []
    command = f"aws cloudformation delete-stack --region {_EDGE_REGION} --stack-name {name}"
    return [f"stack {name} in {_EDGE_REGION}; to delete it too: {command}"]


def _explain(desk: Desk, plan: list[str], retained: list[str]) -> None:
    desk.say(f"destroy: removes {'; '.join(plan) or 'nothing, as nothing is there'}")
    for line in retained:
        desk.say(f"  stays: {line}")


def _confirm(desk: Desk, confirmed: str | None, ask: Ask) -> None:
    name = desk.stage.name
    if confirmed is None:
        try:
            confirmed = ask(f"Type the stage's name, {name}, to go on: ").strip()
        except EOFError as error:
            raise ShippingError(f"not confirmed: repeat with CONFIRM={name}") from error
    if confirmed != name:
        raise ShippingError(f"not confirmed: {confirmed!r} is not {name!r}; nothing was removed")


def _is(desk: Desk, name: str) -> bool:
    return desk.stack(name).state is not None


def _retained(desk: Desk, *, data: bool) -> list[str]:
    name = desk.stage.data_stack
    if not _is(desk, name):
        return []
    resources = _resources(desk, name)
    kept = [
        f"{_STATEFUL[r['ResourceType']]} {r.get('PhysicalResourceId', r['LogicalResourceId'])}"
        for r in resources
        if r["ResourceType"] in _STATEFUL and (not data or _is_kept(desk, r["LogicalResourceId"]))
    ]
    return kept if data else [f"stack {name}, with all that it holds:", *kept]


def _resources(desk: Desk, name: str) -> list[dict[str, Any]]:
    client = desk.account.client("cloudformation")
    pages = client.get_paginator("list_stack_resources").paginate(StackName=name)
    return [summary for page in pages for summary in page["StackResourceSummaries"]]


def _is_kept(desk: Desk, logical: str) -> bool:
    template = desk.template("data.yaml")
    policy = template["Resources"].get(logical, {}).get("DeletionPolicy", "Delete")
    return str(policy).startswith("Retain")


def _delete_data(desk: Desk) -> None:
    stack = desk.stack(desk.stage.data_stack)
    desk.say(f"deleting {stack.name} ...")
    stack.protect(protected=False)
    stack.delete()
