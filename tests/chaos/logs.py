"""What the database holds of the rooms when a round is over, read without faults."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from chalicelib.backoff import Backoff
from chalicelib.connections import ConnectionRepository
from chalicelib.database import Database
from chalicelib.messages import MessageLog
from chalicelib.models import RoomName
from chalicelib.protocol import encode
from chalicelib.reader import Reader
from chatclient.timeline import Timeline
from tests.chaos.simulation import Simulation
from tests.stores.tables import CONNECTIONS_TABLE, MESSAGES_TABLE

_START = 1_800_000_000.0


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry as it is stored."""

    room: str
    seq: int
    kind: str
    user: str
    at: str
    messages: int
    fields: Mapping[str, Any]
    cid: str | None

    @classmethod
    def read(cls, item: Mapping[str, Any]) -> Self:
        """Read an item."""
        plain = {name: next(iter(value.values())) for name, value in item.items()}
        fields = {"text": plain.get("message"), "edited": "edited" in plain}
        fields |= {"deleted": "deleted" in plain, "changed": int(plain.get("changed", 0))}
        fields |= {"target": int(plain.get("target", 0)), "emoji": plain.get("emoji")}
        fields |= {"removed": plain.get("removed", False)}
        numbers = int(plain["seq"]), int(plain["messages"])
        names = plain["kind"], plain["user"], plain["at"]
        return cls(plain["room"], numbers[0], *names, numbers[1], fields, plain.get("cid"))


class Logs:
    """All rooms of a database, by name, in the order of the names."""

    def __init__(self, store: Any, simulation: Simulation) -> None:
        def clock() -> float:
            return _START + simulation.now

        backoff = Backoff(clock=clock, sleep=lambda _: None, random=lambda: 0.5)
        database = Database(store, backoff)
        log = MessageLog(database, table=MESSAGES_TABLE, clock=clock, idempotency_ttl=86_400)
        self._reader = Reader(log)
        self._store = store
        self._registry = ConnectionRepository(
            database, table=CONNECTIONS_TABLE, clock=clock, max_subscriptions=100
        )
        self._events: dict[str, list[Any]] = {}
        self.rooms = self._read_rooms()

    def fresh(self, room: str, base: int) -> Timeline:
        """Return what somebody sees who reads a room now, from `base` on."""
        if room not in self._events:
            self._events[room] = self._read_events(room)
        events = self._events[room]
        timeline = Timeline(room, keep=len(events) + 1)
        timeline.begin(base)
        timeline.feed(events[base:])
        return timeline

    def subscribed_since(self, room: str) -> dict[str, float]:
        """Return since when connections are subscribed to a room, by the simulation's clock."""
        members = self._registry.members(RoomName(room))
        return {str(it.connection_id): it.joined_at - _START for it in members}

    def members(self, room: str) -> dict[str, str]:
        """Return the connections that are subscribed to a room, each with its person."""
        members = self._registry.members(RoomName(room))
        return {str(it.connection_id): str(it.user) for it in members}

    def _read_rooms(self) -> dict[str, list[Logged]]:
        items = self._store.scan(TableName=MESSAGES_TABLE)["Items"]
        entries = [Logged.read(item) for item in items if "kind" in item]
        rooms: dict[str, list[Logged]] = {}
        for entry in sorted(entries, key=lambda it: (it.room, it.seq)):
            rooms.setdefault(entry.room, []).append(entry)
        return rooms

    def _read_events(self, room: str) -> list[Any]:
        events: list[Any] = []
        before, more = None, True
        while more:
            page = self._reader.history(RoomName(room), before=before, limit=100)
            events = [json.loads(encode(event)) for event in page.events] + events
            more = page.more
            before = events[0]["seq"] if events else None
        return events
