"""Starts ministack with its own Python, with three things mended.

It keeps no logs of WebSocket handlers: those of all functions are printed, each line with the name
of its function before it. It asks for permissions of SQS's batches, which AWS does not know: who
may send a message may send ten. And it takes the number of workers for text, if it is a parameter.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
"""

import sys
from functools import wraps
from typing import Any

from ministack.app import main
from ministack.core import iam_actions
from ministack.core.lambda_runtime import Worker
from ministack.services import lambda_svc

_invoke = Worker.invoke
_action = iam_actions.extract_iam_action
_concurrency = lambda_svc._sqs_esm_concurrency  # noqa: SLF001 - see above


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


if __name__ == "__main__":
    Worker.invoke = _told
    iam_actions.extract_iam_action = _single
    lambda_svc._sqs_esm_concurrency = _numbered  # noqa: SLF001
    sys.argv[0] = "ministack"
    sys.exit(main())
