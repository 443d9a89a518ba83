"""The registry of connections: who is connected, and to which rooms each is subscribed."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from chalicelib.database import ConditionError, Database, Item, number, string, strings
from chalicelib.errors import TooManySubscriptions, Unauthorized
from chalicelib.models import ConnectionId, Member, RoomName, Session, UserName
from chalicelib.records import (
    Key,
    claim_key,
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


class NameTakenError(Exception):
    """Another live guest has the name."""


class ConnectionRepository:
    """The connections table (see infra/data.yaml).

    Items, by `pk` and `sk`:

    - `conn#<id>`, `conn`: a connection, with the set of its rooms.
    - `room#<room>`, `<id>`: a subscription; fan-out reads the partition.
    - `user#<name>`, `guest`: a guest's claim to a name.

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
    ) -> None:
        self._database = database
        self._table = table
        self._clock = clock
        self._max_subscriptions = max_subscriptions

    def add(self, session: Session) -> None:
        """Register a connection and subscribe it to the rooms of `session`, all or nothing.

        Raises:
            NameTakenError: it is a guest's, and another live guest has the name.
        """
        writes = [self._put(connection_item(session))]
        writes += [self._put(subscription_item(session, room)) for room in sorted(session.rooms)]
        if session.guest:
            writes.append(self._claim(session))
        try:
            self._database.transact_until_done(writes)
        except ConditionError as error:
            raise NameTakenError(session.user) from error

    def session(self, connection_id: ConnectionId) -> Session | None:
        """Return the live session of a connection."""
        item = self._database.get(self._table, item_key(connection_key(connection_id)))
        return session_of(item) if item and self._alive(item) else None

    def subscribe(self, session: Session, room: RoomName) -> None:
        """Subscribe to a room; once more does no harm.

        Raises:
            Unauthorized: the connection has been removed meanwhile, or has expired.
            TooManySubscriptions: the limit is reached. The personal room does not count.
        """
        update = self._update_rooms(
            "ADD",
            session,
            room,
            condition=" AND (contains(rooms, :room) OR size(rooms) < :limit)",
            values={":room": string(room), ":limit": number(self._max_subscriptions + 1)},
        )
        put = self._put(subscription_item(session, room))
        try:
            self._database.transact_until_done([update, put])
        except ConditionError as error:
            if self._alive(error.failed.get(0)):
                raise TooManySubscriptions(limit=self._max_subscriptions) from error
            raise Unauthorized from error

    def unsubscribe(self, session: Session, room: RoomName) -> None:
        """End a subscription; one that does not exist is no error.

        Raises:
            Unauthorized: the connection has been removed meanwhile, or has expired.
        """
        update = self._update_rooms("DELETE", session, room)
        key = item_key(subscription_key(room, session.connection_id))
        delete = {"Delete": {"TableName": self._table, "Key": key}}
        try:
            self._database.transact_until_done([update, delete])
        except ConditionError as error:
            raise Unauthorized from error

    def members(self, room: RoomName) -> Iterator[Member]:
        """Yield every live subscription of a room, reading page by page (about 8,000 each)."""
        rows = self._database.query(
            self._table,
            KeyConditionExpression="pk = :pk",
            FilterExpression="expires_at > :now",
            ProjectionExpression="sk, #user, endpoint",
            ExpressionAttributeNames={"#user": "user"},
            ExpressionAttributeValues={":pk": string(f"room#{room}"), ":now": self._now()},
        )
        return (member_of(row) for row in rows)

    def users(self, room: RoomName) -> list[UserName]:
        """Return who is in a room, each person once, sorted."""
        return sorted({member.user for member in self.members(room)})

    def remove(self, connection_id: ConnectionId) -> None:
        """Remove a connection and all that belongs to it; one that is not there is no error."""
        item = self._database.delete(self._table, item_key(connection_key(connection_id)))
        if item is not None:
            session = session_of(item)
            self._delete(subscription_keys(session))
            self._release_names([session])

    def prune(self, room: RoomName, connection_ids: Iterable[ConnectionId]) -> None:
        """Remove connections that turned out to be gone when `room` was pushed to.

        Their subscriptions to `room` go even where the connections themselves were removed before.
        Those whose handshake may still be going on stay: a post fails to them as to the dead.
        In batches, 100 connections a read and 25 deletions a write, so not in one transaction.
        """
        wanted = list(dict.fromkeys(connection_ids))
        keys = [item_key(connection_key(connection_id)) for connection_id in wanted]
        sessions = [session_of(item) for item in self._database.get_all(self._table, keys)]
        newest = self._clock() - HANDSHAKE_SECONDS
        young = {session.connection_id for session in sessions if session.connected_at > newest}
        dead = [session for session in sessions if session.connection_id not in young]
        # The connections last: they are what the rest is found by if this is interrupted.
        self._delete(
            [subscription_key(room, found) for found in wanted if found not in young]
            + [key for session in dead for key in subscription_keys(session)]
            + [connection_key(session.connection_id) for session in dead]
        )
        self._release_names(dead)

    def _delete(self, keys: Iterable[Key]) -> None:
        unique = dict.fromkeys(keys)  # BatchWriteItem refuses repetitions
        self._database.delete_all(self._table, [item_key(key) for key in unique])

    def _release_names(self, sessions: Iterable[Session]) -> None:
        for session in sessions:
            if session.guest:
                self._release_name(session)

    def _release_name(self, session: Session) -> None:
        # The claim may have expired and be another's by now.
        try:
            self._database.delete(
                self._table,
                item_key(claim_key(session.user)),
                ConditionExpression="connection_id = :id",
                ExpressionAttributeValues={":id": string(session.connection_id)},
            )
        except ConditionError:
            return

    def _claim(self, session: Session) -> dict[str, Any]:
        claim = self._put(
            {
                **item_key(claim_key(session.user)),
                "connection_id": string(session.connection_id),
                "expires_at": number(session.expires_at),
            }
        )
        # The connection's own claim is there when an answer was lost and this is a second try.
        condition = "attribute_not_exists(pk) OR expires_at <= :now OR connection_id = :id"
        claim["Put"]["ConditionExpression"] = condition
        claim["Put"]["ExpressionAttributeValues"] = {
            ":now": self._now(),
            ":id": string(session.connection_id),
        }
        return claim

    def _put(self, item: Item) -> dict[str, Any]:
        return {"Put": {"TableName": self._table, "Item": item}}

    def _update_rooms(
        self,
        verb: str,
        session: Session,
        room: RoomName,
        *,
        condition: str = "",
        values: Item | None = None,
    ) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": self._table,
                "Key": item_key(connection_key(session.connection_id)),
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
        return float(item["expires_at"]["N"]) > self._clock() if item else False
