"""The registry of connections: who is connected, and to which rooms each is subscribed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from chalicelib.claims import Claims, Demand, meet
from chalicelib.database import (
    ConditionError,
    Database,
    Item,
    is_live,
    number,
    put_write,
    string,
    strings,
)
from chalicelib.errors import TooManySubscriptions, Unregistered
from chalicelib.limiter import Cell
from chalicelib.models import (
    ConnectionId,
    Departure,
    Member,
    RoomName,
    Session,
    UserName,
    personal_room,
)
from chalicelib.places import OutdatedError
from chalicelib.rates import UNLIMITED, Rate
from chalicelib.records import (
    Key,
    connection_item,
    connection_key,
    item_key,
    member_of,
    session_of,
    subscription_item,
    subscription_key,
    subscription_keys,
)

# API Gateway answers 410 for a connection until its $connect has ended, which takes 29 s at most.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
HANDSHAKE_SECONDS = 30


class ConnectionRepository:
    """The connections table (see infra/data.yaml).

    Items, by `pk` and `sk`:

    - `conn#<id>`, `conn`: a connection, with the set of its rooms.
    - `room#<room>`, `<id>`: a subscription; fan-out reads the partition.
    - what Claims and Limiter keep.

    A subscription is only ever written together with its connection, in a transaction that fails
    when the connection is not there: none appears after the connection was removed. All reads are
    strongly consistent and skip what has expired, as the table's time to live may be days late.
    Every method raises Unavailable when the database does not do its part.
    """

    def __init__(
        self,
        database: Database,
        *,
        table: str,
        clock: Callable[[], float],
        max_subscriptions: int,
        frames: Rate = UNLIMITED,
    ) -> None:
        self._database = database
        self._table = table
        self._clock = clock
        self._max_subscriptions = max_subscriptions
        self._frames = frames
        self._claims = Claims(database, table=table, clock=clock)

    def add(
        self, session: Session, *, key: str | None = None, demands: Iterable[Demand] = ()
    ) -> None:
        """Register a connection and subscribe it to the rooms of `session`, all or nothing.

        Args:
            session: The connection.
            key: The digest by which a guest is known again: the same one on each of their
                connections.
            demands: What must hold besides.

        Raises:
            NameTakenError: it is a guest's, and another guest has the name.
            Exception: the refusal of a demand that is not met.
        """
        writes = [put_write(self._table, connection_item(session))]
        writes += [
            put_write(self._table, subscription_item(session, room, session.connected_at))
            for room in sorted(session.rooms)
        ]
        wanted = list(demands)
        if session.guest:
            wanted.append(
                self._claims.name(
                    session.user,
                    session.expires_at,
                    connection_id=session.connection_id,
                    key=key,
                )
            )
        meet(self._database, wanted, writes)

    def touch(self, connection_id: ConnectionId) -> Session:
        """Return the session of a connection; note that it was heard of, and count its frame.

        Raises:
            Unregistered: there is none, or it has expired.
            RateLimited: it sends more than it may.
        """
        cell = Cell(
            database=self._database,
            table=self._table,
            key=item_key(connection_key(connection_id)),
            rate=self._frames,
            what="frames",
            also="seen_at = :now",
            condition="attribute_exists(pk) AND expires_at > :now",
            values={":now": self._now()},
        )
        try:
            return session_of(cell.take(self._clock()))
        except ConditionError as error:
            raise Unregistered from error

    def extend(self, session: Session, until: int) -> Session:
        """Let a session last until a time (epoch seconds), if it would end before.

        Its subscriptions follow one by one; again from the start finishes what was interrupted.

        Raises:
            Unregistered: the connection has been removed meanwhile, or has expired.
        """
        try:
            item = self._database.update(
                self._table,
                item_key(connection_key(session.connection_id)),
                UpdateExpression="SET session_expires_at = :until",
                ConditionExpression="attribute_exists(pk) AND expires_at > :now "
                "AND session_expires_at <= :until",
                ExpressionAttributeValues={":until": number(until), ":now": self._now()},
            )
        except ConditionError as error:
            return self._session(session.connection_id, error)
        extended = session_of(item)
        for room in sorted(extended.rooms):
            self._update_subscription(
                extended,
                room,
                "SET pushed_until = :until",
                {":until": number(extended.pushed_until)},
            )
        return extended

    def take_arrays(self, session: Session) -> Session:
        """Note that a connection takes several pushes in one frame, as a JSON array.

        It costs nothing where that is known, otherwise one write for the connection and for each
        of its rooms. Again from the start finishes what was interrupted.

        Raises:
            Unregistered: the connection has been removed meanwhile, or has expired.
        """
        if session.arrays:
            return session
        # A subscription that is written meanwhile, by a frame that was read before this one is
        # done, does not learn of it: that room's pushes come one by one, as to any other client.
        for room in sorted(session.rooms):
            self._update_subscription(
                session, room, "SET arrays = :true", {":true": {"BOOL": True}}
            )
        try:
            # Last, as it tells that all the others are done.
            item = self._database.update(
                self._table,
                item_key(connection_key(session.connection_id)),
                UpdateExpression="SET arrays = :true",
                ConditionExpression="attribute_exists(pk) AND expires_at > :now",
                ExpressionAttributeValues={":true": {"BOOL": True}, ":now": self._now()},
            )
        except ConditionError as error:
            raise Unregistered from error
        return session_of(item)

    def _session(self, connection_id: ConnectionId, cause: Exception) -> Session:
        item = self._database.get(self._table, item_key(connection_key(connection_id)))
        if item is None or not self._alive(item):
            raise Unregistered from cause
        return session_of(item)

    def _update_subscription(
        self, session: Session, room: RoomName, expression: str, values: Item
    ) -> None:
        with suppress(ConditionError):  # it has been ended meanwhile
            self._database.update(
                self._table,
                item_key(subscription_key(room, session.connection_id)),
                UpdateExpression=expression,
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues=values,
            )

    def subscribe(
        self, session: Session, room: RoomName, *, also: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Subscribe to a room; once more does no harm.

        Args:
            session: The connection.
            room: The room.
            also: Writes to other tables without which it must not happen.

        Raises:
            Unregistered: the connection has been removed meanwhile, or has expired.
            TooManySubscriptions: the limit is reached. The personal room does not count.
            OutdatedError: a condition of `also` failed.
        """
        update = self._update_rooms(
            "ADD",
            session,
            room,
            condition=" AND session_expires_at = :session_end"
            " AND (contains(rooms, :room) OR size(rooms) < :limit)",
            values={
                ":room": string(room),
                ":limit": number(self._max_subscriptions + 1),
                ":session_end": number(session.session_expires_at),
            },
        )
        put = put_write(self._table, subscription_item(session, room, self._clock()))
        try:
            self._database.transact_until_done([update, put, *also])
        except ConditionError as error:
            if 0 not in error.failed:
                raise OutdatedError from error
            if not self._alive(error.failed[0]):
                raise Unregistered from error
            now = session_of(error.failed[0])
            if now.session_expires_at == session.session_expires_at:
                raise TooManySubscriptions(limit=self._max_subscriptions) from error
            # Extended meanwhile: the new subscription has to last as long as the others.
            self.subscribe(now, room, also=also)

    def unsubscribe(self, who: Session | Member, room: RoomName) -> list[Departure]:
        """End a subscription; one that does not exist is no error, and no departure.

        Raises:
            Unregistered: the connection has been removed meanwhile, or has expired.
        """
        update = self._update_rooms(
            "DELETE",
            who,
            room,
            condition=" AND contains(rooms, :room)",
            values={":room": string(room)},
        )
        key = item_key(subscription_key(room, who.connection_id))
        delete = {"Delete": {"TableName": self._table, "Key": key}}
        try:
            self._database.transact_until_done([update, delete])
        except ConditionError as error:
            if self._alive(error.failed.get(0)):
                return []
            raise Unregistered from error
        return [Departure(room, who.user, who.guest)]

    def members(self, room: RoomName, *, first: int | None = None) -> Iterator[Member]:
        """Yield every subscription of a room that is pushed to, page by page (about 8,000 each).

        The first page has at most `first` of them, where that is given.
        """
        rows = self._database.query(self._table, first=first, **self._subscriptions(room))
        return map(member_of, rows)

    def devices(self, user: UserName) -> list[Member]:
        """Return all connections of a person, those whose session can only be extended too."""
        rows = self._subscriptions(personal_room(user), until="expires_at")
        return list(map(member_of, self._database.query(self._table, **rows)))

    def first_members(self, room: RoomName, *, limit: int) -> tuple[list[Member], bool]:
        """Return the live ones among the first `limit` subscriptions, and whether there are more.

        One request of bounded cost, however full the room is.
        """
        rows, more = self._database.page(self._table, limit=limit, **self._subscriptions(room))
        return list(map(member_of, rows)), more

    def find(self, room: RoomName, connection_ids: Iterable[ConnectionId]) -> list[Member]:
        """Return those of these connections that are subscribed to a room and are pushed to."""
        keys = [item_key(subscription_key(room, who)) for who in dict.fromkeys(connection_ids)]
        now = self._clock()
        rows = self._database.get_all(self._table, keys)
        return [member_of(row) for row in rows if float(row["pushed_until"]["N"]) > now]

    def silent(
        self, members: Sequence[Member], *, since: float
    ) -> tuple[set[ConnectionId], set[ConnectionId]]:
        """Tell which connections of `members` were not heard of after a time (epoch seconds).

        Returns:
            The silent ones, and those that are not registered any more: their subscriptions are
            what an interrupted removal has left. Not those that came only now: a read may see the
            subscription before it sees the connection that was written with it.
        """
        found = {
            session_of(item).connection_id: float(item["seen_at"]["N"])
            for item in self._registered(members)
        }
        silent = {connection_id for connection_id, seen_at in found.items() if seen_at <= since}
        ids = {member.connection_id for member in members}
        return silent, ids - found.keys() - self._young(members)

    def remove(self, connection_id: ConnectionId) -> list[Departure]:
        """Remove a connection and all that belongs to it; one that is not there is no error."""
        key = item_key(connection_key(connection_id))
        item = self._database.get(self._table, key)
        if item is None:
            return []
        self._claims.release([session_of(item)])
        # Before its subscriptions: those are then known to be nobody's if this is interrupted.
        newest = self._database.delete(self._table, key) or item
        departures = _departures([session_of(item), session_of(newest)])
        self._delete(subscription_key(room, connection_id) for room, *_ in departures)
        return departures

    def prune(self, gone: Iterable[tuple[RoomName, Member]]) -> list[Departure]:
        """Remove connections that turned out to be gone when these rooms were pushed to.

        Their subscriptions to those rooms go even where the connections themselves were removed
        before. Those that have just come stay: while a handshake goes on, a post fails as to the
        dead. In batches, 100 connections a read and 25 deletions a write, so not in one
        transaction.
        """
        subscriptions = list(gone)
        members = [member for _, member in subscriptions]
        sessions = [session_of(item) for item in self._registered(members)]
        young = self._young(members)
        dead = [session for session in sessions if session.connection_id not in young]
        left = [
            (room, member) for room, member in subscriptions if member.connection_id not in young
        ]
        self._claims.release(dead)
        # The connections last: they are what the rest is found by if this is interrupted.
        self._delete(
            [subscription_key(room, member.connection_id) for room, member in left]
            + [key for session in dead for key in subscription_keys(session)]
            + [connection_key(session.connection_id) for session in dead]
        )
        found = [Departure(room, member.user, member.guest) for room, member in left]
        return list(dict.fromkeys(found + _departures(dead)))

    def _registered(self, members: Iterable[Member]) -> Iterator[Item]:
        """Yield the items of the members' connections that are there."""
        ids = dict.fromkeys(member.connection_id for member in members)
        keys = [item_key(connection_key(connection_id)) for connection_id in ids]
        return self._database.get_all(self._table, keys)

    def _young(self, members: Iterable[Member]) -> set[ConnectionId]:
        newest = self._clock() - HANDSHAKE_SECONDS
        return {member.connection_id for member in members if member.joined_at > newest}

    def _delete(self, keys: Iterable[Key]) -> None:
        unique = dict.fromkeys(keys)  # BatchWriteItem refuses repetitions
        self._database.delete_all(self._table, [item_key(key) for key in unique])

    def _subscriptions(self, room: RoomName, *, until: str = "pushed_until") -> dict[str, Any]:
        return {
            "KeyConditionExpression": "pk = :pk",
            "FilterExpression": f"{until} > :now",
            "ProjectionExpression": "sk, #user, #guest, endpoint, joined_at, arrays",
            "ExpressionAttributeNames": {"#user": "user", "#guest": "guest"},
            "ExpressionAttributeValues": {":pk": string(f"room#{room}"), ":now": self._now()},
        }

    def _update_rooms(
        self,
        verb: str,
        who: Session | Member,
        room: RoomName,
        *,
        condition: str = "",
        values: Item | None = None,
    ) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": self._table,
                "Key": item_key(connection_key(who.connection_id)),
                "UpdateExpression": f"{verb} rooms :rooms",
                "ConditionExpression": f"attribute_exists(pk) AND expires_at > :now{condition}",
                "ExpressionAttributeValues": {
                    ":rooms": strings([room]),
                    ":now": self._now(),
                    **(values or {}),
                },
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _now(self) -> dict[str, Any]:
        return number(self._clock())

    def _alive(self, item: Item | None) -> bool:
        return item is not None and bool(item) and is_live(item, self._clock())


def _departures(sessions: Iterable[Session]) -> list[Departure]:
    found = [
        Departure(room, session.user, session.guest)
        for session in sessions
        for room in sorted(session.rooms)
    ]
    return list(dict.fromkeys(found))
