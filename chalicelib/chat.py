"""The chat itself: what happens when a connection comes, says something, and goes."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from chalicelib.actions import Actions
from chalicelib.commands import Command
from chalicelib.connections import ConnectionRepository, NameTakenError
from chalicelib.errors import ChatError, Internal, Unauthorized, Unavailable
from chalicelib.events import Event, Failure
from chalicelib.gateway import ConnectionsGateway, Outcome, Post
from chalicelib.guests import candidates, requested_key, requested_name
from chalicelib.models import RoomName, Session, UserName, personal_room
from chalicelib.origins import Origin
from chalicelib.presence import Presence
from chalicelib.protocol import decode, encode
from chalicelib.publisher import Publisher
from chalicelib.settings import Settings

logger = logging.getLogger(__name__)
_T = TypeVar("_T")


class ChatService:
    """What API Gateway and back ends trigger, one method each; none of them ever raises."""

    def __init__(
        self,
        *,
        settings: Settings,
        connections: ConnectionRepository,
        actions: Actions,
        presence: Presence,
        publisher: Publisher,
        gateway: ConnectionsGateway,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._actions = actions
        self._presence = presence
        self._publisher = publisher
        self._gateway = gateway
        self._clock = clock
        self._random = random

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

        API Gateway does not promise this event; see Presence for what stays without it.
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
        if not self._settings.identity.guests:
            raise Unauthorized(reason="guests are not let in here")
        origin = Origin.of(event, self._settings)
        query = event.get("queryStringParameters") or {}
        wanted, key = requested_name(query.get("name")), requested_key(query.get("key"))
        for name in candidates(wanted, self._random):
            session = self._guest_session(origin, name)
            try:
                self._connections.add(session, key=key)
            except NameTakenError:
                continue
            return self._presence.joined(session, session.public_rooms)
        raise Unavailable(service="the choice of a free name")

    def _guest_session(self, origin: Origin, name: UserName) -> Session:
        now = self._clock()
        expires_at = int(now) + self._settings.connection_ttl
        rooms = {personal_room(name)}
        if self._settings.lobby:
            rooms.add(RoomName(self._settings.lobby))
        return Session(
            connection_id=origin.connection_id,
            user=name,
            endpoint=origin.endpoint,
            connected_at=now,
            expires_at=expires_at,
            session_expires_at=expires_at,
            rooms=frozenset(rooms),
            guest=True,
        )

    def _remove(self, event: Mapping[str, Any]) -> None:
        origin = Origin.of(event, self._settings)
        self._presence.left(self._connections.remove(origin.connection_id))

    def _receive(self, event: Mapping[str, Any]) -> None:
        origin = Origin.of(event, self._settings)
        answer = self._answer(origin, event.get("body"))
        if answer is None:
            return
        post = Post(origin.endpoint, origin.connection_id, encode(answer))
        outcome = self._gateway.post([post])[0]
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
        session = self._connections.touch(origin.connection_id)
        return self._actions.perform(session, command)


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
