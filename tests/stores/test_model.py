"""The model again, on a database so quick that many scripts can be tried."""

import random

from hypothesis import HealthCheck, given, settings

from chalicelib.backoff import Backoff
from chalicelib.database import Database
from chalicelib.drafts import Content
from chalicelib.messages import MessageLog
from tests.stores.memory import MemoryClient
from tests.stores.tables import MESSAGES_TABLE
from tests.stores.test_log import MAX_REACTIONS, SCRIPT, check


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=SCRIPT)
def test_the_log_does_what_the_model_says_in_many_scripts(
    script: list[tuple[Content, int]],
) -> None:
    now = iter(range(1_800_000_000, 1_900_000_000))
    memory = MemoryClient()
    backoff = Backoff(clock=lambda: 0, sleep=lambda _: None, random=random.random)
    logs = [
        MessageLog(
            Database(memory, backoff),
            table=MESSAGES_TABLE,
            clock=lambda: next(now),
            idempotency_ttl=86_400,
            max_reactions=MAX_REACTIONS,
        )
        for _ in range(3)
    ]

    check(logs, script, "r")
