"""The rooms that a person has joined, and what is unread in each."""

from collections.abc import Iterable
from typing import Literal

from chalicelib.access import Access
from chalicelib.errors import Unavailable
from chalicelib.events import RoomInfo
from chalicelib.memberships import MembershipRepository
from chalicelib.messages import MessageLog
from chalicelib.models import RoomName, Session, direct_users
from chalicelib.places import Membership, Place
from chalicelib.positions import Position
from chalicelib.roles import MEMBER

# An answer costs a read for each room, and must fit into a frame: a room takes up to 170 bytes.
PAGE = 50
# Between two looks somebody may be taken out, and let in again.
_LOOKS = 3


class Directory:
    """Keeps people's read markers, and lists their rooms."""

    def __init__(
        self,
        memberships: MembershipRepository,
        log: MessageLog,
        access: Access,
        *,
        lobby: str = "",
        page: int = PAGE,
    ) -> None:
        self._memberships = memberships
        self._log = log
        self._access = access
        self._lobby = lobby
        self._page = page

    def read(self, session: Session, room: RoomName, seq: int) -> tuple[int, bool]:
        """Move a person's marker forward, which makes them a member of a public room.

        Returns:
            Where the marker is, which may be further on already, and whether it is at `seq`.

        Raises:
            NotFound: the room has no such entry.
            Forbidden: the person is not let in (any more).
            Unavailable: the database did not answer in time.
        """
        position = self._log.position(room, seq)
        for _ in range(_LOOKS):
            moved = self._memberships.read(room, session.user, position, guest=session.guest)
            if moved is not None:
                return moved
            place = self._access.place(session, room)
            if session.user not in place.members and self._join(session, place, position):
                return seq, True
        raise Unavailable

    def rooms(self, session: Session, after: RoomName | None) -> tuple[list[RoomInfo], bool]:
        """Return the first rooms after one, by name, and whether there are more.

        The public rooms that the connection is subscribed to are among them even where the person
        is no member. In the lobby, which everyone is in by connecting, they are one from this
        moment on; elsewhere not: who leaves a room, or is taken out of it, on another device at
        this moment, must not be put back.

        Raises:
            Unavailable: the database did not answer in time.
        """
        joined, more = self._memberships.of(session.user, after=after, limit=self._page)
        known = {membership.room: membership for membership in joined}
        last = max(known) if more and known else None
        subscribed = _between(session.public_rooms, after, last)
        others = self._others(session, [room for room in subscribed if room not in known])
        names = sorted(known.keys() | others.keys())
        page = names[: self._page]
        places = others | self._not_direct([room for room in page if room in known])
        rooms = [self._info(session, room, known.get(room), places.get(room)) for room in page]
        return rooms, more or len(names) > len(page)

    def _others(self, session: Session, rooms: Iterable[RoomName]) -> dict[RoomName, Place]:
        """Return those of the rooms that the person may join, or has joined this moment."""
        places = self._memberships.places(rooms, session.user)
        return {
            place.name: place
            for place in places
            if session.user not in place.banned
            and (session.user in place.members or not place.private)
        }

    def _not_direct(self, rooms: Iterable[RoomName]) -> dict[RoomName, Place]:
        others = [room for room in rooms if direct_users(room) is None]
        return {place.name: place for place in self._memberships.places(others)}

    def _info(
        self,
        session: Session,
        room: RoomName,
        membership: Membership | None,
        place: Place | None,
    ) -> RoomInfo:
        end = self._log.last(room)
        if membership is None and place is not None:
            membership = place.members.get(session.user)
            if membership is None and room == self._lobby:
                membership = self._join(session, place, end)
        read = membership.read if membership else end
        return RoomInfo(
            name=room,
            visibility=_visibility(place),
            role=membership.role if membership else MEMBER,
            seq=end.seq,
            unread=max(0, end.messages - read.messages),
        )

    def _join(self, session: Session, place: Place, read: Position) -> Membership | None:
        return self._memberships.join(place, session.user, read, guest=session.guest)


def _visibility(place: Place | None) -> Literal["public", "private", "direct"]:
    if place is None:
        return "direct"
    return "private" if place.private else "public"


def _between(
    rooms: Iterable[RoomName], after: RoomName | None, last: RoomName | None
) -> list[RoomName]:
    return [
        room for room in rooms if (after is None or room > after) and (last is None or room <= last)
    ]
