"""Timelines stay whole, whatever is lost."""

from collections import deque

from chatclient.updates import (
    Changed,
    Done,
    Failed,
    Loaded,
    RoomLost,
)
from tests.client.worlds import World


def test_joining_reads_the_newest_entries(world: World) -> None:
    world.server.page = 5
    world.server.say("bob", "tea", *"abcdefgh")

    ada = world.peer("ada", "tea")
    world.server.say("bob", "tea", "i")
    world.run()

    assert ada.texts() == list("defghi")


def test_older_history_is_read_on_demand(world: World) -> None:
    world.server.page = 3
    world.server.say("bob", "tea", *"abcdefg")
    ada = world.peer("ada", "tea")

    tokens = [ada.core.load_history("tea")]
    world.run()
    tokens.append(ada.core.load_history("tea"))
    world.run()
    tokens.append(ada.core.load_history("tea"))
    world.run()

    answers = [done.answer for done in ada.all(Done) if done.token in tokens]
    assert answers == [Loaded(3, more=True), Loaded(1, more=False), Loaded(0, more=False)]
    assert ada.texts() == list("abcdefg")


def test_the_history_of_a_room_that_was_not_joined_is_refused(world: World) -> None:
    ada = world.peer("ada")

    ada.core.load_history("tea")
    world.run()

    assert ada.failures() == ["not_joined"]


def test_what_was_said_meanwhile_is_read_page_by_page(world: World) -> None:
    world.server.page = 4
    ada = world.peer("ada", "tea")
    world.server.say("bob", "tea", "a")
    world.run()
    world.cut(ada)
    world.server.say("bob", "tea", *"bcdefghijk")

    world.sleep(1)

    assert ada.texts() == list("abcdefghijk")
    assert [frame.get("after") for frame in world.server.asked("subscribe")] == [None, 1, 5, 9]


def test_what_cannot_be_caught_up_with_is_begun_anew(world: World) -> None:
    world.server.page = world.server.kept = 4
    ada = world.peer("ada", "tea")
    world.server.say("bob", "tea", *"ab")
    world.run()
    world.cut(ada)
    world.server.say("bob", "tea", *"cdefghijk")

    world.sleep(1)

    assert ada.texts() == list("hijk")
    reset = next(changed for changed in ada.all(Changed) if changed.kind == "reset")
    assert [entry.text for entry in reset.entries] == list("hijk")


