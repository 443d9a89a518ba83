"""Reading what was said before, page by page."""

from functools import partial

from chatclient.context import Context
from chatclient.frames import Frame, items_of
from chatclient.request import Failure, Request
from chatclient.requests import Requests
from chatclient.rooms import Room
from chatclient.updates import Done, Loaded

LARGEST_PAGE = 100


class History:
    """Adds older pages to timelines, one at a time for each room."""

    def __init__(self, context: Context, requests: Requests, rooms: dict[str, Room]) -> None:
        self._context = context
        self._requests = requests
        self._rooms = rooms

    def load(self, room: Room, limit: int, token: str = "") -> None:
        """Read a page of at most `limit` entries; if there is a token, Done tells when.

        For a room that has yet to be joined, it is the page that is read then.
        """
        if token:
            room.history.append(token)
        base = room.timeline.base
        if base is None or room.loading:
            return
        if not room.timeline.older:
            self._settle(room, added=0)
            return
        room.loading = True
        request = Request(
            action="history",
            fields={
                "room": room.name,
                "before": base + 1,
                "limit": min(limit, LARGEST_PAGE),
            },
            answered=partial(self._loaded, room),
            failed=partial(self._failed, room),
        )
        self._requests.ask(request)

    def joined(self, room: Room) -> None:
        """Tell those who join a room that it is there, once its first page is."""
        if room.subscribed and not room.loading:
            for token in room.joining:
                self._context.updates.append(Done(token, "join", room.name))
            room.joining.clear()

    def abandon(self, room: Room, failure: Failure) -> None:
        """Tell those who wait for a page that there will be none."""
        for token in room.history:
            self._context.updates.append(failure.told(token, "load_history", room.name))
        room.history.clear()

    def _loaded(self, room: Room, frame: Frame) -> None:
        if self._rooms.get(room.name) is not room:  # it was left meanwhile
            return
        more = frame.get("more") is True
        added = room.timeline.prepend(items_of(frame, "events"), more=more)
        room.loading = False
        room.place_marker()
        self._context.tell(room.name, "older", added)
        self._settle(room, added=len(added))
        self.joined(room)

    def _failed(self, room: Room, failure: Failure) -> None:
        room.loading = False
        self.abandon(room, failure)
        self.joined(room)

    def _settle(self, room: Room, *, added: int) -> None:
        answer = Loaded(added, room.timeline.older)
        for token in room.history:
            self._context.updates.append(Done(token, "load_history", room.name, answer))
        room.history.clear()
