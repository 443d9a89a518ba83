"""What is said in a large room, when workers die or freeze, networks break and jobs are poison.

Real processes and sockets: the chat's own app.py and infra/data.yaml on localgateway.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.gateway.servers import eventually
from tests.gateway.stages import DEAD_LETTERS, DELIVERIES, VISIBILITY, Stage, settled

PEOPLE = 40
OTHERS = PEOPLE - 1
# Of one job: see CrtGateway.
ATTEMPTS = 4


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("chat"), PEOPLE) as stage:
        yield stage


@pytest.fixture(autouse=True)
def mended(stage: Stage) -> Iterator[None]:
    yield
    stage.loop.run(stage.wire.mend())


def test_a_worker_killed_amid_its_posts_costs_some_a_duplicate_and_nobody_a_message(
    stage: Stage,
) -> None:
    victim = stage.worker
    stage.wire.pause = 0.01
    _at_the_first_message(stage, lambda: os.kill(victim.process.pid, signal.SIGSTOP))

    seq = stage.say()
    eventually(lambda: stage.heard(seq))
    settled()
    early = stage.heard(seq)
    victim.signal(signal.SIGKILL)
    victim.process.wait()
    stage.wire.pause = 0
    assert stage.worker is not victim
    times = stage.all_have_heard(seq)
    eventually(lambda: not _unfinished(stage))

    assert 0 < len(early) < OTHERS
    assert set(early.values()) == {1}
    assert set(early) <= {place for place, count in times.items() if count > 1}


def test_an_endpoint_that_fails_is_tried_later_and_later_until_all_is_delivered(
    stage: Stage,
) -> None:
    assert stage.worker
    began, round_ = len(stage.wire.failures), OTHERS * ATTEMPTS
    stage.wire.fail()

    seq = stage.say()
    eventually(lambda: len(stage.wire.failures) - began == 2 * round_)
    eventually(lambda: stage.queued(DELIVERIES, "Delayed"))
    stage.loop.run(stage.wire.mend())
    times = stage.all_have_heard(seq)

    assert set(times.values()) == {1}
    assert stage.queued(DEAD_LETTERS) == 0


def test_a_network_that_is_cut_delays_messages_and_loses_none(stage: Stage) -> None:
    assert stage.worker
    stage.loop.run(stage.wire.cut())

    seq = stage.say()
    eventually(lambda: stage.queued(DELIVERIES, "Delayed"))
    nobody = stage.heard(seq)
    stage.loop.run(stage.wire.mend())
    times = stage.all_have_heard(seq)

    assert not nobody
    assert set(times.values()) == {1}


def test_packets_that_vanish_cost_one_attempt(stage: Stage) -> None:
    assert stage.worker
    stage.wire.swallow()

    seq = stage.say()
    eventually(lambda: stage.queued(DELIVERIES, "NotVisible"))
    settled()
    stage.loop.run(stage.wire.mend())
    times = stage.all_have_heard(seq)

    assert set(times.values()) == {1}


def test_a_worker_that_was_frozen_while_its_connections_died_delivers_at_once(
    stage: Stage,
) -> None:
    worker = stage.worker
    stage.all_have_heard(stage.say())
    warm = stage.wire.live

    worker.signal(signal.SIGSTOP)
    stage.loop.call(stage.wire.hang_up)
    eventually(lambda: stage.wire.live == 0)
    before, logged = stage.wire.opened, len(worker.log())
    seq = stage.say()
    settled()
    while_frozen = stage.heard(seq)
    worker.signal(signal.SIGCONT)
    times = stage.all_have_heard(seq, within=VISIBILITY)

    assert warm > 0
    assert not while_frozen
    assert stage.wire.opened > before
    assert set(times.values()) == {1}
    assert "deliveries failed" not in worker.log()[logged:]


def test_poison_reaches_the_dead_letter_queue_past_messages_that_are_delivered(
    stage: Stage,
) -> None:
    assert stage.worker

    # Not by a shorter visibility: polls that began with it would hand out what comes later twice.
    with _receives(stage, 1):
        stage.sqs.send_message(QueueUrl=stage.url(DELIVERIES), MessageBody='{"room":')
        eventually(lambda: stage.queued(DEAD_LETTERS) == 1)
    times = stage.all_have_heard(stage.say())
    told = stage.redrive()
    stage.sqs.purge_queue(QueueUrl=stage.url(DEAD_LETTERS))

    assert "1 messages seen" in told
    assert "1 are no jobs" in told
    assert set(times.values()) == {1}


def test_what_failed_for_good_is_delivered_by_redrive_once_the_endpoint_is_mended(
    stage: Stage,
) -> None:
    assert stage.worker
    stage.wire.fail()
    seq = stage.say()
    eventually(lambda: stage.queued(DEAD_LETTERS) == 1)

    stage.loop.run(stage.wire.mend())
    told = stage.redrive("--move")
    times = stage.all_have_heard(seq)

    assert told.startswith("1 messages moved, about 0 left\n")
    assert f"lobby: {OTHERS} recipients" in told
    assert set(times.values()) == {1}
    assert stage.queued(DEAD_LETTERS) == 0


@contextmanager
def _receives(stage: Stage, most: int) -> Iterator[None]:
    """Let a message be received so many times before it is a dead letter."""
    url, name = stage.url(DELIVERIES), "RedrivePolicy"
    answer = stage.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    usual = answer["Attributes"][name]
    changed = json.dumps({**json.loads(usual), "maxReceiveCount": most})
    stage.sqs.set_queue_attributes(QueueUrl=url, Attributes={name: changed})
    yield
    stage.sqs.set_queue_attributes(QueueUrl=url, Attributes={name: usual})


def _at_the_first_message(stage: Stage, act: Callable[[], None]) -> None:
    """Do something once, in the moment in which the first of the people hears something."""

    def noticed(kind: str) -> None:
        if kind == "message":
            stage.crowd.noticed = lambda _kind: None
            act()

    stage.crowd.noticed = noticed


def _unfinished(stage: Stage) -> int:
    return stage.queued(DELIVERIES) + stage.queued(DELIVERIES, "NotVisible")
