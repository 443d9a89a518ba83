"""The shards of a DynamoDB stream: how far each has been handled, and the shape of its records."""

import base64
from typing import Any

# Seconds.
_FIRST_RETRY = 1
_LAST_RETRY = 30


class Shard:
    """How far one shard has been read and handled."""

    def __init__(self, name: str, parent: str | None, start: str) -> None:
        self.name = name
        self.parent = parent
        self.iterator: str | None = None
        self.closed = False
        self.pending: list[dict[str, Any]] = []
        self.since = 0.0
        self.attempts = 0
        self.retry_at = 0.0
        self._start = start
        self._read_up_to: str | None = None

    @property
    def finished(self) -> bool:
        """Whether all of it has been handled, and no more will come."""
        return self.closed and not self.pending

    def position(self) -> dict[str, str]:
        """Where a new iterator starts: behind the last record that was read, if any."""
        if self._read_up_to is None:
            return {"ShardIteratorType": self._start}
        return {
            "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
            "SequenceNumber": self._read_up_to,
        }

    def received(self, records: list[dict[str, Any]]) -> None:
        """Add what an iterator returned to what is to be handled."""
        if records:
            self.pending = self.pending + records
            self._read_up_to = records[-1]["dynamodb"]["SequenceNumber"]

    def restart(self) -> None:
        """Start again at the oldest record that is left."""
        self.iterator = self._read_up_to = None
        self._start = "TRIM_HORIZON"

    def retry_later(self, now: float, *, progress: bool) -> int:
        """Put the next attempt off, further each time that nothing could be handled; by seconds."""
        self.attempts = 1 if progress else self.attempts + 1
        pause: int = min(_FIRST_RETRY * 2 ** min(self.attempts - 1, 10), _LAST_RETRY)
        self.retry_at = now + pause
        return pause


def created(record: dict[str, Any]) -> float:
    """Seconds since the epoch."""
    return float(record["dynamodb"]["ApproximateCreationDateTime"].timestamp())


def event_record(record: dict[str, Any], arn: str, region: str) -> dict[str, Any]:
    """Shape a record, as boto3 returns it, as Lambda hands it to a function."""
    change = _plain(record["dynamodb"])
    event = {
        "eventID": record["eventID"],
        "eventName": record["eventName"],
        "eventVersion": record["eventVersion"],
        "eventSource": "aws:dynamodb",
        "awsRegion": region,
        # AWS rounds down to the second.
        "dynamodb": change | {"ApproximateCreationDateTime": int(created(record))},
        "eventSourceARN": arn,
    }
    if identity := record.get("userIdentity"):
        event["userIdentity"] = {
            "principalId": identity["PrincipalId"],
            "type": identity["Type"],
        }
    return event


def _plain(value: Any) -> Any:
    """The value as JSON carries it: binary as base64."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
