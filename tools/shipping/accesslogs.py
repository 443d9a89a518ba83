"""Where API Gateway logs who called; what it logs, infra/service.yaml says."""

import contextlib

from tools.shipping.desks import Desk


def log_group(desk: Desk, name: str, days: int) -> str:
    """Make a log group that keeps what it gets for so many days; returns its ARN."""
    logs, account = desk.account.client("logs"), desk.account
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=name)
    logs.put_retention_policy(logGroupName=name, retentionInDays=days)
    return f"arn:{account.partition}:logs:{account.region}:{account.number}:log-group:{name}"
