"""The groups that `make deploy` has logs go to, where Chalice makes none."""

import contextlib
from collections.abc import Sequence

from tools.shipping.desks import Desk


def log_group(desk: Desk, name: str, days: int) -> str:
    """Make a log group that keeps what it gets for so many days; returns its ARN."""
    logs = desk.account.client("logs")
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=name)
    logs.put_retention_policy(logGroupName=name, retentionInDays=days)
    return desk.account.arn("logs", f"log-group:{name}")


def forget_logs(desk: Desk, functions: Sequence[str]) -> None:
    """Delete the logs of a stage: Chalice leaves them, and `make release` makes them itself."""
    logs, stage = desk.account.client("logs"), desk.stage
    # Chalice's group for the routes has another name than their function's.
    stray = f"{stage.log_group('api_handler')}-api_handler"
    for group in (*stage.access_logs, *map(stage.log_group, functions), stray):
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            logs.delete_log_group(logGroupName=group)
            desk.say(f"  deleted the log group {group}")
