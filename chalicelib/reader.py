"""Reading the log of a room in frames: history, and what somebody missed."""

from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.commands import HISTORY_LIMIT
from chalicelib.drafts import Entry
from chalicelib.events import AnyLogEvent, log_event
from chalicelib.messages import MessageLog
from chalicelib.models import RoomName
from chalicelib.protocol import MAX_FRAME_BYTES, encode

# What is left is for the rest of the answer.
_BUDGET = MAX_FRAME_BYTES - 1024


@dataclass(frozen=True, slots=True)
class Events:
    """Consecutive events, oldest first, that fit into a frame; there are `more` beyond."""

    events: list[AnyLogEvent]
    more: bool


@dataclass(frozen=True, slots=True)
class CatchUp:
    """What came after a seq, or, not `recovered`, the newest; `seq` is the room's last."""

    seq: int
    recovered: bool
    missed: Events


class Reader:
    """Reads pages of at most 100 events and one frame; a page of one event may be longer."""

    def __init__(self, log: MessageLog) -> None:
        self._log = log

    def history(self, room: RoomName, *, before: int | None, limit: int) -> Events:
        """Return the last events before a seq (without it, of all).

        Raises:
            Unavailable: the database did not answer in time.
        """
        page = self._log.before(room, before, limit=limit)
        newest_first, cut = _fitting(reversed(page.entries))
        return Events(newest_first[::-1], more=cut or page.more)

    def catch_up(self, room: RoomName, after: int) -> CatchUp:
        """Return the first events after a seq, or the newest where those are not all there.

        Raises:
            Unavailable: the database did not answer in time.
        """
        page = self._log.after(room, after, limit=HISTORY_LIMIT)
        if page is None:
            newest = self.history(room, before=None, limit=HISTORY_LIMIT)
            return CatchUp(
                self._last(room, newest), recovered=False, missed=Events(newest.events, more=False)
            )
        events, cut = _fitting(page.entries)
        if cut or page.more:
            return CatchUp(
                self._log.last(room).seq, recovered=True, missed=Events(events, more=True)
            )
        last = events[-1].seq if events else after
        return CatchUp(last, recovered=True, missed=Events(events, more=False))

    def _last(self, room: RoomName, newest: Events) -> int:
        """Return the room's last seq: the newest event's, unless all have expired."""
        return newest.events[-1].seq if newest.events else self._log.last(room).seq


def _fitting(entries: Iterable[Entry]) -> tuple[list[AnyLogEvent], bool]:
    """Return the events that fit into a frame, at least one, and whether some do not."""
    events: list[AnyLogEvent] = []
    left = _BUDGET
    for entry in entries:
        event = log_event(entry)
        left -= len(encode(event)) + len(",")
        if events and left < 0:
            return events, True
        events.append(event)
    return events, False
