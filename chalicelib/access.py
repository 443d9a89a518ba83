"""Who may be in a room, asked before anything is done or told there."""

from collections.abc import Iterable

from chalicelib.errors import BadRequest, Forbidden
from chalicelib.memberships import MembershipRepository
from chalicelib.models import RoomName, Session, direct_users
from chalicelib.places import Place


class Access:
    """Lets people into direct rooms of their own, public rooms, and private ones as members.

    What a connection is subscribed to is let in without a look at the database: who is taken out
    of a room is unsubscribed from it before anyone is told that it is done.
    """

    def __init__(self, memberships: MembershipRepository) -> None:
        self._memberships = memberships

    def check(self, session: Session, rooms: Iterable[RoomName]) -> None:
        """Refuse what may not be done to all of these rooms; one request at most.

        Raises:
            BadRequest: a room begins like a direct one, but is none.
            Forbidden: a direct room is other people's, a private one has other members, or the
                person is banned.
            Unavailable: the database did not answer in time.
        """
        unknown = [room for room in rooms if not self.is_known(session, room)]
        for place in self._memberships.places(unknown, session.user):
            _refuse(session, place)

    def is_known(self, session: Session, room: RoomName) -> bool:
        """Tell whether somebody may be in a room for a reason that needs no request.

        Raises:
            BadRequest, Forbidden: see `check`, of direct rooms.
        """
        return _is_direct(session, room) or room in session.rooms

    def place(self, session: Session, room: RoomName) -> Place:
        """Return a room as it is now, and what the person is in it.

        Raises:
            Forbidden, Unavailable: see `check`.
        """
        place = self._memberships.places([room], session.user)[0]
        _refuse(session, place)
        return place


def _is_direct(session: Session, room: RoomName) -> bool:
    try:
        people = direct_users(room)
    except ValueError as error:
        problem = "must name the two people of a direct room in order: dm:<user>:<user>"
        raise BadRequest(field="room", problem=problem) from error
    if people is not None and session.user not in people:
        raise Forbidden(f"{room} is for {' and '.join(people)} only")
    return people is not None


def _refuse(session: Session, place: Place) -> None:
    # In one order for all, so that nobody learns more of a private room than that.
    if place.private and session.user not in place.members:
        raise Forbidden(f"you are not a member of {place.name}, which is private")
    if session.user in place.banned:
        raise Forbidden(f"you are banned from {place.name}")