def test_a_log_that_began_anew_is_followed(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.say("bob", "tea", *"abcdef")
    world.run()
    world.cut(ada)
    world.server.logs["tea"].clear()
    world.server.say("bob", "tea", "new")

    world.sleep(1)
    world.server.say("bob", "tea", "newer")
    world.run()

    assert ada.texts() == ["new", "newer"]


def test_a_log_that_began_anew_behind_the_connection_is_found_by_a_ping(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.say("bob", "tea", *"abcdef")
    world.run()
    world.server.logs["tea"] = world.server.logs["tea"][:2]

    world.sleep(241)

    assert ada.texts() == list("ab")


def test_a_hole_is_waited_for_and_then_read_from_history(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.losing = True
    world.server.say("bob", "tea", *"abc")
    world.server.losing = False
    world.server.say("bob", "tea", "d")
    world.run()

    world.sleep(0.7)
    early = len(world.server.asked("history"))
    world.sleep(0.6)

    (frame,) = world.server.asked("history")
    assert early == 0
    assert (frame["before"], frame["limit"]) == (4, 3)
    assert ada.texts() == list("abcd")


def test_a_late_push_fills_the_hole_by_itself(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.losing = True
    world.server.say("bob", "tea", "a")
    late = world.server.logs["tea"][0]
    world.server.losing = False
    world.server.say("bob", "tea", "b")
    world.run()

    world.server.tell(1, late)
    world.sleep(5)

    assert ada.texts() == ["a", "b"]
    assert world.server.asked("history") == []


def test_a_hole_that_history_leaves_is_caught_up_with(world: World) -> None:
    world.server.page = 2
    ada = world.peer("ada", "tea")
    world.server.losing = True
    world.server.say("bob", "tea", *"abcdef")
    world.server.losing = False
    world.server.say("bob", "tea", "g")

    world.sleep(3)

    assert ada.texts() == list("abcdefg")
    assert [frame.get("after") for frame in world.server.asked("subscribe")] == [None, 0, 2, 4, 6]


def test_a_hole_that_nobody_can_fill_is_asked_for_ever_more_rarely(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.tell(
        1, {"type": "message", "room": "tea", "seq": 9, "user": "b", "message": "", "at": ""}
    )

    world.sleep(600)

    assert 20 < len(world.server.asked("history")) < 120
    assert ada.texts() == []


def test_a_ping_finds_what_was_missed_at_the_end(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.losing = True
    world.server.say("bob", "tea", *"abc")
    world.server.losing = False

    world.sleep(239)
    early = ada.texts()
    world.sleep(4)

    assert early == []
    assert ada.texts() == list("abc")


def test_every_room_has_its_place_in_a_ping(world: World) -> None:
    names = [f"room{n}" for n in range(23)]
    world.peer("ada", *names)

    world.sleep(241)

    pings = world.server.asked("ping")
    assert [len(ping["rooms"]) for ping in pings] == [10, 10, 3]
    assert {room for ping in pings for room in ping["rooms"]} == set(names)


def test_a_subscription_that_is_refused_says_so(world: World) -> None:
    ada = world.peer("ada")
    world.server.fail("subscribe", "bad_request", retryable=False)

    token = ada.core.join("Tea!")
    world.run()

    assert Failed(token, "join", "Tea!", "bad_request", "bad_request") in ada.told
    assert ada.core.rooms == {}


def test_a_room_that_is_closed_later_is_lost(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.fail("subscribe", "forbidden", retryable=False)

    world.cut(ada)
    world.sleep(1)

    assert ada.all(RoomLost) == [RoomLost("tea", "forbidden", "forbidden")]


def test_a_room_that_was_left_stays_left(world: World) -> None:
    world.server.lobby = ["lobby"]
    ada = world.peer("ada", "tea")

    ada.core.leave("lobby")
    ada.core.unfollow("tea")
    world.run()
    world.cut(ada)
    world.sleep(1)
    world.server.say("bob", "lobby", "x")
    world.run()

    assert ada.core.rooms == {}
    assert list(world.server.subscriptions.values()) == [set()]


def test_a_room_can_be_left_while_it_is_being_joined(world: World) -> None:
    ada = world.peer("ada")

    ada.core.join("tea")
    ada.core.unfollow("tea")
    world.run()

    assert list(world.server.subscriptions.values()) == [set()]
    assert ada.failures() == ["left"]


def test_what_is_pushed_of_a_new_log_before_the_answer_is_kept(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.say("bob", "tea", *"abcdef")
    world.run()
    world.cut(ada)
    world.server.deaf.add("subscribe")
    world.sleep(1)
    ask = world.server.asked("subscribe")[-1]
    world.server.logs["tea"].clear()
    world.server.say("bob", "tea", "new", "newer")
    answer = {"type": "ack", "id": ask["id"], "seq": 1, "recovered": False, "more": False}

    world.server.tell(2, world.server.logs["tea"][1])
    world.server.tell(2, {**answer, "events": world.server.events("tea")[:1]})
    world.run()

    assert ada.texts() == ["new", "newer"]


def test_an_unsubscription_waits_for_the_answer_to_the_subscription(world: World) -> None:
    ada = world.peer("ada")
    world.server.deaf.add("subscribe")
    ada.core.join("tea")
    ada.core.unfollow("tea")
    world.run()
    early = len(world.server.asked("unsubscribe"))
    ask = world.server.asked("subscribe")[-1]

    world.server.tell(1, {"type": "ack", "id": ask["id"], "room": "tea", "seq": 0})
    world.run()

    assert early == 0
    assert len(world.server.asked("unsubscribe")) == 1


def test_a_subscription_of_a_room_that_was_left_is_not_repeated(world: World) -> None:
    ada = world.peer("ada")
    world.server.deaf.add("subscribe")
    ada.core.join("tea")
    ada.core.unfollow("tea")

    world.sleep(30)

    assert len(world.server.asked("subscribe")) == 1
    assert len(world.server.asked("unsubscribe")) == 1


def test_a_room_that_is_joined_left_and_joined_is_joined(world: World) -> None:
    ada = world.peer("ada")
    world.server.deaf.add("subscribe")
    ada.core.join("tea")
    ada.core.unfollow("tea")
    ada.core.join("tea")
    world.run()

    world.server.deaf.clear()
    world.sleep(30)
    world.server.say("bob", "tea", "x")
    world.run()

    assert ada.texts() == ["x"]
    assert ada.failures() == ["left"]


def test_what_was_to_be_asked_on_lost_connections_is_forgotten(world: World) -> None:
    ada = world.peer("ada", "tea")
    for _ in range(5):
        world.server.deaf.add("subscribe")
        world.cut(ada)
        world.sleep(1)
        ada.core.unfollow("tea")
        ada.core.join("tea")
        world.run()

    world.server.deaf.clear()
    world.cut(ada)
    world.sleep(60)

    assert ada.core._requests._lanes == {}


def test_an_unanswered_unsubscription_is_not_repeated_once_the_room_was_joined_again(
    world: World,
) -> None:
    ada = world.peer("ada", "tea")
    world.server.silent.add("unsubscribe")
    ada.core.unfollow("tea")
    ada.core.join("tea")

    world.sleep(60)
    world.cut(ada)
    world.sleep(2)
    world.server.say("bob", "tea", "x")
    world.run()

    assert len(world.server.asked("unsubscribe")) == 1
    assert ada.texts() == ["x"]


def test_a_page_of_history_that_comes_after_leaving_is_dropped(world: World) -> None:
    world.server.page = 2
    world.server.say("bob", "tea", *"abcd")
    ada = world.peer("ada", "tea")
    world.server.deaf.add("history")
    ada.core.load_history("tea")
    world.run()
    ask = world.server.asked("history")[-1]
    ada.core.unfollow("tea")
    ada.core.join("tea")
    world.run()
    ada.told.clear()

    page = {"type": "ack", "id": ask["id"], "room": "tea", "events": world.server.events("tea")[:2]}
    world.server.tell(1, {**page, "more": False})
    world.run()

    assert ada.all(Changed) == []
    assert ada.failures() == []


def test_a_room_is_joined_when_its_first_page_is_there(world: World) -> None:
    world.server.say("bob", "tea", "a")
    ada = world.peer("ada")
    world.server.deaf.add("history")

    ada.core.join("tea")
    ada.core.join("tea")
    world.run()
    early = [done.action for done in ada.all(Done)]
    world.server.deaf.clear()
    world.sleep(10)

    assert early == []
    assert [done.action for done in ada.all(Done)] == ["join", "join"]


def test_holes_are_filled_after_a_repair_and_a_subscription_were_cut_off(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.deaf.add("history")
    world.server.losing = True
    world.server.say("bob", "tea", "a")
    world.server.losing = False
    world.server.say("bob", "tea", "b")
    world.sleep(2)
    world.server.deaf = {"subscribe"}
    world.cut(ada)
    world.sleep(1)
    world.server.deaf.clear()
    world.cut(ada)
    world.sleep(3)
    world.server.losing = True
    world.server.say("bob", "tea", "c")
    world.server.losing = False
    world.server.say("bob", "tea", "d")

    world.sleep(2)

    assert ada.texts() == list("abcd")


def test_a_position_that_was_wrong_is_forgotten(world: World) -> None:
    world.peer("ada", "tea")
    world.server.replies["ping"] = deque([{"type": "pong", "rooms": {"tea": 9}}])

    world.sleep(600)

    assert len(world.server.asked("history")) == 1
