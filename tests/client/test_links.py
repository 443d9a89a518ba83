"""Connections: lost, left, and handed over."""

from itertools import pairwise

import pytest

from chatclient.settings import Settings
from chatclient.updates import (
    Connection,
    State,
)
from tests.client.worlds import World


def test_the_first_attempt_is_quick_and_the_pauses_are_bounded(world: World) -> None:
    ada = world.peer("ada")
    world.sleep(11)
    world.reachable = False
    lost_at = world.clock.now
    world.opened_at.clear()

    world.cut(ada)
    world.sleep(300)

    times = [lost_at, *world.opened_at]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    bounds = [0.25, 1, 2, 4, 8, 16] + [20] * len(pauses)
    assert len(pauses) > 15
    assert all(pause <= bound for pause, bound in zip(pauses, bounds, strict=False))
    assert max(pauses) > 10


def test_a_connection_that_does_not_last_does_not_reset_the_backoff(world: World) -> None:
    ada = world.peer("ada")
    ada.luck = lambda: 0.999

    waits = []
    for lasted in (1, 1, 1, 11, 1):
        world.sleep(lasted)
        ada.told.clear()
        world.cut(ada)
        waits.append(round(ada.all(Connection)[-1].retry_in, 2))
        world.sleep(waits[-1])

    assert waits == [0.25, 1.0, 2.0, 0.25, 1.0]


def test_the_states_of_the_connection_are_told(world: World) -> None:
    ada = world.peer("ada")
    world.cut(ada)
    world.sleep(1)
    ada.core.close()
    world.run()

    states = [connection.state for connection in ada.all(Connection)]
    assert states == [
        State.CONNECTING,
        State.ONLINE,
        State.WAITING,
        State.CONNECTING,
        State.ONLINE,
        State.CLOSED,
    ]


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_is_final(world: World, status: int) -> None:
    world.status = status

    ada = world.peer("ada", "tea")
    world.sleep(100)

    assert ada.all(Connection)[-1].status == status
    assert len(world.opened_at) == 1
    assert ada.failures() == ["refused"]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_other_statuses_are_not(world: World, status: int) -> None:
    world.status = status
    ada = world.peer("ada")

    world.status = 0
    world.sleep(2)

    assert ada.core.is_online


def test_a_connection_that_never_opens_is_given_up(world: World) -> None:
    world.answers_openings = False
    ada = world.peer("ada")

    world.answers_openings = True
    world.sleep(21)

    assert ada.core.is_online


def test_a_server_that_does_not_greet_is_left(world: World) -> None:
    world.server.deaf.add("hello")
    ada = world.peer("ada")

    world.sleep(9.9)
    before = len(world.opened_at)
    world.server.deaf.clear()
    world.sleep(1)

    assert before == 1
    assert ada.core.is_online
    assert len(world.server.users) == 1


def test_a_ping_without_an_answer_ends_the_connection(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.deaf.add("ping")

    world.sleep(249)
    before = dict(ada.links)
    world.server.deaf.clear()
    world.server.say("bob", "tea", "x")
    world.sleep(2)

    assert before == {1: 1}
    assert ada.links == {2: 2}
    assert ada.core.is_online


def test_a_session_that_is_over_is_left_without_losing_what_was_said(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.fail("sendmessage", "unauthorized", retryable=False)

    ada.core.send("hello", room="tea")
    world.sleep(1)

    assert ada.texts() == ["hello"]
    assert ada.links == {2: 2}


def test_a_hand_over_loses_nothing_and_says_nothing_twice(world: World) -> None:
    world.server.reconnect_after_ms = 100_000
    ada = world.peer("ada", "tea")
    world.peer("bob", "tea")
    bob = world.peers[1]

    for number in range(300):
        ada.core.send(f"a{number}", room="tea")
        bob.core.send(f"b{number}", room="tea")
        world.sleep(1)

    assert len(world.opened_at) > 6
    assert ada.texts() == bob.texts()
    assert len(ada.texts()) == len(set(ada.texts())) == 600
    assert ada.all(Connection)[-1].state is State.ONLINE
    assert State.WAITING not in [connection.state for connection in ada.all(Connection)]


def test_a_hand_over_comes_a_little_before_its_time(world: World) -> None:
    world.server.reconnect_after_ms = 1000_000
    world.settings = Settings()
    for seed in range(10):
        world.peer(f"ada{seed}", seed=seed)
    start = world.clock.now
    world.opened_at.clear()

    world.sleep(1000)

    moves = [at - start for at in world.opened_at]
    assert len(moves) == 10
    assert min(moves) >= 900
    assert max(moves) - min(moves) > 20


def test_the_old_connection_finishes_what_is_under_way(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.silent.add("sendmessage")
    ada.core.send("hello", room="tea")
    world.run()
    world.server.tell(1, {"type": "reconnect", "after_ms": 0, "reason": "deploy"})
    world.run()
    both = dict(ada.links)

    world.sleep(4.9)
    still = dict(ada.links)
    world.server.silent.clear()
    world.sleep(0.2)

    assert both == still == {1: 1, 2: 2}
    assert ada.links == {2: 2}
    assert ada.texts() == ["hello"]
    assert world.server.last("tea") == 1


def test_a_server_may_ask_for_a_hand_over(world: World) -> None:
    ada = world.peer("ada", "tea")

    world.server.tell(1, {"type": "reconnect", "after_ms": 3000, "reason": "deploy"})
    world.sleep(2.9)
    before = dict(ada.links)
    world.sleep(0.2)

    assert before == {1: 1}
    assert ada.links == {2: 2}


def test_a_hand_over_that_fails_is_tried_again_and_the_old_connection_stays(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.reachable = False
    world.server.tell(1, {"type": "reconnect", "after_ms": 0, "reason": "deploy"})
    world.sleep(1)
    before = dict(ada.links)

    world.reachable = True
    world.sleep(10)

    assert before == {1: 1}
    assert ada.links == {2 + 1: 2}


def test_when_the_old_connection_is_lost_during_a_hand_over_the_new_one_serves(
    world: World,
) -> None:
    ada = world.peer("ada", "tea")
    world.server.deaf.add("subscribe")
    world.server.tell(1, {"type": "reconnect", "after_ms": 0, "reason": "deploy"})
    world.run()
    world.server.deaf.clear()

    world.server.disconnect(ada.links.pop(1))
    ada.core.lost(1)
    ada.core.send("hello", room="tea")
    world.run()

    assert ada.core.is_online
    assert world.server.last("tea") == 1
    assert ada.links == {2: 2}


def test_a_guest_s_name_survives_a_hand_over(world: World) -> None:
    world.server.unique_names = True
    ada = world.peer("ada", "tea")

    world.server.tell(1, {"type": "reconnect", "after_ms": 0, "reason": "deploy"})
    world.run()
    world.server.say("bob", "tea", "meanwhile")
    ada.core.send("hello", room="tea")
    world.sleep(3)

    assert ada.core.user == "ada"
    assert list(world.server.users.values()) == ["ada"]
    assert ada.texts() == ["meanwhile", "hello"]
    assert ada.failures() == []
