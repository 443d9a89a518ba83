"""The log of every room: gapless, totally ordered, durable before it is acknowledged."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count, pairwise, takewhile
from typing import Any, NamedTuple, TypeAlias, TypeGuard

from chalicelib.appends import Append, Part
from chalicelib.backoff import Backoff
from chalicelib.changes import refusal
from chalicelib.database import ConditionError, Database, Item, is_live, number, string
from chalicelib.drafts import Appended, Change, Content, Entry, Message, Page
from chalicelib.entries import (
    TAIL,
    Kept,
    edited_target,
    entry_key,
    entry_of,
    idempotency_key,
    text_of,
)
from chalicelib.errors import NotFound, Unavailable
from chalicelib.models import RoomName
from chalicelib.positions import Position, Positions
from chalicelib.telemetry import Metric, Silence, Telemetry

# Reads are not isolated from transactions: one item of those may be seen before another, and what
# looks like a hole or an expired end is looked at once more.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-isolation
_LOOKS = 2

Founding: TypeAlias = Callable[[], Sequence[Mapping[str, Any]]]


class MessageLog:
    """The messages table (see infra/data.yaml).

    Items, by `room` and `seq`:

    - a room, 1, 2, 3, ...: its entries (see entries.py).
    - a room, TAIL: its last seq; only where entries expire, so that no number comes twice.
    - `cid#<user>#<cid>`, 0: the place of what was first added with that cid.

    All reads are strongly consistent and skip what has expired, as the table's time to live may be
    days late. Every method raises Unavailable when the database does not do its part.

    Args:
        idempotency_ttl: Seconds for which a cid is remembered.
        retention: Seconds for which entries are kept; 0 keeps them for ever.
        max_reactions: How many reactions a message may have.
        remembered_rooms: Of how many rooms the last seq is remembered between calls.
        contention: How often an append is tried again while others are faster.
        telemetry: Told how often that was.
    """

    def __init__(
        self,
        database: Database,
        *,
        table: str,
        clock: Callable[[], float],
        idempotency_ttl: int,
        retention: int = 0,
        max_reactions: int = 500,
        remembered_rooms: int = 1000,
        contention: Backoff | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._database = database
        self._table = table
        self._clock = clock
        self._idempotency_ttl = idempotency_ttl
        self._retention = retention
        self._max_reactions = max_reactions
        self._positions = Positions(remembered_rooms)
        self._contention = contention or database.backoff.against_others()
        self._telemetry = telemetry or Silence()

    def append(self, content: Content, *, founding: Founding = tuple) -> Appended:
        """Add what is said, or a change of it, as the next entry of its room.

        When this returns, the entry is durable and every one before it is too: number n + 1 can
        only be written after n. A change and the new state of its message are one transaction. The
        same user's `cid` again, within the time that it is remembered, adds nothing and answers
        the place of the original (its room included), whatever else the content says. A change
        that changes nothing answers the last change of its message.

        Args:
            content: What to add.
            founding: Returns the writes to other tables that belong to the first entry of a room;
                asked for that one only. What it raises ends the attempt.

        Raises:
            NotFound, Forbidden, Conflict: the message cannot be changed so, see changes.refusal.
            Unavailable: other writers or the database were in the way until the deadline. The
                entry may be stored all the same; only with a cid is a second try harmless.
        """
        lost = 0
        try:
            for lost in self._contention.tries():
                appended = self._try(content, founding, afresh=lost > 0)
                if appended is not None:
                    return appended
            raise Unavailable
        finally:
            if lost:
                self._telemetry.record({Metric.APPEND_RETRIES: lost})

    def last(self, room: RoomName) -> Position:
        """Return where the log ends; 0 for an empty room."""
        newest, _ = self._database.page(
            self._table,
            limit=2,  # the tail and the last entry
            KeyConditionExpression="room = :room",
            ExpressionAttributeValues={":room": string(room)},
            ProjectionExpression="seq, messages, last_seq",
            ScanIndexForward=False,
        )
        return max(map(_position_of, newest), default=Position())

    def position(self, room: RoomName, seq: int) -> Position:
        """Return the place of an entry.

        Raises:
            NotFound: the room has no such entry.
        """
        item = self._item(room, seq)
        if item is None:
            raise NotFound(f"seq {seq} is not in the log of {room}")
        return _position_of(item)

    def entry(self, room: RoomName, seq: int) -> Entry | None:
        """Return one entry in its present state, or None if there is no such entry."""
        item = self._item(room, seq)
        return self._entries(room, [item])[0] if item else None

    def after(self, room: RoomName, seq: int, *, limit: int) -> Page | None:
        """Return the first entries after `seq`, at most `limit` of them and 1 MB.

        None where they are not all there any more, or `seq` is ahead of the log.
        """
        for _ in range(_LOOKS):
            read = self._read(room, seq + 1, TAIL, limit)
            if read.items and read.is_whole(seq):
                is_kept = all(map(self._kept().has, read.items))
                return Page(self._entries(room, read.items), read.more) if is_kept else None
            if not read.items and (end := self.last(room).seq) <= seq:
                return Page([]) if end == seq else None
        return None

    def before(self, room: RoomName, seq: int | None, *, limit: int) -> Page:
        """Return the last entries before `seq` (without it, of all): `limit` of them and 1 MB.

        Empty where later ones have expired: what is older than those has expired as well.
        """
        high = TAIL if seq is None else seq - 1
        for _ in range(_LOOKS):
            read = self._read(room, 1, high, limit, newest_first=True)
            newest = _seq(read.items[0]) if read.items else 0
            end = read.end if seq is None or newest == high else self.last(room).seq
            if end <= newest and _is_consecutive([_seq(item) for item in reversed(read.items)]):
                break
        else:
            read = read.from_end(max(end, newest))
        kept = list(takewhile(self._kept().has, read.items))
        return Page(self._entries(room, kept[::-1]), read.more and len(kept) == len(read.items))

    def _try(self, content: Content, founding: Founding, *, afresh: bool) -> Appended | None:
        """Try once, with the position read afresh or as it is remembered; None as of _write."""
        position = None if afresh else self._positions.get(content.room)
        if position is None or _is_beyond(content, position):
            position = self.last(content.room)
            self._positions.read(content.room, position)
        if _is_beyond(content, position):
            return self._original(content) or refusal(content, None, self._kept())
        return self._write(content, position, () if position.seq else founding())

    def _write(
        self, content: Content, after: Position, founding: Sequence[Mapping[str, Any]]
    ) -> Appended | None:
        """Try once; None where others were in the way."""
        added = 1 if isinstance(content, Message) else 0
        position = Position(after.seq + 1, after.messages + added)
        append = Append(
            table=self._table,
            content=content,
            position=position,
            time=self._clock(),
            idempotency_ttl=self._idempotency_ttl,
            retention=self._retention,
            max_reactions=self._max_reactions,
        )
        writes = append.writes()
        # Only after the write is the new position true; whatever goes wrong, forget the old one.
        self._positions.forget(content.room)
        try:
            self._database.transact([*writes.values(), *founding])
        except ConditionError as error:
            parts = list(writes)
            failed = {parts[place]: image for place, image in error.failed.items()}
            if Part.ENTRY in failed:
                self._positions.was_stale(content.room)
            return self._answer(append, failed)
        self._positions.written(content.room, position)
        return Appended(content.room, position.seq, append.at)

    def _answer(self, append: Append, failed: Mapping[Part, Item]) -> Appended | None:
        """Return what an append that added nothing answers; None to try again."""
        content = append.content
        if Part.ORIGINAL in failed:
            return _original_of(failed[Part.ORIGINAL])
        if Part.TARGET not in failed or isinstance(content, Message):
            return None
        duplicate = refusal(content, failed[Part.TARGET], append.kept)
        if content.cid is None:
            return duplicate
        # Else the same request, late and once more, might change what has changed since.
        original = append.original_put(content.cid, duplicate.seq, duplicate.at)
        try:
            self._database.transact_until_done([original])
        except ConditionError as error:
            return _original_of(error.failed[0])
        return duplicate

    def _original(self, content: Content) -> Appended | None:
        if content.cid is None:
            return None
        item = self._database.get(self._table, idempotency_key(content, content.cid))
        return _original_of(item) if item and is_live(item, self._clock()) else None

    def _item(self, room: RoomName, seq: int) -> Item | None:
        item = self._database.get(self._table, entry_key(room, seq))
        return item if item and self._kept().has(item) else None

    def _read(
        self, room: RoomName, low: int, high: int, limit: int, *, newest_first: bool = False
    ) -> "_Read":
        if low > high:  # which DynamoDB refuses
            return _Read([], more=False, end=0)
        items, cut = self._database.page(
            self._table,
            limit=limit + 2,  # the tail, and one that tells that there are more
            KeyConditionExpression="room = :room AND seq BETWEEN :low AND :high",
            ExpressionAttributeValues={
                ":room": string(room),
                ":low": number(low),
                ":high": number(high),
            },
            ScanIndexForward=not newest_first,
        )
        entries = [item for item in items if _seq(item) != TAIL]
        end = max((_position_of(item).seq for item in items if _seq(item) == TAIL), default=0)
        return _Read(entries[:limit], more=cut or len(entries) > limit, end=end)

    def _entries(self, room: RoomName, items: Sequence[Item]) -> list[Entry]:
        texts = self._texts(room, items)
        return [entry_of(item, texts) for item in items]

    def _texts(self, room: RoomName, items: Sequence[Item]) -> dict[int, str]:
        """Return the newest texts of the messages that the edits among `items` are about."""
        edits = {target: _seq(item) for item in items if (target := edited_target(item))}
        texts: dict[int, str] = {}
        for _ in self._contention.tries():
            wanted = edits.keys() - texts.keys()
            keys = [entry_key(room, target) for target in wanted]
            found = {_seq(item): item for item in self._database.get_all(self._table, keys)}
            for target in wanted:
                item = found.get(target)
                if item is None or not self._kept().has(item):
                    texts[target] = ""
                # A read may see an edit before it sees what the same transaction did to its target.
                elif int(item.get("changed", number(0))["N"]) >= edits[target]:
                    texts[target] = text_of(item)
            if texts.keys() == edits.keys():
                return texts
        raise Unavailable

    def _kept(self) -> Kept:
        return Kept(self._clock(), self._retention)


class _Read(NamedTuple):
    """Items of a room as they were found; `end` is what the tail says, 0 without one."""

    items: list[Item]
    more: bool
    end: int

    def from_end(self, end: int) -> "_Read":
        """Return what follows without a hole, back from the end of the log."""
        seqs = map(_seq, self.items)
        items = [
            item
            for item, seq, expected in zip(self.items, seqs, count(end, -1), strict=False)
            if seq == expected
        ]
        return _Read(items, more=False, end=end)

    def is_whole(self, seq: int) -> bool:
        """Tell whether nothing is missing after `seq`, up to the end if that was reached."""
        seqs = [seq, *map(_seq, self.items)]
        return _is_consecutive(seqs) and (self.more or self.end <= seqs[-1])


def _original_of(item: Item) -> Appended:
    return Appended(
        RoomName(item["original_room"]["S"]),
        int(item["original_seq"]["N"]),
        item["at"]["S"],
        duplicate=True,
    )


def _is_beyond(content: Content, position: Position) -> TypeGuard[Change]:
    return not isinstance(content, Message) and content.target > position.seq


def _position_of(item: Item) -> Position:
    seq = _seq(item)
    return Position(int(item["last_seq"]["N"]) if seq == TAIL else seq, int(item["messages"]["N"]))


def _is_consecutive(seqs: Sequence[int]) -> bool:
    return all(later - earlier == 1 for earlier, later in pairwise(seqs))


def _seq(item: Item) -> int:
    return int(item["seq"]["N"])
