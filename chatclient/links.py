"""The connections to the server: opened, greeted, handed over, lost and opened again."""

from collections.abc import Iterator
from functools import partial

from chatclient.context import Ask, Close, Context, Open
from chatclient.frames import Frame
from chatclient.link import Link, Listener, Phase, Welcome
from chatclient.request import Request
from chatclient.requests import Requests
from chatclient.updates import Connection, State

# A name is not free until the server has seen that its old connection is gone.
_NAME_WAIT = 1.0
# A hand-over that failed is tried again after this time at the earliest.
_HANDOVER_RETRY = 5.0


class Links:
    """Keeps one link live; `user` is the name it has there.

    Args:
        by_ticket: Whether each link needs a ticket.
    """

    def __init__(
        self, context: Context, requests: Requests, listener: Listener, *, by_ticket: bool
    ) -> None:
        self._context = context
        self._requests = requests
        self._listener = listener
        self._by_ticket = by_ticket
        self._links: dict[int, Link] = {}
        self._opened = 0
        self._attempts = 0
        self._retry_at: float | None = None
        self._parting = False
        self.current: int | None = None
        self.closed = False
        self.user = ""

    def start(self) -> None:
        """Open the first link."""
        self._retry_at = None
        self._tell(State.CONNECTING)
        self._open()

    def ticketed(self, number: int, ticket: str, url: str) -> None:
        """Take the ticket of a link: open it."""
        link = self._links.get(number)
        if link is not None and link.phase is Phase.OPENING:
            link.deadline = self._context.later(self._context.settings.open_timeout)
            self._context.effects.append(Open(number, ticket, url))

    def opened(self, number: int) -> None:
        """Learn that a link is open: greet."""
        link = self._links.get(number)
        if link is None or link.phase is not Phase.OPENING:
            return
        link.phase = Phase.GREETING
        link.deadline = self._context.later(self._context.settings.answer_timeout)
        greet = partial(self._welcomed, link)
        hello = Request(action="hello", fields={"arrays": True}, link=number, answered=greet)
        self._requests.ask(hello)

    def knows(self, number: int) -> bool:
        """Tell whether a link is in use."""
        return number in self._links

    def find(self, number: int) -> Link | None:
        """Return a link that is in use."""
        return self._links.get(number)

    def usable(self) -> Iterator[Link]:
        """Yield the links that requests may be pinned to, the current one first."""
        phases = (Phase.LIVE, Phase.RESUMING)
        return (link for link in self._links.values() if link.phase in phases)

    def lost(
        self, number: int, reason: str = "the connection was lost", *, wait: float = 0.0
    ) -> None:
        """Learn that a link is gone, or could not be opened; the next waits so long at least."""
        link = self._links.pop(number, None)
        if link is None:
            return
        if self._is_stable(link):
            self._attempts = 0
        was_current = number == self.current
        if was_current:
            self.current = None
            self._requests.route(None)
        self._requests.lost(number)
        self._listener.gone(number)
        if was_current:
            self._promote()
        elif self.current is not None and link.phase is not Phase.DRAINING:
            # A hand-over failed.
            pause = max(_HANDOVER_RETRY, wait, self._context.pause(self._attempts))
            self._links[self.current].move_at = self._context.later(pause)
        self._ensure(reason, wait)

    def drop(self, number: int, reason: str) -> None:
        """Give up a link."""
        if number in self._links:
            self._context.effects.append(Close(number))
            self.lost(number, reason)

    def move(self, number: int, within: float) -> None:
        """Hand over from this link in so many seconds; later from a young one, if not the first.

        A server that sends each new link on at once would have a new one at once, for ever.
        """
        link = self._links.get(number)
        if link is not None and link.phase in (Phase.LIVE, Phase.RESUMING):
            is_loop = self._attempts and not self._is_stable(link)
            pause = self._context.pause(self._attempts - 1) if is_loop else 0.0
            at = self._context.later(max(within, pause))
            link.move_at = at if link.move_at is None else min(at, link.move_at)

    def close(self, reason: str = "", status: int = 0, code: str = "") -> None:
        """Close all links for good."""
        self.closed, self.current, self._retry_at = True, None, None
        self._requests.route(None)
        for number in list(self._links):
            self._context.effects.append(Close(number))
            self._requests.lost(number)
        self._links.clear()
        self._context.updates.append(
            Connection(State.CLOSED, self.user, reason=reason, status=status, code=code)
        )

    def tick(self) -> None:
        """Do what is due."""
        now = self._context.clock()
        if self._retry_at is not None and self._retry_at <= now:
            self.start()
        for link in list(self._links.values()):
            if link.number in self._links:
                self._tick(link, now)

    def wakes(self) -> Iterator[float]:
        """Yield when tick() has something to do."""
        if self._retry_at is not None:
            yield self._retry_at
        for link in self._links.values():
            # A hand-over that is due waits for its own link to be live.
            move_at = link.move_at if link.phase is Phase.LIVE else None
            times = (link.deadline, link.beat_at, move_at)
            yield from (at for at in times if at is not None)

    def _tick(self, link: Link, now: float) -> None:
        if link.phase is Phase.DRAINING:
            if _is_due(link.deadline, now) or not self._requests.busy(link.number):
                self.drop(link.number, "handed over")
        elif _is_due(link.deadline, now):
            self.drop(link.number, "no answer in time")
        elif link.phase is Phase.LIVE:
            if _is_due(link.beat_at, now):
                link.beat_at = now + link.heartbeat
                self._listener.beat(link.number)
            if _is_due(link.move_at, now):
                link.move_at = None
                if not self._is_coming():
                    self._attempts += not self._is_stable(link)
                    self._open()

    def _welcomed(self, link: Link, frame: Frame) -> None:
        welcome = Welcome.read(frame, self._context.settings)
        if welcome is None:
            self.drop(link.number, "the server's welcome makes no sense")
            return
        now, random = self._context.clock(), self._context.random
        link.heartbeat = welcome.heartbeat
        # A little earlier, so that those who connected at once do not all move at once.
        link.move_at = now + welcome.lifetime * (1 - 0.1 * random())
        link.deadline = None
        self._take(link, welcome)

    def _take(self, link: Link, welcome: Welcome) -> None:
        if self.current is None:
            self._go_live(link, welcome)
        elif welcome.user != self.user:
            self._part(link)
        else:
            link.phase = Phase.RESUMING
            link.deadline = self._context.later(3 * self._context.settings.answer_timeout)
            self._listener.greeted(link, welcome)
            self._listener.resume(link.number, welcome.rooms, partial(self._take_over, link))

    def _go_live(self, link: Link, welcome: Welcome) -> None:
        self._set_live(link)
        self.user = welcome.user
        self._tell(State.ONLINE)
        self._listener.identified(welcome.user, guest=welcome.guest)
        self._listener.greeted(link, welcome)
        # First what was missed, then what waits to be said: their acks would look like holes.
        self._listener.resume(link.number, welcome.rooms, lambda: None)
        self._requests.route(link.number)

    def _set_live(self, link: Link) -> None:
        now = self._context.clock()
        link.phase, link.live_since = Phase.LIVE, now
        link.deadline = link.deadline if link.is_over else None
        link.beat_at = now + link.heartbeat
        self.current, self._retry_at = link.number, None

    def _take_over(self, link: Link) -> None:
        if link.phase is not Phase.RESUMING or link.number not in self._links:
            return
        old = self._links.get(self.current or 0)
        self._set_live(link)
        self._requests.route(link.number)
        if old is not None:
            self._drain(old)

    def _drain(self, link: Link) -> None:
        link.phase, link.beat_at, link.move_at = Phase.DRAINING, None, None
        link.deadline = self._context.later(self._context.settings.drain_timeout)

    def _part(self, link: Link) -> None:
        """Close before opening: a guest's name is not given to a second connection (D4)."""
        old = self._links[self.current or 0]
        self.current, self._parting = None, True
        self._requests.route(None)
        self._drain(old)
        self.drop(link.number, "the name is taken by the connection that it should replace")

    def _promote(self) -> None:
        for link in list(self._links.values()):
            if link.phase is Phase.RESUMING:
                self._take_over(link)
                return

    def _ensure(self, reason: str, at_least: float) -> None:
        """See to it that there will be a live link."""
        draining = any(link.phase is Phase.DRAINING for link in self._links.values())
        if self.closed or self.current is not None or self._retry_at is not None:
            return
        if self._is_coming() or (self._parting and draining):
            self._tell(State.CONNECTING, reason=reason)
            return
        settings = self._context.settings
        if self._attempts:
            wait = self._context.pause(self._attempts - 1)
        else:
            wait = settings.quick * self._context.random() + (_NAME_WAIT if self._parting else 0.0)
        wait = max(wait, at_least)
        self._attempts += 1
        self._parting = False
        self._retry_at = self._context.later(wait)
        self._tell(State.WAITING, wait, reason)

    def _is_coming(self) -> bool:
        phases = (Phase.OPENING, Phase.GREETING, Phase.RESUMING)
        return any(link.phase in phases for link in self._links.values())

    def _is_stable(self, link: Link) -> bool:
        since, stable_after = link.live_since, self._context.settings.stable_after
        return since is not None and self._context.clock() - since >= stable_after

    def _open(self) -> None:
        self._opened += 1
        deadline = self._context.later(self._context.settings.open_timeout)
        self._links[self._opened] = Link(self._opened, Phase.OPENING, deadline)
        next_step = Ask(self._opened) if self._by_ticket else Open(self._opened)
        self._context.effects.append(next_step)

    def _tell(self, state: State, wait: float = 0.0, reason: str = "") -> None:
        self._context.updates.append(Connection(state, self.user, wait, reason))


def _is_due(at: float | None, now: float) -> bool:
    return at is not None and at <= now
