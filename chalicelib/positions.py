"""Where the log of a room ends, and what a warm function remembers of that."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from chalicelib.models import RoomName


class Position(NamedTuple):
    """A place in a log: the seq, and how many messages there are up to it."""

    seq: int = 0
    messages: int = 0


@dataclass(slots=True)
class _Room:
    position: Position | None = None
    shared: bool = False


class Positions:
    """The newest position of the rooms used last, shared by threads.

    A hint, which the condition of the write checks: another function may have appended since. Of a
    room where that has happened it gives no hint any more, because a stale one costs a cancelled
    transaction and a missing one a read; until nobody else has written between two own entries.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self._rooms: OrderedDict[RoomName, _Room] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rooms)

    def get(self, room: RoomName) -> Position | None:
        """Return where the log probably ends; None: read it."""
        with self._lock:
            known = self._rooms.get(room)
            return known.position if known and not known.shared else None

    def written(self, room: RoomName, position: Position) -> None:
        """Learn that this function has written the entry at `position`."""
        with self._lock:
            known = self._known(room)
            known.position = max(position, known.position or position)

    def read(self, room: RoomName, position: Position) -> None:
        """Learn that the log ends at `position`."""
        with self._lock:
            known = self._rooms.get(room)
            if known and known.position == position:
                known.shared = False

    def forget(self, room: RoomName) -> None:
        """Give no hint for the room until it is written to again."""
        with self._lock:
            if known := self._rooms.get(room):
                known.position = None

    def was_stale(self, room: RoomName) -> None:
        """Learn that somebody else writes to the room as well."""
        with self._lock:
            self._known(room).shared = True

    def _known(self, room: RoomName) -> _Room:
        known = self._rooms.setdefault(room, _Room())
        self._rooms.move_to_end(room)
        if len(self._rooms) > self._limit:
            self._rooms.popitem(last=False)
        return known
