"""The port to the metrics: how the chat is doing, without a word of what is said in it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol


class Metric(StrEnum):
    """What is counted or measured; the values are the names in CloudWatch."""

    DELIVERED = "Delivered"  # recipients that API Gateway took a frame for
    GONE = "Gone"  # recipients whose connection had ended
    FAILED = "Failed"  # recipients given up by an invocation, and not queued
    QUEUED = "Queued"  # recipients left to the queue
    BURIED = "Buried"  # recipients left to the dead-letter queue
    POSTS = "Posts"  # requests to API Gateway, of which one may carry several frames
    FAN_OUT_TIME = "FanOutTime"  # milliseconds from the append until the last post or entry
    APPEND_RETRIES = "AppendRetries"  # lost races for a number of a room's log, by message
    LIMITED = "Limited"  # frames, handshakes and requests over HTTP that were refused as too many
    RECOVERED = "Recovered"  # resumed from the last seq seen
    NOT_RECOVERED = "NotRecovered"  # too far behind to be resumed
    REJECTED = "Rejected"  # notifications of the topic that can never be published
    WARMED = "Warmed"  # invocations that found, or made, a warm environment
    NOT_WARMED = "NotWarmed"  # those that failed to


class Telemetry(Protocol):
    """Takes note of what happened. Never raises, and never delays anybody noticeably."""

    def record(self, values: Mapping[Metric, float], *, recipients: int | None = None) -> None:
        """Note values that belong together.

        Args:
            values: Counts, or milliseconds for what is a time.
            recipients: How many recipients the room has, where that matters: the values are then
                also told apart by the size of the room.
        """
        ...


class Silence:
    """Telemetry that notes nothing."""

    def record(self, values: Mapping[Metric, float], *, recipients: int | None = None) -> None:
        """Do nothing."""
