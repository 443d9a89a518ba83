"""What the emulator cannot do, in one place, each with its reason; everything else is as on AWS."""

from typing import Any

from tools.shipping.templates import Template

# Resource types that ministack 1.5.33 refuses in a template, and why nothing is lost with them.
DROPPED_TYPES = {
    "AWS::ApiGatewayV2::Deployment": "the stage deploys by itself (AutoDeploy)",
    "AWS::ApplicationAutoScaling::ScalableTarget": "capacity: there is none to scale here",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "capacity: there is none to scale here",
}

# Also dropped: statements that deny what comes without TLS, as the emulator is spoken to over HTTP.
# A unit test holds that they are in the templates.
_TLS = {"Bool": {"aws:SecureTransport": "false"}}

MANAGEMENT = "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"


def adapt(template: Template) -> Template:
    """Return a template, or what is to be merged into one, fit for the emulator."""
    resources = _over_plain_http(template["Resources"])
    dropped = {name for name, resource in resources.items() if _is_refused(resource)}
    kept = {
        name: _without(resource, dropped)
        for name, resource in resources.items()
        if name not in dropped
    }
    for resource in kept.values():
        if isinstance(resource, dict) and resource.get("Type") == "AWS::ApiGatewayV2::Authorizer":
            # Left out means none on AWS, and the Authorization header to the emulator.
            resource["Properties"].setdefault("IdentitySource", [])
    return {**template, "Resources": kept}


def execute_api(url: str) -> str:
    """Return where the emulator at a URL has the APIs, by their ids."""
    return f"{url}/_aws/execute-api"


def _is_refused(resource: Any) -> bool:
    """Tell whether the emulator refuses a resource, or the resources that a loop makes."""
    if isinstance(resource, list):
        return "'Metrics': " in str(resource)
    # Alarms on expressions: it computes none.
    computes = "Metrics" in resource.get("Properties", {})
    return resource.get("Type") in DROPPED_TYPES or computes


def _over_plain_http(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: _over_plain_http(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_over_plain_http(each) for each in part if not _demands_tls(each)]
    return part


def _demands_tls(part: object) -> bool:
    return isinstance(part, dict) and str(part.get("Condition")).lower() == str(_TLS).lower()


def _without(resource: Any, dropped: set[str]) -> Any:
    if isinstance(resource, list):
        return resource
    depends = resource.get("DependsOn", [])
    named = [depends] if isinstance(depends, str) else depends
    rest = {key: value for key, value in resource.items() if key != "DependsOn"}
    needed = [name for name in named if name not in dropped]
    return {**rest, "DependsOn": needed} if needed else rest
