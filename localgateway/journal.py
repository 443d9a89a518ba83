"""What the log says of an event: enough to follow it, and nothing that a user wrote."""

from collections.abc import Mapping
from typing import Any


def summary(event: Any) -> str:
    """Describe the event of an invocation in a few words."""
    if not isinstance(event, Mapping):
        return type(event).__name__
    context = event.get("requestContext")
    if isinstance(context, Mapping):
        return _request(event, context)
    records = event.get("Records")
    if isinstance(records, list):
        return f"{len(records)} record{'' if len(records) == 1 else 's'}"
    return str(event.get("detail-type", "invoked"))


def _request(event: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    if "connectionId" not in context:
        return f"{context.get('httpMethod')} {context.get('path')}"
    words = [str(context["connectionId"]), str(context.get("eventType"))]
    if context.get("eventType") == "MESSAGE":
        words.append(f"{len(str(event.get('body')).encode())} B")
    if "disconnectStatusCode" in context:
        words.append(str(context["disconnectStatusCode"]))
    return " ".join(words)


def result(payload: Any) -> str:
    """Describe an answer: its HTTP status where it has one."""
    status = payload.get("statusCode") if isinstance(payload, Mapping) else None
    return str(status) if isinstance(status, int) else "ok"
