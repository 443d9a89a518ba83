"""`make release`: package with Chalice, merge infra/service.yaml, change one stack as a whole."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.shipping.buckets import Bucket
from tools.shipping.data import require_data
from tools.shipping.desks import Desk
from tools.shipping.errors import ShippingError
from tools.shipping.functions import function_exists
from tools.shipping.packages import Package, pack
from tools.shipping.templates import Template, body

_MIB = 1 << 20


def release(desk: Desk, overrides: Sequence[str] = ()) -> dict[str, str]:
    """Release a stage, and return what its stack tells.

    What fails is rolled back by CloudFormation: what ran before runs on.

    Raises:
        ShippingError: nothing was done, or it was rolled back; says why.
    """
    stage = desk.stage
    desk.say(f"release: functions and APIs of stage {stage.name} in {stage.service_stack}")
    require_data(desk)
    stack = desk.stack(stage.service_stack)
    if stack.require_calm() is None:
        _refuse_other_way(desk)
    with tempfile.TemporaryDirectory() as folder:
        desk.say("packing ...")
        package = pack(stage, Path(folder), desk.account.region)
        source = _upload(desk, package)
    parameters = {**desk.stage.parameters("service", overrides), "Stage": stage.name}
    stack.change(source, _known(package, parameters))
    outputs = stack.outputs
    desk.say(f"  page: {outputs.get('Page')}")
    desk.say(f"  WebSocket: {outputs.get('WebSocketURL')}")
    desk.say(f"Undo: release an older commit, or make destroy STAGE={stage.name}.")
    return outputs


def _upload(desk: Desk, package: Package) -> dict[str, str]:
    bucket = Bucket(desk.account)
    made = bucket.make()
    key = f"{desk.stage.name}/{package.digest}.zip"
    new = bucket.put(package.zipped, key)
    size = package.zipped.stat().st_size / _MIB
    desk.say(f"{'uploaded' if new else 'unchanged'}: {size:.1f} MB, s3://{bucket.name}/{key}")
    if made:
        desk.say(f"  the bucket {bucket.name} is new; it is private and stays")
    template = desk.adapt(_placed(package.template, f"s3://{bucket.name}/{key}"))
    url = bucket.write(body(template), f"{desk.stage.name}/{package.digest}.template.json")
    return {"TemplateURL": url}


def _placed(template: Template, uri: str) -> Template:
    resources: dict[str, Any] = template["Resources"]
    for resource in resources.values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = uri
    return template


def _known(package: Package, parameters: Mapping[str, str]) -> dict[str, str]:
    known = package.template.get("Parameters", {})
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise ShippingError(
            f"infra/service.yaml has no parameter {', '.join(unknown)}; it has {', '.join(known)}"
        )
    # Of a secret that has changed the template tells nothing, so a release is a change of itself.
    return {"Revision": package.digest, **parameters}


def _refuse_other_way(desk: Desk) -> None:
    function = desk.stage.function("websocket_connect")
    if function_exists(desk, function):
        raise ShippingError(
            f"{function} was deployed by `make deploy`: `make destroy STAGE={desk.stage.name}`"
            " first, as a stage is deployed one way or the other"
        )
