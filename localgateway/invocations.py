"""The Invoke operation of the Lambda API, so that any AWS SDK can invoke the local functions.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import json
import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from localgateway.functions import FunctionError, Invocation
from localgateway.management import Response
from localgateway.runtime import Runtime

_LOG = logging.getLogger(__name__)

_PATH = re.compile(r"/2015-03-31/functions/([^/]+)/invocations/?")

_MAX_SYNCHRONOUS = 6 * 1024 * 1024
_MAX_ASYNCHRONOUS = 1024 * 1024

# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
ASYNCHRONOUS_RETRIES = (60.0, 120.0)


def function_name(path: str) -> str | None:
    """Return the function a raw request path names, None when it is no Invoke request."""
    match = _PATH.fullmatch(path.partition("?")[0])
    return unquote(match[1]) if match else None


class Invocations:
    """Answers Invoke requests: RequestResponse waits, Event does not, DryRun only looks."""

    def __init__(self, runtime: Runtime, *, sleep: Callable[[float], object] = time.sleep) -> None:
        self._runtime = runtime
        self._sleep = sleep

    def invoke(self, name: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Answer one request; header names are expected in lower case.

        Blocks until the function returns, for RequestResponse: at most its timeout.
        """
        kind = headers.get("x-amz-invocation-type", "RequestResponse")
        function = self._runtime.find(name)
        if function is None:
            known = ", ".join(sorted(self._runtime.functions))
            message = f"Function not found: {name} (there are: {known})"
            return _refusal(404, "ResourceNotFoundException", message)
        body = body or b"{}"
        refusal = _invalid(kind, body)
        if refusal is not None:
            return refusal
        try:
            event = json.loads(body)
        except (ValueError, RecursionError):
            message = "Could not parse request body into json"
            return _refusal(400, "InvalidRequestContentException", message)
        if kind == "RequestResponse":
            return _answer(self._runtime.invoke(function.name, event))
        if kind == "Event":
            self._runtime.background(self._asynchronous, function.name, body)
        return Response(202 if kind == "Event" else 204, _headers())

    def _asynchronous(self, name: str, body: bytes) -> None:
        """Run an event, and again twice should it fail; what fails then is dropped, and logged."""
        for delay in (*ASYNCHRONOUS_RETRIES, None):
            # Parsed anew: a handler may have changed what it was given.
            outcome = self._runtime.invoke(name, json.loads(body))
            if outcome.error is None and not outcome.throttled:
                return
            if delay is None:
                _LOG.error("%-20s asynchronous event dropped after its retries", name)
                return
            _LOG.warning("%-20s asynchronous event failed, again in %.0f s", name, delay)
            self._sleep(delay)


def _invalid(kind: str, body: bytes) -> Response | None:
    if kind not in ("RequestResponse", "Event", "DryRun"):
        message = f"Invocation type {kind!r}: RequestResponse, Event or DryRun"
        return _refusal(400, "InvalidParameterValueException", message)
    if len(body) > (_MAX_ASYNCHRONOUS if kind == "Event" else _MAX_SYNCHRONOUS):
        return _refusal(413, "RequestTooLargeException", "Request is too large")
    return None


def _answer(outcome: Invocation) -> Response:
    if outcome.throttled:
        body = {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User"}
        return _refusal(429, "TooManyRequestsException", "Rate Exceeded.", **body)
    if outcome.error is None:
        return Response(200, _headers(), json.dumps(outcome.payload).encode())
    headers = {**_headers(), "x-amz-function-error": "Unhandled"}
    return Response(200, headers, json.dumps(_error(outcome.error)).encode())


def _error(error: FunctionError) -> dict[str, Any]:
    return {"errorMessage": error.message, "errorType": error.type, "stackTrace": error.trace}


def _headers() -> dict[str, str]:
    return {
        "content-type": "application/json",
        "x-amz-executed-version": "$LATEST",
        "x-amzn-requestid": str(uuid.uuid4()),
    }


def _refusal(status: int, kind: str, message: str, **more: str) -> Response:
    headers = {**_headers(), "x-amzn-errortype": kind}
    return Response(
        status, headers, json.dumps({"Type": "User", "Message": message, **more}).encode()
    )
