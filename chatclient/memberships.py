"""Which rooms the client is in: joined, left, found, and resumed on every new connection."""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import partial

from chatclient.catchup import Catchup
from chatclient.context import Context
from chatclient.frames import Frame
from chatclient.listing import Listing
from chatclient.request import Failure, Request
from chatclient.requests import Requests
from chatclient.rooms import DIRECT_PREFIX, Room, other_of
from chatclient.timeline import Timeline
from chatclient.updates import Done, RoomInfo, RoomLost


class _How(Enum):
    """How a room was left that is not to be followed again by itself."""

    UNFOLLOWED = "unfollowed"
    LEFT = "left"
    ELSEWHERE = "elsewhere"


class Memberships:
    """The rooms, by name: `rooms` is shared with those who keep them whole.

    Args:
        links: Tells on which links to subscribe.
    """

    def __init__(
        self,
        context: Context,
        requests: Requests,
        rooms: dict[str, Room],
        catchup: Catchup,
        links: Callable[[], Iterable[int]],
    ) -> None:
        self._context = context
        self._requests = requests
        self._rooms = rooms
        self._catchup = catchup
        self._links = links
        self._listing = Listing(requests)
        self._left: dict[str, _How] = {}
        self._leaving: dict[str, list[str]] = {}  # with the tokens of those who join meanwhile
        self._user = ""

    def join(self, name: str, token: str) -> None:
        """Subscribe on all links, present and later ones; after leaving, if that is under way."""
        if name in self._leaving:
            self._leaving[name].append(token)
            return
        self._left.pop(name, None)
        room = self._rooms.get(name)
        if room is not None and room.subscribed and not room.loading:
            self._context.updates.append(Done(token, "join", name))
            return
        is_new = room is None
        room = room or self._add(name)
        room.joining.append(token)
        if is_new:
            self._subscribe(room)

    def unfollow(self, name: str, token: str) -> None:
        """Unsubscribe, here only; the timeline goes at once, and the server is told."""
        self.lose(name, Failure("left", "the room is not followed any more"))
        self._left[name] = _How.UNFOLLOWED
        for link in list(self._links()):
            self._catchup.unsubscribe(name, link)
        self._context.updates.append(Done(token, "unfollow", name))

    def leave(self, name: str, token: str) -> None:
        """Stop being a member; the timeline goes when the server agrees.

        Until it has answered, nothing subscribes to the room: that would be to join again.
        """
        self._leaving.setdefault(name, [])
        # After what was said there before.
        self._ask_to_leave(
            name, partial(self._gone, name, token), partial(self._stayed, name, token)
        )

    def left_elsewhere(self, name: str) -> None:
        """Learn that another device of the person has left a room."""
        self.lose(name, Failure("left", "the room was left on another device"))
        self._left[name] = _How.ELSEWHERE

    def lose(self, name: str, reason: Failure) -> None:
        """Drop a room, and do not subscribe to it again."""
        room = self._rooms.pop(name, None)
        if room is not None:
            self._catchup.abandon(room, reason)

    def subscribed_late(self, name: str, link: int) -> None:
        """Undo a subscription that was answered after the room had been left."""
        how = self._left.get(name)
        if how is _How.LEFT and name not in self._leaving:
            self._ask_to_leave(name, lambda _frame: None, lambda _failure: None)
        elif how is not _How.UNFOLLOWED:  # which has sent an `unsubscribe` after it
            self._catchup.unsubscribe(name, link)

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
                self._catchup.unsubscribe(name, link)
            elif name not in self._rooms:
                self._add(name)
        staying = [room for name, room in self._rooms.items() if name not in self._leaving]
        waiting = {room.name for room in staying}

        def caught_up(name: str) -> None:
            waiting.discard(name)
            if not waiting:
                done()

        self._listing.ask(self.found, link=link)
        for room in staying:
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

    def _subscribe(self, room: Room) -> None:
        for link in list(self._links()):
            self._catchup.subscribe(room, link, lambda: None)

    def _ask_to_leave(
        self, name: str, answered: Callable[[Frame], None], failed: Callable[[Failure], None]
    ) -> None:
        request = Request(
            action="leave", fields={"room": name}, lane=name, answered=answered, failed=failed
        )
        self._requests.ask(request)

    def _gone(self, name: str, token: str, _frame: Frame) -> None:
        self.lose(name, Failure("left", "the room was left"))
        self._left[name] = _How.LEFT
        self._context.updates.append(Done(token, "leave", name))
        self._join_again(name)

    def _stayed(self, name: str, token: str, failure: Failure) -> None:
        self._context.updates.append(failure.told(token, "leave", name))
        room = self._rooms.get(name)
        if room is not None:  # connections may have come without a subscription
            self._subscribe(room)
        self._join_again(name)

    def _join_again(self, name: str) -> None:
        for token in self._leaving.pop(name, []):
            self.join(name, token)
