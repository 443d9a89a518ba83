"""The whole chat on one deterministic scheduler: frames go in, and what clients receive is kept."""

import json
from collections.abc import Sequence
from typing import Any

from chalicelib.backoff import Backoff
from chalicelib.bootstrap import Application
from chalicelib.chat import ChatService
from chalicelib.connections import ConnectionRepository
from chalicelib.database import Database
from chalicelib.gateway import ConnectionsGateway, Outcome, Post, Recipient
from chalicelib.models import ConnectionId, RoomName, Session, UserName, personal_room
from chalicelib.settings import Settings
from tests.functional.chats import LEDGER
from tests.functional.grants import NotedClient, NotedGateway
from tests.functional.views import Frame
from tests.interleaving import Scheduler, SwitchingClient, SwitchingGateway
from tests.stores.memory import MemoryClient
from tests.stores.tables import (
    ACCOUNTS_TABLE,
    CONNECTIONS_TABLE,
    DEAD_LETTER_QUEUE,
    DELIVERIES_QUEUE,
    MEMBERSHIPS_TABLE,
    MESSAGES_TABLE,
)
from tests.unit.fakes import RecordingQueue

START = 1_800_000_000.0
ENDPOINT = "https://a1b2c3.execute-api.us-east-1.amazonaws.com/api"
SETTINGS = Settings.from_environ(
    {
        "CONNECTIONS_TABLE": CONNECTIONS_TABLE,
        "MESSAGES_TABLE": MESSAGES_TABLE,
        "MEMBERSHIPS_TABLE": MEMBERSHIPS_TABLE,
        "ACCOUNTS_TABLE": ACCOUNTS_TABLE,
        "DELIVERIES_QUEUE": DELIVERIES_QUEUE,
        "DEAD_LETTER_QUEUE": DEAD_LETTER_QUEUE,
        "VISITS_PER_HOUR": "0",
        "FRAME_RATE": "0",
        "NEW_ROOMS_PER_HOUR": "0",
        "LOBBY": "",
        "METRICS": "false",
    }
)


class Clock:
    """Every look is a millisecond later, so that no two things happen at the same time."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        self.now = round(self.now + 0.001, 3)
        return self.now


class Mailboxes:
    """A gateway that keeps what every connection receives, in the order in which it arrives."""

    def __init__(self) -> None:
        self.frames: dict[str, list[Frame]] = {}
        self.closed: set[str] = set()

    def post(self, posts: Sequence[Post], *, within: float | None = None) -> list[Outcome]:
        for post in posts:
            if post.connection_id not in self.closed:
                self.frames.setdefault(post.connection_id, []).append(json.loads(post.frame))
        return self._outcomes(posts)

    def check(self, probes: Sequence[Recipient]) -> list[Outcome]:
        return self._outcomes(probes)

    def disconnect(self, recipients: Sequence[Recipient]) -> list[Outcome]:
        outcomes = self._outcomes(recipients)
        self.closed |= {it.connection_id for it in recipients}
        return outcomes

    def _outcomes(self, them: Sequence[Post] | Sequence[Recipient]) -> list[Outcome]:
        return [
            Outcome.GONE if it.connection_id in self.closed else Outcome.DELIVERED for it in them
        ]


class Arena:
    """A chat with a database of its own; each frame is handled by a function of its own."""

    def __init__(self, seed: int, **kills: int) -> None:
        self.scheduler = Scheduler(seed, kills=kills)
        self.clock = Clock()
        self.mailboxes = Mailboxes()
        self.database = MemoryClient()
        self._client = SwitchingClient(self.database, self.scheduler)
        self._gateway: ConnectionsGateway = SwitchingGateway(self.mailboxes, self.scheduler)

    def connect(self, connection: str, user: str, *rooms: str) -> None:
        """Register a connection of an account, of which a person may have several."""
        name = UserName(user)
        now = self.clock()
        session = Session(
            connection_id=ConnectionId(connection),
            user=name,
            endpoint=ENDPOINT,
            connected_at=now,
            expires_at=int(now) + 7800,
            session_expires_at=int(now) + 7800,
            rooms=frozenset({personal_room(name), *map(RoomName, rooms)}),
        )
        self._registry().add(session)

    def frame(self, connection: str, action: str, **fields: Any) -> Frame | None:
        """Handle a frame as a fresh function does; return the answer if it has an id."""
        body = json.dumps({"action": action, **fields})
        self._service("websocket_message").receive({**_event(connection), "body": body})
        if "id" not in fields:
            return None
        received = self.received(connection)
        return next((it for it in received if it.get("id") == fields["id"]), None)

    def leave(self, connection: str) -> None:
        """Close a connection and handle its $disconnect."""
        self.mailboxes.closed.add(connection)
        self._service("websocket_disconnect").disconnect(_event(connection))

    def received(self, connection: str) -> list[Frame]:
        """Return what has arrived at a connection so far."""
        return self.mailboxes.frames.get(connection, [])

    def rows(self, connection: str) -> list[str]:
        """Return the rows, of any kind, that are left of a connection."""
        rows = self.database.scan(TableName=CONNECTIONS_TABLE)["Items"]
        return sorted(row["pk"]["S"] for row in rows if connection in str(row))

    def people(self, room: str) -> set[str]:
        """Return the people who have a connection in a room."""
        return {str(member.user) for member in self._registry().members(RoomName(room))}

    def _service(self, function: str) -> ChatService:
        return Application(
            SETTINGS,
            gateway=NotedGateway(self._gateway, function, LEDGER),
            dynamodb=NotedClient(self._client, function, LEDGER),
            queue=RecordingQueue(),
            clock=self.clock,
            sleep=self._pause,
            random=lambda: 0.5,
        ).chat

    def _pause(self, _: float) -> None:
        self.scheduler.switch("pause")

    def _registry(self) -> ConnectionRepository:
        backoff = Backoff(clock=self.clock, sleep=self._pause, random=lambda: 0.5)
        return ConnectionRepository(
            Database(self.database, backoff),
            table=CONNECTIONS_TABLE,
            clock=self.clock,
            max_subscriptions=SETTINGS.max_subscriptions,
        )


def _event(connection: str) -> dict[str, Any]:
    context = {"connectionId": connection, "apiId": "a1b2c3", "stage": "api"}
    return {"requestContext": context}
