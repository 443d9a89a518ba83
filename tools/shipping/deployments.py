"""`make deploy`: `chalice deploy`, and then what Chalice wipes each time or cannot set at all."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tools.shipping.data import require_data
from tools.shipping.desks import Desk
from tools.shipping.errors import ShippingError
from tools.shipping.functions import adjust_functions, function_exists
from tools.shipping.packages import pack, run_chalice
from tools.shipping.projects import Stage
from tools.shipping.rest import adjust_rest
from tools.shipping.websockets import adjust_websocket
from tools.shipping.wishes import Wishes


@dataclass(frozen=True, slots=True)
class Deployed:
    """What Chalice remembers of its last deployment of a stage, by resource name."""

    resources: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, stage: Stage) -> Self | None:
        """Return it; None if nothing was deployed from this checkout.

        Raises:
            ShippingError: the file is not what Chalice writes, as after a merge.
        """
        if not stage.deployed.exists():
            return None
        try:
            listed = json.loads(stage.deployed.read_text())["resources"]
            return cls({resource["name"]: resource for resource in listed})
        except (ValueError, KeyError, TypeError) as error:
            raise ShippingError(
                f"{stage.deployed} is broken, and Chalice knows its APIs by it alone: bring back"
                " the version of the last deploy"
            ) from error

    @property
    def place(self) -> tuple[str, str] | None:
        """The account and the region where it was; None if nothing of it is left."""
        arns = [r["lambda_arn"] for r in self.resources.values() if "lambda_arn" in r]
        return (arns[0].split(":")[4], arns[0].split(":")[3]) if arns else None

    def __getitem__(self, path: tuple[str, str]) -> str:
        """Return a property of a resource."""
        name, key = path
        return str(self.resources[name][key])


def deploy(desk: Desk, overrides: Sequence[str] = ()) -> dict[str, str]:
    """Deploy a stage with Chalice, and return the URLs of its APIs.

    Raises:
        ShippingError: nothing was done, or Chalice stopped half-way: repeat it then.
    """
    stage = desk.stage
    desk.say(f"deploy: functions and APIs of stage {stage.name}, by chalice deploy")
    require_data(desk)
    wishes = Wishes.of(desk, overrides)
    _refuse_release(desk)
    require_here(desk)
    with tempfile.TemporaryDirectory() as folder:
        desk.say("packing ...")
        pack(stage, Path(folder), desk.account.region)  # chalice deploy takes the same zip
    desk.say("chalice deploy ...")
    run_chalice(["deploy", "--stage", stage.name], stage, desk.account.region, desk.say)
    deployed = Deployed.read(stage)
    if deployed is None:
        raise ShippingError(f"chalice deploy has left no {stage.deployed}")
    return _adjust(desk, deployed, wishes)


def require_here(desk: Desk) -> None:
    """See that what was deployed with Chalice is in this account and region, and known here.

    Elsewhere Chalice finds nothing that it remembers: it would make a second API and forget the
    first, or delete nothing and forget all.

    Raises:
        ShippingError: it is elsewhere, or was deployed from another checkout.
    """
    stage, account, deployed = desk.stage, desk.account, Deployed.read(desk.stage)
    if deployed and (place := deployed.place) not in {None, (account.number, account.region)}:
        number, region = place
        raise ShippingError(
            f"stage {stage.name} was deployed to {region} of account {number} from here: set"
            f" AWS_DEFAULT_REGION={region} and credentials of that account, or destroy it there"
            " first"
        )
    function = stage.function("websocket_connect")
    if deployed is None and function_exists(desk, function):
        raise ShippingError(
            f"{function} was deployed from another checkout: bring its"
            f" .chalice/deployed/{stage.name}.json here, as Chalice knows its APIs by that alone"
        )


def _adjust(desk: Desk, deployed: Deployed, wishes: Wishes) -> dict[str, str]:
    desk.say("setting what Chalice cannot:")
    api = deployed["websocket_api", "websocket_api_id"]
    url = deployed["websocket_api", "websocket_api_url"]
    adjust_functions(desk, api, url, wishes)
    adjust_websocket(desk, api, wishes)
    adjust_rest(desk, deployed["rest_api", "rest_api_id"], wishes)
    page = deployed["rest_api", "rest_api_url"]
    desk.say(f"  page: {page}")
    desk.say(f"  WebSocket: {url}")
    desk.say(f"Undo: deploy an older commit, or make destroy STAGE={desk.stage.name}.")
    return {"EndpointURL": page, "WebsocketConnectEndpointURL": url, "WebsocketAPIId": api}


def _refuse_release(desk: Desk) -> None:
    stage = desk.stage
    if desk.stack(stage.service_stack).state is not None:
        raise ShippingError(
            f"stage {stage.name} was released as stack {stage.service_stack}: `make release"
            f" STAGE={stage.name}`, or `make destroy STAGE={stage.name}` first"
        )
