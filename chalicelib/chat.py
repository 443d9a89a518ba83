"""The chat itself: what happens when a connection comes, says something, and goes."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from chalicelib.commands import (
    Command,
    Hello,
    Ping,
    Presence,
    SendMessage,
    Subscribe,
    Unsubscribe,
)
from chalicelib.connections import ConnectionRepository, NameTakenError
from chalicelib.errors import BadRequest, ChatError, Internal, Unauthorized, Unavailable
from chalicelib.events import (
    Ack,
    Event,
    Failure,
    Pong,
    PresenceAck,
    SentAck,
    SubscribedAck,
    Welcome,
    given,
)
from chalicelib.gateway import ConnectionsGateway, Outcome, Post
from chalicelib.guests import candidates, requested_name
from chalicelib.messages import MessageLog, iso
from chalicelib.models import Appended, Message, RoomName, Session, UserName, personal_room
from chalicelib.origins import Origin
from chalicelib.protocol import decode, encode
from chalicelib.publisher import Publisher
from chalicelib.settings import Settings

logger = logging.getLogger(__name__)
_T = TypeVar("_T")


class ChatService:
    """The use cases, one method for each trigger; none of them ever raises."""

    def __init__(
        self,
        *,
        settings: Settings,
        connections: ConnectionRepository,
        log: MessageLog,
        publisher: Publisher,
        gateway: ConnectionsGateway,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._log = log
        self._publisher = publisher
        self._gateway = gateway
        self._clock = clock
        self._random = random
        self._use_cases: dict[type[Command], Callable[[Session, Any], Event | None]] = {
            Hello: self._hello,
            Ping: self._ping,
            SendMessage: self._send,
            Subscribe: self._subscribe,
            Unsubscribe: self._unsubscribe,
            Presence: self._presence,
        }

    def connect(self, event: Mapping[str, Any]) -> dict[str, int]:
        """Register a connection; the status decides whether API Gateway lets it in.

        200; 400 for a name that is none, 401 where guests are not let in, 503 while the database
        is unavailable, 500 for anything else.
        """
        outcome = _attempt(partial(self._register, event))
        return {"statusCode": outcome.status if isinstance(outcome, ChatError) else 200}

    def receive(self, event: Mapping[str, Any]) -> None:
        """Do what a frame asks for, and post the answer to where it came from."""
        _attempt(partial(self._receive, event))

    def disconnect(self, event: Mapping[str, Any]) -> None:
        """Remove the connection and all its subscriptions.

        API Gateway does not promise this event; what stays is pruned by the next push, or expires.
        """
        _attempt(partial(self._remove, event))

    def publish(self, payload: object) -> dict[str, Any]:
        """Say something in a room on behalf of a back end. See Publisher.publish."""
        outcome = _attempt(partial(self._publisher.publish, payload))
        if not isinstance(outcome, ChatError):
            return outcome
        described = ("code", "message", "retryable")
        return {"error": {name: getattr(outcome, name) for name in described}}

    def _register(self, event: Mapping[str, Any]) -> None:
        if not self._settings.guests:
            raise Unauthorized(reason="guests are not let in here")
        origin = Origin.of(event, self._settings)
        wanted = requested_name((event.get("queryStringParameters") or {}).get("name"))
        for name in candidates(wanted, self._random):
            try:
                return self._connections.add(self._guest_session(origin, name))
            except NameTakenError:
                continue
        raise Unavailable(service="the choice of a free name")

    def _guest_session(self, origin: Origin, name: UserName) -> Session:
        now = self._clock()
        rooms = {personal_room(name)}
        if self._settings.lobby:
            rooms.add(RoomName(self._settings.lobby))
        return Session(
            connection_id=origin.connection_id,
            user=name,
            endpoint=origin.endpoint,
            connected_at=now,
            expires_at=int(now) + self._settings.connection_ttl,
            rooms=frozenset(rooms),
            guest=True,
        )

    def _remove(self, event: Mapping[str, Any]) -> None:
        self._connections.remove(Origin.of(event, self._settings).connection_id)

    def _receive(self, event: Mapping[str, Any]) -> None:
        origin = Origin.of(event, self._settings)
        answer = self._answer(origin, event.get("body"))
        if answer is None:
            return
        outcome = self._gateway.post([_post(origin, answer)])[0]
        # A client that has gone needs no answer, and its $disconnect is on the way.
        if outcome in {Outcome.RETRYABLE, Outcome.REFUSED}:
            logger.warning("an answer to %s was lost: %s", origin.connection_id, outcome.value)

    def _answer(self, origin: Origin, body: object) -> Event | None:
        command = _attempt(partial(decode, body))
        if isinstance(command, ChatError):
            return Failure.of(command)
        answer = _attempt(partial(self._perform, origin, command))
        if isinstance(answer, ChatError):
            answer.regarding(id=command.id, action=command.action)
            return Failure.of(answer)
        return answer

    def _perform(self, origin: Origin, command: Command) -> Event | None:
        session = self._connections.session(origin.connection_id)
        if session is None:
            raise Unauthorized
        return self._use_cases[type(command)](session, command)

    def _hello(self, session: Session, command: Hello) -> Event:
        now = self._clock()
        age_ms = round((now - session.connected_at) * 1000)
        return Welcome(
            id=given(command.id),
            connection_id=session.connection_id,
            user=session.user,
            rooms=session.public_rooms,
            server_time=iso(now),
            heartbeat_ms=self._settings.heartbeat_ms,
            reconnect_after_ms=max(0, self._settings.reconnect_after_ms - age_ms),
        )

    def _ping(self, _: Session, command: Ping) -> Event:
        rooms = {room: self._log.last(room) for room in command.rooms}
        return Pong(id=given(command.id), rooms=rooms)

    def _send(self, session: Session, command: SendMessage) -> Event | None:
        room = command.room or RoomName(self._settings.lobby)
        if not room:
            raise BadRequest(field="room", problem="is missing, and there is no lobby")
        message = Message(room, session.user, command.message, command.cid)
        appended = self._publisher.append(message)
        ack = _sent(command, appended)
        if appended.duplicate:
            return ack
        # In one batch, so that the sender does not wait for the room nor the room for the sender.
        also = [] if ack is None else [_post(session, ack)]
        self._publisher.push(message, appended, skip=session.connection_id, also=also)
        return None

    def _subscribe(self, session: Session, command: Subscribe) -> Event | None:
        self._connections.subscribe(session, command.room)
        if command.id is None:
            return None
        # Read after the write: what is appended later finds the subscription and is pushed.
        seq = self._log.last(command.room)
        return SubscribedAck(id=command.id, action=command.action, room=command.room, seq=seq)

    def _unsubscribe(self, session: Session, command: Unsubscribe) -> Event | None:
        self._connections.unsubscribe(session, command.room)
        if command.id is None:
            return None
        return Ack(id=command.id, action=command.action, room=command.room)

    def _presence(self, _: Session, command: Presence) -> Event:
        users = self._connections.users(command.room)
        return PresenceAck(
            id=given(command.id),
            action=command.action,
            room=command.room,
            users=users if len(users) <= self._settings.presence_list_limit else [],
            count=len(users),
        )


def _sent(command: SendMessage, appended: Appended) -> Event | None:
    if command.id is None:
        return None
    return SentAck(
        id=command.id,
        action=command.action,
        room=appended.room,
        seq=appended.seq,
        at=appended.at,
        duplicate=appended.duplicate,
    )


def _post(to: Origin | Session, event: Event) -> Post:
    return Post(to.endpoint, to.connection_id, encode(event))


def _attempt(use_case: Callable[[], _T]) -> _T | ChatError:
    """Return what the use case returns, or the error it ends in: the one place that catches."""
    try:
        return use_case()
    except ChatError as error:
        if error.retryable:
            logger.warning("%s", error.message, exc_info=True)
        return error
    except Exception:
        logger.exception("a fault of ours")
        return Internal()
