"""Entries that are missing in the middle: waited for, read from history, then caught up with."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

from chatclient.context import Context
from chatclient.frames import Frame, items_of
from chatclient.history import LARGEST_PAGE
from chatclient.request import Request
from chatclient.requests import Requests
from chatclient.rooms import Room

Subscribe: TypeAlias = Callable[[Room, int, Callable[[], None]], None]


class Holes:
    """Fills holes (clause C5); what history does not fill, `subscribe` with `after` must."""

    def __init__(
        self, context: Context, requests: Requests, rooms: dict[str, Room], subscribe: Subscribe
    ) -> None:
        self._context = context
        self._requests = requests
        self._rooms = rooms
        self._subscribe = subscribe

    def check(self, room: Room) -> None:
        """Look for a hole; what a late push does not fill within about a second is asked for."""
        if room.timeline.hole is None:
            room.hole_at, room.repairs = None, 0
        elif room.hole_at is None and room.repairing is None and not room.catching:
            pause = self._context.pause(room.repairs - 1) if room.repairs else 0.0
            room.hole_at = self._context.around(self._context.settings.hole_wait) + pause

    def lost(self, link: int) -> None:
        """Learn that what was asked on a link will not be answered."""
        for room in self._rooms.values():
            if room.repairing == link:
                room.repairing = None
            self.check(room)

    def tick(self, link: int) -> None:
        """Ask on a link for the holes that are due."""
        now = self._context.clock()
        for room in list(self._rooms.values()):
            if room.hole_at is not None and room.hole_at <= now:
                room.hole_at = None
                self._repair(room, link)

    def wakes(self) -> Iterator[float]:
        """Yield when tick() has something to do."""
        return (room.hole_at for room in self._rooms.values() if room.hole_at is not None)

    def _repair(self, room: Room, link: int) -> None:
        hole = room.timeline.hole
        if hole is None:
            return
        first, last = hole
        limit = min(last - first + 1, LARGEST_PAGE)
        room.repairing = link
        request = Request(
            action="history",
            fields={"room": room.name, "before": last + 1, "limit": limit},
            link=link,
            attempts=2,
            answered=partial(self._answered, room, link),
            failed=lambda _failure: self._catch_up(room, link),
        )
        self._requests.ask(request)

    def _answered(self, room: Room, link: int, frame: Frame) -> None:
        if self._rooms.get(room.name) is not room:  # it was left meanwhile
            return
        found = room.timeline.feed(items_of(frame, "events"))
        self._context.tell(room.name, "new", found)
        if room.timeline.hole is None:
            self._repaired(room)
        else:
            self._catch_up(room, link)

    def _catch_up(self, room: Room, link: int) -> None:
        room.repairs += 1
        self._subscribe(room, link, partial(self._repaired, room))

    def _repaired(self, room: Room) -> None:
        room.repairing = None
        self.check(room)
