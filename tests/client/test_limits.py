"""What the server asks to be done less often."""

from itertools import pairwise

import pytest

from chatclient.updates import Done, Failed, Limited
from tests.client.worlds import World


def test_nothing_overtakes_a_message_that_has_to_wait(world: World) -> None:
    ada = world.peer("ada", "tea", "coffee")
    world.server.fail("sendmessage", "rate_limited", retry_after_ms=5000)

    token = ada.core.send("one", room="tea")
    for room in ("tea", "coffee"):
        ada.core.send("two", room=room)
    world.sleep(4.9)
    early = [event["message"] for event in world.server.logs.get("tea", [])]
    world.sleep(2)

    assert early == []
    assert ada.texts("coffee") == ["two"]
    assert ada.texts() == ["one", "two"]
    (limited,) = ada.all(Limited)
    assert (limited.token, limited.action, limited.room) == (token, "sendmessage", "tea")
    assert 5 <= limited.seconds <= 6.25


def test_what_would_have_to_wait_too_long_fails_at_once(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.fail("sendmessage", "rate_limited", retry_after_ms=3_600_000)

    token = ada.core.send("hello", room="tea")
    world.run()

    (failed,) = ada.all(Failed)
    assert (failed.token, failed.code, failed.retryable) == (token, "rate_limited", True)
    assert (failed.retry_after, failed.uncertain) == (3600, False)


def test_what_is_refused_again_and_again_fails_at_last(world: World) -> None:
    ada = world.peer("ada", "tea")
    for _ in range(20):
        world.server.fail("sendmessage", "rate_limited", retry_after_ms=60_000)

    ada.core.send("hello", room="tea")
    world.sleep(299)

    assert ada.failures() == ["rate_limited"]
    assert len(world.server.asked("sendmessage")) < 7


@pytest.mark.parametrize(("code", "uncertain"), [("forbidden", True), ("too_large", False)])
def test_what_was_said_before_a_ban_and_refused_after_it_is_uncertain(
    world: World,
    code: str,
    uncertain: bool,  # noqa: FBT001
) -> None:
    ada = world.peer("ada", "tea")
    world.server.silent.add("sendmessage")
    ada.core.send("hello", room="tea")
    world.run()
    world.server.fail("sendmessage", code, retryable=False)

    world.sleep(11)

    assert world.server.last("tea") == 1
    assert [(f.code, f.uncertain) for f in ada.all(Failed)] == [(code, uncertain)]


def test_a_message_that_may_have_been_said_before_the_refusal_is_uncertain(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.silent.add("sendmessage")
    ada.core.send("hello", room="tea")
    world.run()
    world.server.fail("sendmessage", "rate_limited", retry_after_ms=3_600_000)

    world.sleep(11)

    assert [(f.code, f.uncertain) for f in ada.all(Failed)] == [("rate_limited", True)]


def test_other_requests_wait_too(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.fail("presence", "rate_limited", retry_after_ms=1000)

    token = ada.core.ask_presence("tea")
    world.sleep(2)

    assert token in [done.token for done in ada.all(Done)]
    assert [limited.action for limited in ada.all(Limited)] == ["presence"]


def test_a_connection_with_many_rooms_stays_below_the_server_s_limit(world: World) -> None:
    names = [f"room{n}" for n in range(90)]
    ada = world.peer("ada", *names)
    counts = []
    for _ in range(12):
        counts.append(len(world.server.received))
        world.sleep(1)

    assert counts[0] == 40
    assert all(after - before <= 10 for before, after in pairwise(counts))
    assert all(ada.core.rooms[name].subscribed for name in names)
