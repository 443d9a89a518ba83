"""The entries of a room's log, and the messages that they add up to; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chatclient.frames import seq_of, text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message in its present state.

    Attributes:
        seq: Its number in the room's log.
        at: When it was said, ISO 8601 in UTC.
        guest: Whether its author has no account: the name may be somebody else's another day.
        edited: When its text was last replaced, None if never.
        deleted: Whether its author took it back; the text is empty then.
        reactions: Who reacted, by emoji, each in the order of their reactions.
        changed: The seq of the last change, 0 without any.
    """

    seq: int
    user: str
    at: str
    text: str
    guest: bool = False
    edited: str | None = None
    deleted: bool = False
    reactions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    changed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One number of a log.

    Attributes:
        kind: `message`, `edit`, `delete`, `reaction`, or `other`: of a kind that this client does
            not know, or not as it should be; it takes its number and shows nothing.
        guest: Whether `user` has no account.
        target: The seq of the message that a change is about, 0 for a message.
        state: Of a message, as the entry brought it (docs/protocol.md, H1).
    """

    room: str
    seq: int
    kind: str
    user: str = ""
    at: str = ""
    guest: bool = False
    target: int = 0
    text: str = ""
    emoji: str = ""
    removed: bool = False
    cid: str | None = None
    state: Message | None = None


def entry_of(event: object, room: str) -> Entry | None:
    """Read an object as it stands in `events`; None for what is no entry of the room."""
    if not isinstance(event, dict) or event.get("room") != room:
        return None
    seq = seq_of(event)
    return _read(event, room, seq) if seq else None


def is_entry(frame: Mapping[str, Any]) -> bool:
    """Tell whether a push is an entry of a log, of a kind that this client knows."""
    return frame.get("type") in ("message", "edit", "delete", "reaction")


def changed(message: Message, entry: Entry) -> Message:
    """Return the message after a change of it; one that it reflects already does nothing (H2)."""
    if entry.seq <= message.changed:
        return message
    match entry.kind:
        case "edit":
            return replace(message, text=entry.text, edited=entry.at, changed=entry.seq)
        case "delete":
            return replace(message, text="", deleted=True, changed=entry.seq)
        case "reaction":
            reactions = _reacted(message.reactions, entry)
            return replace(message, reactions=reactions, changed=entry.seq)
    return message


def _read(event: Mapping[str, Any], room: str, seq: int) -> Entry:
    kind = text_of(event, "type")
    cid = event.get("cid")
    entry = Entry(
        room=room,
        seq=seq,
        kind=kind,
        user=text_of(event, "user"),
        at=text_of(event, "at"),
        guest=event.get("guest") is True,
        target=seq_of(event, "target") or 0,
        text=text_of(event, "message"),
        emoji=text_of(event, "emoji"),
        removed=event.get("removed") is True,
        cid=cid if isinstance(cid, str) else None,
    )
    if not entry.user or not isinstance(event.get("message", ""), str):
        return Entry(room=room, seq=seq, kind="other")
    if kind == "message" and "message" in event:
        return replace(entry, target=0, state=_state(event, entry))
    is_change = kind in ("edit", "delete") or (kind == "reaction" and entry.emoji)
    if is_change and 0 < entry.target < seq and (kind != "edit" or "message" in event):
        return entry
    return Entry(room=room, seq=seq, kind="other")


def _state(event: Mapping[str, Any], entry: Entry) -> Message:
    edited = event.get("edited")
    return Message(
        seq=entry.seq,
        user=entry.user,
        at=entry.at,
        text=entry.text,
        guest=entry.guest,
        edited=edited if isinstance(edited, str) else None,
        deleted=event.get("deleted") is True,
        reactions=_reactions(event.get("reactions")),
        changed=seq_of(event, "changed") or 0,
    )


def _reactions(found: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(found, dict):
        return {}
    people = {
        emoji: tuple(user for user in users if isinstance(user, str))
        for emoji, users in found.items()
        if isinstance(users, list)
    }
    return {emoji: users for emoji, users in people.items() if users}


def _reacted(
    reactions: Mapping[str, tuple[str, ...]], entry: Entry
) -> Mapping[str, tuple[str, ...]]:
    users = tuple(user for user in reactions.get(entry.emoji, ()) if user != entry.user)
    if not entry.removed:
        users = (*users, entry.user)
    others = {emoji: people for emoji, people in reactions.items() if emoji != entry.emoji}
    return others | {entry.emoji: users} if users else others
