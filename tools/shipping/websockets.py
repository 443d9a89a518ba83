"""The WebSocket API after `chalice deploy`: authorizer, throttles, access logs, made live at once.

Chalice deletes and makes the routes anew on every run. What clients use is the API's deployment,
a picture of the routes at one time, so they notice nothing until there is a new one here.
"""

from typing import Any

from botocore.exceptions import ClientError

from tools.shipping.desks import Desk
from tools.shipping.loggroups import log_group
from tools.shipping.wishes import Wishes

_AUTHORIZER = "authorize"


def adjust_websocket(desk: Desk, api: str, wishes: Wishes) -> None:
    """Wire the authorizer to $connect, deploy the routes, and set what the stage limits."""
    client = desk.account.client("apigatewayv2")
    authorizer = _authorizer(desk, client, api)
    for route in client.get_routes(ApiId=api)["Items"]:
        if route["RouteKey"] == "$connect":
            client.update_route(
                ApiId=api,
                RouteId=route["RouteId"],
                AuthorizationType="CUSTOM",
                AuthorizerId=authorizer,
            )
    desk.say(f"  $connect asks {desk.stage.function(_AUTHORIZER)}")
    _make_live(desk, client, api)
    _limit(desk, client, api, wishes)
    _log(desk, client, api, wishes)


def _authorizer(desk: Desk, client: Any, api: str) -> str:
    account, function = desk.account, desk.stage.function(_AUTHORIZER)
    arn = account.arn("lambda", f"function:{function}")
    path = f"lambda:path/2015-03-31/functions/{arn}/invocations"
    wanted = {
        "AuthorizerType": "REQUEST",
        "AuthorizerUri": f"arn:{account.partition}:apigateway:{account.region}:{path}",
        # None: guests come without a ticket, and a source that is missing is answered 401.
        "IdentitySource": [],
    }
    there = [a for a in client.get_authorizers(ApiId=api)["Items"] if a["Name"] == _AUTHORIZER]
    if there:
        identifier = str(there[0]["AuthorizerId"])
        client.update_authorizer(ApiId=api, AuthorizerId=identifier, **wanted)
    else:
        made = client.create_authorizer(ApiId=api, Name=_AUTHORIZER, **wanted)
        identifier = str(made["AuthorizerId"])
    _permit(desk, function, api, identifier)
    return identifier


def _permit(desk: Desk, function: str, api: str, authorizer: str) -> None:
    client = desk.account.client("lambda")
    try:
        client.add_permission(
            FunctionName=function,
            StatementId=f"authorizer-{api}-{authorizer}",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=desk.account.arn("execute-api", f"{api}/authorizers/{authorizer}"),
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceConflictException":  # it is there
            raise


def _make_live(desk: Desk, client: Any, api: str) -> None:
    stage = desk.stage.gateway_stage
    deployment = client.create_deployment(ApiId=api)["DeploymentId"]
    client.update_stage(ApiId=api, StageName=stage, DeploymentId=deployment, AutoDeploy=False)
    desk.say(f"  deployment {deployment} is live")


def _limit(desk: Desk, client: Any, api: str, wishes: Wishes) -> None:
    client.update_stage(
        ApiId=api,
        StageName=desk.stage.gateway_stage,
        DefaultRouteSettings=_route(wishes.rate, wishes.burst),
        RouteSettings={
            "$connect": _route(wishes.connect_rate, wishes.connect_burst),
            "$default": _route(wishes.rate, wishes.burst),
        },
    )
    desk.say(
        f"  throttled at {wishes.rate:g} frames/s (burst {wishes.burst}), "
        f"{wishes.connect_rate:g} connects/s (burst {wishes.connect_burst})"
    )


def _route(rate: float, burst: int) -> dict[str, Any]:
    return {
        "DetailedMetricsEnabled": True,
        "ThrottlingRateLimit": rate,
        "ThrottlingBurstLimit": burst,
    }


def _log(desk: Desk, client: Any, api: str, wishes: Wishes) -> None:
    name, _ = desk.stage.access_logs
    arn = log_group(desk, name, wishes.log_days)
    try:
        client.update_stage(
            ApiId=api,
            StageName=desk.stage.gateway_stage,
            AccessLogSettings={"DestinationArn": arn, "Format": wishes.socket_log},
        )
    except client.exceptions.BadRequestException as error:
        desk.say(f"  NO access log of the WebSocket API: {error}; see docs/deploying.md")
    else:
        desk.say(f"  access log {name}, kept for {wishes.log_days} days")
