"""What people say: each once, in order, and never lost silently."""

from collections import deque

import pytest

from chatclient.updates import (
    Done,
    Failed,
    Sent,
)
from tests.client.servers import AWS_FAULT
from tests.client.worlds import World


def test_what_is_said_is_acknowledged_and_shown_on_both_sides(world: World) -> None:
    ada, bob = world.peer("ada", "tea"), world.peer("bob", "tea")

    token = ada.core.send("hello", room="tea")
    world.run()

    sent = Sent("tea", 1, "2026-01-02T03:04:00.000Z", duplicate=False)
    assert Done(token, "sendmessage", "tea", sent) in ada.told
    assert ada.core.timeline("tea").snapshot() == bob.core.timeline("tea").snapshot()  # type: ignore[union-attr]
    assert ada.texts() == ["hello"]


def test_changes_show_on_both_sides(world: World) -> None:
    ada, bob = world.peer("ada", "tea"), world.peer("bob", "tea")
    for text in ("one", "two"):
        ada.core.send(text, room="tea")

    ada.core.edit("tea", 1, "ONE")
    ada.core.delete("tea", 2)
    ada.core.react("tea", 1, "+1")
    ada.core.react("tea", 1, "*")
    ada.core.react("tea", 1, "*", remove=True)
    world.run()

    mine, theirs = ada.core.timeline("tea"), bob.core.timeline("tea")
    assert mine is not None
    assert theirs is not None
    assert mine.snapshot() == theirs.snapshot()
    assert [(m.text, m.deleted, m.reactions) for m in mine.snapshot()] == [
        ("ONE", False, {"+1": ("ada",)}),
        ("", True, {}),
    ]


@pytest.mark.clause("L8")
def test_only_one_entry_of_a_room_is_on_its_way_and_order_is_kept(world: World) -> None:
    ada = world.peer("ada", "tea", "coffee")
    world.server.silent.add("sendmessage")

    for text in ("one", "two", "three"):
        ada.core.send(text, room="tea")
    ada.core.send("other", room="coffee")
    world.run()
    waiting = [frame["message"] for frame in world.server.asked("sendmessage")]
    world.server.silent.clear()
    world.sleep(10)

    assert waiting == ["one", "other"]
    assert [event["message"] for event in world.server.logs["tea"]] == ["one", "two", "three"]


def test_a_person_and_the_room_with_that_person_are_one_lane(world: World) -> None:
    ada = world.peer("ada")
    world.server.silent.add("sendmessage")

    ada.core.send("one", to="bob")
    ada.core.send("two", room="dm:ada:bob")
    world.run()

    assert [frame["message"] for frame in world.server.asked("sendmessage")] == ["one"]


