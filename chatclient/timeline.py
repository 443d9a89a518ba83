"""One room's log as one client has it: gapless from `base` on, whatever order it came in; pure."""

from collections.abc import Iterable, Sequence

from chatclient.entries import Entry, Message, changed, entry_of


class Timeline:
    """Takes the events of docs/protocol.md, in any order and as often as they come.

    Entries base + 1 to `last` are there, each once; what is early is held until the entries before
    it have come. The same entries give the same messages, whether they were seen as they happened
    or read later.

    Args:
        room: Events of other rooms are ignored.
        keep: How many entries are kept: beyond that, feed() drops the oldest. What prepend() adds
            stays until then.

    Attributes:
        base: Everything after it is wanted; None until begin() or reset().
        older: Whether the room has, as far as is known, entries at or before base.
    """

    def __init__(self, room: str, *, keep: int = 2000) -> None:
        self.room = room
        self.base: int | None = None
        self.older = False
        self._keep = keep
        self._last = 0
        self._end = 0  # the highest seq that is known to exist
        self._early: dict[int, Entry] = {}
        self._log: dict[int, Entry] = {}
        self._messages: dict[int, Message] = {}
        self._changes: dict[int, list[int]] = {}  # by target, for messages that come later

    @property
    def last(self) -> int | None:
        """The seq up to which nothing is missing; None before begin()."""
        return None if self.base is None else self._last

    @property
    def hole(self) -> tuple[int, int] | None:
        """The first and the last seq of the first range that is missing, None if none is."""
        if self.base is None:
            return None
        if self._early:
            return self._last + 1, min(self._early) - 1
        return (self._last + 1, self._end) if self._end > self._last else None

    def begin(self, base: int) -> list[Entry]:
        """Claim nothing up to `base`, and everything after it; returns what can be shown now."""
        self.base = self._last = base
        self.older = base > 0
        self._early = {seq: entry for seq, entry in self._early.items() if seq > base}
        return self._advance()

    def feed(self, events: Iterable[object]) -> list[Entry]:
        """Take events; returns the entries that are new and have no gap before them, in order."""
        for event in events:
            entry = entry_of(event, self.room)
            if entry is not None and (self.base is None or entry.seq > self._last):
                self._early.setdefault(entry.seq, entry)
                self._end = max(self._end, entry.seq)
        added = self._advance()
        self._trim()
        return added

    def known_last(self, seq: int) -> None:
        """Learn that the room has entries up to `seq` at least."""
        self._end = max(self._end, seq)

    def confirmed(self, seq: int) -> None:
        """Learn that the room ended at `seq` when everything up to there had been read."""
        self._end = max(self._last, seq, *self._early)

    def prepend(self, events: Sequence[object], *, more: bool) -> list[Entry]:
        """Take a page of history that ends at base; returns what is new, oldest first.

        A page that does not reach to base leaves everything as it was.
        """
        entries = [entry for event in events if (entry := entry_of(event, self.room))]
        page = {entry.seq: entry for entry in entries if entry.seq <= (self.base or 0)}
        if self.base is None or (page and sorted(page) != _range(self.base, len(page))):
            return []
        self.older = more and self.base > len(page)
        self.base -= len(page)
        for seq in sorted(page):
            self._add(page[seq])
        return [page[seq] for seq in sorted(page)]

    def reset(self, events: Sequence[object], seq: int) -> list[Entry]:
        """Forget everything and begin with the newest events of a room that ends at `seq`."""
        entries = {entry.seq: entry for e in events if (entry := entry_of(e, self.room))}
        for mine in (self._early, self._log, self._messages, self._changes):
            mine.clear()
        self._end = seq
        self.begin(min(entries) - 1 if entries else seq)
        return self.feed(events)

    def snapshot(self) -> tuple[Message, ...]:
        """Return the messages, oldest first; equal snapshots show the same."""
        return tuple(self._messages[seq] for seq in sorted(self._messages))

    def message(self, seq: int) -> Message | None:
        """Return one message in its present state."""
        return self._messages.get(seq)

    def entries(self) -> tuple[Entry, ...]:
        """Return all entries that are there, as they came."""
        return tuple(self._log[seq] for seq in sorted(self._log))

    def log(self) -> list[int]:
        """Return the seqs of all entries that are there, messages and changes."""
        return sorted(self._log)

    def _advance(self) -> list[Entry]:
        added: list[Entry] = []
        while self.base is not None and self._last + 1 in self._early:
            self._last += 1
            added.append(self._early.pop(self._last))
            self._add(added[-1])
        while len(self._early) > self._keep:
            del self._early[max(self._early)]
        return added

    def _add(self, entry: Entry) -> None:
        self._log[entry.seq] = entry
        if entry.state is not None:
            message = entry.state
            for seq in sorted(self._changes.get(entry.seq, ())):
                message = changed(message, self._log[seq])
            self._messages[entry.seq] = message
        elif entry.target:
            self._changes.setdefault(entry.target, []).append(entry.seq)
            if entry.target in self._messages:
                message = changed(self._messages[entry.target], entry)
                self._messages[entry.target] = message

    def _trim(self) -> None:
        while self.base is not None and self._last - self.base > self._keep:
            self.base += 1
            self.older = True
            entry = self._log.pop(self.base)
            self._messages.pop(entry.seq, None)
            if entry.target:
                self._forget(entry)

    def _forget(self, change: Entry) -> None:
        seqs = self._changes[change.target]
        seqs.remove(change.seq)
        if not seqs:
            del self._changes[change.target]


def _range(end: int, length: int) -> list[int]:
    return list(range(end - length + 1, end + 1))
