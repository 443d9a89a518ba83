"""The state machine under ChatCore: its parts, what goes in and what comes out."""

from collections.abc import Callable
from functools import partial
from itertools import chain, count

from chatclient.attendance import Attendance
from chatclient.catchup import Catchup
from chatclient.context import Context, Effect
from chatclient.frames import Frame, decode_all, seconds_of, text_of
from chatclient.heartbeats import Heartbeats
from chatclient.history import History
from chatclient.inbound import Inbound
from chatclient.link import Link, Welcome
from chatclient.links import Links
from chatclient.markers import Markers
from chatclient.memberships import Memberships
from chatclient.outbox import Outbox
from chatclient.request import Failure
from chatclient.requests import Requests
from chatclient.rooms import Room
from chatclient.sessions import Sessions
from chatclient.settings import Settings
from chatclient.timeline import Timeline
from chatclient.updates import Moving, Update

_ANSWERS = ("ack", "welcome", "pong", "error")


class Machine:
    """All but what people do: the parts, put together, and driven from outside."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        cid: Callable[[], str],
        settings: Settings | None = None,
        by_ticket: bool = False,
    ) -> None:
        self._context = Context(clock, random, settings or Settings())
        self.rooms: dict[str, Room] = {}
        context, rooms = self._context, self.rooms
        self._requests = Requests(context)
        self._tokens = count(1)
        self._by_ticket = by_ticket
        self._in_vain = 0
        self._links = Links(context, self._requests, self, by_ticket=by_ticket)
        self._sessions = Sessions(context, self._requests, self._links, missed=self._missed)
        self._history = History(context, self._requests, rooms)
        self._attendance = Attendance(context, self._requests, rooms)
        self._catchup = Catchup(
            context,
            self._requests,
            rooms,
            self._history,
            subscribed=self._attendance.subscribed,
            left=self._subscribed_late,
        )
        self._memberships = Memberships(
            context,
            self._requests,
            rooms,
            self._catchup,
            lambda: (link.number for link in self._links.usable()),
        )
        self._heartbeats = Heartbeats(self._requests, rooms, self._catchup)
        self._markers = Markers(context, self._requests, rooms)
        self._inbound = Inbound(
            context,
            rooms,
            catchup=self._catchup,
            memberships=self._memberships,
            attendance=self._attendance,
            markers=self._markers,
            taken=self._taken,
        )
        self._outbox = Outbox(
            context,
            self._requests,
            cid=cid,
            posted=self._inbound.entered,
            existing=self._inbound.existing,
        )

    # -- what comes out ------------------------------------------------------------------------

    @property
    def user(self) -> str:
        """The name that the server gave this client; "" before the first connection."""
        return self._links.user

    @property
    def is_online(self) -> bool:
        """Whether requests go out at once."""
        return self._links.current is not None

    @property
    def is_closed(self) -> bool:
        """Whether the client has ended, by close() or because it was refused."""
        return self._links.closed

    def effects(self) -> list[Effect]:
        """Return what there is to do, and forget it."""
        effects, self._context.effects = self._context.effects, []
        return effects

    def updates(self) -> list[Update]:
        """Return what there is to tell, and forget it."""
        updates, self._context.updates = self._context.updates, []
        return updates

    def next_wake(self) -> float | None:
        """Return when tick() is due, by the clock; None: not before the next input."""
        if self.is_closed:
            return None
        catchup = self._catchup.wakes(self._links.current)
        sessions = self._sessions.wakes()
        wakes = chain(self._links.wakes(), sessions, self._requests.wakes(), catchup)
        return min(wakes, default=None)

    def timeline(self, room: str) -> Timeline | None:
        """Return the timeline of a room that was joined, or of direct messages."""
        found = self.rooms.get(room)
        return found.timeline if found else None

    def unsettled(self) -> tuple[str, ...]:
        """Return the tokens of the entries that are neither acknowledged nor failed."""
        return self._outbox.unsettled()

    # -- what goes in --------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, once."""
        self._links.start()

    def opened(self, link: int) -> None:
        """Learn that a connection is open."""
        self._links.opened(link)
        self.tick()

    def received(self, link: int, text: object) -> None:
        """Take a frame, or an array of them; whatever it holds, this does not raise."""
        for frame in decode_all(text):
            if self._links.knows(link):  # any frame may be the end of it
                self._take(link, frame)
        self.tick()

    def lost(self, link: int, reason: str = "the connection was lost") -> None:
        """Learn that a connection is gone, or could not be opened."""
        self._links.lost(link, reason)
        self.tick()

    def tick(self) -> None:
        """Do what is due; early or often does no harm."""
        if not self.is_closed:
            self._links.tick()
            self._sessions.tick()
            self._requests.tick()
            self._catchup.tick(self._links.current)

    # -- for the links -------------------------------------------------------------------------

    def greeted(self, link: Link, welcome: Welcome) -> None:
        """Learn until when a new connection may do something."""
        self._in_vain = 0
        self._sessions.greeted(link, welcome)

    def identified(self, user: str, *, guest: bool) -> None:
        """Learn this client's name on a new connection."""
        self._memberships.identified(user)
        self._outbox.identified(user, guest=guest)

    def resume(self, link: int, rooms: list[str], done: Callable[[], None]) -> None:
        """Catch up on a new connection."""
        self._memberships.resume(link, rooms, done)

    def beat(self, link: int) -> None:
        """Send pings with the positions of all rooms."""
        self._attendance.ask_all(link)
        dead = partial(self._links.drop, link, "the server does not answer")
        self._heartbeats.beat(link, dead)

    def gone(self, link: int) -> None:
        """Learn that nothing is answered on a connection any more."""
        self._catchup.lost(link)

    def _take(self, link: int, frame: Frame) -> None:
        kind = text_of(frame, "type")
        if kind in _ANSWERS:
            if kind == "error" and frame.get("code") == "unauthorized":
                self._unauthorized(link, frame)
            else:
                self._requests.answered(frame)
        elif kind == "reconnect":
            after = seconds_of(frame, "after_ms", least=0.0, most=3600.0) or 0.0
            self._links.move(link, after)
            self._context.updates.append(Moving(after, text_of(frame, "reason")))
        elif not kind and "connectionId" in frame:
            self._requests.fault(link)
        else:
            self._inbound.take(frame, self.user)

    def _unauthorized(self, link: int, frame: Frame) -> None:
        request = self._requests.asked(frame)
        if request is not None and request.renewing:
            self._requests.answered(frame)
        elif request is not None:
            self._sessions.over(link)
        elif frame.get("id") is None:
            self._sessions.doubtful(link)

    def _subscribed_late(self, room: str, link: int) -> None:
        self._memberships.subscribed_late(room, link)

    def _taken(self, room: str, failure: Failure) -> None:
        self._outbox.taken(room, failure)

    def _missed(self, link: int) -> None:
        self._memberships.resume(link, [], lambda: None)

    def _token(self) -> str:
        return f"#{next(self._tokens)}"

    def _fail(self, token: str, action: str, room: str, failure: Failure) -> None:
        self._context.updates.append(failure.told(token, action, room))

    def _end(self, failure: Failure, status: int) -> None:
        code = failure.code if status else ""
        self._links.close(failure.message, status, code)
        self._outbox.abandon(failure)
        self._requests.close(failure)
        for room in self.rooms.values():
            self._catchup.abandon(room, failure)
