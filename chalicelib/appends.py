"""The transaction that adds an entry to the log of a room, write by write."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from chalicelib.changes import target_update
from chalicelib.database import number, put_write, string
from chalicelib.drafts import Content, Message
from chalicelib.entries import TAIL, Kept, entry_item, entry_key, idempotency_key
from chalicelib.positions import Position
from chalicelib.times import iso


class Part(Enum):
    """What a write of the transaction is for."""

    ENTRY = "the entry, if its number is free"
    ORIGINAL = "the place of what was first added with the cid, if there is none"
    TARGET = "the new state of the message that a change is about, if it can be changed so"
    TAIL = "the last number, which outlives the entries where those expire"


Writes: TypeAlias = dict[Part, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """An attempt to write `content` at `position`; see MessageLog for the other arguments."""

    table: str
    content: Content
    position: Position
    time: float
    idempotency_ttl: int
    retention: int
    max_reactions: int

    @property
    def at(self) -> str:
        """The time as clients see it."""
        return iso(self.time)

    @property
    def kept(self) -> Kept:
        """What is still there for readers."""
        return Kept(self.time, self.retention)

    def writes(self) -> Writes:
        """Return what must be written, all of it or nothing.

        A transaction also where there is one write only: boto3 gives it a ClientRequestToken, so
        that when an answer is lost the client's retry finds its own write and succeeds. A plain
        conditional put would find its seq taken, by itself, and say the message twice.
        """
        content = self.content
        writes: Writes = {Part.ENTRY: self._entry_put()}
        if content.cid is not None:
            writes[Part.ORIGINAL] = self.original_put(content.cid, self.position.seq, self.at)
        if not isinstance(content, Message):
            update = target_update(
                self.table,
                content,
                seq=self.position.seq,
                at=self.at,
                kept=self.kept,
                max_reactions=self.max_reactions,
            )
            writes[Part.TARGET] = {"Update": update}
        if self.retention:
            writes[Part.TAIL] = self._tail_put()
        return writes

    def original_put(self, cid: str, seq: int, at: str) -> dict[str, Any]:
        """Return the write that remembers what a cid stands for, unless it stands for something."""
        item = {
            **idempotency_key(self.content, cid),
            "original_room": string(self.content.room),
            "original_seq": number(seq),
            "at": string(at),
            "expires_at": number(int(self.time) + self.idempotency_ttl),
        }
        return put_write(
            self.table,
            item,
            # The time to live may be two days late.
            ConditionExpression="attribute_not_exists(room) OR expires_at <= :now",
            ExpressionAttributeValues={":now": number(self.time)},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    def _entry_put(self) -> dict[str, Any]:
        item = entry_item(self.content, self.position.seq, self.at, self.position.messages)
        if self.retention:
            item["expires_at"] = number(int(self.time) + self.retention)
        return put_write(self.table, item, ConditionExpression="attribute_not_exists(room)")

    def _tail_put(self) -> dict[str, Any]:
        item = {
            **entry_key(self.content.room, TAIL),
            "last_seq": number(self.position.seq),
            "messages": number(self.position.messages),
        }
        return put_write(
            self.table,
            item,
            # That a number is free means little where entries expire: whoever remembers an old end
            # finds the place of an entry that has gone, and would write its number again.
            ConditionExpression="attribute_not_exists(room) OR last_seq < :seq",
            ExpressionAttributeValues={":seq": number(self.position.seq)},
        )
