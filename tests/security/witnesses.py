"""Who watches an attack: what it has changed, who has heard of it, what the logs say."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.functional.chats import Person
from tests.security.doors import Door

_SECRETS = {"token", "ticket", "password", "new_password"}
_ENOUGH = 200
# What is noted of every frame, and of attempts that are counted, is no change.
_NOTED = {"seen_at", "tat"}
# An authorizer says 401 by raising, which any Lambda function's log shows as a fault.
_REFUSAL = "NotAuthorizedError: Unauthorized"


class Witness(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.faults: list[str] = []
        self._texts: list[str] = []
        self._doors: list[Door] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self._texts.append(text)
        if record.levelno >= logging.ERROR and not text.endswith(_REFUSAL):
            self.faults.append(text)

    def follow(self, door: Door) -> None:
        """Look into the logs for what is said at this door, too."""
        self._doors.append(door)

    def leaks(self) -> list[str]:
        """Return the first secrets that went over HTTP and are in a log."""
        text = "\n".join(self._texts)
        said = [fields for door in self._doors for fields in door.said[:_ENOUGH]]
        secrets = {fields[name] for fields in said for name in _SECRETS & set(fields)}
        return [it for it in secrets if isinstance(it, str) and it and it in text]


@contextmanager
def nothing_happens(door: Door, *bystanders: Person) -> Iterator[None]:
    """See that nothing is stored meanwhile, and that no bystander hears anything."""
    for each in bystanders:
        each.heard()
    before = stored(door)
    yield
    assert stored(door) == before
    assert [each.heard() for each in bystanders] == [[]] * len(bystanders)


def stored(door: Door) -> list[str]:
    """Return all that is stored, but for what is counted."""
    rows = [
        (table, {name: value for name, value in row.items() if name not in _NOTED})
        for table in ("accounts", "connections", "memberships", "messages")
        for row in door.chat.rows(table)
        if not str(row.get("pk", "")).startswith("limit#")
    ]
    return sorted(json.dumps(row, default=_plain, sort_keys=True) for row in rows)


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set) else str(value)
