"""Starts ministack with its own Python, and mends five things that stand in our way.

- It keeps no logs of WebSocket handlers: those of all functions are printed, each line with the
  name of its function before it.
- It asks for permissions of SQS's batches. AWS knows none: who may send a message may send ten.
  https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
- It takes the number of a queue's workers for text, where that is a parameter of the template.
- It imports OpenAPI documents from templates only; Chalice sends its own by ImportRestApi and
  PutRestApi.
- A function is updated for half a second, and Chalice looks every five seconds whether it still is,
  for one function after the other: two minutes of each deploy.
"""

import json
import re
import sys
from functools import wraps
from typing import Any

from ministack.app import main
from ministack.core import iam_actions
from ministack.core.lambda_runtime import Worker
from ministack.services import apigateway_v1 as rest
from ministack.services import lambda_svc

_invoke = Worker.invoke
_action = iam_actions.extract_iam_action
_concurrency = lambda_svc._sqs_esm_concurrency
_handle = rest.handle_request
_create = rest._create_rest_api


@wraps(_invoke)
def _told(self: Any, *arguments: Any, **options: Any) -> Any:
    answer = _invoke(self, *arguments, **options)
    log = f"{answer.get('log') or ''}\n{answer.get('error') or ''}"
    for line in filter(None, map(str.strip, log.splitlines())):
        print(f"{self.func_name}| {line}", flush=True)
    return answer


@wraps(_action)
def _single(*arguments: Any, **options: Any) -> Any:
    action = _action(*arguments, **options)
    return action.removesuffix("Batch") if action and action.startswith("sqs:") else action


@wraps(_concurrency)
def _numbered(mapping: Any, *arguments: Any, **options: Any) -> Any:
    scaling = {key: int(value) for key, value in (mapping.get("ScalingConfig") or {}).items()}
    return _concurrency({**mapping, "ScalingConfig": scaling}, *arguments, **options)


@wraps(_create)
def _imported(data: Any) -> Any:
    if "swagger" not in data:
        return _create(data)
    return rest._get_rest_api(rest._import_rest_api(data))


@wraps(_handle)
async def _overwritten(method: str, path: str, headers: Any, body: Any, query: Any) -> Any:
    found = re.fullmatch(r"/restapis/([^/]+)", path)
    if method == "PUT" and found:
        _overwrite(found[1], json.loads(body))
        method, body = "GET", b""
    return await _handle(method, path, headers, body, query)


def _overwrite(api: str, document: Any) -> None:
    resources = rest._resources[api]
    for identifier in [key for key, each in resources.items() if each["path"] != "/"]:
        del resources[identifier]
    for root in resources.values():
        root["resourceMethods"] = {}
    for path, item in document["paths"].items():
        rest._import_path_item(api, path, item)


def _ready(name: str, _: float) -> None:
    done = {"State": "Active", "LastUpdateStatus": "Successful"}
    lambda_svc._functions[name]["config"].update(done)


if __name__ == "__main__":
    Worker.invoke = _told
    iam_actions.extract_iam_action = _single
    lambda_svc._sqs_esm_concurrency = _numbered
    lambda_svc._schedule_state_transition = _ready
    rest.handle_request = _overwritten
    rest._create_rest_api = _imported
    sys.argv[0] = "ministack"
    sys.exit(main())
