"""A client core and the server in memory, joined by a network that tests hold in their hands."""

from collections.abc import Callable
from itertools import count
from random import Random
from typing import TypeVar

from chatclient.context import Close, Open, Send
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

    def __init__(self, clock: Clock, name: str, settings: Settings | None, seed: int) -> None:
        numbers = count(1)
        self.name = name
        self.luck: Callable[[], float] = Random(seed).random  # noqa: S311 - no secret
        self.core = ChatCore(
            clock=clock,
            random=lambda: self.luck(),  # noqa: PLW0108 - tests change it
            cid=lambda: f"{name}{next(numbers)}",
            settings=settings,
        )
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
    """Carries frames at once; `reachable` says what becomes of attempts to connect."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.clock = Clock()
        self.server = Server()
        self.settings = settings
        self.peers: list[Peer] = []
        self.reachable = True
        self.status = 0
        self.answers_openings = True
        self.opened_at: list[float] = []

    def peer(self, name: str = "ada", *rooms: str, seed: int = 1) -> Peer:
        """Add a client that is online and in these rooms."""
        peer = Peer(self.clock, name, self.settings, seed)
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
            self.clock.now = max(self.clock.now, due)
            for peer in self.peers:
                peer.core.tick()
            self.run()
            if due == end:
                break
        self.clock.now = end

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
                case Open(link):
                    self.opened_at.append(self.clock.now)
                    self._open(peer, link)
                case Send(link, text):
                    if link in peer.links:
                        self.server.receive(peer.links[link], text)
                case Close(link):
                    self.server.disconnect(peer.links.pop(link, 0))
        return bool(effects)

    def _open(self, peer: Peer, link: int) -> None:
        if not self.answers_openings:
            return
        if self.status:
            peer.core.refused(link, self.status)
        elif self.reachable:
            peer.links[link] = self.server.connect(peer.name)
            peer.core.opened(link)
        else:
            peer.core.lost(link, "nobody is there")

    def _deliver(self, connection: int, text: str) -> None:
        for peer in self.peers:
            for link, number in list(peer.links.items()):
                if number == connection:
                    peer.core.received(link, text)
