"""The Lambda functions of a Chalice app, and what came of invoking one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalice import Chalice
from chalice.config import Config

from localgateway.routing import CONNECT, DEFAULT, DISCONNECT

# Chalice names these functions itself, whatever the Python functions are called.
WEBSOCKET_FUNCTIONS: Mapping[str, str] = {
    CONNECT: "websocket_connect",
    DEFAULT: "websocket_message",
    DISCONNECT: "websocket_disconnect",
}
REST_FUNCTION = "api_handler"

# Chalice's default, which the Lambda console shares in neither value.
_DEFAULT_TIMEOUT = 60
_DEFAULT_MEMORY = 128


@dataclass(frozen=True, slots=True)
class FunctionError:
    """An error as Lambda reports it: the exception's class, its text and its stack trace."""

    type: str
    message: str
    trace: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "".join([*self.trace, f"{self.type}: {self.message}"])


@dataclass(frozen=True, slots=True)
class Invocation:
    """The outcome of an invocation: what the handler returned, or why it returned nothing."""

    payload: Any = None
    error: FunctionError | None = None
    throttled: bool = False
    timed_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A Lambda function as `.chalice/config.json` configures it.

    Attributes:
        name: Chalice's name, the one in its configuration.
        deployed_name: `{app}-{stage}-{name}`, the name on AWS; of the routes' function
            `{app}-{stage}`.
        handler: Called with (event, context).
        timeout: Seconds.
        memory: MB, reported to the handler and not enforced.
        reserved_concurrency: Invocations at once above which it is throttled; None: no limit.
        environment: All its variables, those of the stage included.
    """

    name: str
    deployed_name: str
    handler: Callable[[Any, Any], Any]
    timeout: float = _DEFAULT_TIMEOUT
    memory: int = _DEFAULT_MEMORY
    reserved_concurrency: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def functions_of(app: Chalice, config: Config) -> dict[str, Function]:
    """List the functions that `chalice deploy` would create for this app and stage, by name."""
    handlers: dict[str, Callable[[Any, Any], Any]] = {REST_FUNCTION: app} if app.routes else {}
    for route_key, source in app.websocket_handlers.items():
        handlers[WEBSOCKET_FUNCTIONS[route_key]] = app.handler_map[source.name]
    named: list[Any] = [
        *app.event_sources,
        *app.pure_lambda_functions,
        *app.builtin_auth_handlers,
    ]
    handlers |= {function.name: app.handler_map[function.name] for function in named}
    return {name: _function(name, handler, config) for name, handler in handlers.items()}


def _function(name: str, handler: Callable[[Any, Any], Any], config: Config) -> Function:
    scoped = config.scope(config.chalice_stage, name)
    return Function(
        name=name,
        deployed_name=f"{config.app_name}-{config.chalice_stage}"
        + ("" if name == REST_FUNCTION else f"-{name}"),
        handler=handler,
        timeout=scoped.lambda_timeout or _DEFAULT_TIMEOUT,
        memory=scoped.lambda_memory_size or _DEFAULT_MEMORY,
        reserved_concurrency=scoped.reserved_concurrency,
        environment=dict(scoped.environment_variables),
    )
