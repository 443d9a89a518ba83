"""Which rooms the client is in: joined, left, found, and resumed on every new connection."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from chatclient.catchup import Catchup
from chatclient.context import Context
from chatclient.frames import Frame
from chatclient.listing import Listing
from chatclient.requests import Failure, Request, Requests
from chatclient.rooms import DIRECT_PREFIX, Room, other_of
from chatclient.timeline import Timeline
from chatclient.updates import Done, RoomInfo, RoomLost


class Memberships:
    """The rooms, by name: `rooms` is shared with those who keep them whole."""

    def __init__(
        self, context: Context, requests: Requests, rooms: dict[str, Room], catchup: Catchup
    ) -> None:
        self._context = context
        self._requests = requests
        self._rooms = rooms
        self._catchup = catchup
        self._listing = Listing(requests)
        self._left: set[str] = set()
        self._user = ""

    def join(self, name: str, token: str, links: Iterable[int]) -> None:
        """Subscribe on these links, and on all later ones."""
        self._left.discard(name)
        room = self._rooms.get(name)
        if room is not None and room.subscribed and not room.loading:
            self._context.updates.append(Done(token, "join", name))
            return
        is_new = room is None
        room = room or self._add(name)
        room.joining.append(token)
        for link in links if is_new else ():
            self._catchup.subscribe(room, link, lambda: None)

    def leave(self, name: str, token: str) -> None:
        """Unsubscribe; the timeline goes. The server may be told later, but it is told."""
        room = self._rooms.pop(name, None)
        if room is not None:
            self._catchup.abandon(room, Failure("left", "the room was left"))
        self._left.add(name)
        request = Request(
            action="unsubscribe",
            fields={"room": name},
            answered=partial(self._unsubscribed, name, token),
            failed=lambda _failure: self._unsubscribed(name, token, {}),
        )
        self._requests.ask(request)

    def of_push(self, name: str, seq: int) -> Room | None:
        """Return the room of a pushed entry; somebody's first direct message makes one."""
        room = self._rooms.get(name)
        if room is None and other_of(name, self._user) is not None:
            room = self._direct(name)
            self._catchup.begin(room, seq - 1)
        return room

    def identified(self, user: str) -> None:
        """Learn the name; the direct messages of another one are not this client's any more."""
        self._user = user
        for room in list(self._rooms.values()):
            if room.direct and other_of(room.name, user) is None:
                del self._rooms[room.name]
                reason = Failure("identity_changed", f"the server knows this client as {user} now")
                self._catchup.abandon(room, reason)
                self._context.updates.append(RoomLost(room.name, reason.code, reason.message))

    def resume(self, link: int, rooms: Sequence[str], done: Callable[[], None]) -> None:
        """Subscribe to everything on a new link and catch up; then done().

        `rooms` are those that the server has subscribed the link to by itself.
        """
        for name in rooms:
            if name in self._left:
                self._unsubscribe_again(name, link)
            elif name not in self._rooms:
                self._add(name)
        waiting = set(self._rooms)

        def caught_up(name: str) -> None:
            waiting.discard(name)
            if not waiting:
                done()

        self._listing.ask(self.found, link=link)
        for room in list(self._rooms.values()):
            self._catchup.subscribe(room, link, partial(caught_up, room.name))
        if not waiting:
            done()

    def found(self, listed: Sequence[RoomInfo]) -> None:
        """Learn of direct rooms that are new, and where the known rooms end."""
        for info in listed:
            room = self._rooms.get(info.name)
            if room is not None:
                self._catchup.known_last(room, info.seq)
            elif info.name not in self._left and other_of(info.name, self._user) is not None:
                room = self._direct(info.name)
                room.listed = info.unread
                self._catchup.begin(room, info.seq)

    def _add(self, name: str) -> Room:
        timeline = Timeline(name, keep=self._context.settings.keep)
        room = Room(timeline=timeline, direct=name.startswith(DIRECT_PREFIX))
        self._rooms[name] = room
        return room

    def _direct(self, name: str) -> Room:
        room = self._add(name)
        room.subscribed = True  # which direct rooms need not be
        return room

    def _unsubscribe_again(self, name: str, link: int) -> None:
        again = Request(
            action="unsubscribe", fields={"room": name}, link=link, answered=lambda _frame: None
        )
        self._requests.ask(again)

    def _unsubscribed(self, name: str, token: str, frame: Frame) -> None:
        del frame
        self._context.updates.append(Done(token, "leave", name))
