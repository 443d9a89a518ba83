"""What can be had once: the names of guests, and tickets."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.database import (
    ConditionError,
    Database,
    Item,
    check_write,
    is_live,
    number,
    put_write,
    string,
)
from chalicelib.errors import Unauthorized
from chalicelib.identities import Identity, Ticket
from chalicelib.models import ConnectionId, Session, UserName
from chalicelib.records import claim_key, item_key

# How far the clocks of two functions may be apart: what was used is remembered for longer than
# any of them takes it for good.
_SKEW = 300


class NameTakenError(Exception):
    """Another live guest, or an account, has the name or one that looks like it."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A write with a condition that must hold for a transaction, and the error if it does not."""

    write: Mapping[str, Any]
    refusal: Exception


class Claims:
    """The items of the connections table by which names and tickets are somebody's.

    - `user#<skeleton of the name>`, `guest`: a guest's claim to a name, and to all that look like
      it. With a key it belongs to whoever knows the key, for as long as a connection may last;
      without, to one connection.
    - `revoked#<digest of the key>`, `guest`: that a guest has logged out.
    - `ticket#<id>`, `ticket`: a ticket that has been used, for as long as it could be shown again.

    Each is written in the transaction that registers the connection, so of two connections that
    come with one ticket, or under one name, at the same time one fails.
    """

    def __init__(self, database: Database, *, table: str, clock: Callable[[], float]) -> None:
        self._database = database
        self._table = table
        self._clock = clock

    def ticket(self, ticket: Ticket, connection_id: ConnectionId) -> Demand:
        """Return the write that burns a ticket for a connection."""
        item = {
            **item_key((f"ticket#{ticket.id}", "ticket")),
            "connection_id": string(connection_id),
            "expires_at": number(ticket.expires_at + _SKEW),
        }
        write = put_write(
            self._table,
            item,
            # Its own where an answer was lost and this is a second try. No look at the expiry: the
            # ticket is checked by its own, and while it is good this is here.
            ConditionExpression="attribute_not_exists(pk) OR connection_id = :id",
            ExpressionAttributeValues={":id": string(connection_id)},
        )
        return Demand(write, Unauthorized(reason="the ticket has been used: ask for another"))

    def name(
        self, user: UserName, expires_at: int, *, connection_id: ConnectionId, key: str | None
    ) -> Demand:
        """Return the write that gives a guest a name until `expires_at` (epoch seconds).

        Args:
            user: The name.
            expires_at: When the connection, or the time to make one, ends.
            connection_id: The connection that it is for.
            key: The digest by which a guest is known again: the same one on each of their
                connections.
        """
        item = {
            **item_key(claim_key(user)),
            "user": string(user),
            "connection_id": string(connection_id),
            "expires_at": number(expires_at),
        }
        # The connection's own claim is there when an answer was lost and this is a second try.
        condition = "attribute_not_exists(pk) OR expires_at <= :now OR connection_id = :id"
        values = {":now": number(self._clock()), ":id": string(connection_id)}
        names: dict[str, Any] = {}
        if key is not None:
            item["key_digest"] = string(key)
            condition += " OR (key_digest = :key AND #user = :user)"
            values |= {":key": string(key), ":user": string(user)}
            names["ExpressionAttributeNames"] = {"#user": "user"}
        write = put_write(
            self._table,
            item,
            ConditionExpression=condition,
            ExpressionAttributeValues=values,
            **names,
        )
        return Demand(write, NameTakenError(user))

    def keep(self, user: UserName, expires_at: int, key: str, *demands: Demand) -> None:
        """Give a name to a guest who is not connected yet, if the other demands are met too.

        Raises:
            NameTakenError: somebody has it.
            Unavailable: the database did not answer in time.
        """
        # No connection has this id: what it stands for is the key.
        own = self.name(user, expires_at, connection_id=ConnectionId(f"key#{key}"), key=key)
        meet(self._database, [own, *demands])

    def is_held(self, user: UserName) -> bool:
        """Tell whether a guest has this very name.

        Raises:
            Unavailable: the database did not answer in time.
        """
        item = self._item(user)
        return item is not None and item["user"] == string(user)

    def holds(self, guest: Identity) -> bool:
        """Tell whether a name is a guest's who is known by a key.

        Raises:
            Unavailable: the database did not answer in time.
        """
        item = self._item(guest.user)
        if item is None or guest.key_digest is None:
            return False
        return item.get("key_digest") == string(guest.key_digest)

    def revoke(self, guest: Identity, until: int) -> None:
        """Make all tokens and tickets of a guest worthless, none of which lasts longer than that.

        Raises:
            Unavailable: the database did not answer in time.
        """
        item = {**item_key(_revoked_key(guest)), "expires_at": number(until)}
        self._database.put(self._table, item)

    def is_revoked(self, guest: Identity) -> bool:
        """Tell whether a guest has logged out for good.

        Raises:
            Unavailable: the database did not answer in time.
        """
        return self._database.get(self._table, item_key(_revoked_key(guest))) is not None

    def not_revoked(self, guest: Identity) -> Demand:
        """Return the check that a guest has not logged out for good."""
        key = item_key(_revoked_key(guest))
        check = check_write(self._table, key, ConditionExpression="attribute_not_exists(pk)")
        return Demand(check, Unauthorized(reason="logged out: come again"))

    def release(self, sessions: Iterable[Session]) -> None:
        """Let the names of guests go, whose connections end.

        A claim with a key stays: its holder may have other connections, and comes back after a
        loss before the loss is noticed. The claim may also have expired and be another's by now.

        Raises:
            Unavailable: the database did not answer in time.
        """
        for session in sessions:
            if session.guest:
                self._release(session)

    def _item(self, user: UserName) -> Item | None:
        item = self._database.get(self._table, item_key(claim_key(user)))
        return item if item is not None and is_live(item, self._clock()) else None

    def _release(self, session: Session) -> None:
        try:
            self._database.delete(
                self._table,
                item_key(claim_key(session.user)),
                ConditionExpression="connection_id = :id AND attribute_not_exists(key_digest)",
                ExpressionAttributeValues={":id": string(session.connection_id)},
            )
        except ConditionError:
            return


def meet(
    database: Database, demands: Iterable[Demand], writes: Iterable[Mapping[str, Any]] = ()
) -> None:
    """Write all of it or nothing.

    Raises:
        Exception: the refusal of the first demand that is not met.
        Unavailable: the database did not answer in time.
    """
    wanted = list(demands)
    try:
        database.transact_until_done([*(demand.write for demand in wanted), *writes])
    except ConditionError as error:
        first = min(error.failed)
        raise wanted[first].refusal from error


def _revoked_key(guest: Identity) -> tuple[str, str]:
    return f"revoked#{guest.key_digest}", "guest"
