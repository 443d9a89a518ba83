"""The chat itself: what happens when a connection comes, says something, and goes."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from chalicelib.actions import Actions
from chalicelib.arrivals import Arrivals
from chalicelib.attempts import answered, attempt, counted
from chalicelib.commands import Command, Refresh
from chalicelib.connections import ConnectionRepository
from chalicelib.correlation import correlated, request_id
from chalicelib.courier import Courier
from chalicelib.doorkeeper import Doorkeeper
from chalicelib.errors import ChatError, Unauthorized, Unregistered
from chalicelib.events import Event, Failure
from chalicelib.gateway import Outcome, Post, Recipient
from chalicelib.origins import Origin
from chalicelib.presence import Presence
from chalicelib.protocol import decode, encode
from chalicelib.publisher import Publisher
from chalicelib.settings import Settings
from chalicelib.telemetry import Telemetry

logger = logging.getLogger(__name__)
_T = TypeVar("_T")


class ChatService:
    """What API Gateway and back ends trigger, one method each; none but authorize ever raises."""

    def __init__(
        self,
        *,
        settings: Settings,
        doorkeeper: Doorkeeper,
        arrivals: Arrivals,
        connections: ConnectionRepository,
        actions: Actions,
        presence: Presence,
        publisher: Publisher,
        courier: Courier,
        telemetry: Telemetry,
        clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._doorkeeper = doorkeeper
        self._arrivals = arrivals
        self._connections = connections
        self._actions = actions
        self._presence = presence
        self._publisher = publisher
        self._courier = courier
        self._telemetry = telemetry
        self._clock = clock
        self._new_id = new_id

    def connect(self, event: Mapping[str, Any]) -> dict[str, int]:
        """Register a connection; the status decides whether API Gateway lets it in.

        200; 400 for a name that is none; 401 without a good ticket, where guests are not let in;
        403 for a page from elsewhere; 409 for a guest's name that has passed to another; 429 for
        one connection too many; 503 while the database is unavailable; 500 for anything else.
        """
        outcome = self._handle(request_id(event), partial(self._register, event))
        return {"statusCode": outcome.status if isinstance(outcome, ChatError) else 200}

    def authorize(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Answer as the authorizer of $connect. See Doorkeeper.authorize."""
        with correlated(request_id(event)):
            return self._doorkeeper.authorize(event)

    def receive(self, event: Mapping[str, Any]) -> None:
        """Do what a frame asks for, and post the answer to where it came from.

        A connection that has no session any more is told so and closed. One whose session is over
        stays, as it may be refreshed.
        """
        self._handle(request_id(event), partial(self._receive, event))

    def disconnect(self, event: Mapping[str, Any]) -> None:
        """Remove the connection and all its subscriptions.

        API Gateway does not promise this event; see Presence for what stays without it.
        """
        self._handle(request_id(event), partial(self._remove, event))

    def publish(self, payload: object, *, invocation: str | None = None) -> dict[str, Any]:
        """Say something in a room on behalf of a back end. See Publisher.publish.

        Args:
            payload: What the back end asks for.
            invocation: The id that Lambda has given to the invocation.
        """
        with correlated(invocation or self._new_id()):
            return answered(partial(self._publisher.publish, payload))

    def _handle(self, identifier: str | None, use_case: Callable[[], _T]) -> _T | ChatError:
        """Attempt a use case under the id of what triggered it, or under one of its own."""
        with correlated(identifier or self._new_id()):
            return counted(attempt(use_case), self._telemetry)

    def _register(self, event: Mapping[str, Any]) -> None:
        origin = Origin.of(event, self._settings)
        admission = self._doorkeeper.admission(event)
        address = self._doorkeeper.address(event)
        session = self._arrivals.register(origin, admission, address=address)
        self._presence.joined(session, session.public_rooms)

    def _remove(self, event: Mapping[str, Any]) -> None:
        origin = Origin.of(event, self._settings)
        self._presence.left(self._connections.remove(origin.connection_id))

    def _receive(self, event: Mapping[str, Any]) -> None:
        origin = Origin.of(event, self._settings)
        outcome = self._outcome(origin, event.get("body"))
        if outcome is None:
            return
        answer = Failure.of(outcome) if isinstance(outcome, ChatError) else outcome
        posted = self._post(origin, answer)
        # A client that has gone needs no answer, and its $disconnect is on the way.
        if isinstance(outcome, Unregistered) and posted is not Outcome.GONE:
            self._courier.close([Recipient(origin.endpoint, origin.connection_id)])

    def _post(self, origin: Origin, answer: Event) -> Outcome:
        post = Post(origin.endpoint, origin.connection_id, encode(answer))
        outcome = self._courier.post([post])[0]
        if outcome in {Outcome.RETRYABLE, Outcome.REFUSED}:
            logger.warning("an answer to %s was lost: %s", origin.connection_id, outcome.value)
        return outcome

    def _outcome(self, origin: Origin, body: object) -> Event | ChatError | None:
        command = attempt(partial(decode, body, limit=self._settings.max_frame_bytes))
        # A frame that cannot be read counts like any other.
        outcome = counted(attempt(partial(self._perform, origin, command)), self._telemetry)
        if isinstance(outcome, ChatError):
            outcome.regarding(id=command.id, action=command.action)
        return outcome

    def _perform(self, origin: Origin, command: Command | ChatError) -> Event | None:
        session = self._connections.touch(origin.connection_id)
        if isinstance(command, ChatError):
            raise command
        if session.is_over(self._clock()) and not isinstance(command, Refresh):
            raise Unauthorized(reason="the session is over: refresh it, or connect again")
        return self._actions.perform(session, command)
