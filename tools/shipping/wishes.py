"""What a stage asks for beyond .chalice/config.json: the parameters of infra/service.yaml.

`make deploy` has no use for the template itself, but takes the same numbers from it, so that both
ways of deploying mean the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from tools.shipping.desks import Desk
from tools.shipping.errors import ShippingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The parameters that `make deploy` can fulfil.

    Attributes:
        rate: Requests a second of each API; `burst` at once. ThrottleRate, ThrottleBurst.
        connect_rate: Of $connect; `connect_burst`. ConnectRate, ConnectBurst.
        log_days: How long access logs are kept. LogRetentionDays.
        deliveries: How many workers of the queue run at a time. DeliverConcurrency.
    """

    rate: float
    burst: int
    connect_rate: float
    connect_burst: int
    log_days: int
    deliveries: int

    @classmethod
    def of(cls, desk: Desk, overrides: Sequence[str] = ()) -> Self:
        """Return those of a stage. Raises ShippingError: one is missing, or is no number."""
        parameters = desk.template("service.yaml").get("Parameters", {})
        defaults = {name: p["Default"] for name, p in parameters.items() if "Default" in p}
        values = {**defaults, **desk.stage.parameters("service", overrides)}
        return cls(
            rate=_number(values, "ThrottleRate"),
            burst=int(_number(values, "ThrottleBurst")),
            connect_rate=_number(values, "ConnectRate"),
            connect_burst=int(_number(values, "ConnectBurst")),
            log_days=int(_number(values, "LogRetentionDays")),
            deliveries=int(_number(values, "DeliverConcurrency")),
        )


def _number(values: Mapping[str, object], name: str) -> float:
    try:
        return float(str(values[name]))
    except (KeyError, ValueError) as error:
        raise ShippingError(f"parameter {name} of infra/service.yaml is not a number") from error
