"""A person's device: the real client core, its connections, and all that it asked and was told."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from chatclient.context import Close, Open, Send
from chatclient.core import ChatCore
from chatclient.rooms import DIRECT_PREFIX
from chatclient.settings import Settings
from chatclient.updates import Changed, Done, Failed
from tests.chaos.chance import Chance
from tests.chaos.gateways import ApiGateway, Connection
from tests.chaos.simulation import Simulation
from tests.chaos.trace import Trace


@dataclass(slots=True, eq=False)
class Intent:
    """Something that was asked of the client, and how it ended."""

    token: str
    action: str
    room: str
    fields: Mapping[str, Any]
    ends: list[Done | Failed] = field(default_factory=list)


class Device:
    """Carries out what the core wants, and hands it what arrives.

    Attributes:
        intents: all that adds to a log, by token, in written order.
        retired: whether it is gone for good, with all that it knew.
        repairs: how often it had to ask for entries that should have come by themselves.
    """

    def __init__(
        self,
        person: str,
        label: str,
        *,
        simulation: Simulation,
        gateway: ApiGateway,
        trace: Trace,
        chance: Chance,
        settings: Settings,
    ) -> None:
        numbers = count(1)
        self.person = person
        self.label = label
        self._simulation = simulation
        self._gateway = gateway
        self._trace = trace
        self._wakes: set[float] = set()
        self._told: dict[str, tuple[object, int]] = {}
        self.core = ChatCore(
            clock=lambda: simulation.now,
            random=chance.random,
            cid=lambda: f"{label}:{next(numbers)}",
            settings=settings,
        )
        self.links: dict[int, Connection] = {}
        self.intents: dict[str, Intent] = {}
        self.marks: dict[str, int] = {}
        self.retired = False
        self.repairs = 0

    def do(self, action: Callable[[], object]) -> None:
        """Let the core do something."""
        action()
        self._carry_out()

    def intend(self, action: str, room: str, fields: Mapping[str, Any], token: str) -> None:
        """Note what was asked of the core."""
        self.intents[token] = Intent(token, action, room, fields)
        self._trace.note(self.label, f"wants {token} {action} {room} {dict(fields)}")

    def opened(self, link: int) -> None:
        """Hear that a connection is open."""
        self.do(lambda: self.core.opened(link))

    def refused(self, link: int, status: int) -> None:
        """Hear that a handshake was refused."""
        self.links.pop(link, None)
        self.do(lambda: self.core.refused(link, status))

    def lost(self, link: int) -> None:
        """Hear that a connection has ended."""
        self._trace.counts["connections lost"] += link in self.links
        self.links.pop(link, None)
        self.do(lambda: self.core.lost(link))

    def received(self, link: int, text: str) -> None:
        """Hear from the server."""
        if link in self.links:
            self.do(lambda: self.core.received(link, text))

    def retire(self) -> None:
        """End, and be replaced."""
        self.retired = True
        self.do(self.core.close)

    def _carry_out(self) -> None:
        for effect in self.core.effects():
            match effect:
                case Open(link):
                    key = f"{self.person}-0123456789abcdef"
                    query = {"name": self.person, "key": key}
                    self.links[link] = self._gateway.connect(self, link, query)
                case Send(link, text) if link in self.links:
                    self._look_for_repairs(text)
                    self._gateway.frame(self.links[link], text)
                case Close(link) if link in self.links:
                    self._gateway.close(self.links.pop(link))
        for update in self.core.updates():
            if isinstance(update, Done | Failed) and update.token in self.intents:
                self._trace.note(self.label, f"told {update}")
                self.intents[update.token].ends.append(update)
                self._trace.counts["acknowledged"] += isinstance(update, Done)
            elif isinstance(update, Changed):
                self._follow(update)
        self._set_alarm()

    def _set_alarm(self) -> None:
        wake = self.core.next_wake()
        if wake is None or self.core.is_closed:
            return
        due = max(wake, self._simulation.now)
        if due not in self._wakes:
            self._wakes.add(due)
            self._simulation.at(due, lambda: self._ring(due))

    def _ring(self, due: float) -> None:
        self._wakes.discard(due)
        self.do(self.core.tick)

    def _look_for_repairs(self, text: str) -> None:
        frame = json.loads(text)
        # Of direct messages, an old entry that is pushed again may be the first that is seen.
        if frame["action"] == "history" and not frame["room"].startswith(DIRECT_PREFIX):
            room = self.core.rooms.get(frame["room"])
            # What was missing when the connection was lost is no fault of the next one.
            if room is not None and not room.catching:
                self.repairs += frame["before"] > (room.timeline.last or 0) + 1

    def _follow(self, update: Changed) -> None:
        """Check what an application is told: new entries one after the other, from a reset on."""
        room = self.core.rooms.get(update.room)
        if room is None or update.kind == "older" or not update.entries:
            return
        known, last = self._told.get(update.room, (None, 0))
        seqs = [entry.seq for entry in update.entries]
        start = last + 1 if known is room and update.kind == "new" else seqs[0]
        if seqs != list(range(start, start + len(seqs))):
            self._trace.find(f"{self.label} was told {seqs} after {last}", update.room)
        self._told[update.room] = (room, seqs[-1])
