"""Which rooms a person has joined, and how far they have read each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chalicelib.database import (
    ConditionError,
    Database,
    Item,
    is_live,
    number,
    put_write,
    string,
)
from chalicelib.models import RoomName, UserName, direct_users
from chalicelib.positions import Position

ROLE = "member"


@dataclass(frozen=True, slots=True)
class Membership:
    """A room that a person has joined, and up to where they have read it."""

    room: RoomName
    role: str
    read: Position


class MembershipRepository:
    """The memberships table (see infra/data.yaml): one item for each `room` and `member`.

    What expires counts as absent from that moment on: guests' memberships, but of direct rooms,
    which are written once, with the room's first message. Every method raises Unavailable when the
    database does not do its part.

    Args:
        guest_ttl: Seconds for which a guest's membership is remembered.
    """

    def __init__(
        self, database: Database, *, table: str, clock: Callable[[], float], guest_ttl: int
    ) -> None:
        self._database = database
        self._table = table
        self._clock = clock
        self._guest_ttl = guest_ttl

    def join(self, room: RoomName, user: UserName, read: Position, *, guest: bool) -> None:
        """Make the user a member who has read the room up to `read`; a member stays as they are."""
        try:
            self._database.put(
                self._table,
                self._item(room, user, read, guest=guest),
                ConditionExpression="attribute_not_exists(room) OR expires_at <= :now",
                ExpressionAttributeValues={":now": self._now()},
            )
        except ConditionError:
            return

    def founding(self, room: RoomName) -> list[dict[str, Any]]:
        """Return the writes that make both people of a direct room its members.

        They go with the room's first message, so that no message is in a room that its reader
        cannot find. None for any other room.
        """
        return [
            put_write(self._table, self._item(room, user, Position(), guest=False))
            for user in sorted(set(direct_users(room) or ()))
        ]

    def read(
        self, room: RoomName, user: UserName, position: Position, *, guest: bool
    ) -> tuple[int, bool]:
        """Move the user's marker forward to `position`, joining the room if need be.

        Returns:
            Where the marker is, which may be further on already, and whether it is at `position`.
        """
        key = {"room": string(room), "member": string(user)}
        marker = "read_seq = :seq, read_messages = :messages"
        member = "#role = if_not_exists(#role, :role), joined_at = if_not_exists(joined_at, :now)"
        expires = guest and direct_users(room) is None
        expiry = {":expires": number(self._expiry())} if expires else {}
        try:
            self._database.update(
                self._table,
                key,
                UpdateExpression=f"SET {marker}, {member}"
                + (", expires_at = :expires" if expires else " REMOVE expires_at"),
                ConditionExpression="attribute_not_exists(room) OR read_seq < :seq "
                "OR expires_at <= :now",
                ExpressionAttributeNames={"#role": "role"},
                ExpressionAttributeValues={
                    ":seq": number(position.seq),
                    ":messages": number(position.messages),
                    ":role": string(ROLE),
                    ":now": self._now(),
                    **expiry,
                },
            )
        except ConditionError:
            item = self._database.get(self._table, key) or {}
            there = int(item.get("read_seq", number(position.seq))["N"])
            return there, there == position.seq  # perhaps by this call, whose answer was lost
        return position.seq, True

    def of(
        self, user: UserName, *, after: RoomName | None, limit: int
    ) -> tuple[list[Membership], bool]:
        """Return the first memberships of a person after a room, by name, and whether more follow.

        Eventually consistent, as an index is: what was joined this moment may be missing.
        """
        kept: list[Membership] = []
        more = True
        while more and len(kept) <= limit:
            # One more than asked for: DynamoDB stops at a limit without looking what follows.
            items, more = self._page(user, after, limit + 1)
            kept += [_membership_of(item) for item in items if is_live(item, self._clock())]
            after = RoomName(items[-1]["room"]["S"]) if items else after
        return kept[:limit], len(kept) > limit

    def _page(self, user: UserName, after: RoomName | None, limit: int) -> tuple[list[Item], bool]:
        from_there = "" if after is None else " AND room > :after"
        start = {} if after is None else {":after": string(after)}
        return self._database.page(
            self._table,
            limit=limit,
            IndexName="by_member",
            KeyConditionExpression=f"#member = :member{from_there}",
            ExpressionAttributeNames={"#member": "member"},
            ExpressionAttributeValues={":member": string(user), **start},
        )

    def _item(self, room: RoomName, user: UserName, read: Position, *, guest: bool) -> Item:
        item = {
            "room": string(room),
            "member": string(user),
            "role": string(ROLE),
            "joined_at": self._now(),
            "read_seq": number(read.seq),
            "read_messages": number(read.messages),
        }
        if guest:
            item["expires_at"] = number(self._expiry())
        return item

    def _expiry(self) -> int:
        return int(self._clock()) + self._guest_ttl

    def _now(self) -> dict[str, Any]:
        return number(self._clock())


def _membership_of(item: Item) -> Membership:
    return Membership(
        RoomName(item["room"]["S"]),
        item["role"]["S"],
        Position(int(item["read_seq"]["N"]), int(item["read_messages"]["N"])),
    )
