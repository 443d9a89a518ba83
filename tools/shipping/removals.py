"""`make destroy`: remove what a stage runs, and say what stays."""

from collections.abc import Callable
from typing import Any

from tools.shipping.desks import Desk
from tools.shipping.errors import ShippingError
from tools.shipping.packages import run_chalice

Ask = Callable[[str], str]

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

    The tables, the secret, the key and the dead-letter queue stay in any case: `make data` takes
    them over again. What is gone already is passed over, so that it can be repeated.

    Raises:
        ShippingError: it was not confirmed, or something could not be removed.
    """
    stage = desk.stage
    present = [name for name in (*stage.extra_stacks, stage.service_stack) if _is(desk, name)]
    plan = [f"stack {name}" for name in present]
    if stage.deployed.exists():
        plan.append(f"what chalice deploy has made of stage {stage.name}")
    if data and _is(desk, stage.data_stack):
        plan.append(f"stack {stage.data_stack}, but for what it retains")
    _explain(desk, plan, _retained(desk, data=data))
    if not plan:
        return
    _confirm(desk, confirmed, ask)
    for name in present:
        desk.say(f"deleting {name} ...")
        desk.stack(name).delete()
    if stage.deployed.exists():
        desk.say("chalice delete ...")
        run_chalice(["delete", "--stage", stage.name], stage, desk.account.region, desk.say)
        _forget_logs(desk)
    if data and _is(desk, stage.data_stack):
        _delete_data(desk)
    desk.say(f"Undo: make {'data, then make ' if data else ''}release or deploy.")


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


def _forget_logs(desk: Desk) -> None:
    logs = desk.account.client("logs")
    for group in desk.stage.access_logs:
        try:
            logs.delete_log_group(logGroupName=group)
        except logs.exceptions.ResourceNotFoundException:
            continue
        desk.say(f"  deleted the log group {group}")
