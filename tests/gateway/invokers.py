"""A fake of what runs functions: records the invocations and answers what it was told to."""

from typing import Any

from localgateway.functions import FunctionError, Invocation

FAILURE = Invocation(error=FunctionError("ValueError", "no", []))
THROTTLED = Invocation(throttled=True)


class RecordingInvoker:
    """Answers the given outcomes in turn, and then success."""

    def __init__(self, *outcomes: Invocation) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._outcomes = list(outcomes)

    def invoke(self, name: str, event: dict[str, Any]) -> Invocation:
        self.calls.append((name, event))
        return self._outcomes.pop(0) if self._outcomes else Invocation()

    def records(self) -> list[list[dict[str, Any]]]:
        """The records of each invocation."""
        return [event["Records"] for _, event in self.calls]


def failed_items(*ids: str | None) -> Invocation:
    """An answer that reports these items as failed."""
    return Invocation(payload={"batchItemFailures": [{"itemIdentifier": name} for name in ids]})


class StopAfter:
    """A threading.Event that is set after some waits, and records them instead of waiting."""

    def __init__(self, waits: int) -> None:
        self.waits: list[float] = []
        self._most = waits

    def is_set(self) -> bool:
        return len(self.waits) >= self._most

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return self.is_set()
