"""Walking the path of real requests for nobody, so that the next real one does not wait."""

from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.errors import BadRequest

WARMUP = "warmup"
# Milliseconds.
LONGEST_HOLD = 5000
_APP = "dynamowave"

# What a function's first request would have to wait for. None of it writes anything, and all of it
# the function's policy allows for other reasons.
_PATHS: Mapping[str, tuple[str, ...]] = {
    "websocket_connect": ("chat", "keys", "database", "gateway"),
    "websocket_message": ("chat", "database", "queue", "gateway"),
    "websocket_disconnect": ("chat", "database", "gateway"),
    "authorize": ("chat", "keys"),
    "api_handler": ("entrance", "keys", "database"),
    "deliver": ("deliveries", "database", "queue", "gateway"),
    "publish": ("chat", "database", "queue", "gateway"),
}
WARMABLE = tuple(_PATHS)


def deployed_name(stage: str, function: str) -> str:
    """Return what Chalice calls a function of a stage; it adds nothing for that of the routes."""
    return f"{_APP}-{stage}" + ("" if function == "api_handler" else f"-{function}")


def is_warmup(event: object) -> bool:
    """Tell whether an event is what Warmer sends, and nothing but that.

    No client can bring one about: the events of API Gateway, whatever is in a frame or a request,
    have a `requestContext`, and what comes from a client stands below keys of API Gateway's.
    """
    return isinstance(event, Mapping) and event.keys() == {WARMUP}


def warmup(hold_ms: int) -> dict[str, Any]:
    """Return the event that asks a function to warm up and to stay for so long."""
    return {WARMUP: {"hold_ms": hold_ms}}


class Warmups:
    """Warms the environment of a function.

    Args:
        sleep: Waits some seconds.
        environment: What this environment is told from others by.
        parts: What there is to warm, by the names in the paths; each changes nothing.
    """

    def __init__(
        self, *, sleep: Callable[[float], object], environment: str, **parts: Callable[[], object]
    ) -> None:
        self._sleep = sleep
        self._environment = environment
        self._parts = parts

    def run(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Walk the path of a function, then stay for a while: meanwhile another environment is met.

        Returns:
            `environment`, whose value is the same for all invocations of one environment.

        Raises:
            BadRequest: the event does not say for how long, from 0 to 5000 ms.
            Unavailable: the database or the key store did not answer.
        """
        hold_ms = _hold_ms(event)
        for part in _PATHS[function]:
            self._parts[part]()
        self._sleep(hold_ms / 1000)
        return {"environment": self._environment}


def _hold_ms(event: Mapping[str, Any]) -> int:
    wish = event[WARMUP]
    hold_ms = wish.get("hold_ms") if isinstance(wish, Mapping) else None
    if type(hold_ms) is not int or not 0 <= hold_ms <= LONGEST_HOLD:
        raise BadRequest(field="hold_ms", problem=f"must be an integer from 0 to {LONGEST_HOLD}")
    return hold_ms
