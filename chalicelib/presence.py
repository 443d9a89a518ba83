"""Who is in a room: told on demand, and pushed when somebody comes or goes."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from chalicelib.connections import ConnectionRepository
from chalicelib.courier import Courier, Push
from chalicelib.events import PresencePush, TypingPush, marked
from chalicelib.gateway import ConnectionsGateway, Outcome, Recipient
from chalicelib.models import (
    ConnectionId,
    Departure,
    Member,
    RoomName,
    Session,
    UserName,
    channels,
    direct_users,
    is_room,
    personal_room,
)
from chalicelib.protocol import encode
from chalicelib.times import iso

logger = logging.getLogger(__name__)
# A room counts as large when its people have more connections than this each, on average.
_CONNECTIONS_EACH = 4


@dataclass(frozen=True, slots=True)
class Roster:
    """The people in a room, sorted; of a large room only how many they are."""

    users: Sequence[UserName]
    count: int
    guests: Sequence[UserName] = ()


class Presence:
    """Presence by person and not by connection.

    A large room, of more than `limit` people, is never pushed who comes, goes or types: a connect
    must not cost a push to everyone.

    API Gateway may not tell that a connection has ended. One that was silent for `lease` seconds
    is therefore looked up there before it counts. `roster` and `sweep` do that, for each room at
    most every `sweep_interval` seconds in one function. To count a large room is to read it whole;
    a function does that at most every `count_interval` seconds.
    """

    def __init__(
        self,
        connections: ConnectionRepository,
        courier: Courier,
        gateway: ConnectionsGateway,
        *,
        clock: Callable[[], float],
        limit: int,
        lease: int,
        sweep_interval: float = 60,
        count_interval: float = 10,
    ) -> None:
        self._connections = connections
        self._courier = courier
        self._gateway = gateway
        self._clock = clock
        self._limit = limit
        self._lease = lease
        self._sweep_interval = sweep_interval
        self._swept: dict[RoomName, float] = {}
        self._count_interval = count_interval
        self._counted: dict[RoomName, tuple[float, int]] = {}

    def roster(self, room: RoomName) -> Roster:
        """Return who is in a room; of a direct room, which of the two are connected.

        Raises:
            Unavailable: the database did not answer in time.
        """
        members = self._few(room)
        if members is None:
            return Roster([], self._count(room))
        due = self._due([room])
        gone = self._forget_gone([(room, member) for room in due for member in members])
        if gone:
            # Those who came back meanwhile were not pushed as comers: they were still there.
            members = self._few(room) or members
        people = {
            member.user: member.guest for member in members if member.connection_id not in gone
        }
        return Roster(sorted(people), len(people), tuple(sorted(filter(people.get, people))))

    def joined(self, session: Session, rooms: Sequence[RoomName]) -> None:
        """Tell the others in these rooms that a person came, if this is their first connection.

        The connection has been subscribed already, so of two that come at the same time at least
        one sees itself as the first: the order by time and id is the same for both. Never raises.
        """
        self._guarded(self._announce_joined, session, rooms)

    def left(self, departures: Sequence[Departure]) -> None:
        """Tell the others that people left rooms, unless other connections of theirs are there.

        The connections have been removed already. Never raises.
        """
        if departures:
            self._guarded(self._announce_left, departures)

    def typing(self, session: Session, room: RoomName) -> None:
        """Tell the other people in a room that somebody is writing.

        Raises:
            Unavailable: the database did not answer in time.
        """
        members = self._few(room) or ()
        typing = TypingPush(room=room, user=session.user, guest=marked(session.guest))
        self._deliver(_pushes(room, members, typing))

    def sweep(self, rooms: Iterable[RoomName]) -> None:
        """Remove those from rooms who are gone although nobody said so. Never raises."""
        self._guarded(self._sweep, self._due(rooms))

    def verify(self, room: RoomName, members: Sequence[Member]) -> None:
        """Remove those of these members of a room who are gone, however lately they were heard of.

        Never raises.
        """
        pairs = [(room, member) for member in members]
        self._guarded(lambda: self._forget_gone(pairs, lease=0))

    def _count(self, room: RoomName) -> int:
        now = self._clock()
        recent = {
            counted: (at, count)
            for counted, (at, count) in self._counted.items()
            if now - at < self._count_interval
        }
        if room not in recent:
            everyone = {member.user for member in self._connections.members(room)}
            recent[room] = now, len(everyone)
        # A new dictionary each time, as below.
        self._counted = recent
        return recent[room][1]

    def _due(self, rooms: Iterable[RoomName]) -> list[RoomName]:
        """Return the rooms that have not been swept for a while, and note that they are now."""
        now = self._clock()
        recent = {swept: at for swept, at in self._swept.items() if now - at < self._sweep_interval}
        due = [room for room in rooms if room not in recent]
        # A new dictionary each time: threads share it, and what is old goes.
        self._swept = recent | dict.fromkeys(due, now)
        return due

    def _sweep(self, rooms: Sequence[RoomName]) -> None:
        self._forget_gone([(room, member) for room in rooms for member in self._few(room) or ()])

    def _few(self, room: RoomName) -> list[Member] | None:
        """Return the members of a room, None if it is large; in a request or two."""
        found: list[Member] = []
        is_public = direct_users(room) is None
        for channel in channels(room):
            members, more = self._connections.first_members(
                channel, limit=max(1, self._limit) * _CONNECTIONS_EACH
            )
            if more and is_public:
                return None
            found += members
        people = {member.user for member in found}
        return None if is_public and len(people) > self._limit else found

    def _forget_gone(
        self, members: Sequence[tuple[RoomName, Member]], *, lease: int | None = None
    ) -> set[ConnectionId]:
        """Remove those of the members who are gone, and return their connections."""
        since = self._clock() - (self._lease if lease is None else lease)
        silent, unknown = self._connections.silent([member for _, member in members], since=since)
        asked = {
            member.connection_id: Recipient(member.endpoint, member.connection_id)
            for _, member in members
            if member.connection_id in silent
        }
        outcomes = self._gateway.check(list(asked.values()))
        answers = zip(asked, outcomes, strict=True)
        gone = unknown | {asked_id for asked_id, outcome in answers if outcome is Outcome.GONE}
        ended = [
            (_channel(room, member), member)
            for room, member in members
            if member.connection_id in gone
        ]
        self.left(self._courier.forget(ended))
        return gone

    def _announce_joined(self, session: Session, rooms: Sequence[RoomName]) -> None:
        at = self._now()
        pushes: list[Push] = []
        for room in rooms:
            members = self._few(room) or ()
            if _is_first(session, members):
                pushes += _pushes(
                    room,
                    members,
                    _came_or_went(room, session.user, "joined", at, guest=session.guest),
                )
        self._deliver(pushes)

    def _announce_left(self, departures: Sequence[Departure]) -> None:
        at = self._now()
        gone: dict[RoomName, dict[UserName, bool]] = {}
        for room, user, guest in departures:
            if is_room(room):
                gone.setdefault(room, {})[user] = guest
        pushes: list[Push] = []
        for room, users in gone.items():
            members = self._few(room) or ()
            for user in sorted(users.keys() - {member.user for member in members}):
                left = _came_or_went(room, user, "left", at, guest=users[user])
                pushes += _pushes(room, members, left)
        self._deliver(pushes)

    def _deliver(self, pushes: Sequence[Push]) -> None:
        self.left(self._courier.deliver(pushes).departures)

    def _now(self) -> str:
        """Return the time for a push.

        Taken after the change to the room and before it is read: then of two pushes about one
        person the one that tells how things are now has the newer time.
        """
        return iso(self._clock())

    def _guarded(self, use_case: Callable[..., object], *arguments: Any) -> None:
        try:
            use_case(*arguments)
        except Exception:
            logger.exception("presence could not be told or looked after")


def _is_first(session: Session, members: Sequence[Member]) -> bool:
    own = {
        member.connection_id: (member.joined_at, member.connection_id)
        for member in members
        if member.user == session.user
    }
    if not own:
        return False
    # One that has gone already may have kept a second one, which came meanwhile, from speaking.
    return session.connection_id not in own or own[session.connection_id] == min(own.values())


def _pushes(
    room: RoomName, members: Sequence[Member], event: PresencePush | TypingPush
) -> list[Push]:
    frame = encode(event)
    return [
        Push(_channel(room, member), member, frame)
        for member in members
        if member.user != event.user
    ]


def _channel(room: RoomName, member: Member) -> RoomName:
    """Return the room that a member of `room` is subscribed to."""
    return room if direct_users(room) is None else personal_room(member.user)


def _came_or_went(
    room: RoomName, user: UserName, status: Literal["joined", "left"], at: str, *, guest: bool
) -> PresencePush:
    return PresencePush(room=room, user=user, guest=marked(guest), status=status, at=at)
