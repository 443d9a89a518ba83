"""Times as the protocol writes them."""

from datetime import UTC, datetime


def iso(seconds: float) -> str:
    """Return epoch seconds as ISO 8601 in UTC, with milliseconds; as text they sort by time."""
    moment = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")
