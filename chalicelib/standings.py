"""Changes of what people are in a room, each only if it is still what it was decided on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.database import ConditionError, Database, check_write, number, put_write, string
from chalicelib.models import UserName
from chalicelib.places import (
    MemberKey,
    Membership,
    OutdatedError,
    Place,
    absent,
    member_item,
    room_key,
    unchanged,
)
from chalicelib.positions import Position
from chalicelib.roles import MEMBER, MODERATOR, OWNER, Role


@dataclass(frozen=True, slots=True)
class Ruling:
    """That somebody may do something to a user of a place, as the place was read.

    `admin`: they may because of the settings, and not because of their role.
    """

    place: Place
    by: UserName
    user: UserName
    admin: bool


class Standings:
    """Writes the memberships table (see MembershipRepository and RoomRepository).

    Each change is one transaction. It checks that whoever makes it has the role still that it was
    decided on, and that the user whom it concerns is what they were; else it raises OutdatedError.
    Every method raises Unavailable when the database does not do its part.
    """

    def __init__(self, database: Database, *, table: str, clock: Callable[[], float]) -> None:
        self._database = database
        self._table = table
        self._clock = clock

    def invite(self, ruling: Ruling, read: Position) -> None:
        """Make somebody a member who has read the room up to `read`."""
        membership = Membership(ruling.place.name, MEMBER, read)
        item = member_item(membership, ruling.user, self._clock())
        put = put_write(self._table, item, **absent(self._clock()))
        # An owner who leaves because nobody else is there learns of it by this.
        counted = [self._count_invitation(ruling.place)] if ruling.place.private else []
        self._transact([*self._guard(ruling), put, *counted])

    def remove(self, ruling: Ruling) -> None:
        """Take away somebody's membership, or their ban."""
        self._transact([*self._guard(ruling), self._deletion(ruling.place, ruling.user)])

    def ban(self, ruling: Ruling) -> None:
        """Put a ban in the place of somebody's membership, or of none."""
        update = self._update(
            ruling.place,
            ruling.user,
            "SET banned = :true, #by = :by, #at = :at REMOVE #role, expires_at",
            names={"#by": "by", "#at": "at", "#role": "role"},
            values={
                ":true": {"BOOL": True},
                ":by": string(ruling.by),
                ":at": number(self._clock()),
            },
        )
        self._transact([*self._guard(ruling), update])

    def appoint(self, ruling: Ruling, role: Role) -> None:
        """Give a member who is not the owner another role, but not that of the owner."""
        self._transact([*self._guard(ruling), self._set_role(ruling.place, ruling.user, role)])

    def hand_over(self, ruling: Ruling) -> None:
        """Make a member the owner, and the owner, if there is one, a moderator."""
        place, owner = ruling.place, ruling.place.room and ruling.place.room.owner
        former = [self._set_role(place, owner, MODERATOR)] if owner else []
        theirs = self._set_role(place, ruling.user, OWNER)
        self._transact([self._set_owner(place, ruling.user), *former, theirs])

    def leave(self, place: Place, user: UserName) -> None:
        """Take away one's own membership; of an owner, the ownership too."""
        owner = [self._set_owner(place, None)] if place.role(user) == OWNER else []
        self._transact([self._deletion(place, user), *owner])

    def slow_mode(self, ruling: Ruling, seconds: int) -> None:
        """Let so many seconds be between two messages of one person; 0: as many as elsewhere."""
        # The lobby has no item until something is said of it.
        made = "visibility = if_not_exists(visibility, :public)"
        update = {
            "TableName": self._table,
            "Key": room_key(ruling.place.name).item,
            "UpdateExpression": f"SET slow_mode = :seconds, {made}",
            "ExpressionAttributeValues": {
                ":seconds": number(seconds),
                ":public": string("public"),
            },
        }
        self._transact([*self._guard(ruling), {"Update": update}])

    def _guard(self, ruling: Ruling) -> list[dict[str, Any]]:
        if ruling.admin:
            return []
        key = MemberKey(ruling.place.name, ruling.by).item
        condition = unchanged(ruling.place, ruling.by, self._clock())
        return [check_write(self._table, key, **condition)]

    def _deletion(self, place: Place, user: UserName) -> dict[str, Any]:
        key = MemberKey(place.name, user).item
        condition = unchanged(place, user, self._clock())
        return {"Delete": {"TableName": self._table, "Key": key, **condition}}

    def _set_role(self, place: Place, user: UserName, role: Role) -> dict[str, Any]:
        names, values = {"#role": "role"}, {":role": string(role)}
        return self._update(place, user, "SET #role = :role", names=names, values=values)

    def _update(
        self, place: Place, user: UserName, change: str, *, names: Any, values: Any
    ) -> dict[str, Any]:
        condition = unchanged(place, user, self._clock())
        return {
            "Update": {
                "TableName": self._table,
                "Key": MemberKey(place.name, user).item,
                "UpdateExpression": change,
                **condition,
                "ExpressionAttributeNames": {
                    **condition.get("ExpressionAttributeNames", {}),
                    **names,
                },
                "ExpressionAttributeValues": {
                    **condition.get("ExpressionAttributeValues", {}),
                    **values,
                },
            }
        }

    def _set_owner(self, place: Place, owner: UserName | None) -> dict[str, Any]:
        """Change the owner of a room whose owner and invitations are what they were."""
        room = place.room
        former, invited = (room.owner, room.invitations) if room else (None, 0)
        was = "#owner = :former" if former else "attribute_not_exists(#owner)"
        count = "invitations = :invited" if invited else "attribute_not_exists(invitations)"
        values = {
            **({":former": string(former)} if former else {}),
            **({":invited": number(invited)} if invited else {}),
            **({":owner": string(owner)} if owner else {}),
        }
        return {
            "Update": {
                "TableName": self._table,
                "Key": room_key(place.name).item,
                "UpdateExpression": "SET #owner = :owner" if owner else "REMOVE #owner",
                "ConditionExpression": f"attribute_exists(room) AND {was} AND {count}",
                "ExpressionAttributeNames": {"#owner": "owner"},
                "ExpressionAttributeValues": values,
            }
        }

    def _count_invitation(self, place: Place) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": self._table,
                "Key": room_key(place.name).item,
                "UpdateExpression": "SET invitations = if_not_exists(invitations, :zero) + :one",
                "ExpressionAttributeValues": {":zero": number(0), ":one": number(1)},
            }
        }

    def _transact(self, writes: Sequence[dict[str, Any]]) -> None:
        try:
            self._database.transact_until_done(writes)
        except ConditionError as error:
            raise OutdatedError from error
