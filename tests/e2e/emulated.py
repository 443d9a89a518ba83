"""Starts ministack with its own Python, and has it print what WebSocket handlers log.

It keeps logs of what is invoked in other ways only. Each line begins with the function's name.
"""

import sys
from functools import wraps
from typing import Any

from ministack.app import main
from ministack.core.lambda_runtime import Worker

_invoke = Worker.invoke


@wraps(_invoke)
def _told(self: Any, *arguments: Any, **options: Any) -> Any:
    answer = _invoke(self, *arguments, **options)
    log = f"{answer.get('log') or ''}\n{answer.get('error') or ''}"
    for line in filter(None, map(str.strip, log.splitlines())):
        print(f"{self.func_name}| {line}", flush=True)
    return answer


if __name__ == "__main__":
    Worker.invoke = _told
    sys.argv[0] = "ministack"
    sys.exit(main())
