"""Slow mode: the time between two messages of one person to a room."""

from collections.abc import Callable
from contextlib import suppress

from chalicelib.drafts import Appended
from chalicelib.errors import ChatError, RateLimited, Unavailable
from chalicelib.limiter import Limiter
from chalicelib.memberships import MembershipRepository
from chalicelib.models import RoomName, Session, UserName, direct_users
from chalicelib.rates import Rate
from chalicelib.roles import MEMBER, acting_role
from chalicelib.rooms import RoomRepository


class SlowMode:
    """Counts messages to rooms; those of owners, moderators and admins are let through.

    Args:
        default: Seconds in rooms that say nothing else; 0 is no slow mode.
    """

    def __init__(
        self,
        *,
        rooms: RoomRepository,
        memberships: MembershipRepository,
        limiter: Limiter,
        default: int,
        admins: frozenset[UserName],
    ) -> None:
        self._rooms = rooms
        self._memberships = memberships
        self._limiter = limiter
        self._default = default
        self._admins = admins

    def paced(self, session: Session, room: RoomName, append: Callable[[], Appended]) -> Appended:
        """Append a message, if it is not too early for another one.

        What adds nothing, since it failed or was said before, does not count.

        Raises:
            RateLimited: it is too early; the error says how long to wait.
            ChatError: see `append`.
        """
        seconds = self._seconds(room)
        if not seconds:
            return append()
        # By the seconds too: who waits out an old, longer time should not go on doing so.
        name, rate = f"slow#{room}#{session.user}#{seconds}", Rate(seconds)
        if not self._take(session, room, name, rate):
            return append()
        try:
            appended = append()
        except ChatError:
            self._give_back(name, rate)
            raise
        if appended.duplicate:
            self._give_back(name, rate)
        return appended

    def _seconds(self, room: RoomName) -> int:
        if direct_users(room) is not None:
            return 0
        return self._rooms.slow_mode(room) or self._default

    def _take(self, session: Session, room: RoomName, name: str, rate: Rate) -> bool:
        """Count a message, and tell whether it counts."""
        try:
            self._limiter.take(name, rate, what="messages to this room")
        except RateLimited:
            # Only now, because it is a read: most are no moderators, and most are not too early.
            if self._is_exempt(session, room):
                return False
            raise
        return True

    def _is_exempt(self, session: Session, room: RoomName) -> bool:
        place = self._memberships.places([room], session.user)[0]
        admin = session.user in self._admins and not session.guest
        role = acting_role(place.role(session.user), admin=admin, private=place.private)
        return role not in {None, MEMBER}

    def _give_back(self, name: str, rate: Rate) -> None:
        with suppress(Unavailable):  # one message more to wait for is all that is lost
            self._limiter.give_back(name, rate)
