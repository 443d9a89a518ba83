"""API Gateway: connections, frames both ways, and what it does not promise."""

import json
from collections.abc import Callable
from enum import Enum
from itertools import count
from typing import Any, Protocol

from chalicelib.gateway import Outcome
from chalicelib.identities import Identity
from chalicelib.models import UserName
from tests.chaos.audits import Auditor
from tests.chaos.bans import Bans
from tests.chaos.debts import Debts
from tests.chaos.faults import Misfortune
from tests.chaos.functions import Functions
from tests.chaos.plans import ADMIN
from tests.chaos.simulation import Simulation
from tests.chaos.trace import Trace

# Who has left may have joined again (L8), who was banned may be back, and the server does not
# remember the cid of a reaction that changed nothing, but would now.
_HARMFUL_LATE = ("react", "unsubscribe", "ban", "unban")
_LARGEST_IN, _LARGEST_OUT = 32 * 1024, 128 * 1024


class Caller(Protocol):
    """Who is at the other end of connections."""

    label: str
    person: str

    def opened(self, link: int) -> None: ...
    def refused(self, link: int, status: int) -> None: ...
    def lost(self, link: int) -> None: ...
    def received(self, link: int, text: str) -> None: ...


class Phase(Enum):
    """What API Gateway takes a connection for."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSED = "closed"


class Connection:
    """One connection; `wired` tells whether its client still is at the other end."""

    def __init__(self, name: str, caller: Caller, link: int) -> None:
        self.name = name
        self.caller = caller
        self.link = link
        self.phase = Phase.CONNECTING
        self.wired = True
        self.opened_at = 0.0


class ApiGateway:
    """Every frame takes a time of its own, so that any two may change places."""

    def __init__(
        self,
        functions: Functions,
        simulation: Simulation,
        misfortune: Misfortune,
        trace: Trace,
        *,
        audit: Auditor,
        debts: Debts,
        bans: Bans,
    ) -> None:
        self._functions = functions
        self._simulation = simulation
        self._misfortune = misfortune
        self._trace = trace
        self._audit = audit
        self._debts = debts
        self._bans = bans
        self._requests = count(1)
        self._numbers = count(1)
        self._connections: dict[str, Connection] = {}
        self.travelling = 0
        self._logged_out: set[str] = set()
        functions.post, functions.check, functions.close = self._post, self._check, self._close

    @property
    def open(self) -> list[Connection]:
        """All open connections, the oldest first."""
        return [it for it in self._connections.values() if it.phase is Phase.OPEN]

    def connect(self, caller: Caller, link: int, query: dict[str, str]) -> Connection:
        """Begin a handshake."""
        connection = Connection(f"c{next(self._numbers):04d}", caller, link)
        self._connections[connection.name] = connection
        if self._misfortune.strikes("no_entry"):
            connection.phase = Phase.CLOSED
            self._later(0.05, lambda: caller.lost(link))
        else:
            event = {**self._event(connection), "queryStringParameters": query}
            self._later(0.02, lambda: self._shake_hands(connection, event))
        return connection

    def admit(self, caller: Caller) -> Connection:
        """Return a connection that is open without a handshake, and stays so."""
        connection = Connection(f"c{next(self._numbers):04d}", caller, 0)
        connection.phase = Phase.OPEN
        self._connections[connection.name] = connection
        return connection

    def frame(self, connection: Connection, text: str) -> None:
        """Take a frame from a client."""
        self._trace.note(connection.caller.label, f"> {connection.name} {text}")
        if len(text.encode()) > _LARGEST_IN:
            self._trace.find(f"{connection.name} sent a frame of {len(text)} characters")
        if not connection.wired:
            return
        is_steady = not any(f'"action":"{it}"' in text for it in _HARMFUL_LATE)
        for _ in range(1 + (is_steady and self._misfortune.strikes("frame_twice"))):
            late = is_steady and self._misfortune.strikes("frame_late")
            delay = self._delay(0.02, 4.0 if late else 0.0)
            self._later(delay, lambda: self._handle(connection, text))

    def close(self, connection: Connection) -> None:
        """Let the client close its connection."""
        connection.wired = False
        self._later(self._delay(0.03), lambda: self._end(connection))

    def kick(self, connection: Connection) -> None:
        """End a connection in one of the ways in which connections end."""
        if not connection.wired:
            return
        connection.wired = False
        chance = self._misfortune.chance
        kind = chance.pick(("closed", "closed", "half-open", "vanished"))
        self._trace.counts[f"kicked, {kind}"] += 1
        self._trace.note(connection.name, f"is {kind}")
        if kind == "vanished":  # API Gateway notices it late
            self._later(chance.between(0, 60), lambda: self._end(connection))
        else:
            self._end(connection)
        if kind != "half-open":  # the client finds out by itself
            delay = self._delay(0.05)
            self._later(delay, lambda: connection.caller.lost(connection.link))

    def drop(self, connection: Connection) -> None:
        """End a connection properly."""
        connection.wired = False
        self._end(connection)
        self._later(self._delay(0.05), lambda: connection.caller.lost(connection.link))

    def log_out(self, person: str) -> None:
        """End all sessions of somebody, who may come again at once."""
        self._logged_out.add(person)
        self._trace.counts["logged out"] += 1
        self._trace.note(person, "is logged out")
        event = {"identity": Identity(user=UserName(person), version=1)}
        self._functions.invoke("evict", event, lambda *_: None)

    def vanish(self, connection: Connection, *, dies_at: int | None) -> None:
        """End a connection whose $disconnect never comes, or dies at a pause."""
        connection.wired, connection.phase = False, Phase.CLOSED
        self._trace.note(connection.name, f"vanished, its end dies at {dies_at}")
        if dies_at is not None:
            event = self._event(connection)
            self._functions.invoke("disconnect", event, lambda *_: None, dies_at=dies_at)
        self._later(self._delay(0.05), lambda: connection.caller.lost(connection.link))

    def _shake_hands(self, connection: Connection, event: dict[str, Any]) -> None:
        def ended(result: Any, killed: bool) -> None:  # noqa: FBT001 - as Functions calls it
            status = 502 if killed else result["statusCode"]
            if status != 200:
                connection.phase = Phase.CLOSED
                connection.caller.refused(connection.link, status)
                return
            connection.phase = Phase.OPEN
            connection.opened_at = self._simulation.now
            self._trace.counts["connections"] += 1
            if connection.wired:
                connection.caller.opened(connection.link)
            else:  # the client has given up meanwhile
                self._end(connection)

        self._functions.invoke("connect", event, ended)

    def _handle(self, connection: Connection, text: str) -> None:
        def ended(_result: Any, killed: bool) -> None:  # noqa: FBT001 - as Functions calls it
            if killed and not self._misfortune.strikes("dumb"):
                answer = {"message": "Internal server error", "connectionId": connection.name}
                self._carry(connection, json.dumps({**answer, "requestId": "r"}))

        if connection.phase is Phase.OPEN:
            self._trace.counts["frames in"] += 1
            self._functions.invoke("receive", {**self._event(connection), "body": text}, ended)

    def _end(self, connection: Connection) -> None:
        if connection.phase is not Phase.OPEN:
            return
        connection.phase = Phase.CLOSED
        self._trace.note(connection.name, "closed")
        if self._misfortune.strikes("unheard"):
            return
        delay = self._delay(0.5, 30.0 if self._misfortune.strikes("late_end") else 0.0)
        event = self._event(connection)
        invoke = self._functions.invoke
        self._later(delay, lambda: invoke("disconnect", event, lambda *_: None))

    def _post(self, name: str, frame: bytes) -> Outcome:
        connection = self._connections[name]
        outcome = self._check(name)
        told = f"{outcome.value} {frame.decode()}"
        self._trace.note(self._simulation.who, f"posts to {name}, {told}")
        is_open = connection.phase is Phase.OPEN
        is_sure = connection.caller.person not in self._logged_out
        self._audit.posted(name, frame, is_open=is_open and is_sure)
        if len(frame) > _LARGEST_OUT:
            self._trace.find(f"a frame of {len(frame)} bytes to {name}")
        if outcome is Outcome.DELIVERED:
            self._debts.pay(name, frame)
            self._note_ban(connection, frame)
            began = self._functions.began(self._simulation.who)
            self._bans.posted(connection.caller.person, frame, began)
            self._carry(connection, frame.decode())
        return outcome

    def _close(self, name: str) -> Outcome:
        outcome = self._check(name)
        if outcome is Outcome.DELIVERED:
            self._trace.note(self._simulation.who, f"closes {name}")
            self._trace.counts["closed by the server"] += 1
            self.drop(self._connections[name])
        return outcome

    def _note_ban(self, connection: Connection, frame: bytes) -> None:
        if connection.caller.person == ADMIN and b'"action":"ban"' in frame:
            told = json.loads(frame)
            if told["type"] == "ack":
                self._bans.begin(told["room"], told["user"], self._simulation.now)

    def _check(self, name: str) -> Outcome:
        is_open = self._connections[name].phase is Phase.OPEN
        return Outcome.DELIVERED if is_open else Outcome.GONE

    def _carry(self, connection: Connection, text: str) -> None:
        for _ in range(1 + self._misfortune.strikes("push_twice")):
            late = self._misfortune.strikes("push_late")
            delay = self._delay(0.03, 6.0 if late else 0.0)
            self._later(delay, lambda: self._arrive(connection, text))

    def _arrive(self, connection: Connection, text: str) -> None:
        if connection.wired and connection.phase is Phase.OPEN:
            self._trace.counts["frames out"] += 1
            self._trace.note(connection.caller.label, f"< {connection.name} {text}")
            connection.caller.received(connection.link, text)

    def _event(self, connection: Connection) -> dict[str, Any]:
        # An id of its own would be random, and is part of jobs.
        request = {"requestId": f"r{next(self._requests)}", "apiId": "a1b2c3", "stage": "api"}
        return {"requestContext": {"connectionId": connection.name, **request}}

    def _delay(self, usual: float, more: float = 0.0) -> float:
        return self._misfortune.chance.between(0.001, usual + more)

    def _later(self, delay: float, action: Callable[[], object]) -> None:
        def arrive() -> None:
            self.travelling -= 1
            action()

        self.travelling += 1
        self._simulation.after(delay, arrive)
