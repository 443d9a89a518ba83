"""The Lambda authorizer of $connect: whom it is asked about, and what its answer comes to.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
"""

import json
import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from localgateway import policies
from localgateway.errors import AuthorizerError
from localgateway.events import Handshake
from localgateway.functions import WEBSOCKET_FUNCTIONS, Function, Invocation
from localgateway.handshakes import UNAUTHORIZED, Refusal
from localgateway.limits import Beliefs
from localgateway.routing import CONNECT

_LOG = logging.getLogger(__name__)

_ACTION = "execute-api:Invoke"
_SOURCE = re.compile(r"route\.request\.(querystring|header)\.([A-Za-z0-9._-]+)")
# Of an exception: API Gateway knows this one text, whatever the class.
_REFUSES = "Unauthorized"

# `requestContext.authorizer`, but for its integrationLatency.
Grant: TypeAlias = dict[str, str]


@dataclass(frozen=True, slots=True)
class Authorizer:
    """A REQUEST authorizer as `CreateAuthorizer` attaches it to $connect; it has no cache.

    Attributes:
        function: Name of the Lambda function, as Chalice has it.
        identity_sources: What a handshake must have, and not empty, for the function to be asked:
            `route.request.querystring.NAME` or `route.request.header.NAME`.

    Raises:
        AuthorizerError: Another identity source. AWS knows `context.X` and `stageVariables.X` too,
            but the one is more than events show, and the other Chalice never sets.
    """

    function: str
    identity_sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for source in self.identity_sources:
            if _SOURCE.fullmatch(source) is None:
                raise AuthorizerError(
                    f"identity source {source!r}: only route.request.querystring.NAME and "
                    "route.request.header.NAME are emulated"
                )

    def verify(self, functions: Mapping[str, Function]) -> None:
        """Check that the app has what the authorizer needs.

        Raises:
            AuthorizerError: There is no such function, or no $connect to guard.
        """
        if self.function not in functions:
            known = ", ".join(sorted(functions))
            raise AuthorizerError(f"no function {self.function!r} as authorizer: there are {known}")
        if WEBSOCKET_FUNCTIONS[CONNECT] not in functions:
            raise AuthorizerError("an authorizer guards $connect: add @app.on_ws_connect()")

    def admits(self, handshake: Handshake) -> bool:
        """Tell whether the handshake has all identity sources, so that the function is asked."""
        for source in self.identity_sources:
            if not _value(source, handshake):
                _LOG.info("%-20s not asked: there is no %s", self.function, source)
                return False
        return True

    def judge(self, outcome: Invocation, method_arn: str, beliefs: Beliefs) -> Grant | Refusal:
        """Judge what the function answered: whom it lets in, it lets in as somebody."""
        if outcome.throttled:
            return _failure(beliefs.authorizer_throttled_status)
        if outcome.timed_out:
            return _failure(beliefs.authorizer_timeout_status)
        if outcome.error is not None:
            refused = outcome.error.message == _REFUSES
            return UNAUTHORIZED if refused else _failure(beliefs.authorizer_error_status)
        try:
            return self._decide(outcome.payload, method_arn, beliefs)
        except AuthorizerError as error:
            _LOG.warning("%-20s answered what API Gateway cannot use: %s", self.function, error)
            return _failure(beliefs.authorizer_error_status)

    def _decide(self, answer: Any, method_arn: str, beliefs: Beliefs) -> Grant | Refusal:
        if not isinstance(answer, Mapping):
            raise AuthorizerError("the answer is not an object")
        grant = {**_context(answer.get("context")), **_principal(answer, beliefs)}
        if policies.allows(answer.get("policyDocument"), action=_ACTION, resource=method_arn):
            return grant
        _LOG.info("%-20s denied", self.function)
        return Refusal(403, "Forbidden")


def _value(source: str, handshake: Handshake) -> str | None:
    """Return what a handshake has for an identity source: of a repeated name the last value."""
    _, _, where, name = source.split(".", 3)
    if where == "querystring":
        return dict(handshake.query).get(name)
    return {k.lower(): v for k, v in handshake.headers}.get(name.lower())


def _failure(status: int) -> Refusal:
    return Refusal(status, "Internal server error")


def _principal(answer: Mapping[str, Any], beliefs: Beliefs) -> Grant:
    principal = answer.get("principalId")
    if isinstance(principal, str):
        return {"principalId": principal}
    if principal is None and beliefs.principal_optional:
        return {}
    raise AuthorizerError("principalId is not a string")


def _context(context: Any) -> Grant:
    """Return the values of a context as strings: `true`, `1.5`, text as it is."""
    if context is None:
        return {}
    if not isinstance(context, Mapping):
        raise AuthorizerError("context is not an object")
    return {name: _string(value) for name, value in context.items()}


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value)
    raise AuthorizerError("context holds something else than strings, numbers and booleans")