def test_without_an_answer_it_is_sent_again_with_the_same_cid(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.silent.add("sendmessage")
    token = ada.core.send("hello", room="tea")
    world.run()

    world.sleep(9.9)
    early = len(world.server.asked("sendmessage"))
    world.server.silent.clear()
    world.sleep(0.2)

    frames = world.server.asked("sendmessage")
    assert early == 1
    assert [frame["cid"] for frame in frames] == [token, token]
    assert frames[0]["id"] != frames[1]["id"]
    assert world.server.last("tea") == 1
    assert ada.core.unsettled() == ()


def test_a_duplicate_s_ack_shows_nothing_until_the_log_is_read(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.silent.add("sendmessage")
    ada.core.send("hello", room="tea")
    world.run()
    world.server.add("ada", "tea", "editmessage", target=1, message="HELLO")  # another device
    world.server.out.clear()
    world.server.silent.clear()

    world.sleep(10)
    at_once = ada.texts()
    world.sleep(2)

    assert at_once == []
    assert ada.texts() == ["HELLO"]


def test_after_a_loss_it_is_sent_again_on_the_next_connection(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.silent.add("sendmessage")
    for text in ("one", "two"):
        ada.core.send(text, room="tea")
    world.run()
    world.server.silent.clear()

    world.cut(ada)
    world.sleep(1)

    assert [frame["message"] for frame in world.server.asked("sendmessage")] == ["one"] * 2 + [
        "two"
    ]
    assert ada.texts() == ["one", "two"]
    assert ada.core.unsettled() == ()


@pytest.mark.clause("E1")
def test_a_retryable_error_is_followed_by_another_try_when_the_server_says(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.fail("sendmessage", "unavailable", retry_after_ms=1500)
    ada.core.send("hello", room="tea")

    world.sleep(1.4)
    early = len(world.server.asked("sendmessage"))
    world.sleep(0.2)

    assert early == 1
    assert ada.texts() == ["hello"]


def test_without_a_time_the_pauses_grow(world: World) -> None:
    ada = world.peer("ada", "tea")
    ada.luck = lambda: 0.999
    for _ in range(5):
        world.server.fail("sendmessage", "internal")
    ada.core.send("hello", room="tea")

    tries = []
    for _ in range(40):
        world.sleep(1)
        tries.append(len(world.server.asked("sendmessage")))

    assert tries[:8] == [2, 2, 3, 3, 3, 3, 4, 4]
    assert tries[-1] == 6
    assert ada.texts() == ["hello"]


def test_api_gateway_s_own_error_is_followed_by_another_try(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.replies["sendmessage"] = deque([AWS_FAULT])
    token = ada.core.send("hello", room="tea")

    world.sleep(2)

    assert [frame["cid"] for frame in world.server.asked("sendmessage")] == [token, token]
    assert ada.texts() == ["hello"]


def test_another_error_settles_it_and_the_next_goes_out(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.fail("sendmessage", "forbidden", retryable=False)

    token = ada.core.send("one", room="tea")
    ada.core.send("two", room="tea")
    world.run()

    assert Failed(token, "sendmessage", "tea", "forbidden", "forbidden") in ada.told
    assert ada.texts() == ["two"]


@pytest.mark.parametrize("text", ["\ud800", "x" * 33_000])
def test_what_would_cost_the_connection_is_not_sent(world: World, text: str) -> None:
    ada = world.peer("ada", "tea")

    ada.core.send(text, room="tea")
    ada.core.send("next", room="tea")
    world.run()

    assert ada.failures() == ["too_large"]
    assert ada.texts() == ["next"]


def test_closing_reports_what_is_not_settled(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.deaf.add("sendmessage")
    tokens = [ada.core.send(text, room="tea") for text in ("one", "two")]
    world.run()

    unsettled = ada.core.close()
    late = ada.core.send("three", room="tea")
    world.run()

    assert unsettled == tuple(tokens)
    told = [(f.token, f.code, f.uncertain) for f in ada.all(Failed)]
    assert told == [
        (tokens[0], "closed", True),
        (tokens[1], "closed", False),
        (late, "closed", False),
    ]
    assert len(world.server.asked("sendmessage")) == 1
    assert ada.core.next_wake() is None


def test_closing_answers_everything_that_waits(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.deaf |= {"history", "rooms", "presence", "subscribe"}
    world.server.say("bob", "tea", "x")
    ada.core.timeline("tea").older = True  # type: ignore[union-attr]
    core = ada.core
    tokens = [core.list_rooms(), core.ask_presence("tea"), core.join("coffee")]
    tokens += [core.load_history("tea"), core.load_history("coffee")]

    ada.core.close()
    tokens += [core.join("milk"), core.list_rooms()]
    world.run()

    assert {failed.token for failed in ada.all(Failed)} == set(tokens)


def test_under_another_name_nothing_is_said_twice(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.silent.add("sendmessage")
    sent, waiting = (ada.core.send(text, room="tea") for text in ("one", "two"))
    world.run()
    world.server.silent.clear()

    ada.name = "ada-x"
    world.cut(ada)
    world.sleep(2)

    failed = ada.all(Failed)
    assert [(f.token, f.code, f.uncertain) for f in failed] == [(sent, "identity_changed", True)]
    assert waiting in [done.token for done in ada.all(Done)]
    assert [(e["user"], e["message"]) for e in world.server.logs["tea"]] == [
        ("ada", "one"),
        ("ada-x", "two"),
    ]
    assert ada.core.user == "ada-x"


def test_nothing_is_sent_again_when_the_server_may_have_forgotten_it(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.silent.add("sendmessage")
    ada.core.send("hello", room="tea")
    world.run()
    world.reachable = False
    world.cut(ada)

    world.clock.now += 24 * 3600
    world.reachable = True
    world.sleep(30)

    assert [(f.code, f.uncertain) for f in ada.all(Failed)] == [("expired", True)]
    assert world.server.last("tea") == 1
