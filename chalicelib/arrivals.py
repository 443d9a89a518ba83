"""Coming in: from a verified admission to a registered connection."""

import logging
from collections.abc import Callable, Iterator
from hashlib import sha256

from chalicelib.accounts import AccountRepository
from chalicelib.claims import Claims, Demand, NameTakenError
from chalicelib.connections import ConnectionRepository
from chalicelib.doorkeeper import Admission, Visit
from chalicelib.errors import Conflict, TooManyConnections, Unauthorized, Unavailable
from chalicelib.guests import candidates
from chalicelib.identities import Identity, Ticket
from chalicelib.limiter import Limiter
from chalicelib.memberships import MembershipRepository
from chalicelib.models import RoomName, Session, UserName, personal_room
from chalicelib.origins import Origin
from chalicelib.presence import Presence
from chalicelib.settings import Settings

logger = logging.getLogger(__name__)


class _LobbyClosedError(Exception):
    """The person is banned from the lobby."""


class Arrivals:
    """Registers connections, and finds names for guests."""

    def __init__(
        self,
        *,
        settings: Settings,
        connections: ConnectionRepository,
        claims: Claims,
        limiter: Limiter,
        accounts: AccountRepository,
        memberships: MembershipRepository,
        presence: Presence,
        clock: Callable[[], float],
        random: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._claims = claims
        self._limiter = limiter
        self._accounts = accounts
        self._memberships = memberships
        self._presence = presence
        self._clock = clock
        self._random = random
        self._new_id = new_id

    def register(self, origin: Origin, admission: Admission, *, address: str) -> Session:
        """Register a connection, in the lobby unless its user is banned there.

        Raises:
            RateLimited: too many come from the address without a ticket.
            Unauthorized: the ticket has been used, or its account has logged out since.
            Conflict: the guest's name is another's by now.
            TooManyConnections: the person has as many as they may have.
            Unavailable: the database did not answer in time.
        """
        if isinstance(admission, Visit):
            visits = self._settings.fairness.visits
            self._limiter.take(f"visits#{address}", visits, what="guests from this address")
            session = self._welcome(origin, admission)
        else:
            session = self._return(origin, admission)
        self._check_number(session)
        return session

    def reserve(self, wanted: UserName | None) -> Identity:
        """Keep a name for a guest who has not connected yet, as long as a connection may last.

        Raises:
            Unavailable: no free name was found, or the database did not answer in time.
        """
        key = sha256(self._new_id().encode()).hexdigest()
        expires_at = int(self._clock()) + self._settings.connection_ttl
        for name in self._names(wanted):
            try:
                self._claims.keep(name, expires_at, key, self._no_account(name))
            except NameTakenError:
                continue
            return Identity(user=name, guest=True, key_digest=key)
        raise _no_name()

    def _welcome(self, origin: Origin, visit: Visit) -> Session:
        expires_at = self._expiry()
        for name in self._names(visit.wanted):
            identity = Identity(user=name, guest=True, key_digest=visit.key_digest)
            try:
                return self._add(origin, identity, expires_at, self._no_account(name))
            except NameTakenError:
                continue
        raise _no_name()

    def _return(self, origin: Origin, ticket: Ticket) -> Session:
        identity = ticket.identity
        demands = [self._claims.ticket(ticket, origin.connection_id)]
        if identity.guest:
            demands += [self._no_account(identity.user), self._claims.not_revoked(identity)]
        else:
            valid = self._accounts.check_version_write(identity)
            demands.append(Demand(valid, Unauthorized(reason="logged out: log in again")))
        try:
            return self._add(origin, identity, ticket.session_expires_at, *demands)
        except NameTakenError as error:
            raise Conflict(f"the name {identity.user} is another's by now") from error

    def _add(
        self, origin: Origin, identity: Identity, session_expires_at: int, *demands: Demand
    ) -> Session:
        lobby = [RoomName(self._settings.lobby)] if self._settings.lobby else []
        session = self._session(origin, identity, session_expires_at, *lobby)
        key = identity.key_digest
        not_banned = [
            Demand(self._memberships.ban_check(room, session.user), _LobbyClosedError())
            for room in lobby
        ]
        try:
            self._connections.add(session, key=key, demands=[*demands, *not_banned])
        except _LobbyClosedError:
            session = self._session(origin, identity, session_expires_at)
            self._connections.add(session, key=key, demands=demands)
        return session

    def _session(
        self, origin: Origin, identity: Identity, session_expires_at: int, *rooms: RoomName
    ) -> Session:
        return Session(
            connection_id=origin.connection_id,
            user=identity.user,
            endpoint=origin.endpoint,
            connected_at=self._clock(),
            expires_at=self._expiry(),
            session_expires_at=session_expires_at,
            rooms=frozenset({personal_room(identity.user), *rooms}),
            guest=identity.guest,
        )

    def _check_number(self, session: Session) -> None:
        """Take the connection back if it is one too many.

        Counted after it was added, so that of several which come at the same time none is missed.
        All of them may go then, and one of them come again.
        """
        limit = self._settings.fairness.connections
        if not limit:
            return
        try:
            devices = self._connections.devices(session.user)
            if len(devices) <= limit:
                return
            # Some may be dead, and nobody has noticed.
            others = [it for it in devices if it.connection_id != session.connection_id]
            self._presence.verify(personal_room(session.user), others)
            if len(self._connections.devices(session.user)) <= limit:
                return
        except Exception:  # it is registered: one connection too many is the lesser evil
            logger.exception("the connections of a person could not be counted")
            return
        self._connections.remove(session.connection_id)
        raise TooManyConnections(limit=limit)

    def _names(self, wanted: UserName | None) -> Iterator[UserName]:
        names = candidates(wanted, self._random)
        return (name for name in names if not self._accounts.is_reserved(name))

    def _no_account(self, name: UserName) -> Demand:
        return Demand(self._accounts.looks_taken_write(name), NameTakenError(name))

    def _expiry(self) -> int:
        return int(self._clock()) + self._settings.connection_ttl


def _no_name() -> Unavailable:
    return Unavailable(service="the choice of a free name")
