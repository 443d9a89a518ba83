"""Rooms with owners, and what becomes of those who leave or must."""

import pytest

from chatclient.core import ChatCore
from chatclient.updates import Done, Failed, Invited, Kicked, Left, People, RoomInfo, RoomLost
from tests.client.worlds import World


def test_a_private_room_is_made_and_people_come_by_invitation(world: World) -> None:
    ada, bob = world.member("ada"), world.member("bob")

    ada.core.create_room("secret", private=True)
    bob.core.join("secret")
    world.run()
    refused = bob.failures()
    ada.core.join("secret")
    ada.core.invite("secret", "bob")
    world.run()
    bob.core.join("secret")
    ada.core.send("hello", room="secret")
    world.run()

    assert refused == ["forbidden"]
    assert bob.all(Invited) == [Invited("secret", "ada")]
    assert bob.texts("secret") == ["hello"]
    ada.core.list_rooms()
    world.run()
    assert ada.all(Done)[-1].answer == (RoomInfo("secret", "private", "owner", 1, 1),)


@pytest.mark.parametrize(
    ("method", "arguments", "frame"),
    [
        ("create_room", (), {"action": "createroom", "private": False}),
        ("invite", ("bob",), {"action": "invite", "user": "bob"}),
        ("kick", ("bob",), {"action": "kick", "user": "bob"}),
        ("ban", ("bob",), {"action": "ban", "user": "bob"}),
        ("unban", ("bob",), {"action": "unban", "user": "bob"}),
        ("set_role", ("bob", "owner"), {"action": "setrole", "user": "bob", "role": "owner"}),
        ("slow_mode", (30,), {"action": "slowmode", "seconds": 30}),
    ],
)
def test_what_an_owner_does(
    world: World, method: str, arguments: tuple[object, ...], frame: dict[str, object]
) -> None:
    ada = world.member("ada")
    world.server.roles = {} if method == "create_room" else {"tea": {"ada": "owner"}}

    token = getattr(ChatCore, method)(ada.core, "tea", *arguments)
    world.run()

    (sent,) = world.server.asked(str(frame["action"]))
    assert sent.items() >= {**frame, "room": "tea"}.items()
    assert Done(token, str(frame["action"]), "tea") in ada.told


def test_what_slow_mode_holds_up_does_not_hold_up_an_owner(world: World) -> None:
    ada = world.member("ada", "tea")
    world.server.roles["tea"] = {"ada": "owner"}
    world.server.fail("sendmessage", "rate_limited", retry_after_ms=60_000)

    ada.core.send("hello", room="tea")
    ada.core.kick("tea", "bob")
    world.run()

    assert [done.action for done in ada.all(Done)] == ["join", "kick"]


def test_a_repetition_that_fails_may_have_succeeded_before(world: World) -> None:
    ada = world.member("ada")
    world.server.silent.add("createroom")
    ada.core.create_room("tea")

    world.sleep(11)
    ada.core.create_room("tea")
    world.run()

    told = [(failed.code, failed.uncertain) for failed in ada.all(Failed)]
    assert told == [("conflict", True), ("conflict", False)]


@pytest.mark.parametrize("action", ["kick", "ban"])
def test_who_is_taken_out_is_out(world: World, action: str) -> None:
    ada, bob = world.member("ada", "tea"), world.member("bob", "tea", "coffee")
    world.server.roles["tea"] = {"ada": "owner", "bob": "member"}
    world.server.deaf.add("sendmessage")
    tokens = [bob.core.send(text, room="tea") for text in ("one", "two")]
    elsewhere = bob.core.send("three", room="coffee")
    world.run()
    world.server.deaf.clear()

    getattr(ada.core, action)("tea", "bob")
    world.run()
    world.cut(bob)
    world.sleep(20)

    assert bob.all(Kicked) == [Kicked("tea", "ada", action == "ban")]
    told = [(f.token, f.code, f.uncertain) for f in bob.all(Failed)]
    assert told == [(tokens[0], "kicked", True), (tokens[1], "kicked", False)]
    assert "tea" not in bob.core.rooms
    assert elsewhere in [done.token for done in bob.all(Done)]
    assert [f["room"] for f in world.server.asked("subscribe") if f["connection"] > 2] == ["coffee"]


def test_who_was_only_kicked_may_come_back(world: World) -> None:
    ada, bob = world.member("ada", "tea"), world.member("bob", "tea")
    ada.core.kick("tea", "bob")
    world.run()

    bob.core.join("tea")
    world.server.say("cleo", "tea", "hello")
    world.run()

    assert bob.texts() == ["hello"]


def test_a_kick_that_was_not_told_is_found_by_a_ping(world: World) -> None:
    bob = world.member("bob", "tea", "coffee")
    world.server.banned.add(("tea", "bob"))
    world.server.subscriptions[1].discard("tea")
    world.server.losing = True
    world.server.say("cleo", "coffee", "unheard")
    world.server.losing = False
    world.server.fail("ping", "forbidden", retryable=False)

    world.sleep(250)

    assert [lost.room for lost in bob.all(RoomLost)] == ["tea"]
    assert bob.texts("coffee") == ["unheard"]


