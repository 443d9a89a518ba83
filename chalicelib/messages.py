"""The log of every room: gapless, totally ordered, durable before it is acknowledged."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Any, NamedTuple

from chalicelib.database import ConditionError, Database, Item, number, string
from chalicelib.errors import Unavailable
from chalicelib.models import Appended, RoomName, UserName


def iso(seconds: float) -> str:
    """Return a time as the protocol writes it: ISO 8601 in UTC, with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


class MessageLog:
    """The messages table (see infra/data.yaml).

    Items: `room`, `seq` 1, 2, 3, ... for the entries, and `cid#<user>#<cid>`, 0 for an idempotency
    item, which holds the place of the message that was first sent with that cid.
    """

    def __init__(
        self,
        database: Database,
        *,
        table: str,
        clock: Callable[[], float],
        idempotency_ttl: int,
        remembered_rooms: int = 1000,
    ) -> None:
        self._database = database
        self._table = table
        self._clock = clock
        self._idempotency_ttl = idempotency_ttl
        self._positions = _Positions(remembered_rooms)

    def append(
        self, room: RoomName, user: UserName, text: str, *, cid: str | None = None
    ) -> Appended:
        """Add a message as the next of its room.

        When this returns, the message is durable and every entry before it is too: number n + 1
        can only be written after n. The same user's `cid` again, within the time that it is
        remembered, adds nothing and answers the place of the original (its room included).

        Raises:
            Unavailable: other writers or the database were in the way until the deadline. The
                message may be stored all the same; only with a cid is a second try harmless.
        """
        entry = _Entry(room, user, text, cid, self._clock())
        position = self._positions.get(room)
        for _ in self._database.backoff.tries():
            position = position or self._read(room)
            try:
                return self._write(entry, position)
            except ConditionError as error:
                # The second write is the idempotency item, so the message is there already.
                if 1 in error.failed:
                    return _original(error.failed[1])
                position = None
        raise Unavailable

    def last(self, room: RoomName) -> int:
        """Return the seq of the newest entry, strongly consistent; 0 for an empty room."""
        return self._read(room).seq

    def _write(self, entry: "_Entry", after: "_Position") -> Appended:
        position = _Position(after.seq + 1, after.messages + 1)
        # Only after the write is the new position true; whatever goes wrong, forget the old one.
        self._positions.forget(entry.room)
        self._database.transact(self._writes(entry, position))
        self._positions.put(entry.room, position)
        return Appended(entry.room, position.seq, iso(entry.time), position.messages)

    def _writes(self, entry: "_Entry", position: "_Position") -> list[dict[str, Any]]:
        # A transaction also for the one write without a cid: boto3 gives it a ClientRequestToken,
        # so that when an answer is lost the client's retry finds its own write and succeeds. A
        # plain conditional put would find its seq taken, by itself, and say the message twice.
        writes = [{"Put": self._entry_put(entry, position)}]
        if entry.cid is not None:
            writes.append({"Put": self._idempotency_put(entry, position, entry.cid)})
        return writes

    def _entry_put(self, entry: "_Entry", position: "_Position") -> dict[str, Any]:
        item = {
            "room": string(entry.room),
            "seq": number(position.seq),
            "kind": string("message"),
            "user": string(entry.user),
            "message": string(entry.text),
            "at": string(iso(entry.time)),
            "messages": number(position.messages),
        }
        if entry.cid is not None:
            item["cid"] = string(entry.cid)
        return {
            "TableName": self._table,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(room)",
        }

    def _idempotency_put(self, entry: "_Entry", position: "_Position", cid: str) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Item": {
                "room": string(f"cid#{entry.user}#{cid}"),
                "seq": number(0),
                "original_room": string(entry.room),
                "original_seq": number(position.seq),
                "at": string(iso(entry.time)),
                "expires_at": number(int(entry.time) + self._idempotency_ttl),
            },
            # The time to live may be two days late.
            "ConditionExpression": "attribute_not_exists(room) OR expires_at <= :now",
            "ExpressionAttributeValues": {":now": number(entry.time)},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _read(self, room: RoomName) -> "_Position":
        newest = self._database.newest(
            self._table,
            KeyConditionExpression="room = :room",
            ExpressionAttributeValues={":room": string(room)},
            ProjectionExpression="seq, messages",
        )
        return _Position(0, 0) if newest is None else _Position.of(newest)


class _Entry(NamedTuple):
    room: RoomName
    user: UserName
    text: str
    cid: str | None
    time: float


class _Position(NamedTuple):
    seq: int
    messages: int

    @classmethod
    def of(cls, item: Item) -> "_Position":
        return cls(int(item["seq"]["N"]), int(item["messages"]["N"]))


class _Positions:
    """The newest position of the rooms used last, shared by threads.

    A hint: another function may have appended since, which the condition of the write notices.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._known: OrderedDict[RoomName, _Position] = OrderedDict()

    def get(self, room: RoomName) -> _Position | None:
        with self._lock:
            return self._known.get(room)

    def put(self, room: RoomName, position: _Position) -> None:
        with self._lock:
            self._known[room] = max(position, self._known.get(room, position))
            self._known.move_to_end(room)
            if len(self._known) > self._limit:
                self._known.popitem(last=False)

    def forget(self, room: RoomName) -> None:
        with self._lock:
            self._known.pop(room, None)


def _original(item: Mapping[str, Any]) -> Appended:
    return Appended(
        RoomName(item["original_room"]["S"]),
        int(item["original_seq"]["N"]),
        item["at"]["S"],
        duplicate=True,
    )
