"""The ways into a room: making it, saying something there, subscribing to it."""

from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.access import Access
from chalicelib.connections import ConnectionRepository
from chalicelib.errors import ChatError, Conflict, Forbidden, Unavailable
from chalicelib.limiter import Limiter
from chalicelib.memberships import MembershipRepository
from chalicelib.messages import MessageLog
from chalicelib.models import RoomName, Session
from chalicelib.places import OutdatedError, Place, Room, until_true
from chalicelib.positions import Position
from chalicelib.rates import Rate
from chalicelib.rooms import RoomRepository


class Doors:
    """Lets people in, and makes the room where there is none.

    Args:
        new_rooms: How many rooms a person may make, by using them too.
    """

    def __init__(
        self,
        *,
        access: Access,
        rooms: RoomRepository,
        memberships: MembershipRepository,
        connections: ConnectionRepository,
        log: MessageLog,
        limiter: Limiter,
        new_rooms: Rate,
    ) -> None:
        self._access = access
        self._rooms = rooms
        self._memberships = memberships
        self._connections = connections
        self._log = log
        self._limiter = limiter
        self._new_rooms = new_rooms

    def create(self, session: Session, room: RoomName, *, private: bool, slow_mode: int) -> None:
        """Make a room that belongs to the person.

        Raises:
            Forbidden: a guest's name may become somebody else's.
            Conflict: there is such a room already, if only because something was said there.
            RateLimited: the person has made too many.
            Unavailable: the database did not answer in time.
        """
        if session.guest:
            raise Forbidden("guests cannot own rooms: register first")
        taken = Conflict(f"there is a room {room} already")
        if not self._is_free(room):
            raise taken
        made = Room("private" if private else "public", session.user, slow_mode)
        try:
            with self._counted(session):
                self._rooms.create(room, made, session.user)
        except OutdatedError as error:
            raise taken from error

    def open(self, session: Session, room: RoomName) -> None:
        """Let a person say something in a room, which makes it a public one if there is none.

        Raises:
            BadRequest, Forbidden: see Access.check.
            RateLimited: the person has made too many rooms.
            Unavailable: the database did not answer in time.
        """
        if not self._access.is_known(session, room):
            until_true(lambda: self._open(session, self._access.place(session, room)))

    def enter(self, session: Session, room: RoomName) -> None:
        """Subscribe a connection to a room, and make its person a member with nothing unread.

        In one transaction with what they may be there for: who is taken out of the room at the
        same time is not let in, or is found by those who take them out. Makes the room a public
        one if there is none.

        Raises:
            Forbidden: see Access.check.
            RateLimited: the person has made too many rooms.
            Unauthorized, TooManySubscriptions: see ConnectionRepository.subscribe.
            Unavailable: the database did not answer in time.
        """
        until_true(lambda: self._enter(session, self._access.place(session, room)))

    def _is_free(self, room: RoomName) -> bool:
        place = self._memberships.places([room])[0]  # the lobby is there without an item
        is_new = place.room is None and self._rooms.is_unused(room)
        return is_new and self._log.last(room) == Position()

    def _open(self, session: Session, place: Place) -> None:
        if place.room is None:
            with self._counted(session):
                self._rooms.open(place.name, session.user)

    def _enter(self, session: Session, place: Place) -> None:
        is_member = session.user in place.members
        end = Position() if is_member else self._log.last(place.name)
        entry = self._memberships.entry(place, session.user, end, guest=session.guest)
        if place.room is None:
            opening = self._rooms.opening(place.name, session.user)
            with self._counted(session):
                self._connections.subscribe(session, place.name, also=[opening, *entry])
        else:
            self._connections.subscribe(session, place.name, also=entry)

    @contextmanager
    def _counted(self, session: Session) -> Iterator[None]:
        """Count a new room, unless it turns out not to be one."""
        name = f"rooms#{session.user}"
        self._limiter.take(name, self._new_rooms, what="new rooms")
        try:
            yield
        except Unavailable:  # it may be there all the same
            raise
        except (ChatError, OutdatedError):
            self._limiter.give_back(name, self._new_rooms)
            raise
