"""Counting events by the algorithm of rates.py, in items of DynamoDB."""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from chalicelib.database import ConditionError, Database, Item, number, string
from chalicelib.errors import RateLimited
from chalicelib.rates import Rate, microseconds

ARRIVAL = "tat"  # the attribute that holds the theoretical arrival time, epoch microseconds


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The cell in one item of a table.

    Attributes:
        database, table, key: Where the item is.
        rate: How often the event may happen.
        what: What is counted, for the error.
        also: Other assignments to the item, in the language of DynamoDB.
        condition: Another condition on the item.
        values: The values of these two.
    """

    database: Database
    table: str
    key: Item
    rate: Rate
    what: str
    also: str = ""
    condition: str = ""
    values: Item = field(default_factory=dict)

    def take(self, now: float) -> Item:
        """Count an event at a time (epoch seconds), and return what the item is now.

        One write where the cell is idle, two at most within a burst. Events at the same time are
        counted one after the other, whichever functions see them.

        Raises:
            RateLimited: it is too early; the error says how long to wait.
            ConditionError: the other condition failed.
            Unavailable: the database did not answer in time.
        """
        at = microseconds(now)
        if not self.rate.interval:
            return self._update(":at", "", {":at": at})
        try:
            idle = f"attribute_not_exists({ARRIVAL}) OR {ARRIVAL} <= :at"
            return self._update(":next", idle, {":at": at, ":next": at + self.rate.step})
        except ConditionError as error:
            self._refuse_early(error.failed.get(0) or {}, at, error)
        latest = {":interval": self.rate.step, ":latest": at + self.rate.tolerance}
        try:
            return self._update(f"{ARRIVAL} + :interval", f"{ARRIVAL} <= :latest", latest)
        except ConditionError as error:
            # Old databases do not tell the item.
            item = error.failed.get(0) or self.database.get(self.table, self.key) or {}
            self._refuse_early(item, at, error)
            raise

    def _update(self, arrival: str, condition: str, values: dict[str, int]) -> Item:
        numbers = {name: number(value) for name, value in values.items()}
        conditions = [f"({part})" for part in (condition, self.condition) if part]
        conditional = {"ConditionExpression": " AND ".join(conditions)} if conditions else {}
        return self.database.update(
            self.table,
            self.key,
            UpdateExpression=f"SET {ARRIVAL} = {arrival}" + (self.also and f", {self.also}"),
            ExpressionAttributeValues={**self.values, **numbers},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **conditional,
        )

    def _refuse_early(self, item: Item, at: int, cause: Exception) -> None:
        wait_ms = self.rate.wait_ms(int(item[ARRIVAL]["N"]), at) if ARRIVAL in item else 0
        if wait_ms > 0:
            raise RateLimited(what=self.what, retry_after_ms=wait_ms) from cause


class Limiter:
    """Counts events by name, in items of their own: `limit#<name>`, `limit`.

    An item expires when its cell has been idle for a while.
    """

    def __init__(self, database: Database, *, table: str, clock: Callable[[], float]) -> None:
        self._database = database
        self._table = table
        self._clock = clock

    def take(self, name: str, rate: Rate, *, what: str) -> None:
        """Count an event.

        Args:
            name: Whose event, and which: what has one name shares a cell.
            rate: How often it may happen.
            what: The events in the plural, for the error.

        Raises:
            RateLimited: it is too early; the error says how long to wait.
            Unavailable: the database did not answer in time.
        """
        if not rate.interval:
            return
        now = self._clock()
        Cell(
            database=self._database,
            table=self._table,
            key=_key(name),
            rate=rate,
            what=what,
            also="expires_at = :expires",
            values={":expires": number(math.ceil(now + rate.interval * (rate.burst + 1)))},
        ).take(now)

    def give_back(self, name: str, rate: Rate) -> None:
        """Take back one event that has been counted.

        Raises:
            Unavailable: the database did not answer in time.
        """
        if not rate.interval:
            return
        with suppress(ConditionError):  # it has expired
            self._database.update(
                self._table,
                _key(name),
                UpdateExpression=f"SET {ARRIVAL} = {ARRIVAL} - :interval",
                ConditionExpression=f"attribute_exists({ARRIVAL})",
                ExpressionAttributeValues={":interval": number(rate.step)},
            )


def _key(name: str) -> Item:
    return {"pk": string(f"limit#{name}"), "sk": string("limit")}
