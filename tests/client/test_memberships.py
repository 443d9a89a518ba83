"""Direct messages, which nobody joins."""

from chatclient.updates import (
    RoomLost,
)
from tests.client.worlds import World


def test_a_first_direct_message_makes_a_room_with_nothing_claimed_before_it(world: World) -> None:
    world.server.say("bob", "dm:ada:bob", "old")
    world.server.logs["dm:ada:bob"] *= 1
    ada = world.peer("ada")
    world.server.logs["dm:ada:cleo"] = []

    world.server.say("cleo", "dm:ada:cleo", "hi")
    world.server.say("bob", "dm:ada:bob", "new")
    world.run()

    assert ada.texts("dm:ada:cleo") == ["hi"]
    assert ada.texts("dm:ada:bob") == ["old", "new"]


def test_only_what_is_pushed_is_claimed_until_history_comes(world: World) -> None:
    ada = world.peer("ada")
    world.server.losing = True
    world.server.say("bob", "dm:ada:bob", *"abc")
    world.server.losing = False
    world.server.deaf.add("history")

    world.server.say("bob", "dm:ada:bob", "d")
    world.run()
    at_once = ada.texts("dm:ada:bob")
    world.server.deaf.clear()
    world.sleep(10)

    assert at_once == ["d"]
    assert ada.texts("dm:ada:bob") == list("abcd")


def test_direct_messages_of_the_time_without_a_connection_are_found(world: World) -> None:
    ada = world.peer("ada")
    world.server.say("cleo", "dm:ada:cleo", "1")
    world.run()
    world.cut(ada)
    for user in ("bob", "dora", "emil"):
        world.server.say(user, "dm:" + ":".join(sorted(("ada", user))), f"from {user}")
    world.server.say("cleo", "dm:ada:cleo", "2")

    world.sleep(2)

    assert ada.texts("dm:ada:emil") == ["from emil"]
    assert ada.texts("dm:ada:bob") == ["from bob"]
    assert ada.texts("dm:ada:cleo") == ["1", "2"]
    assert ada.core.unread("dm:ada:dora") == 1


def test_the_direct_messages_of_another_name_are_not_kept(world: World) -> None:
    ada = world.peer("ada")
    ada.core.send("hi", to="bob")
    world.run()

    ada.name = "ada-x"
    world.cut(ada)
    world.sleep(1)

    assert [lost.room for lost in ada.all(RoomLost)] == ["dm:ada:bob"]
