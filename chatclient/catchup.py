"""Keeping the timelines whole, over every new connection."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from chatclient.context import Context
from chatclient.frames import Frame, items_of, seq_of
from chatclient.history import History
from chatclient.holes import Holes
from chatclient.request import Failure, Request
from chatclient.requests import Requests
from chatclient.rooms import Room
from chatclient.updates import RoomLost

# A room keeps as many pushes while it waits for the answer to `subscribe`.
_DURING = 2000
_SUPERSEDED = Failure("left", "the room was left, or joined again")


class Catchup:
    """Subscribes to rooms and reads what was missed (clauses C1 to C5).

    `rooms` are all that there are, by name; a room that the server refuses is removed from them.
    `subscribed` is called when one has been caught up with on a link, `left` with the name of one
    that was subscribed to after it had been left.
    """

    def __init__(
        self,
        context: Context,
        requests: Requests,
        rooms: dict[str, Room],
        history: History,
        *,
        subscribed: Callable[[Room, int], None],
        left: Callable[[str, int], None],
    ) -> None:
        self._context = context
        self._requests = requests
        self._rooms = rooms
        self._history = history
        self._tell_subscribed = subscribed
        self._tell_left = left
        self._holes = Holes(context, requests, rooms, self.subscribe)

    def subscribe(self, room: Room, link: int, done: Callable[[], None]) -> None:
        """Subscribe on a link, read all that came after what is there, then call done()."""
        self._requests.supersede(_lane(link, room.name), "unsubscribe", _SUPERSEDED)
        self._ask(room, link, room.timeline.last, done)

    def unsubscribe(self, name: str, link: int) -> None:
        """Stop the pushes of a room on a link, after all that was asked of it there (L8)."""
        lane = _lane(link, name)
        self._requests.supersede(lane, "subscribe", _SUPERSEDED)
        request = Request(
            action="unsubscribe",
            fields={"room": name},
            link=link,
            lane=lane,
            answered=lambda _frame: None,
        )
        self._requests.ask(request)

    def pushed(self, room: Room, event: Frame) -> None:
        """Take an entry that was pushed, or that an ack stands for."""
        if room.catching and len(room.during) < _DURING:
            room.during.append(event)
        self._context.tell(room.name, "new", room.timeline.feed([event]))
        self._holes.check(room)

    def begin(self, room: Room, base: int) -> None:
        """Begin a timeline after `base`, and read some of what was said before."""
        room.read = max(room.read, base)
        self._context.tell(room.name, "new", room.timeline.begin(base))
        if room.history or self._context.settings.initial:
            self._history.load(room, self._context.settings.initial or 1)

    def known_last(self, room: Room, seq: int) -> None:
        """Learn that a room has entries up to `seq` at least."""
        room.timeline.known_last(seq)
        self._holes.check(room)

    def positions(self, link: int, asked: Mapping[str, int], frame: Frame) -> None:
        """Take the answer to a ping with positions (C4)."""
        told = frame.get("rooms")
        for name in asked:
            room = self._rooms.get(name)
            seq = seq_of(told, name) if isinstance(told, dict) else None
            if room is None or seq is None:
                continue
            if seq < asked[name]:
                # The log is not the one that it was: C2 decides.
                self.subscribe(room, link, lambda: None)
            else:
                self.known_last(room, seq)

    def lost(self, link: int) -> None:
        """Learn that what was asked on a link will not be answered."""
        for room in self._rooms.values():
            room.catching.discard(link)
        self._holes.lost(link)

    def tick(self, link: int | None) -> None:
        """Do what is due, if there is a link."""
        if link is not None:
            self._holes.tick(link)

    def wakes(self, link: int | None) -> Iterator[float]:
        """Yield when tick() has something to do."""
        return self._holes.wakes() if link is not None else iter(())

    def abandon(self, room: Room, failure: Failure) -> None:
        """Tell those who wait for a room that it was in vain."""
        for token in room.joining:
            self._context.updates.append(failure.told(token, "join", room.name))
        room.joining.clear()
        self._history.abandon(room, failure)

    def _ask(self, room: Room, link: int, after: int | None, done: Callable[[], None]) -> None:
        if not room.catching:
            room.during.clear()
        room.catching.add(link)
        fields = {"room": room.name} if after is None else {"room": room.name, "after": after}
        request = Request(
            action="subscribe",
            fields=fields,
            link=link,
            lane=_lane(link, room.name),
            answered=partial(self._subscribed, room, link, after, done),
            failed=partial(self._refused, room, link, done),
        )
        self._requests.ask(request)

    def _subscribed(
        self, room: Room, link: int, after: int | None, done: Callable[[], None], frame: Frame
    ) -> None:
        seq = seq_of(frame)
        if self._rooms.get(room.name) is not room:
            room.catching.discard(link)
            if room.name not in self._rooms:
                self._tell_left(room.name, link)
            done()
        elif seq is None:
            bad_answer = Failure("bad_answer", "the server's answer makes no sense")
            self._refused(room, link, done, bad_answer)
        elif after is None:
            self._joined(room, seq)
            self._caught_up(room, link, done)
        elif frame.get("recovered") is False:
            self._start_over(room, frame, seq)
            self._caught_up(room, link, done)
        else:
            self._recovered(room, link, after, done, frame)

    def _joined(self, room: Room, seq: int) -> None:
        if room.timeline.base is None:
            self.begin(room, seq)
        else:
            room.timeline.known_last(seq)

    def _start_over(self, room: Room, frame: Frame, seq: int) -> None:
        room.timeline.reset(items_of(frame, "events"), seq)
        room.timeline.feed(room.during)
        room.read = min(room.read, room.timeline.last or 0)
        self._context.tell(room.name, "reset", room.timeline.entries())

    def _recovered(
        self, room: Room, link: int, after: int, done: Callable[[], None], frame: Frame
    ) -> None:
        events = items_of(frame, "events")
        self._context.tell(room.name, "new", room.timeline.feed(events))
        end = max((seq_of(e) or 0 for e in events if isinstance(e, dict)), default=0)
        if frame.get("more") is True and end > after:
            self._ask(room, link, end, done)
            return
        room.timeline.confirmed(seq_of(frame) or 0)
        self._caught_up(room, link, done)

    def _caught_up(self, room: Room, link: int, done: Callable[[], None]) -> None:
        room.catching.discard(link)
        room.subscribed = True
        self._history.joined(room)
        self._tell_subscribed(room, link)
        done()
        self._holes.check(room)

    def _refused(self, room: Room, link: int, done: Callable[[], None], failure: Failure) -> None:
        room.catching.discard(link)
        self.abandon(room, failure)
        # Direct messages come without a subscription; ping and history keep them whole.
        kept = room.direct and room.timeline.base is not None
        if not kept and self._rooms.get(room.name) is room:
            del self._rooms[room.name]
            self._lose(room, failure)
        done()

    def _lose(self, room: Room, failure: Failure) -> None:
        if room.subscribed:
            lost = RoomLost(room.name, failure.code, failure.message)
            self._context.updates.append(lost)


def _lane(link: int, name: str) -> tuple[int, str]:
    return link, name
