"""What a change does to the message that it is about, and why it cannot."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.database import Item, number, string, strings
from chalicelib.drafts import Appended, Change, Edit, Reaction
from chalicelib.entries import Kept, entry_key, is_message, reaction_key, reactor_key
from chalicelib.errors import Conflict, Forbidden, NotFound

# Of one person to one message. Nobody means more than that, and the message has a limit of its own,
# which nobody may use up for the others.
MAX_REACTIONS_EACH = 20

# A message that is there for the readers, see Kept.
_IS_THERE = (
    "kind = :kind AND attribute_not_exists(deleted) AND #at > :since"
    " AND (attribute_not_exists(expires_at) OR expires_at > :now)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Effect:
    sets: Sequence[str] = ()
    removes: Sequence[str] = ()
    also: str = ""
    condition: str
    names: dict[str, str]
    values: Item = field(default_factory=dict)


def target_update(
    table: str, change: Change, *, seq: int, at: str, kept: Kept, max_reactions: int
) -> dict[str, Any]:
    """Return the write that brings a message into its new state.

    It fails, with the item's image, where the change is not possible or changes nothing.
    """
    effect = _effect(change, max_reactions)
    sets = ", ".join((*effect.sets, "changed = :seq", "changed_at = :at"))
    removes = f" REMOVE {', '.join(effect.removes)}" if effect.removes else ""
    return {
        "TableName": table,
        "Key": entry_key(change.room, change.target),
        "UpdateExpression": f"SET {sets}{removes}{effect.also}",
        "ConditionExpression": f"{_IS_THERE} AND {effect.condition}",
        "ExpressionAttributeNames": {"#at": "at", **effect.names},
        "ExpressionAttributeValues": {
            ":kind": string("message"),
            ":now": number(kept.now),
            ":since": string(kept.since),
            ":seq": number(seq),
            ":at": string(at),
            **effect.values,
        },
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def refusal(change: Change, target: Item | None, kept: Kept) -> Appended:
    """Return the duplicate that a change of `target` (its image) is which was not made.

    Raises:
        NotFound: the target is no message, or no longer kept.
        Forbidden: it is somebody else's.
        Conflict: it has been deleted, or has all the reactions that it may have, of all people or
            of this one.
    """
    if not target or not is_message(target) or not kept.has(target):
        raise NotFound(f"{change.target} is no message of {change.room}")
    if not isinstance(change, Reaction) and not _is_author(change, target):
        raise Forbidden(f"message {change.target} of {change.room} is somebody else's")
    if isinstance(change, Edit | Reaction):
        _check_state(change, target)
    return Appended(
        change.room,
        int(target.get("changed", target["seq"])["N"]),
        target.get("changed_at", target["at"])["S"],
        duplicate=True,
    )


def _is_author(change: Change, target: Item) -> bool:
    # An account of the same name is somebody else.
    return bool(target["user"]["S"] == change.user) and ("guest" in target) == change.guest


def _check_state(change: Edit | Reaction, target: Item) -> None:
    if "deleted" in target:
        raise Conflict(f"message {change.target} of {change.room} has been deleted")
    reactions = target["reactions"]["M"]
    if isinstance(change, Edit) or change.removed:
        return
    if reaction_key(change.emoji, change.user) in reactions:
        return
    own = len(target.get(reactor_key(change.user), strings([]))["SS"])
    count, whose = (own, " of yours") if own >= MAX_REACTIONS_EACH else (len(reactions), "")
    raise Conflict(
        f"message {change.target} of {change.room} has {count} reactions{whose}, "
        "as many as it may have"
    )


def _effect(change: Change, max_reactions: int) -> _Effect:
    if isinstance(change, Reaction):
        return _unreact(change) if change.removed else _react(change, max_reactions)
    author = f"#user = :user AND attribute_{'exists' if change.guest else 'not_exists'}(#guest)"
    names, values = {"#user": "user", "#guest": "guest"}, {":user": string(change.user)}
    if isinstance(change, Edit):
        return _Effect(
            sets=["message = :text", "edited = :at"],
            condition=f"{author} AND message <> :text",
            names=names,
            values=values | {":text": string(change.text)},
        )
    return _Effect(
        sets=["deleted = :true"],
        removes=["message"],
        condition=author,
        names=names,
        values=values | {":true": {"BOOL": True}},
    )


def _react(reaction: Reaction, limit: int) -> _Effect:
    return _Effect(
        sets=["reactions.#reaction = :seq"],
        also=" ADD #own :emoji",
        condition="attribute_not_exists(reactions.#reaction) AND size(reactions) < :limit"
        " AND (attribute_not_exists(#own) OR size(#own) < :each)",
        names=_names(reaction),
        values={
            ":limit": number(limit),
            ":each": number(MAX_REACTIONS_EACH),
            ":emoji": strings([reaction.emoji]),
        },
    )


def _unreact(reaction: Reaction) -> _Effect:
    return _Effect(
        removes=["reactions.#reaction"],
        also=" DELETE #own :emoji",
        condition="attribute_exists(reactions.#reaction)",
        names=_names(reaction),
        values={":emoji": strings([reaction.emoji])},
    )


def _names(reaction: Reaction) -> dict[str, str]:
    return {
        "#reaction": reaction_key(reaction.emoji, reaction.user),
        "#own": reactor_key(reaction.user),
    }
