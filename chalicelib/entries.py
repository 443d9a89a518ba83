"""The items of the messages table: their keys, and entries of a log as their attributes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from chalicelib.database import Item, is_live, number, string
from chalicelib.drafts import Content, Deletion, Edit, Entry, Message, Reaction, State
from chalicelib.models import LARGEST_INTEGER, RoomName, UserName
from chalicelib.times import iso

# Where a room's last seq is kept while entries expire: after all of them, so that one read from
# the end finds both.
TAIL = LARGEST_INTEGER + 1


_EVER = "0"  # before all times; old databases refuse an empty string


class Kept(NamedTuple):
    """Which items are still there for readers at a time, whatever the table still has.

    Entries from before they expired here carry no time to live.
    """

    now: float
    retention: int

    @property
    def since(self) -> str:
        """The time after which entries are kept, as they carry it."""
        return iso(self.now - self.retention) if self.retention else _EVER

    def has(self, item: Item) -> bool:
        """Tell whether an entry counts."""
        return is_live(item, self.now) and item["at"]["S"] > self.since


def entry_key(room: RoomName, seq: int) -> Item:
    """Where an entry is."""
    return {"room": string(room), "seq": number(seq)}


def idempotency_key(content: Content, cid: str) -> Item:
    """Where it is remembered what a cid was used for; an account is not the guest of its name."""
    author = f"guest {content.user}" if content.guest else content.user
    return {"room": string(f"cid#{author}#{cid}"), "seq": number(0)}


def entry_item(content: Content, seq: int, at: str, messages: int) -> Item:
    """Return the item of a new entry.

    An edit does not hold its text: that is in its target, which is the only place that has to be
    emptied when the message is deleted.
    """
    item = {
        **entry_key(content.room, seq),
        "kind": string(_KINDS[type(content)]),
        "user": string(content.user),
        "at": string(at),
        "messages": number(messages),
    }
    if content.guest:
        item["guest"] = {"BOOL": True}
    if content.cid is not None:
        item["cid"] = string(content.cid)
    if isinstance(content, Message):
        return item | {"message": string(content.text), "reactions": {"M": {}}}
    item["target"] = number(content.target)
    if isinstance(content, Reaction):
        item |= {"emoji": string(content.emoji), "removed": {"BOOL": content.removed}}
    return item


def entry_of(item: Item, texts: Mapping[int, str]) -> Entry:
    """Read the item of an entry; `texts` are those of the messages that edits are about."""
    return Entry(
        seq=int(item["seq"]["N"]),
        at=item["at"]["S"],
        content=_content(item, texts),
        state=_state(item),
    )


def is_message(item: Item) -> bool:
    """Tell whether an item of the table is a message, as opposed to a change of one."""
    return bool(item["kind"]["S"] == _KINDS[Message])


def text_of(message: Item) -> str:
    """Return the newest text of a message, which a deleted one has none of."""
    text: str = message["message"]["S"] if "message" in message else ""
    return text


def edited_target(item: Item) -> int | None:
    """Return the message whose text an edit shows, None for any other item."""
    return int(item["target"]["N"]) if item["kind"]["S"] == _KINDS[Edit] else None


def reaction_key(emoji: str, user: UserName) -> str:
    """Return the name under which a message's `reactions` hold the seq of a reaction."""
    return f"{emoji} {user}"


def reactor_key(user: UserName) -> str:
    """Return the name under which a message has the set of a person's emoji.

    A set and not a count: it goes by itself with the last of them, so that those who come, react
    and take it back leave nothing.
    """
    return f"emoji of {user}"


def _content(item: Item, texts: Mapping[int, str]) -> Content:
    made: dict[str, Any] = {
        "room": RoomName(item["room"]["S"]),
        "user": UserName(item["user"]["S"]),
        "guest": "guest" in item,
        "cid": item["cid"]["S"] if "cid" in item else None,
    }
    if is_message(item):
        return Message(**made, text=text_of(item))
    target = int(item["target"]["N"])
    if item["kind"]["S"] == _KINDS[Edit]:
        return Edit(**made, target=target, text=texts.get(target, ""))
    if item["kind"]["S"] == _KINDS[Deletion]:
        return Deletion(**made, target=target)
    emoji, removed = item["emoji"]["S"], item["removed"]["BOOL"]
    return Reaction(**made, target=target, emoji=emoji, removed=removed)


def _state(item: Item) -> State:
    if "changed" not in item:
        return State()
    return State(
        changed=int(item["changed"]["N"]),
        edited=item["edited"]["S"] if "edited" in item else None,
        deleted="deleted" in item,
        reactions=_reactions(item["reactions"]["M"]),
    )


def _reactions(found: Mapping[str, Any]) -> dict[str, list[UserName]]:
    reactions: dict[str, list[UserName]] = {}
    for key in sorted(found, key=lambda key: int(found[key]["N"])):
        emoji, user = key.split(" ")
        reactions.setdefault(emoji, []).append(UserName(user))
    return reactions


_KINDS: dict[type[Content], str] = {
    Message: "message",
    Edit: "edit",
    Deletion: "delete",
    Reaction: "reaction",
}
