"""DynamoDB as far as an append uses it, in a time of its own.

Each request takes the same time, whatever the machine: what is measured is contention alone, and
the same every time.
"""

import heapq
import threading
from bisect import insort
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from botocore.exceptions import ClientError

CANCELLED = "TransactionCanceledException"
# When a transaction is prepared and committed, as parts of its latency. In between its items are
# taken: others that want them are cancelled, and readers see what was before.
_PREPARED, _COMMITTED = 0.25, 0.75


class VirtualTime:
    """Time that passes only while everybody waits: actors run one at a time, by the due time.

    Actors are threads, because what they run knows nothing of it, but no two run at once: the same
    actors do the same in every run.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._numbers = count()
        self._waiting: list[tuple[float, int, threading.Lock]] = []
        self._over = _closed()
        self._error: BaseException | None = None

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the others go on until it is the caller's turn."""
        baton = _closed()
        heapq.heappush(self._waiting, (self.now + seconds, next(self._numbers), baton))
        self._pass_on()
        baton.acquire()

    def start(self, actor: Callable[[], object]) -> None:
        """Let an actor begin, as soon as it is its turn."""
        baton = _closed()
        heapq.heappush(self._waiting, (self.now, next(self._numbers), baton))
        threading.Thread(target=self._play, args=(actor, baton), daemon=True).start()

    def run(self, actors: Sequence[Callable[[], object]]) -> None:
        """Run the actors, and those that they start, to the end; raises what one of them raises."""
        for actor in actors:
            self.start(actor)
        self._pass_on()
        # In short waits, because a signal that another thread got does not end a long one.
        while not self._over.acquire(timeout=0.2):
            pass
        if self._error:
            raise self._error

    def _play(self, actor: Callable[[], object], baton: threading.Lock) -> None:
        baton.acquire()
        try:
            actor()
        except BaseException as error:  # noqa: BLE001 - raised by run()
            self._error, self._waiting = error, []
        self._pass_on()

    def _pass_on(self) -> None:
        if not self._waiting:
            self._over.release()
            return
        self.now, _, baton = heapq.heappop(self._waiting)
        baton.release()


class ModelEngine:
    """DynamoDB for the calls that an append makes; what it lacks, it refuses."""

    def __init__(self, sleep: Callable[[float], object], latency: float) -> None:
        self._sleep = sleep
        self._latency = latency
        self._items: dict[tuple[str, int], dict[str, Any]] = {}
        self._seqs: dict[str, list[int]] = {}
        self._taken: set[tuple[str, int]] = set()

    def query(self, **request: Any) -> dict[str, Any]:
        """Return the newest items of a room."""
        if request["KeyConditionExpression"] != "room = :room" or request["ScanIndexForward"]:
            raise NotImplementedError(request)
        self._sleep(self._latency / 2)
        room = request["ExpressionAttributeValues"][":room"]["S"]
        names = request["ProjectionExpression"].split(", ")
        seqs = self._seqs.get(room, [])[: -request["Limit"] - 1 : -1]
        found = [self._items[room, seq] for seq in seqs]
        self._sleep(self._latency / 2)
        return {"Items": [{name: it[name] for name in names if name in it} for it in found]}

    def transact_write_items(
        self,
        *,
        TransactItems: Sequence[Any],  # noqa: N803
        ClientRequestToken: str = "",  # noqa: N803, ARG002 - here no answer is lost
    ) -> dict[str, Any]:
        """Put all items or none."""
        puts = [write["Put"] for write in TransactItems]
        keys = [_key(put["Item"]) for put in puts]
        self._sleep(self._latency * _PREPARED)
        reasons = [self._reason(put, key) for put, key in zip(puts, keys, strict=True)]
        if any(reason["Code"] != "None" for reason in reasons):
            self._sleep(self._latency * (1 - _PREPARED))
            error = {"Error": {"Code": CANCELLED}, "CancellationReasons": reasons}
            raise ClientError(error, "TransactWriteItems")
        self._taken.update(keys)
        self._sleep(self._latency * (_COMMITTED - _PREPARED))
        for key, put in zip(keys, puts, strict=True):
            self._put(key, put["Item"])
        self._taken.difference_update(keys)
        self._sleep(self._latency * (1 - _COMMITTED))
        return {}

    def _reason(self, put: dict[str, Any], key: tuple[str, int]) -> dict[str, Any]:
        if key in self._taken:
            return {"Code": "TransactionConflict"}
        old = self._items.get(key)
        if old is None or _EXPIRED[put["ConditionExpression"]](old, put):
            return {"Code": "None"}
        image = {"Item": old} if "ReturnValuesOnConditionCheckFailure" in put else {}
        return {"Code": "ConditionalCheckFailed", **image}

    def _put(self, key: tuple[str, int], item: dict[str, Any]) -> None:
        if key not in self._items:
            insort(self._seqs.setdefault(key[0], []), key[1])
        self._items[key] = item


def _expired(old: dict[str, Any], put: dict[str, Any]) -> bool:
    now = put["ExpressionAttributeValues"][":now"]["N"]
    return "expires_at" in old and float(old["expires_at"]["N"]) <= float(now)


# The conditions of an append, each as what it says of an item that is there.
_EXPIRED: dict[str, Callable[[dict[str, Any], dict[str, Any]], bool]] = {
    "attribute_not_exists(room)": lambda *_: False,
    "attribute_not_exists(room) OR expires_at <= :now": _expired,
}


def _key(item: dict[str, Any]) -> tuple[str, int]:
    return item["room"]["S"], int(item["seq"]["N"])


def _closed() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock
