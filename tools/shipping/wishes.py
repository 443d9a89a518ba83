"""What a stage asks for beyond .chalice/config.json: what infra/service.yaml says.

`make deploy` cannot merge that template, but does what it says by itself, with the same parameters,
so that both ways of deploying mean the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from tools.shipping.desks import Desk
from tools.shipping.errors import ShippingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Asynchronous:
    """What becomes of events for a function that fail; `destination` is an ARN, or None."""

    retries: int
    oldest: int
    destination: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What `make deploy` sets after Chalice.

    Attributes:
        rate, burst: Requests a second of each API, and at once.
        connect_rate, connect_burst: Of $connect.
        log_days: How long access logs are kept.
        socket_log, rest_log: What they hold of a request.
        deliveries: How many workers of the queue run at a time; 0 for any number.
        variables: What the functions get beside .chalice/config.json.
        asynchronous: By the name of the function.
    """

    rate: float
    burst: int
    connect_rate: float
    connect_burst: int
    log_days: int
    socket_log: str
    rest_log: str
    deliveries: int
    variables: Mapping[str, str]
    asynchronous: Mapping[str, Asynchronous]

    @classmethod
    def of(cls, desk: Desk, overrides: Sequence[str] = ()) -> Self:
        """Return those of a stage.

        Raises:
            ShippingError: a parameter is no number, is unknown, or is for `make release` only.
        """
        template = desk.template("service.yaml")
        values = _values(template, desk.stage.parameters("service", overrides))
        resources = template["Resources"]
        socket_stage = resources["WebsocketAPIStage"]["Properties"]
        return cls(
            rate=_number(values, "ThrottleRate"),
            burst=int(_number(values, "ThrottleBurst")),
            connect_rate=_number(values, "ConnectRate"),
            connect_burst=int(_number(values, "ConnectBurst")),
            log_days=int(_number(values, "AccessLogDays")),
            socket_log=socket_stage["AccessLogSettings"]["Format"],
            rest_log=resources["RestAPI"]["Properties"]["AccessLogSetting"]["Format"],
            deliveries=int(_number(values, "DeliverConcurrency")),
            variables=_variables(values),
            asynchronous=dict(_asynchronous(desk, resources)),
        )


def _values(template: Mapping[str, Any], chosen: Mapping[str, str]) -> dict[str, str]:
    known = template["Parameters"]
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        raise ShippingError(f"infra/service.yaml has no parameter {', '.join(unknown)}")
    defaults = {name: str(p["Default"]) for name, p in known.items() if "Default" in p}
    values = {**defaults, **chosen}
    for name in ("OriginSecretVersions", "ProvisionedConcurrency", "RestTlsPolicy"):
        if values.get(name, "") not in {"none", "0", ""}:
            raise ShippingError(f"{name} is for `make release`: Chalice cannot set it")
    return values


def _variables(values: Mapping[str, str]) -> dict[str, str]:
    named = {"WEBSOCKET_URL": "WebSocketUrl", "ALLOWED_ORIGINS": "AllowedOrigins"}
    return {key: values[name] for key, name in named.items() if values.get(name)}


def _asynchronous(desk: Desk, resources: Mapping[str, Any]) -> "list[tuple[str, Asynchronous]]":
    properties = [each.get("Properties", {}) for each in resources.values()]
    return [
        (_resolved(desk, each["FunctionName"]), _wish(desk, each["EventInvokeConfig"]))
        for each in properties
        if "EventInvokeConfig" in each
    ]


def _wish(desk: Desk, config: Mapping[str, Any]) -> Asynchronous:
    failure = config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    return Asynchronous(
        retries=config["MaximumRetryAttempts"],
        oldest=config["MaximumEventAgeInSeconds"],
        destination=_resolved(desk, failure) if failure else None,
    )


def _resolved(desk: Desk, value: Mapping[str, str]) -> str:
    """Return what a !Sub of the template comes to."""
    account, text = desk.account, value["Fn::Sub"]
    for name, known in (
        ("Stage", desk.stage.name),
        ("AWS::Partition", account.partition),
        ("AWS::Region", account.region),
        ("AWS::AccountId", account.number),
    ):
        text = text.replace(f"${{{name}}}", known)
    return text


def _number(values: Mapping[str, str], name: str) -> float:
    try:
        return float(values[name])
    except (KeyError, ValueError) as error:
        raise ShippingError(f"parameter {name} of infra/service.yaml is not a number") from error
