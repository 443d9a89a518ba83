"""What people may do to a room and to the others in it, by their roles; pure."""

from typing import Literal, TypeAlias

Role: TypeAlias = Literal["owner", "moderator", "member"]
Right: TypeAlias = Literal["invite", "kick", "ban", "unban", "setrole", "slowmode"]

OWNER: Role = "owner"
MODERATOR: Role = "moderator"
MEMBER: Role = "member"

_OF_MODERATORS = {"invite", "kick", "ban", "unban", "slowmode"}
_AGAINST = {"kick", "ban"}


def acting_role(role: Role | None, *, admin: bool, private: bool) -> Role | None:
    """Return the role as which somebody acts: an admin is an owner in every public room."""
    return OWNER if admin and not private else role


def may(role: Role | None, right: Right, *, target: Role | None, private: bool) -> bool:
    """Tell whether somebody may do something to a room, or to somebody in it.

    Args:
        role: As which they act, None for no member.
        right: What they would like to do.
        target: The role of the person it is done to, None for no member, or for nobody.
        private: Whether the room is private; in a public one every member may invite.
    """
    if right in _AGAINST and target == OWNER:
        return False
    if role == OWNER:
        return True
    if role == MODERATOR:
        return right in _OF_MODERATORS and (right not in _AGAINST or target != MODERATOR)
    return role == MEMBER and right == "invite" and not private


def refusal(role: Role | None, right: Right, *, target: Role | None, private: bool) -> str:
    """Say why somebody may not do something; takes what `may` takes.

    Of the target only to those who may do so to others.
    """
    if role == OWNER or (role == MODERATOR and right in _OF_MODERATORS):
        return f"nobody of your role may {right} its {target}"
    return f"only its {_who_may(right, private=private)} may do that in a room"


def _who_may(right: Right, *, private: bool) -> str:
    if right == "setrole":
        return "owner"
    return "members" if right == "invite" and not private else "owner and its moderators"
