"""The REST API after `chalice deploy`: throttles and access logs of its stage."""

from typing import Any

from tools.shipping.desks import Desk
from tools.shipping.loggroups import log_group
from tools.shipping.wishes import Wishes


def adjust_rest(desk: Desk, api: str, wishes: Wishes) -> None:
    """Set what the stage limits and logs; Chalice leaves that alone, but sets none of it."""
    client = desk.account.client("apigateway")
    gateway_stage = desk.stage.gateway_stage
    limits = {
        "/*/*/throttling/rateLimit": f"{wishes.rate:g}",
        "/*/*/throttling/burstLimit": str(wishes.burst),
        "/*/*/metrics/enabled": "true",
    }
    _patch(client, api, gateway_stage, limits)
    desk.say(f"  REST API throttled at {wishes.rate:g} requests/s (burst {wishes.burst})")
    _, name = desk.stage.access_logs
    logged = {
        "/accessLogSettings/destinationArn": log_group(desk, name, wishes.log_days),
        "/accessLogSettings/format": wishes.rest_log,
    }
    try:
        _patch(client, api, gateway_stage, logged)
    except client.exceptions.BadRequestException as error:
        desk.say(f"  NO access log of the REST API: {error}; see docs/deploying.md")
    else:
        desk.say(f"  access log {name}, kept for {wishes.log_days} days")


def _patch(client: Any, api: str, stage: str, values: dict[str, str]) -> None:
    operations = [{"op": "replace", "path": path, "value": v} for path, v in values.items()]
    client.update_stage(restApiId=api, stageName=stage, patchOperations=operations)
