"""The state machine under ChatCore: its parts, what goes in and what comes out."""

from collections.abc import Callable
from functools import partial
from itertools import chain

from chatclient.attendance import Attendance
from chatclient.catchup import Catchup
from chatclient.context import Context, Effect
from chatclient.frames import Frame, decode, seconds_of, text_of
from chatclient.heartbeats import Heartbeats
from chatclient.history import History
from chatclient.inbound import Inbound
from chatclient.links import Links
from chatclient.markers import Markers
from chatclient.memberships import Memberships
from chatclient.outbox import Outbox
from chatclient.requests import Failure, Requests
from chatclient.rooms import Room
from chatclient.settings import Settings
from chatclient.timeline import Timeline
from chatclient.updates import Update

_ANSWERS = ("ack", "welcome", "pong", "error")
# A handshake answered so will be answered so again.
_FINAL_STATUSES = (400, 401, 403, 404)


class Machine:
    """All but what people do: the parts, put together, and driven from outside."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        cid: Callable[[], str],
        settings: Settings | None = None,
    ) -> None:
        self._context = Context(clock, random, settings or Settings())
        self.rooms: dict[str, Room] = {}
        context, rooms = self._context, self.rooms
        self._requests = Requests(context)
        self._links = Links(context, self._requests, self)
        self._history = History(context, self._requests)
        self._attendance = Attendance(context, self._requests, rooms)
        self._catchup = Catchup(
            context,
            self._requests,
            rooms,
            self._history,
            subscribed=self._attendance.subscribed,
        )
        self._memberships = Memberships(context, self._requests, rooms, self._catchup)
        self._heartbeats = Heartbeats(self._requests, rooms, self._catchup)
        self._markers = Markers(context, self._requests, rooms)
        self._inbound = Inbound(
            context,
            rooms,
            catchup=self._catchup,
            memberships=self._memberships,
            attendance=self._attendance,
            markers=self._markers,
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
        catchup = self._catchup.wakes(self._links.current)
        wakes = chain(self._links.wakes(), self._requests.wakes(), catchup)
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

    def refused(self, link: int, status: int) -> None:
        """Learn that a handshake was answered with another status than 101."""
        if status not in _FINAL_STATUSES:
            self.lost(link, f"HTTP status {status}")
        elif self._links.knows(link):
            self._end(Failure("refused", f"HTTP status {status}"), status)

    def received(self, link: int, text: object) -> None:
        """Take a frame; whatever it holds, this does not raise."""
        frame = decode(text)
        if frame is not None and self._links.knows(link):
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
            self._requests.tick()
            self._catchup.tick(self._links.current)

    # -- for the links -------------------------------------------------------------------------

    def identified(self, user: str) -> None:
        """Learn this client's name on a new connection."""
        self._memberships.identified(user)
        self._outbox.identified(user)

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
                self._links.drop(link, "the session is over")
            else:
                self._requests.answered(frame)
        elif kind == "reconnect":
            after = seconds_of(frame, "after_ms", least=0.0, most=3600.0)
            self._links.move(link, after or 0.0)
        elif not kind and "connectionId" in frame:
            self._requests.fault(link)
        else:
            self._inbound.take(frame, self.user)

    def _end(self, failure: Failure, status: int) -> None:
        self._links.close(failure.message, status)
        self._outbox.abandon(failure)
        self._requests.close(failure)
        for room in self.rooms.values():
            self._catchup.abandon(room, failure)
