"""Who watches an attack: what it has changed, who has heard of it, what the logs say."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from localgateway.testing import HandshakeRefused
from tests.functional.chats import Answer, Chat, Person

LET_IN = 101
_SECRETS = {"token", "ticket", "password", "new_password"}
_ENOUGH = 50
# What is noted of every frame, and of attempts that are counted, is no change.
_NOTED = {"seen_at", "tat"}
# An authorizer says 401 by raising, which any Lambda function's log shows as a fault.
_REFUSAL = "NotAuthorizedError: Unauthorized"


class Witness(logging.Handler):
    """Keeps what is logged, and the first secrets that went over HTTP."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.faults: list[str] = []
        self._texts: list[str] = []
        self._secrets: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self._texts.append(text)
        if record.levelno >= logging.ERROR and not text.endswith(_REFUSAL):
            self.faults.append(text)

    def listen(self, chat: Chat) -> None:
        """Learn the secrets of a chat from what it is asked and answers."""
        post = chat.post

        def overheard(path: str, body: Any = b"", **options: Any) -> Answer:
            answer = post(path, body, **options)
            for fields in (body, answer.body):
                self._learn(fields)
            return answer

        chat.post = overheard  # type: ignore[method-assign]

    def leaks(self) -> list[str]:
        """Return what was logged and holds a secret."""
        return [text for text in self._texts if any(secret in text for secret in self._secrets)]

    def _learn(self, fields: Any) -> None:
        known = fields if isinstance(fields, dict) and len(self._secrets) < _ENOUGH else {}
        self._secrets |= {
            text for name, text in known.items() if name in _SECRETS and isinstance(text, str)
        } - {""}


@contextmanager
def nothing_happens(chat: Chat, *bystanders: Person) -> Iterator[None]:
    """See that nothing is stored meanwhile, and that no bystander hears anything."""
    for each in bystanders:
        each.heard()
    before = stored(chat)
    yield
    assert stored(chat) == before
    assert [each.heard() for each in bystanders] == [[]] * len(bystanders)


def stored(chat: Chat) -> list[str]:
    """Return all that is stored, but for what is counted."""
    rows = [
        (table, {name: value for name, value in row.items() if name not in _NOTED})
        for table in ("accounts", "connections", "memberships", "messages")
        for row in chat.rows(table)
        if not str(row.get("pk", "")).startswith("limit#")
    ]
    return sorted(json.dumps(row, default=_plain, sort_keys=True) for row in rows)


def handshake(chat: Chat, query: str, **headers: str) -> int:
    """Return the status of a handshake; who is let in leaves again."""
    try:
        chat.client.connect(f"/?{query}", headers=headers).leave()
    except HandshakeRefused as refused:
        return refused.status
    return LET_IN


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set) else str(value)
