"""Ruling a room: who is let in, who is taken out, and who may do so."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from chalicelib import commands
from chalicelib.broadcaster import Broadcaster
from chalicelib.connections import ConnectionRepository
from chalicelib.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized
from chalicelib.events import Event, InvitedPush, KickedPush, LeftPush, marked
from chalicelib.limiter import Limiter
from chalicelib.memberships import MembershipRepository
from chalicelib.messages import MessageLog
from chalicelib.models import ConnectionId, Departure, RoomName, Session, UserName, personal_room
from chalicelib.places import until_true
from chalicelib.presence import Presence
from chalicelib.protocol import encode
from chalicelib.rates import Rate
from chalicelib.roles import MEMBER, OWNER, Right, Role, acting_role, may, refusal
from chalicelib.rooms import RoomRepository
from chalicelib.standings import Ruling, Standings


class Moderation:
    """Changes what people are in a room: in the table first, then at their sockets.

    Every method can be repeated: one that was interrupted half-way is completed by the next. When
    it returns, what it says is in force everywhere. All raise Unavailable when the database does
    not do its part, and Forbidden where the person may not do so (see roles.py).

    Args:
        invitations: How many people one may invite.
        admins: Accounts that act as owners in every public room.
        accounts_exist: Tells whether there is such an account.
    """

    def __init__(
        self,
        *,
        memberships: MembershipRepository,
        standings: Standings,
        rooms: RoomRepository,
        connections: ConnectionRepository,
        log: MessageLog,
        broadcaster: Broadcaster,
        presence: Presence,
        limiter: Limiter,
        invitations: Rate,
        lobby: str,
        admins: frozenset[UserName],
        accounts_exist: Callable[[UserName], bool],
    ) -> None:
        self._memberships = memberships
        self._standings = standings
        self._rooms = rooms
        self._connections = connections
        self._log = log
        self._broadcaster = broadcaster
        self._presence = presence
        self._limiter = limiter
        self._invitations = invitations
        self._lobby = lobby
        self._admins = admins
        self._accounts_exist = accounts_exist

    def invite(self, session: Session, command: commands.Invite) -> None:
        """Make somebody a member with nothing unread, and tell them.

        Raises:
            RateLimited: the person has invited too many.
            NotFound: there is no such account.
            Conflict: they are banned.
        """
        room, user = command.room, command.user
        name = f"invitations#{session.user}"
        self._limiter.take(name, self._invitations, what="invitations")
        self._rule(session, room, user, "invite", self._invite)
        self._tell(user, InvitedPush(room=room, user=session.user, guest=marked(session.guest)))

    def kick(self, session: Session, command: commands.Kick) -> None:
        """Take somebody out; nothing is said there by them, or to them, any more.

        Raises:
            BadRequest: it is oneself.
        """
        _check_other(session, command.user)
        room, user = command.room, command.user
        self._rule(session, room, user, "kick", self._kick)
        self._expel(session, room, user, banned=False)

    def ban(self, session: Session, command: commands.Ban) -> None:
        """Take somebody out, and keep them out until they are unbanned, whoever has the name.

        Raises:
            BadRequest: it is oneself.
        """
        _check_other(session, command.user)
        room, user = command.room, command.user
        self._rule(session, room, user, "ban", self._ban)
        self._expel(session, room, user, banned=True)

    def unban(self, session: Session, command: commands.Unban) -> None:
        """Lift a ban, if there is one."""
        room, user = command.room, command.user
        self._rule(session, room, user, "unban", self._unban)

    def set_role(self, session: Session, command: commands.SetRole) -> None:
        """Give a member another role; who makes somebody the owner is a moderator from then on.

        Raises:
            NotFound: they are no member, or have no account.
            Conflict: they are the owner; or the room cannot be handed over.
        """
        room, user = command.room, command.user
        change = partial(self._set_role, role=command.role)
        self._rule(session, room, user, "setrole", change)

    def slow_mode(self, session: Session, command: commands.SlowMode) -> None:
        """Choose the time between two messages of one person.

        Other functions go on for some seconds with what it was.
        """
        room, seconds = command.room, command.seconds
        change = partial(self._standings.slow_mode, seconds=seconds)
        self._rule(session, room, None, "slowmode", change)
        self._rooms.forget(room)

    def leave(self, session: Session, command: commands.Leave) -> None:
        """Take oneself out of a room, on all devices.

        Raises:
            Conflict: the owner cannot leave while others are there.
        """
        until_true(lambda: self._leave(session, command.room))
        self._close(command.room, session.user)
        self._tell(session.user, LeftPush(room=command.room), skip=session.connection_id)

    def _rule(
        self,
        session: Session,
        room: RoomName,
        user: UserName | None,
        right: Right,
        change: Callable[[Ruling], None],
    ) -> None:
        """Make a change that a person may make, decided anew whenever things have changed."""
        until_true(lambda: change(self._ruling(session, room, user, right)))

    def _ruling(
        self, session: Session, room: RoomName, user: UserName | None, right: Right
    ) -> Ruling:
        """Return that a person may do something, as things are at this moment."""
        target = session.user if user is None else user
        place = self._memberships.places([room], session.user, target)[0]
        own, theirs = place.role(session.user), None if user is None else place.role(user)
        admin = session.user in self._admins and not session.guest
        role = acting_role(own, admin=admin, private=place.private)
        if not may(role, right, target=theirs, private=place.private):
            raise Forbidden(refusal(role, right, target=theirs, private=place.private))
        return Ruling(place, session.user, target, admin=role != own)

    def _invite(self, ruling: Ruling) -> None:
        if ruling.user in ruling.place.members:
            return
        if ruling.user in ruling.place.banned:
            raise Conflict(f"{ruling.user} is banned from {ruling.place.name}: unban them first")
        if not self._accounts_exist(ruling.user):
            raise NotFound(f"there is no account {ruling.user}")
        self._standings.invite(ruling, self._log.last(ruling.place.name))

    def _kick(self, ruling: Ruling) -> None:
        if ruling.user in ruling.place.members:
            self._standings.remove(ruling)

    def _ban(self, ruling: Ruling) -> None:
        if ruling.user not in ruling.place.banned:
            self._standings.ban(ruling)

    def _unban(self, ruling: Ruling) -> None:
        if ruling.user in ruling.place.banned:
            self._standings.remove(ruling)

    def _set_role(self, ruling: Ruling, role: Role) -> None:
        theirs = ruling.place.role(ruling.user)
        if theirs == OWNER:
            raise Conflict(f"{ruling.user} is the owner until another member is made the owner")
        if theirs is None:
            raise NotFound(f"{ruling.user} is not a member of {ruling.place.name}")
        if role != MEMBER and not self._accounts_exist(ruling.user):
            raise NotFound(f"there is no account {ruling.user}")
        if role == OWNER:
            self._hand_over(ruling)
        elif role != theirs:
            self._standings.appoint(ruling, role)

    def _hand_over(self, ruling: Ruling) -> None:
        place = ruling.place
        if place.room is None or place.name == self._lobby:
            raise Conflict(f"{place.name} is nobody's, and stays so")
        if place.room.owner not in {None, ruling.by}:
            raise Conflict(f"only its owner hands {place.name} over")
        self._standings.hand_over(ruling)

    def _leave(self, session: Session, room: RoomName) -> None:
        place = self._memberships.places([room], session.user)[0]
        role = place.role(session.user)
        if role == OWNER and self._memberships.others(room, session.user):
            raise Conflict(f"{room} is yours, and others are there: make one of them the owner")
        if role is not None:
            self._standings.leave(place, session.user)

    def _expel(self, session: Session, room: RoomName, user: UserName, *, banned: bool) -> None:
        self._close(room, user)
        self._tell(user, KickedPush(room=room, by=session.user, banned=banned))

    def _close(self, room: RoomName, user: UserName) -> None:
        """End the subscriptions to a room of all connections of a person."""
        departures: list[Departure] = []
        for device in self._connections.devices(user):
            with suppress(Unauthorized):  # it has gone by itself
                departures += self._connections.unsubscribe(device, room)
        self._presence.left(departures)

    def _tell(self, user: UserName, event: Event, *, skip: ConnectionId | None = None) -> None:
        self._broadcaster.broadcast(personal_room(user), encode(event), skip=skip)


def _check_other(session: Session, user: UserName) -> None:
    if user == session.user:
        raise BadRequest(field="user", problem="is yourself: there is leave for that")
