"""Who is there, who is writing, and what has been read."""

from chatclient.updates import (
    Done,
    People,
    Read,
    RoomInfo,
    Typing,
)
from tests.client.worlds import World


def test_the_newest_word_about_a_person_counts(world: World) -> None:
    ada, bob = world.peer("ada", "tea"), world.peer("bob", "tea")
    ada.core.watch("tea")
    world.run()

    def tell(status: str, at: str) -> tuple[str, ...]:
        push = {"type": "presence", "room": "tea", "user": "cleo", "status": status, "at": at}
        world.server.tell(1, push)
        world.run()
        return ada.all(People)[-1].users

    joined, left, stale = tell("joined", "2"), tell("left", "4"), tell("joined", "3")

    assert joined == ("ada", "bob", "cleo")
    assert left == stale == ("ada", "bob")
    assert bob.all(People) == []


def test_a_push_that_overtakes_the_answer_is_not_undone_by_it(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.deaf.add("presence")
    ada.core.watch("tea")
    world.run()
    ask = world.server.asked("presence")[0]

    push = {"type": "presence", "room": "tea", "user": "bob", "status": "joined", "at": "1"}
    world.server.tell(1, push)
    world.server.tell(1, {"type": "ack", "id": ask["id"], "users": ["ada"], "count": 1})
    world.run()

    assert ada.all(People)[-1].users == ("ada", "bob")


def test_of_a_large_room_only_the_count_is_told(world: World) -> None:
    ada = world.peer("ada", "tea")
    world.server.deaf.add("presence")
    token = ada.core.ask_presence("tea")
    world.run()
    ask = world.server.asked("presence")[0]

    world.server.tell(1, {"type": "ack", "id": ask["id"], "users": [], "count": 250})
    world.run()

    people = People("tea", (), 250)
    assert Done(token, "ask_presence", "tea", people) in ada.told


def test_people_are_asked_for_again_at_each_heartbeat_and_connection(world: World) -> None:
    ada = world.peer("ada", "tea", "coffee")
    ada.core.watch("tea")
    ada.core.watch("coffee")
    ada.core.watch("coffee", on=False)

    world.sleep(241)
    world.cut(ada)
    world.sleep(1)

    asked = [frame["room"] for frame in world.server.asked("presence")]
    assert asked == ["tea", "coffee", "tea", "tea"]


def test_typing_is_told_rarely(world: World) -> None:
    ada, bob = world.peer("ada", "tea"), world.peer("bob", "tea")

    for _ in range(10):
        ada.core.typing("tea")
        world.sleep(0.5)

    assert bob.all(Typing) == [Typing("tea", "ada")] * 2


def test_the_read_marker_moves_forward_on_all_devices(world: World) -> None:
    phone, laptop = world.peer("ada", "tea"), world.peer("ada", "tea")
    world.server.say("bob", "tea", *"abc")
    world.run()
    unread = laptop.core.unread("tea")

    phone.core.mark_read("tea", 2)
    phone.core.mark_read("tea")
    phone.core.mark_read("tea", 1)
    world.run()

    assert unread == 3
    assert laptop.core.unread("tea") == 0
    assert [frame["seq"] for frame in world.server.asked("read")] == [2, 3]
    assert laptop.all(Read)[-1] == Read("tea", 3)


def test_all_pages_of_the_rooms_are_read(world: World) -> None:
    ada = world.peer("ada")
    for room in ("a", "b", "c", "d", "e"):
        world.server.say("bob", room, "x")

    token = ada.core.list_rooms()
    world.run()

    (answer,) = [done.answer for done in ada.all(Done) if done.token == token]
    assert [info.name for info in answer] == ["a", "b", "c", "d", "e"]
    assert answer[0] == RoomInfo("a", "public", "member", 1, 1)
