"""Route selection of WebSocket APIs."""

import json
from collections.abc import Set as AbstractSet

CONNECT = "$connect"
DEFAULT = "$default"
DISCONNECT = "$disconnect"

_RESERVED = frozenset({CONNECT, DEFAULT, DISCONNECT})
_PREFIX = "$request.body."


def select_route(expression: str, routes: AbstractSet[str], body: str) -> str | None:
    """Name the route of a frame, or None when nothing matches and there is no $default.

    The expression names a path into the JSON body. A body that is not JSON, a missing path and a
    value that is not a string go to $default, as on AWS:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html
    """
    named = routes - _RESERVED
    # Chalice makes no routes by name, so its apps never pay for parsing the body.
    selected = _selected(expression, body) if named else None
    if selected in named:
        return selected
    return DEFAULT if DEFAULT in routes else None


def _selected(expression: str, body: str) -> str | None:
    if not expression.startswith(_PREFIX):
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    for name in expression.removeprefix(_PREFIX).split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None
