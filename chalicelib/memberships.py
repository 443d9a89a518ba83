"""Which rooms a person has joined, and how far they have read each."""

from collections.abc import Callable, Iterable, Mapping
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
from chalicelib.models import DIRECT_PREFIX, RoomName, UserName, direct_users
from chalicelib.places import (
    MemberKey,
    Membership,
    Place,
    Room,
    absent,
    is_banned,
    key_of,
    member_item,
    membership_of,
    room_key,
    room_of,
    unchanged,
)
from chalicelib.positions import Position
from chalicelib.roles import MEMBER


class MembershipRepository:
    """The memberships table (see infra/data.yaml): one item for each `room` and `member`.

    What expires counts as absent from that moment on: guests' memberships, but of direct rooms,
    which are written once, with the room's first message. A ban is in the place of a membership,
    so nobody has both. Every method raises Unavailable when the database does not do its part.

    Args:
        guest_ttl: Seconds for which a guest's membership is remembered.
        lobby: The room that is there without anyone having made it, public and nobody's.
    """

    def __init__(
        self,
        database: Database,
        *,
        table: str,
        clock: Callable[[], float],
        guest_ttl: int,
        lobby: str = "",
    ) -> None:
        self._database = database
        self._table = table
        self._clock = clock
        self._guest_ttl = guest_ttl
        self._lobby = lobby

    def places(self, rooms: Iterable[RoomName], *users: UserName) -> list[Place]:
        """Read rooms and what these people are in them, strongly consistent, in one request.

        Up to 100 items, that is; of more, in as many requests as it takes.
        """
        names = list(dict.fromkeys(rooms))
        keys = [key for name in names for key in self._keys(name, users)]
        items = {
            key_of(item): item
            for item in self._database.get_all(self._table, [key.item for key in keys])
        }
        return [self._place(name, users, items) for name in names]

    def join(
        self, place: Place, user: UserName, read: Position, *, guest: bool
    ) -> Membership | None:
        """Make the user a member of a public place who has read it up to `read`.

        A member stays as they are; None where they have been banned, or have joined, since the
        place was read.
        """
        if user in place.members:
            return place.members[user]
        membership = Membership(place.name, MEMBER, read)
        try:
            self._database.put(
                self._table,
                self._item(membership, user, guest=guest),
                **absent(self._clock()),
            )
        except ConditionError:
            return None
        return membership

    def entry(
        self, place: Place, user: UserName, read: Position, *, guest: bool
    ) -> list[dict[str, Any]]:
        """Return the write that goes with a subscription, and fails if it may not be any more.

        It makes the user a member, who has read the room up to `read`; of a member, it only checks
        that they still are one.
        """
        now = self._clock()
        if user in place.members:
            key, condition = MemberKey(place.name, user).item, unchanged(place, user, now)
            return [check_write(self._table, key, **condition)]
        item = self._item(Membership(place.name, MEMBER, read), user, guest=guest)
        return [put_write(self._table, item, **absent(now))]

    def ban_check(self, room: RoomName, user: UserName) -> dict[str, Any]:
        """Return the write, of a transaction, that fails if the user is banned from a room."""
        key = MemberKey(room, user).item
        return check_write(self._table, key, ConditionExpression="attribute_not_exists(banned)")

    def founding(self, room: RoomName) -> list[dict[str, Any]]:
        """Return the writes that make both people of a direct room its members.

        They go with the room's first message, so that no message is in a room that its reader
        cannot find. None for any other room.
        """
        return [
            put_write(
                self._table, self._item(Membership(room, MEMBER, Position()), user, guest=False)
            )
            for user in sorted(set(direct_users(room) or ()))
        ]

    def read(
        self, room: RoomName, user: UserName, position: Position, *, guest: bool
    ) -> tuple[int, bool] | None:
        """Move the marker of a member forward to `position`.

        Returns:
            Where the marker is, which may be further on already, and whether it is at `position`;
            None for who is no member.
        """
        key = MemberKey(room, user).item
        expires = guest and direct_users(room) is None
        expiry = {":expires": number(self._expiry())} if expires else {}
        try:
            self._database.update(
                self._table,
                key,
                UpdateExpression="SET read_seq = :seq, read_messages = :messages"
                + (", expires_at = :expires" if expires else " REMOVE expires_at"),
                ConditionExpression="attribute_exists(#role) AND read_seq < :seq"
                " AND (attribute_not_exists(expires_at) OR expires_at > :now)",
                ExpressionAttributeNames={"#role": "role"},
                ExpressionAttributeValues={
                    ":seq": number(position.seq),
                    ":messages": number(position.messages),
                    ":now": self._now(),
                    **expiry,
                },
            )
        except ConditionError:
            membership = membership_of(self._database.get(self._table, key), self._clock())
            if membership is None:
                return None
            there = membership.read.seq
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
            found = (membership_of(item, self._clock()) for item in items)
            kept += [membership for membership in found if membership]
            after = RoomName(items[-1]["room"]["S"]) if items else after
        return kept[:limit], len(kept) > limit

    def has_direct(self, user: UserName) -> bool:
        """Tell whether anybody of this name has written, or been written to, directly.

        Eventually consistent, as an index is.
        """
        items, _ = self._database.page(
            self._table,
            limit=1,
            IndexName="by_member",
            KeyConditionExpression="#member = :member AND begins_with(room, :direct)",
            ExpressionAttributeNames={"#member": "member"},
            ExpressionAttributeValues={
                ":member": string(user),
                ":direct": string(DIRECT_PREFIX),
            },
        )
        return bool(items)

    def others(self, room: RoomName, user: UserName) -> bool:
        """Tell whether a room has other members; strongly consistent."""
        items = self._database.query(
            self._table,
            KeyConditionExpression="room = :room",
            FilterExpression="attribute_exists(#role) AND #member <> :user",
            ProjectionExpression="expires_at",
            ExpressionAttributeNames={"#role": "role", "#member": "member"},
            ExpressionAttributeValues={":room": string(room), ":user": string(user)},
        )
        return any(is_live(item, self._clock()) for item in items)

    def _keys(self, room: RoomName, users: Iterable[UserName]) -> list[MemberKey]:
        own = [] if room == self._lobby else [room_key(room)]
        return own + [MemberKey(room, user) for user in dict.fromkeys(users)]

    def _place(
        self, name: RoomName, users: Iterable[UserName], items: Mapping[MemberKey, Item]
    ) -> Place:
        found = {user: items.get(MemberKey(name, user)) for user in users}
        read = {user: membership_of(item, self._clock()) for user, item in found.items()}
        made = items.get(room_key(name))
        lobby = Room() if name == self._lobby else None
        return Place(
            name,
            room_of(made) if made else lobby,
            {user: membership for user, membership in read.items() if membership},
            frozenset(user for user, item in found.items() if is_banned(item)),
        )

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

    def _item(self, membership: Membership, user: UserName, *, guest: bool) -> Item:
        item = member_item(membership, user, self._clock())
        if guest and direct_users(membership.room) is None:
            item["expires_at"] = number(self._expiry())
        return item

    def _expiry(self) -> int:
        return int(self._clock()) + self._guest_ttl

    def _now(self) -> dict[str, Any]:
        return number(self._clock())
