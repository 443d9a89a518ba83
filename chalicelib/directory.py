"""The rooms that a person has joined, and what is unread in each."""

from collections.abc import Iterable

from chalicelib.events import RoomInfo
from chalicelib.memberships import ROLE, Membership, MembershipRepository
from chalicelib.messages import MessageLog
from chalicelib.models import RoomName, Session, direct_users

# An answer costs a read for each room, and must fit into a frame: a room takes up to 170 bytes.
PAGE = 50


class Directory:
    """Joins people to rooms, keeps their read markers, and lists both."""

    def __init__(
        self, memberships: MembershipRepository, log: MessageLog, *, page: int = PAGE
    ) -> None:
        self._memberships = memberships
        self._log = log
        self._page = page

    def join(self, session: Session, room: RoomName) -> None:
        """Make a person a member of a room, with nothing unread; a member stays as they are.

        Raises:
            Unavailable: the database did not answer in time.
        """
        end = self._log.last(room)
        self._memberships.join(room, session.user, end, guest=session.guest)

    def read(self, session: Session, room: RoomName, seq: int) -> tuple[int, bool]:
        """Move a person's marker forward. See MembershipRepository.read.

        Raises:
            NotFound: the room has no such entry.
            Unavailable: the database did not answer in time.
        """
        position = self._log.position(room, seq)
        return self._memberships.read(room, session.user, position, guest=session.guest)

    def rooms(self, session: Session, after: RoomName | None) -> tuple[list[RoomInfo], bool]:
        """Return the first rooms after one, by name, and whether there are more.

        The rooms that the connection is subscribed to are among them even where the person is no
        member (the lobby, which everyone is in by connecting): from this moment on they are.

        Raises:
            Unavailable: the database did not answer in time.
        """
        joined, more = self._memberships.of(session.user, after=after, limit=self._page)
        known = {membership.room: membership for membership in joined}
        last = max(known) if more and known else None
        names = sorted(known.keys() | _between(session.public_rooms, after, last))
        page = names[: self._page]
        rooms = [self._info(session, room, known.get(room)) for room in page]
        return rooms, more or len(names) > len(page)

    def _info(self, session: Session, room: RoomName, membership: Membership | None) -> RoomInfo:
        end = self._log.last(room)
        if membership is None:
            self._memberships.join(room, session.user, end, guest=session.guest)
        read = membership.read if membership else end
        return RoomInfo(
            name=room,
            visibility="public" if direct_users(room) is None else "direct",
            role=membership.role if membership else ROLE,
            seq=end.seq,
            unread=max(0, end.messages - read.messages),
        )


def _between(
    rooms: Iterable[RoomName], after: RoomName | None, last: RoomName | None
) -> set[RoomName]:
    return {
        room for room in rooms if (after is None or room > after) and (last is None or room <= last)
    }
