"""Where API Gateway logs who called: one JSON object a line, without the query, which has tickets.

https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-logging.html
"""

import contextlib
import json

from tools.shipping.desks import Desk

FORMAT = json.dumps(
    {
        "requestId": "$context.requestId",
        "ip": "$context.identity.sourceIp",
        "time": "$context.requestTimeEpoch",
        "event": "$context.eventType",
        "route": "$context.routeKey",
        "status": "$context.status",
        "connection": "$context.connectionId",
        "error": "$context.error.message",
        "integration": "$context.integrationErrorMessage",
    }
)
REST_FORMAT = json.dumps(
    {
        "requestId": "$context.requestId",
        "ip": "$context.identity.sourceIp",
        "time": "$context.requestTimeEpoch",
        "method": "$context.httpMethod",
        "route": "$context.resourcePath",
        "status": "$context.status",
        "bytes": "$context.responseLength",
        "ms": "$context.responseLatency",
    }
)


def log_group(desk: Desk, name: str, days: int) -> str:
    """Make a log group that keeps what it gets for so many days; returns its ARN."""
    logs, account = desk.account.client("logs"), desk.account
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=name)
    logs.put_retention_policy(logGroupName=name, retentionInDays=days)
    return f"arn:{account.partition}:logs:{account.region}:{account.number}:log-group:{name}"
