"""The simulated SQS: what it does and does not promise, fault by fault."""

from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Raw

from chalicelib.jobs import Job, encode_job
from chalicelib.models import ConnectionId, RoomName
from tests.chaos.chance import Chance
from tests.chaos.debts import Debts
from tests.chaos.faults import Faults, Misfortune
from tests.chaos.queues import MOST_RECEIVES, VISIBILITY, Sqs, SqsClient
from tests.chaos.simulation import Simulation
from tests.chaos.trace import Trace
from tests.stores.tables import DEAD_LETTER_QUEUE, DELIVERIES_QUEUE

FRAME = b'{"type":"message","seq":1}'


class World:
    """A queue, and a worker that does with each batch what a test says."""

    def __init__(self, seed: int = 1, faults: Faults | None = None) -> None:
        self.simulation = Simulation()
        trace = Trace(lambda: self.simulation.now)
        self.misfortune = Misfortune(faults or Faults.only(), Chance(str(seed)), trace)
        self.debts = Debts(lambda: self.simulation.now)
        self.sqs = Sqs(self.simulation, self.misfortune, trace, self.debts)
        self.sqs.invoke = self._work
        self.client = SqsClient(self.sqs, self.simulation, self.misfortune)
        self.received: list[tuple[float, str, int]] = []
        self.fails: set[str] = set()
        self.dies = False

    def send(self, *bodies: str, delay: int = 0, queue: str = DELIVERIES_QUEUE) -> Any:
        entries = [
            {"Id": str(place), "MessageBody": body, "DelaySeconds": delay}
            for place, body in enumerate(bodies)
        ]
        return self.client.send_message_batch(QueueUrl=queue, Entries=entries)

    def bodies(self) -> list[str]:
        return [body for _, body, _ in self.received]

    def _work(self, _kind: str, event: Any, ended: Any) -> None:
        records: Sequence[Any] = event["Records"]
        for record in records:
            count = int(record["attributes"]["ApproximateReceiveCount"])
            self.received.append((self.simulation.now, record["body"], count))
        failed = [it["messageId"] for it in records if it["body"] in self.fails]
        answer = {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}
        ended(None if self.dies else answer, self.dies)


def job(room: str = "lobby", *connections: str, attempt: int = 0) -> str:
    ids = [ConnectionId(each) for each in connections or ("c1",)]
    made = Job(
        room=RoomName(room), endpoint="e", connection_ids=ids, frame=Raw(FRAME), attempt=attempt
    )
    return encode_job(made)


def test_a_job_that_is_done_is_received_once() -> None:
    world = World()

    world.send(job("tea"), job("cake"))
    world.simulation.run(1000)

    assert sorted(world.bodies()) == sorted([job("tea"), job("cake")])
    assert world.sqs.pending == 0


def test_a_delay_is_kept() -> None:
    world = World()

    world.send(job(), delay=32)
    world.simulation.run(1000)

    assert 32 <= world.received[0][0] < 33


def test_jobs_change_places() -> None:
    rooms = [f"r{number}" for number in range(10)]
    orders = []
    for seed in range(5):
        world = World(seed)
        world.send(*map(job, rooms))
        world.simulation.run(10)
        orders.append(tuple(world.bodies()))

    assert len(set(orders)) == 5
    assert {tuple(sorted(order)) for order in orders} == {tuple(sorted(map(job, rooms)))}


def test_what_failed_comes_again_alone_when_its_time_is_over() -> None:
    world = World()
    world.fails = {job("tea")}

    world.send(job("tea"), job("cake"))
    world.simulation.run(20)
    world.fails.clear()
    world.simulation.run(1000)

    assert sorted(world.bodies()) == sorted([job("tea"), job("tea"), job("cake")])
    assert world.received[-1][0] >= VISIBILITY
    assert world.received[-1][2] == 2


def test_what_kills_its_worker_again_and_again_is_a_dead_letter() -> None:
    world = World()
    world.dies = True

    world.send(job())
    world.simulation.run(1000)

    assert len(world.received) == MOST_RECEIVES
    assert [message.body for message in world.sqs.dead] == [job()]
    assert (world.sqs.pending, list(world.debts.left())) == (0, [])


def test_two_workers_may_have_a_job_at_the_same_time() -> None:
    world = World(faults=Faults.only(job_twice=1.0))
    world.fails = {job()}

    world.send(job())
    world.simulation.run(15)

    assert len(world.received) > 2


def test_a_request_may_fail_in_part() -> None:
    world = World(faults=Faults.only(entry_failed=0.5))

    told = world.send(*(job(f"r{number}") for number in range(10)))
    world.simulation.run(10)

    assert len(told["Failed"]) + len(told["Successful"]) == 10
    assert 0 < len(told["Failed"]) < 10
    assert len(world.received) == len(told["Successful"])


@pytest.mark.parametrize(
    ("fault", "error", "received"),
    [("queue_broken", ClientError, 0), ("queue_unheard", BotoCoreError, 1)],
)
def test_a_request_may_fail_as_a_whole_and_be_carried_out_all_the_same(
    fault: str, error: type[Exception], received: int
) -> None:
    world = World(faults=Faults.only(**{fault: 1.0}))

    with pytest.raises(error):
        world.send(job())
    world.simulation.run(10)

    assert len(world.received) == received


def test_what_the_queue_has_taken_is_owed_until_it_is_posted() -> None:
    world = World()
    world.send(job("tea", "c1", "c2", "c3"))

    world.debts.pay("c1", FRAME)
    world.debts.pay("c2", b'[{"type":"typing"},' + FRAME + b"]")
    world.debts.pay("c3", b'{"type":"message","seq":2}')

    assert [(debt.connection, debt.room) for debt in world.debts.left()] == [("c3", "tea")]


def test_a_job_that_is_given_up_is_not_owed_any_more() -> None:
    world = World()
    world.send(job("tea"))

    world.send(job("tea", attempt=6), queue=DEAD_LETTER_QUEUE)

    assert list(world.debts.left()) == []
    assert len(world.sqs.dead) == 1
