"""A client core and the server in memory, joined by a network that tests hold in their hands."""

from collections.abc import Callable
from http import HTTPStatus
from itertools import count
from random import Random
from typing import TypeVar

from chatclient.context import Ask, Close, Open, Renew, Send
from chatclient.core import ChatCore
from chatclient.settings import Settings
from chatclient.updates import Failed, Update
from tests.client.servers import Server

U = TypeVar("U")


class Clock:
    """The time, which only worlds move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Peer:
    """One client in the world: its core, its links, and all that it was told."""

    def __init__(
        self, clock: Clock, name: str, settings: Settings | None, seed: int, *, by_ticket: bool
    ) -> None:
        numbers = count(1)
        self.name = name
        self.luck: Callable[[], float] = Random(seed).random  # noqa: S311 - no secret
        self.core = ChatCore(
            clock=clock,
            random=lambda: self.luck(),  # noqa: PLW0108 - tests change it
            cid=lambda: f"{name}{next(numbers)}",
            settings=settings,
            by_ticket=by_ticket,
        )
        self.token = ""
        self.links: dict[int, int] = {}  # to the server's connections
        self.opening: list[int] = []
        self.told: list[Update] = []

    def all(self, kind: type[U]) -> list[U]:
        return [update for update in self.told if isinstance(update, kind)]

    def failures(self) -> list[str]:
        return [failed.code for failed in self.all(Failed)]

    def texts(self, room: str = "tea") -> list[str]:
        timeline = self.core.timeline(room)
        return [message.text for message in timeline.snapshot()] if timeline else []

    def seqs(self, room: str = "tea") -> list[int]:
        timeline = self.core.timeline(room)
        return timeline.log() if timeline else []


class World:
    """Carries frames at once; `reachable` says what becomes of attempts to connect.

    Attributes:
        status: What handshakes are answered with instead of 101.
        http: What requests for tickets and tokens are answered with instead of 200; 0: nothing.
        lifetime: For how many seconds a token is good.
        login_end: When no token is good any more, by the server's clock.
        asked: What was asked for over HTTP, and when.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.clock = Clock()
        self.server = Server()
        self.settings = settings
        self.peers: list[Peer] = []
        self.reachable = True
        self.status = 0
        self.http = 200
        self.http_wait: float | None = None
        self.lifetime = 3600.0
        self.login_end = float("inf")
        self.asked: list[tuple[str, float]] = []
        self.answers_openings = True
        self.opened_at: list[float] = []
        self._numbers = count(1)

    def peer(self, name: str = "ada", *rooms: str, seed: int = 1) -> Peer:
        """Add a client that is online and in these rooms."""
        return self._add(Peer(self.clock, name, self.settings, seed, by_ticket=False), *rooms)

    def member(self, name: str = "ada", *rooms: str, seed: int = 1) -> Peer:
        """Add the same, with an account."""
        peer = Peer(self.clock, name, self.settings, seed, by_ticket=True)
        self._authorize(peer)
        return self._add(peer, *rooms)

    def revoke(self) -> None:
        """Log everybody out everywhere: no token is worth anything any more."""
        self.server.tokens.clear()

    def _add(self, peer: Peer, *rooms: str) -> Peer:
        self.peers.append(peer)
        for room in rooms:
            peer.core.join(room)
        peer.core.start()
        self.run()
        return peer

    def run(self) -> None:
        """Carry out everything that needs no time."""
        busy = True
        while busy:
            busy = False
            for peer in self.peers:
                busy = self._carry_out(peer) or busy
                peer.told += peer.core.updates()
            while self.server.out:
                busy = True
                self._deliver(*self.server.out.popleft())

    def sleep(self, seconds: float) -> None:
        """Let time pass; clocks ring when they are due."""
        end = self.clock.now + seconds
        self.run()
        while True:
            wakes = [wake for p in self.peers if (wake := p.core.next_wake()) is not None]
            due = min(wakes, default=end)
            if due > end:
                break
            self._turn(max(self.clock.now, due))
            for peer in self.peers:
                peer.core.tick()
            self.run()
            if due == end:
                break
        self._turn(end)

    def cut(self, peer: Peer) -> None:
        """Lose all connections of a client."""
        for link, connection in list(peer.links.items()):
            self.server.disconnect(connection)
            del peer.links[link]
            peer.core.lost(link)
        peer.told += peer.core.updates()

    def _carry_out(self, peer: Peer) -> bool:
        effects = peer.core.effects()
        for effect in effects:
            match effect:
                case Ask(link):
                    self._ticket(peer, link)
                case Renew():
                    self._renew(peer)
                case Open(link, ticket):
                    self.opened_at.append(self.clock.now)
                    self._open(peer, link, ticket)
                case Send(link, text):
                    if link in peer.links:
                        self.server.receive(peer.links[link], text)
                case Close(link):
                    self.server.disconnect(peer.links.pop(link, 0))
        return bool(effects)

    def _turn(self, now: float) -> None:
        self.server.now += now - self.clock.now
        self.clock.now = now

    def _authorize(self, peer: Peer) -> None:
        peer.token = f"token{next(self._numbers)}"
        lifetime = min(self.lifetime, self.login_end - self.server.now)
        self.server.tokens[peer.token] = self.server.now + lifetime
        peer.core.authorized(peer.token, lifetime)

    def _http(self, what: str, peer: Peer) -> int:
        self.asked.append((what, self.clock.now))
        if self.http != HTTPStatus.OK:
            return self.http
        is_good = self.server.tokens.get(peer.token, 0) > self.server.now
        return HTTPStatus.OK if is_good else HTTPStatus.UNAUTHORIZED

    def _renew(self, peer: Peer) -> None:
        status = self._http("token", peer)
        if status == HTTPStatus.OK:
            self._authorize(peer)
        else:
            peer.core.not_renewed(status, "no token", wait=self.http_wait)

    def _ticket(self, peer: Peer, link: int) -> None:
        status = self._http("ticket", peer)
        if status == HTTPStatus.OK:
            peer.core.ticketed(link, f"{next(self._numbers)} {peer.token}")
        else:
            peer.core.denied(link, status, "no ticket", wait=self.http_wait)

    def _open(self, peer: Peer, link: int, ticket: str) -> None:
        if not self.answers_openings:
            return
        if self.status:
            peer.core.refused(link, self.status)
        elif self.reachable:
            until = self.server.tokens.get(ticket.partition(" ")[2]) if ticket else None
            peer.links[link] = self.server.connect(peer.name, until=until)
            peer.core.opened(link)
        else:
            peer.core.lost(link, "nobody is there")

    def _deliver(self, connection: int, text: str) -> None:
        for peer in self.peers:
            for link, number in list(peer.links.items()):
                if number == connection:
                    peer.core.received(link, text)