def test_leaving_is_leaving_on_all_devices(world: World) -> None:
    phone, laptop = world.member("ada", "tea"), world.member("ada", "tea")
    world.member("bob", "tea")

    token = phone.core.leave("tea")
    world.run()

    assert Done(token, "leave", "tea") in phone.told
    assert laptop.all(Left) == [Left("tea")]
    assert phone.core.rooms == laptop.core.rooms == {}
    for peer in (phone, laptop):
        world.cut(peer)
    world.sleep(1)
    assert sorted(map(sorted, world.server.subscriptions.values())) == [[], [], ["tea"]]


def test_a_lobby_that_was_left_elsewhere_stays_left(world: World) -> None:
    world.server.lobby = ["lobby"]
    phone, laptop = world.member("ada"), world.member("ada")
    phone.core.leave("lobby")
    world.run()

    world.cut(laptop)
    world.sleep(1)

    assert laptop.core.rooms == {}


def test_who_may_not_leave_stays(world: World) -> None:
    ada = world.member("ada", "tea")
    world.server.roles["tea"] = {"ada": "owner", "bob": "member"}

    ada.core.leave("tea")
    world.run()
    world.server.say("bob", "tea", "hello")
    world.run()

    assert ada.failures() == ["conflict"]
    assert ada.texts() == ["hello"]


def test_what_was_said_before_leaving_is_said_first(world: World) -> None:
    ada = world.member("ada", "tea")
    world.server.silent.add("sendmessage")

    ada.core.send("bye", room="tea")
    ada.core.leave("tea")
    world.run()
    early = world.server.asked("leave")
    world.server.silent.clear()
    world.sleep(11)

    assert early == []
    assert len(world.server.asked("leave")) == 1


def test_a_connection_that_comes_while_leaving_does_not_join_again(world: World) -> None:
    ada = world.member("ada", "tea", "coffee")
    world.server.silent.add("leave")
    ada.core.leave("tea")
    world.run()

    world.cut(ada)
    world.sleep(1)
    world.server.silent.clear()
    world.sleep(20)

    later = [f["room"] for f in world.server.asked("subscribe") if f["connection"] > 1]
    assert later == ["coffee"]
    assert list(ada.core.rooms) == ["coffee"]


def test_who_may_not_leave_after_all_catches_up(world: World) -> None:
    ada = world.member("ada", "tea")
    world.server.deaf.add("leave")
    ada.core.leave("tea")
    world.run()
    world.cut(ada)
    world.server.say("bob", "tea", "meanwhile")
    world.sleep(1)
    world.server.deaf.clear()
    world.server.fail("leave", "conflict", retryable=False)

    world.sleep(20)

    world.server.say("bob", "tea", "later")
    world.run()
    assert ada.failures() == ["conflict"]
    assert ada.texts() == ["meanwhile", "later"]


def test_joining_again_while_leaving_comes_after_it(world: World) -> None:
    ada = world.member("ada", "tea")
    world.server.deaf.add("leave")
    ada.core.leave("tea")
    ada.core.join("tea")
    world.run()
    world.server.deaf.clear()

    world.sleep(20)
    world.server.say("bob", "tea", "hello")
    world.run()

    actions = [f["action"] for f in world.server.received if f["action"] in ("leave", "subscribe")]
    assert actions == ["subscribe", "leave", "leave", "subscribe"]
    assert [done.action for done in ada.all(Done)] == ["join", "leave", "join"]
    assert ada.texts() == ["hello"]


def test_a_subscription_that_is_answered_after_leaving_is_undone(world: World) -> None:
    ada = world.member("ada")
    world.server.deaf.add("subscribe")
    ada.core.join("tea")
    ada.core.leave("tea")
    world.run()
    ask = world.server.asked("subscribe")[-1]

    world.server.tell(1, {"type": "ack", "id": ask["id"], "room": "tea", "seq": 0})
    world.run()

    assert [f["action"] for f in world.server.received if "room" in f] == ["subscribe"] + [
        "leave"
    ] * 2
    assert ada.core.rooms == {}


def test_unfollowing_leaves_the_other_devices_alone(world: World) -> None:
    phone, laptop = world.member("ada", "tea"), world.member("ada", "tea")

    phone.core.unfollow("tea")
    world.server.say("bob", "tea", "hello")
    world.run()

    assert phone.core.rooms == {}
    assert laptop.texts() == ["hello"]


def test_guests_are_marked(world: World) -> None:
    ada = world.member("ada", "tea")
    ada.core.watch("tea")
    world.run()
    push = {"room": "tea", "user": "eve", "guest": True, "at": "2026-01-02T03:04:05.678Z"}

    world.server.tell(1, {**push, "type": "message", "seq": 1, "message": "hi"})
    world.server.tell(1, {**push, "type": "presence", "status": "joined"})
    world.run()

    (message,) = ada.core.timeline("tea").snapshot()  # type: ignore[union-attr]
    assert message.guest
    assert ada.all(People)[-1] == People("tea", ("ada", "eve"), 2, "eve", "joined", ("eve",))


def test_of_a_list_of_people_the_guests_are_told(world: World) -> None:
    ada = world.member("ada", "tea")
    answer = {"type": "ack", "users": ["ada", "eve"], "count": 2, "guests": ["eve", "gone"]}
    world.server.deaf.add("presence")
    ada.core.ask_presence("tea")
    world.run()

    world.server.tell(1, {**answer, "id": world.server.asked("presence")[0]["id"]})
    world.run()

    assert ada.all(People)[-1] == People("tea", ("ada", "eve"), 2, guests=("eve",))
