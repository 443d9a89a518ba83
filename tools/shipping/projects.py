"""The project on disk and its stages, as .chalice/config.json and infra/parameters.json say."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.warmups import deployed_name
from tools.shipping.errors import ShippingError

APP = "dynamowave"
_LAPTOP = "local"


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the project in `root`; all that it owns in AWS is named after it."""

    root: Path
    name: str

    @property
    def data_stack(self) -> str:
        """The stack that holds state."""
        return f"{APP}-{self.name}-data"

    @property
    def service_stack(self) -> str:
        """The stack that `release` makes: functions and APIs."""
        return f"{APP}-{self.name}"

    @property
    def extra_stacks(self) -> tuple[str, ...]:
        """Stacks that may stand upon the service, those to be deleted first in front.

        That of the edge is in us-east-1 only.
        """
        return tuple(f"{APP}-{self.name}-{what}" for what in ("edge", "observability"))

    @property
    def regions_stack(self) -> str:
        """The stack of infra/multiregion.yaml, which nobody but its operator changes."""
        return f"{APP}-{self.name}-multiregion"

    def function(self, name: str) -> str:
        """Return the deployed name of a function, the same whichever way it was deployed."""
        return deployed_name(self.name, name)

    def log_group(self, name: str) -> str:
        """Return the log group of a function, which Lambda finds by the function's name."""
        return f"/aws/lambda/{self.function(name)}"

    @property
    def access_logs(self) -> tuple[str, str]:
        """The log groups of who calls the WebSocket and the REST API."""
        return f"/{APP}/{self.name}/websocket", f"/{APP}/{self.name}/rest"

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of the project; what the stage says itself goes before it."""
        whole = read_config(self.root)
        return {**whole, **whole["stages"][self.name]}

    @property
    def gateway_stage(self) -> str:
        """The stage of both APIs in API Gateway, which is in their URLs."""
        return str(self.config["api_gateway_stage"])

    @property
    def deployed(self) -> Path:
        """Where Chalice remembers what `chalice deploy` has made; in this checkout only."""
        return self.root / ".chalice" / "deployed" / f"{self.name}.json"

    def parameters(self, stack: str, overrides: Sequence[str] = ()) -> dict[str, str]:
        """Return the parameters of a stack ("data", "service"), `Key=Value` overrides last.

        Raises:
            ShippingError: infra/parameters.json cannot be read, or an override is none.
        """
        path = self.root / "infra" / "parameters.json"
        stages: Mapping[str, Any] = _read(path) if path.exists() else {}
        chosen = dict(stages.get(self.name, {}).get(stack, {}))
        return {**chosen, **dict(map(_override, overrides))}


def find_stage(root: Path, name: str) -> Stage:
    """Return a stage that can be deployed.

    Raises:
        ShippingError: there is no such stage, or it is the laptop's.
    """
    stages = [stage for stage in read_config(root)["stages"] if stage != _LAPTOP]
    if name == _LAPTOP:
        raise ShippingError(
            f"stage {name} is the laptop's, which `make run` serves: choose STAGE={stages[0]}"
        )
    if name not in stages:
        known = ", ".join(stages)
        raise ShippingError(f"stage {name!r} is not in .chalice/config.json, which has {known}")
    return Stage(root, name)


def read_config(root: Path) -> dict[str, Any]:
    """Return .chalice/config.json. Raises ShippingError if it is not there, or broken."""
    path = root / ".chalice" / "config.json"
    config = _read(path)
    if not config.get("stages"):
        raise ShippingError(f"{path} has no stages")
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise ShippingError(f"{path} cannot be read: {error}") from error


def _override(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ShippingError(f"parameter {text!r} is not of the form Key=Value")
    return key, value
