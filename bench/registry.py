"""Putting many connections into the chat's table at once, past $connect."""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from chalicelib.database import Item
from chalicelib.models import ConnectionId, RoomName, Session, UserName
from chalicelib.records import connection_item, subscription_item
from localgateway.engine import RemoteEngine

_TABLE = "dynamowave-local-connections"
_LOBBY = RoomName("lobby")
_BATCH = 25
_HOURS_2 = 7200


def register(engine: str, endpoint: str, connection_ids: Sequence[str]) -> None:
    """Write the connections of an endpoint, and their subscriptions to the lobby."""
    dynamodb = RemoteEngine(engine).client("dynamodb")
    items = chain.from_iterable(_items(endpoint, each) for each in connection_ids)
    for batch in _batches(items):
        requests: Any = [{"PutRequest": {"Item": item}} for item in batch]
        dynamodb.batch_write_item(RequestItems={_TABLE: requests})


def _items(endpoint: str, connection_id: str) -> Iterable[Item]:
    now = time.time()
    session = Session(
        connection_id=ConnectionId(connection_id),
        user=UserName(f"person-{connection_id[:8].lower()}"),
        endpoint=endpoint,
        connected_at=now,
        expires_at=int(now) + _HOURS_2,
        session_expires_at=int(now) + _HOURS_2,
        rooms=frozenset({_LOBBY}),
        guest=True,
    )
    return connection_item(session), subscription_item(session, _LOBBY, now)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
