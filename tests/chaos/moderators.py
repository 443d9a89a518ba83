"""An administrator at a socket, who bans people and lifts the bans again."""

import json
from functools import partial
from typing import Any

from chalicelib.backoff import Backoff
from chalicelib.connections import ConnectionRepository
from chalicelib.database import Database
from chalicelib.models import ConnectionId, Session, UserName, personal_room
from tests.chaos.bans import Bans
from tests.chaos.chance import Chance
from tests.chaos.functions import START, TIMEOUT
from tests.chaos.gateways import ApiGateway, Connection
from tests.chaos.plans import ADMIN, Plan
from tests.chaos.simulation import Simulation
from tests.stores.tables import CONNECTIONS_TABLE

_ENDPOINT = "https://a1b2c3.execute-api.us-east-1.amazonaws.com/api"
# What was not answered is not under way any more by then, so a repetition cannot be overtaken.
_PATIENCE = TIMEOUT + 6.0


class Moderator:
    """Asks for one thing after the other, each until it is acknowledged.

    The connection has a session from the start, of an account: there is no handshake.
    """

    def __init__(
        self,
        store: Any,
        plan: Plan,
        *,
        simulation: Simulation,
        gateway: ApiGateway,
        bans: Bans,
        chance: Chance,
    ) -> None:
        self.label = self.person = ADMIN
        self._plan = plan
        self._simulation = simulation
        self._gateway = gateway
        self._bans = bans
        self._chance = chance
        self._asked = 0
        self._wish: tuple[str, str, str] | None = None
        self._connection: Connection = gateway.admit(self)
        _register(store, self._connection.name)
        self._later()

    def opened(self, link: int) -> None:
        """Hear what cannot be."""

    def refused(self, link: int, status: int) -> None:
        """Hear what cannot be."""

    def lost(self, link: int) -> None:
        """Hear what cannot be."""

    def received(self, _link: int, text: str) -> None:
        """Hear from the server: what was acknowledged is done."""
        told = json.loads(text)
        if self._wish is None or told.get("id") != self._asked:
            return
        if told["type"] == "error" and told["retryable"]:
            self._simulation.after(self._chance.between(0.1, 2), partial(self._ask, self._asked))
        elif told["type"] in {"ack", "error"}:
            self._wish = None

    def _later(self) -> None:
        self._simulation.after(self._chance.between(1, 10), self._act)

    def _act(self) -> None:
        if self._simulation.now > self._plan.duration:
            return
        room = self._chance.pick(list(self._plan.rooms))
        person = self._chance.pick(list(self._plan.people))
        self._bans.ever.add((room, person))
        self._want("ban", room, person)
        back = self._chance.between(2, 60)
        if self._chance.happens(0.7):
            self._simulation.after(back, partial(self._want, "unban", room, person))
        self._later()

    def _want(self, action: str, room: str, person: str) -> None:
        if self._wish is not None:  # one at a time
            self._simulation.after(1, partial(self._want, action, room, person))
            return
        self._wish = action, room, person
        if action == "unban":
            self._bans.end(room, person)
        self._ask(self._asked)

    def _ask(self, after: int) -> None:
        """Ask, unless that has been done meanwhile."""
        if self._wish is None or self._asked != after:
            return
        self._asked += 1
        action, room, person = self._wish
        fields = {"action": action, "id": self._asked, "room": room, "user": person}
        self._gateway.frame(self._connection, json.dumps(fields, separators=(",", ":")))
        self._simulation.after(_PATIENCE, partial(self._ask, self._asked))


def _register(store: Any, connection: str) -> None:
    user = UserName(ADMIN)
    session = Session(
        connection_id=ConnectionId(connection),
        user=user,
        endpoint=_ENDPOINT,
        connected_at=START,
        expires_at=int(START) + 7800,
        session_expires_at=int(START) + 7800,
        rooms=frozenset({personal_room(user)}),
    )
    backoff = Backoff(clock=lambda: START, sleep=lambda _: None, random=lambda: 0.5)
    ConnectionRepository(
        Database(store, backoff),
        table=CONNECTIONS_TABLE,
        clock=lambda: START,
        max_subscriptions=100,
    ).add(session)
