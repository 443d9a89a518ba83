"""What the log of one room should be, in a page of plain Python written from docs/protocol.md."""

from dataclasses import dataclass, field

from chalicelib.drafts import Content, Deletion, Edit, Entry, Message, Reaction, State
from chalicelib.models import UserName

Answer = tuple[int, bool] | str  # a seq and whether it is a duplicate, or the code of an error


@dataclass
class _Said:
    """A message and its present state."""

    user: UserName
    text: str
    changed: int = 0
    edited: bool = False
    deleted: bool = False
    reactions: list[tuple[str, UserName]] = field(default_factory=list)


class Model:
    """One room's log."""

    def __init__(self, *, max_reactions: int = 500) -> None:
        self.contents: list[Content] = []
        self._messages: dict[int, _Said] = {}
        self._cids: dict[tuple[UserName, str], int] = {}
        self._max_reactions = max_reactions

    def append(self, content: Content) -> Answer:
        """Add to the log; see MessageLog.append."""
        if content.cid and (original := self._cids.get((content.user, content.cid))):
            return original, True
        refusal = None if isinstance(content, Message) else self._refusal(content)
        if refusal is not None:
            if content.cid and isinstance(refusal, tuple):  # a duplicate, as which it is remembered
                self._cids[content.user, content.cid] = refusal[0]
            return refusal
        self.contents.append(content)
        seq = len(self.contents)
        if content.cid:
            self._cids[content.user, content.cid] = seq
        self._apply(content, seq)
        return seq, False

    def entries(self) -> list[tuple[int, Content, State]]:
        """Return every entry as it is read now, less the times, which are the database's."""
        return [
            (seq, self._present(seq, content), self._state(seq))
            for seq, content in enumerate(self.contents, 1)
        ]

    def _refusal(self, change: Edit | Deletion | Reaction) -> Answer | None:
        said = self._messages.get(change.target)
        if said is None:
            return "not_found"
        if not isinstance(change, Reaction) and said.user != change.user:
            return "forbidden"
        if said.deleted and not isinstance(change, Deletion):
            return "conflict"
        if _changes_nothing(said, change):
            return said.changed or change.target, True
        if isinstance(change, Reaction) and not change.removed:
            return "conflict" if len(said.reactions) >= self._max_reactions else None
        return None

    def _apply(self, content: Content, seq: int) -> None:
        if isinstance(content, Message):
            self._messages[seq] = _Said(content.user, content.text)
            return
        said = self._messages[content.target]
        said.changed = seq
        if isinstance(content, Edit):
            said.text, said.edited = content.text, True
        elif isinstance(content, Deletion):
            said.text, said.deleted = "", True
        elif content.removed:
            said.reactions.remove((content.emoji, content.user))
        else:
            said.reactions.append((content.emoji, content.user))

    def _present(self, seq: int, content: Content) -> Content:
        """H1: a message and its edits come with the newest text."""
        told = {"room": content.room, "user": content.user, "cid": content.cid}
        if isinstance(content, Message):
            return Message(**told, text=self._messages[seq].text)  # type: ignore[arg-type]
        if isinstance(content, Edit):
            text = self._messages[content.target].text
            return Edit(**told, target=content.target, text=text)  # type: ignore[arg-type]
        return content

    def _state(self, seq: int) -> State:
        said = self._messages.get(seq)
        if said is None or not said.changed:
            return State()
        reactions: dict[str, list[UserName]] = {}
        for emoji, user in said.reactions:
            reactions.setdefault(emoji, []).append(user)
        return State(said.changed, "" if said.edited else None, said.deleted, reactions)


def without_times(entry: Entry) -> tuple[int, Content, State]:
    """Return an entry as Model.entries writes it."""
    state = entry.state
    edited = None if state.edited is None else ""
    told = State(state.changed, edited, state.deleted, dict(state.reactions))
    return entry.seq, entry.content, told


def _changes_nothing(said: _Said, change: Edit | Deletion | Reaction) -> bool:
    if isinstance(change, Edit):
        return change.text == said.text
    if isinstance(change, Deletion):
        return said.deleted
    return ((change.emoji, change.user) in said.reactions) is not change.removed
