"""What the queue owes: each frame that it has taken, to each connection that it was taken for."""

import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

from chalicelib.jobs import decode_job


class Debt(NamedTuple):
    """A frame that has not been posted to a connection, which was found by a room at a time."""

    connection: str
    room: str
    since: float
    frame: str


class Debts:
    """Keeps the books: owed when the queue takes a job, paid by the first post that arrives.

    A job that ends as a dead letter is forgiven: what became of it is another question.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._owed: dict[tuple[str, str], tuple[str, float]] = {}

    def owe(self, body: str) -> None:
        """Note a job that the queue has taken."""
        job = decode_job(body)
        for frame in _frames(bytes(job.frame)):
            for connection in job.connection_ids:
                self._owed.setdefault((connection, frame), (job.room, self._clock()))

    def pay(self, connection: str, frame: bytes) -> None:
        """Note what API Gateway has taken for a connection; it may be several frames in one."""
        for each in _frames(frame):
            self._owed.pop((connection, each), None)

    def forgive(self, body: str) -> None:
        """Note a job that has been given up."""
        job = decode_job(body)
        for connection in job.connection_ids:
            self.pay(connection, bytes(job.frame))

    def left(self) -> Iterator[Debt]:
        """Yield what was never posted, whether or not somebody is still there to get it."""
        for (connection, frame), (room, since) in self._owed.items():
            yield Debt(connection, room, since, frame)


def _frames(text: bytes) -> list[str]:
    told = json.loads(text)
    return [json.dumps(each) for each in (told if isinstance(told, list) else [told])]
