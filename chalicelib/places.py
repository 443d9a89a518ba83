"""The items of the memberships table: rooms, and what people are in them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from chalicelib.database import Item, is_live, number, string
from chalicelib.errors import Unavailable
from chalicelib.models import RoomName, UserName
from chalicelib.positions import Position
from chalicelib.roles import Role

Visibility: TypeAlias = Literal["public", "private"]
# Where a room itself is among its members: no name of a person.
_ROOM = "#room"
# Whoever has to look again was beaten by somebody who got through.
_LOOKS = 10


class OutdatedError(Exception):
    """What a change rests on is not so any more: read it again, and decide anew."""


@dataclass(frozen=True, slots=True)
class Room:
    """What is known of a room; public ones that were made by using them have no owner.

    Attributes:
        slow_mode: Seconds between two messages of one person; 0 where the room says nothing.
        invitations: How often somebody was invited, where the room is private.
    """

    visibility: Visibility = "public"
    owner: UserName | None = None
    slow_mode: int = 0
    invitations: int = 0


@dataclass(frozen=True, slots=True)
class Membership:
    """A room that a person has joined, and up to where they have read it."""

    room: RoomName
    role: Role
    read: Position


@dataclass(frozen=True, slots=True)
class Place:
    """A room, None as long as nobody has made it, and what some people are in it."""

    name: RoomName
    room: Room | None
    members: Mapping[UserName, Membership]
    banned: frozenset[UserName]

    @property
    def private(self) -> bool:
        """Whether only members may be there."""
        return self.room is not None and self.room.visibility == "private"

    def role(self, user: UserName) -> Role | None:
        """Return the role of one of these people, None for no member."""
        return self.members[user].role if user in self.members else None


class MemberKey(NamedTuple):
    """Where an item is."""

    room: RoomName
    member: str

    @property
    def item(self) -> Item:
        """The key as DynamoDB takes it."""
        return {"room": string(self.room), "member": string(self.member)}


def room_key(room: RoomName) -> MemberKey:
    """Where a room is."""
    return MemberKey(room, _ROOM)


def key_of(item: Item) -> MemberKey:
    """Return where an item is."""
    return MemberKey(RoomName(item["room"]["S"]), item["member"]["S"])


def room_item(room: RoomName, made: Room, *, by: UserName, now: float) -> Item:
    """Return the item of a new room."""
    item = {
        **room_key(room).item,
        "visibility": string(made.visibility),
        "created_by": string(by),
        "created_at": number(now),
    }
    if made.owner is not None:
        item["owner"] = string(made.owner)
    if made.slow_mode:
        item["slow_mode"] = number(made.slow_mode)
    return item


def member_item(membership: Membership, user: UserName, now: float) -> Item:
    """Return the item of a new member."""
    return {
        **MemberKey(membership.room, user).item,
        "role": string(membership.role),
        "joined_at": number(now),
        "read_seq": number(membership.read.seq),
        "read_messages": number(membership.read.messages),
    }


def room_of(item: Item) -> Room:
    """Read the item of a room."""
    return Room(
        visibility="private" if item["visibility"]["S"] == "private" else "public",
        owner=UserName(item["owner"]["S"]) if "owner" in item else None,
        slow_mode=int(item.get("slow_mode", number(0))["N"]),
        invitations=int(item.get("invitations", number(0))["N"]),
    )


def membership_of(item: Item | None, now: float) -> Membership | None:
    """Read the item of a member; None for one that has expired, and for one who is banned."""
    if item is None or "role" not in item or not is_live(item, now):
        return None
    return Membership(
        RoomName(item["room"]["S"]),
        item["role"]["S"],
        Position(int(item["read_seq"]["N"]), int(item["read_messages"]["N"])),
    )


def is_banned(item: Item | None) -> bool:
    """Tell whether an item is a ban, which never expires."""
    return item is not None and "banned" in item


def unchanged(place: Place, user: UserName, now: float) -> dict[str, Any]:
    """Return the condition that a person is still what they are in a place."""
    if user in place.banned:
        return {"ConditionExpression": "attribute_exists(banned)"}
    role = place.role(user)
    if role is not None:
        return {
            "ConditionExpression": "#role = :as_read",
            "ExpressionAttributeNames": {"#role": "role"},
            "ExpressionAttributeValues": {":as_read": string(role)},
        }
    return absent(now)


def absent(now: float) -> dict[str, Any]:
    """Return the condition that a person is neither a member nor banned."""
    return {
        "ConditionExpression": "attribute_not_exists(banned)"
        " AND (attribute_not_exists(#role) OR expires_at <= :now)",
        "ExpressionAttributeNames": {"#role": "role"},
        "ExpressionAttributeValues": {":now": number(now)},
    }


def until_true(attempt: Callable[[], None]) -> None:
    """Make an attempt again until nothing has changed between what it reads and what it writes.

    Raises:
        Unavailable: others were faster each time.
    """
    for _ in range(_LOOKS):
        try:
            return attempt()
        except OutdatedError:
            continue
    raise Unavailable
