"""What must hold at every moment of a round, looked at while it happens."""

import json
from typing import Any

from tests.chaos.trace import Trace
from tests.stores.tables import MEMBERSHIPS_TABLE, MESSAGES_TABLE

_ROOM = "#room"  # where a room itself is among its members
_ENTRIES = {"message": "message", "edit": "edit", "delete": "delete", "reaction": "reaction"}


class Auditor:
    """Looks into the database itself, past all faults.

    Attributes:
        unmarked: The rooms and people whose markers may go, as those of who is banned do.
        kinds: The types of pushes that are entries of a log.
    """

    def __init__(self, store: Any, trace: Trace) -> None:
        self._store = store
        self._trace = trace
        self._markers: dict[tuple[str, str], int] = {}
        self.unmarked: set[tuple[str, str]] = set()
        self.kinds = _ENTRIES.keys()

    def written(self, operation: str, arguments: dict[str, Any]) -> None:
        """Check what a call has written."""
        for request in _requests(operation, arguments):
            if request["TableName"] == MEMBERSHIPS_TABLE:
                named = request.get("Key") or request["Item"]
                self._check_marker({name: named[name] for name in ("room", "member")})

    def posted(self, connection: str, frame: bytes, *, is_open: bool) -> None:
        """Check a frame on its way to a client: what it tells must be durable by now."""
        told = json.loads(frame)
        for each in told if isinstance(told, list) else [told]:
            self._check_told(connection, each, is_open=is_open)

    def marker(self, room: str, member: str) -> int | None:
        """Return where a read marker is."""
        key = {"room": {"S": room}, "member": {"S": member}}
        item = self._store.get_item(TableName=MEMBERSHIPS_TABLE, Key=key).get("Item")
        return int(item["read_seq"]["N"]) if item and "read_seq" in item else None

    def last(self, room: str) -> int:
        """Return the number of the last entry of a room."""
        found = self._store.query(
            TableName=MESSAGES_TABLE,
            KeyConditionExpression="room = :room",
            ExpressionAttributeValues={":room": {"S": room}},
            ScanIndexForward=False,
            ConsistentRead=True,
            Limit=1,
        )["Items"]
        return int(found[0]["seq"]["N"]) if found else 0

    def _check_told(self, connection: str, told: dict[str, Any], *, is_open: bool) -> None:
        kind, code = told.get("type"), told.get("code")
        if kind in _ENTRIES:
            self._check_entry(told, kind)
        elif kind == "ack" and "duplicate" in told and self._entry(told) is None:
            self._trace.find(f"acknowledged, but not in the log: {told}", told["room"])
        elif code == "internal":
            self._trace.find(f"answered internal: {told}")
        elif code == "unauthorized" and is_open:
            self._trace.find(f"{connection} is open, but was told {told}")

    def _check_marker(self, key: dict[str, Any]) -> None:
        room, member = key["room"]["S"], key["member"]["S"]
        if member == _ROOM or (room, member) in self.unmarked:
            return
        now, before = self.marker(room, member), self._markers.get((room, member), 0)
        if now is None or now < before:
            self._trace.find(f"the marker of {member} went from {before} to {now}", room)
        self._markers[room, member] = now or 0

    def _check_entry(self, told: dict[str, Any], kind: str) -> None:
        entry = self._entry(told)
        if entry is None:
            self._trace.find(f"pushed, but not in the log: {told}", told["room"])
            return
        stored = (entry["kind"]["S"], entry["user"]["S"], entry.get("cid", {}).get("S"))
        if stored != (kind, told["user"], told.get("cid")):
            self._trace.find(f"pushed {told}, but the log has {stored}", told["room"])

    def _entry(self, told: dict[str, Any]) -> Any:
        key = {"room": {"S": told["room"]}, "seq": {"N": str(told["seq"])}}
        return self._store.get_item(TableName=MESSAGES_TABLE, Key=key).get("Item")


def _requests(operation: str, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    if operation == "transact_write_items":
        return [
            it
            for write in arguments["TransactItems"]
            for kind, it in write.items()
            if kind != "ConditionCheck"
        ]
    return [arguments] if operation in ("put_item", "update_item", "delete_item") else []
