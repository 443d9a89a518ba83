"""The rooms that people have made, on purpose or by using them."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any

from chalicelib.database import ConditionError, Database, put_write, string
from chalicelib.models import RoomName, UserName
from chalicelib.places import (
    Membership,
    OutdatedError,
    Room,
    member_item,
    room_item,
    room_key,
    room_of,
)
from chalicelib.positions import Position
from chalicelib.roles import OWNER


class RoomRepository:
    """The items of rooms, which lie in the memberships table among the members.

    A room's visibility never changes, and nothing deletes a room: what was said in a private one
    would otherwise be read by whoever comes next. Every method raises Unavailable when the
    database does not do its part.

    Args:
        max_age: Seconds for which a function may go on with what it has read of a room.
        remembered: Of how many rooms it keeps that.
    """

    def __init__(
        self,
        database: Database,
        *,
        table: str,
        clock: Callable[[], float],
        max_age: float = 5.0,
        remembered: int = 1000,
    ) -> None:
        self._database = database
        self._table = table
        self._clock = clock
        self._max_age = max_age
        self._remembered = remembered
        self._lock = Lock()
        self._read: OrderedDict[RoomName, tuple[float, int]] = OrderedDict()

    def create(self, room: RoomName, made: Room, owner: UserName) -> None:
        """Make a room that somebody owns, and them its first member.

        Raises:
            OutdatedError: it is there already.
        """
        membership = Membership(room, OWNER, Position())
        own = put_write(
            self._table,
            member_item(membership, owner, self._clock()),
            ConditionExpression="attribute_not_exists(room)",
        )
        self._transact([self._opening(room, made, owner), own])

    def open(self, room: RoomName, by: UserName) -> None:
        """Make a public room that nobody owns.

        Raises:
            OutdatedError: it is there already.
        """
        self._transact([self.opening(room, by)])

    def opening(self, room: RoomName, by: UserName) -> dict[str, Any]:
        """Return the write of a transaction that makes a public room, or fails if it is there."""
        return self._opening(room, Room(), by)

    def is_unused(self, room: RoomName) -> bool:
        """Tell whether the table knows nothing of a room, nor of anyone in it."""
        items, _ = self._database.page(
            self._table,
            limit=1,
            KeyConditionExpression="room = :room",
            ExpressionAttributeValues={":room": string(room)},
        )
        return not items

    def slow_mode(self, room: RoomName) -> int:
        """Return the seconds between two messages that a room says, as they were `max_age` ago."""
        now = self._clock()
        with self._lock:
            read_at, seconds = self._read.get(room, (None, 0))
        if read_at is not None and now - read_at < self._max_age:
            return seconds
        item = self._database.get(self._table, room_key(room).item)
        seconds = room_of(item).slow_mode if item else 0
        self._remember(room, now, seconds)
        return seconds

    def forget(self, room: RoomName) -> None:
        """Read a room anew when it is asked for next."""
        with self._lock:
            self._read.pop(room, None)

    def _remember(self, room: RoomName, read_at: float, seconds: int) -> None:
        with self._lock:
            self._read[room] = (read_at, seconds)
            self._read.move_to_end(room)
            if len(self._read) > self._remembered:
                self._read.popitem(last=False)

    def _opening(self, room: RoomName, made: Room, by: UserName) -> dict[str, Any]:
        return put_write(
            self._table,
            room_item(room, made, by=by, now=self._clock()),
            ConditionExpression="attribute_not_exists(room)",
        )

    def _transact(self, writes: list[dict[str, Any]]) -> None:
        try:
            self._database.transact_until_done(writes)
        except ConditionError as error:
            raise OutdatedError from error
