"""The REST API of the app, through the local gateway that Chalice has for it."""

import base64
import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

from chalice.local import LocalGateway, LocalGatewayException

from localgateway.functions import REST_FUNCTION
from localgateway.projects import Project
from localgateway.runtime import Runtime

Headers = list[tuple[str, str]]

_FAILED = {"statusCode": 502, "headers": {}, "body": '{"message": "Internal server error"}'}


@dataclass(frozen=True, slots=True)
class RestResponse:
    """An HTTP answer; a header may come more than once."""

    status: int
    headers: Headers
    body: bytes


class RestGateway(LocalGateway):
    """Chalice's gateway, with three corrections towards API Gateway.

    The body reaches the app as text, as in the JSON of a Lambda event. The request context holds
    what a handler may look at (stage, requestId, the caller's address). And the app is called
    through the runtime, with the concurrency and environment of its function.
    """

    def __init__(self, project: Project, runtime: Runtime) -> None:
        config = project.config.scope(project.stage, REST_FUNCTION)
        super().__init__(_Function(project.app, runtime), config)  # type: ignore[arg-type]
        self._stage = project.api_stage

    def respond(
        self, method: str, path: str, headers: Headers, body: bytes, source_ip: str
    ) -> RestResponse:
        """Answer one request: blocks for as long as the app takes."""
        lowered = {name.lower(): value for name, value in headers}
        try:
            answer = self.handle_request(method, path, {**lowered, _SOURCE_IP: source_ip}, body)
        except LocalGatewayException as error:
            return RestResponse(error.CODE, list(error.headers.items()), error.body or b"")
        except UnicodeEncodeError:  # Chalice quotes an Authorization header, if it is ASCII
            return RestResponse(403, [], b'{"message": "Forbidden"}')
        return RestResponse(answer["statusCode"], _headers(answer), _body(answer))

    def _generate_lambda_event(
        self, method: str, path: str, headers: dict[str, Any], body: bytes | None
    ) -> dict[str, Any]:
        source_ip = headers.pop(_SOURCE_IP)
        event = super()._generate_lambda_event(method, path, headers, body)
        if not event.get("isBase64Encoded"):
            event["isBase64Encoded"] = False
            event["body"] = body.decode(errors="replace") if body else None
        event["path"] = event["requestContext"]["path"]
        event["requestContext"] |= {
            "stage": self._stage,
            "requestId": str(uuid.uuid4()),
            "requestTimeEpoch": int(time.time() * 1000),
            "domainName": headers.get("host", ""),
            "identity": {"sourceIp": source_ip, "userAgent": headers.get("user-agent")},
        }
        return event


# Chalice's gateway has no parameter for the caller's address; no client can send such a header.
_SOURCE_IP = ":source-ip"


class _Function:
    """The app as LocalGateway sees it, except that calling it goes through the runtime."""

    def __init__(self, app: Any, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    def __call__(self, event: dict[str, Any], _context: Any) -> dict[str, Any]:
        outcome = self._runtime.call(REST_FUNCTION, event)
        if outcome.error is not None or outcome.throttled:
            return _FAILED
        answer: dict[str, Any] = outcome.payload
        return answer


def _headers(answer: dict[str, Any]) -> Headers:
    single = [(name, str(value)) for name, value in answer["headers"].items()]
    if not any(name.lower() == "content-type" for name, _ in single):
        # API Gateway calls JSON what a function leaves unnamed.
        single.append(("Content-Type", "application/json"))
    several = answer.get("multiValueHeaders") or {}
    return single + [(name, str(value)) for name, values in several.items() for value in values]


def _body(answer: dict[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if answer.get("isBase64Encoded"):
        return base64.b64decode(body)
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
