"""What is done with a deployed stage, part by part; each part asserts what it expects."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.e2e.grants import without
from tests.e2e.people import Refused, Socket
from tests.e2e.worlds import World

# The emulator answers 500 where API Gateway answers 401 to an authorizer's "Unauthorized".
_REFUSED = {401, 403, 500}
# What a rule of EventBridge sends; of it Chalice wants these.
_SCHEDULED = {
    "version": "0",
    "account": "123456789012",
    "region": "us-east-1",
    "detail": {},
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "time": "2026-01-01T00:00:00Z",
    "id": "e2e",
    "resources": [],
}
_CROWD = ("bob", "carol", "dave")  # with ada more than DIRECT_FANOUT of tests/e2e/projects.py


def page(world: World) -> None:
    """The page, its configuration, health."""
    assert "<html" in world.page.get("/")
    assert json.loads(world.page.get("/health"))["stage"] == world.stage.name
    told = json.loads(world.page.get("/config"))
    assert told["websocket_url"], told


def accounts(world: World) -> None:
    """Register, log in, renew, change the password, log out; what is wrong is refused."""
    eve, post = world.person("eve"), world.page.post
    assert post("/login", eve.credentials)["user"] == eve.name
    _refused(lambda: post("/login", {**eve.credentials, "password": "a wrong one"}), {401})
    _refused(lambda: post("/register", eve.credentials), {409})
    eve.token = post("/token", token=eve.token)["token"]
    changed = {"password": eve.credentials["password"], "new_password": "quite another one"}
    eve.token = post("/password", changed, token=eve.token)["token"]
    socket = eve.connect()
    socket.ask("hello")
    post("/logout", token=eve.token)
    socket.wait("reconnect")
    _refused(eve.ticket, {401})


def doors(world: World) -> None:
    """Connections without a ticket, with a bad one, and with a used one are refused."""
    ada = world.person("ada")
    ticket = ada.ticket()
    world.sockets["ada"] = ada.connect(ticket)
    _refused(lambda: ada.connect(ticket), _REFUSED)
    _refused(lambda: ada.connect("made-up"), _REFUSED)
    if world.has_guests:
        _a_guest(world)
    else:
        _refused(lambda: Socket.open(world.socket_url, patience=world.patience), _REFUSED)
    welcome = world.socket("ada").ask("hello", arrays=True)
    assert welcome["user"] == ada.name
    assert not welcome.get("guest")


def rooms(world: World) -> None:
    """Rooms: made, listed, private, joined, ruled, left."""
    ada, bob, room = world.socket("ada"), world.socket("bob"), world.room("club")
    name = world.person("bob").name
    ada.ask("createroom", room=room, private=True)
    assert bob.try_("subscribe", room=room)["code"] == "forbidden"
    ada.ask("invite", room=room, user=name)
    bob.wait("invited", room=room)
    bob.ask("subscribe", room=room)
    ada.ask("subscribe", room=room)
    ada.ask("setrole", room=room, user=name, role="moderator")
    ada.ask("slowmode", room=room, seconds=5)
    ada.ask("slowmode", room=room, seconds=0)
    ada.ask("setrole", room=room, user=name, role="member")
    assert room in [each["name"] for each in bob.ask("rooms")["rooms"]]
    ada.ask("ban", room=room, user=name)
    bob.wait("kicked", room=room, banned=True)
    assert bob.try_("history", room=room)["code"] == "forbidden"
    ada.ask("unban", room=room, user=name)
    ada.ask("invite", room=room, user=name)
    ada.ask("kick", room=room, user=name)
    ada.ask("leave", room=room)


def talk(world: World) -> None:
    """Messages and what may happen to them, presence, typing, markers, direct messages."""
    ada, bob, room = world.socket("ada"), world.socket("bob"), world.room("tea")
    for socket in (ada, bob):
        socket.ask("subscribe", room=room)
    ada.wait("presence", room=room, status="joined")
    sent = ada.ask("sendmessage", room=room, message="milk?", cid="c1")
    bob.wait("message", room=room, message="milk?")
    assert ada.ask("sendmessage", room=room, message="milk?", cid="c1")["duplicate"]
    ada.ask("editmessage", room=room, target=sent["seq"], message="milk, anyone?")
    bob.wait("edit", room=room)
    bob.ask("react", room=room, target=sent["seq"], emoji="\N{HOT BEVERAGE}")
    ada.wait("reaction", room=room)
    bob.ask("read", room=room, seq=sent["seq"])
    assert bob.ask("presence", room=room)["count"] == 2
    assert bob.ask("ping", rooms={room: 1})["type"] == "pong"
    ada.ask("deletemessage", room=room, target=sent["seq"])
    bob.wait("delete", room=room)
    assert ada.ask("history", room=room)["events"][0]["deleted"]
    ada.ask("sendmessage", to=world.person("bob").name, message="psst")
    bob.wait("message", user=world.person("ada").name, message="psst")
    ada.ask("refresh", token=world.page.post("/token", token=world.person("ada").token)["token"])
    bob.ask("unsubscribe", room=room)
    ada.wait("presence", room=room, status="left")


def catch_up(world: World) -> None:
    """Who was away gets all that was said meanwhile, in order, and is seen to go and come."""
    ada, room = world.socket("ada"), world.room("tea")
    bob = world.socket("bob")
    for socket in (ada, bob):
        socket.ask("subscribe", room=room)
    ada.wait("presence", room=room, status="joined")
    here = ada.ask("sendmessage", room=room, message="one")["seq"]
    world.person("bob").leave()
    world.sockets.pop("bob")
    ada.wait("presence", room=room, status="left")
    for text in ("two", "three"):
        ada.ask("sendmessage", room=room, message=text)
    ada.forget()
    world.socket("bob")
    ada.wait("presence", room="lobby", user=world.person("bob").name, status="joined")
    missed = world.socket("bob").ask("subscribe", room=room, after=here)
    assert missed["recovered"]
    assert [event["message"] for event in missed["events"]] == ["two", "three"]


def publish(world: World) -> None:
    """A back end publishes by invoking the function."""
    ada, room = world.socket("ada"), world.room("news")
    ada.ask("subscribe", room=room)
    payload = {"room": room, "message": "deployed", "user": "ops", "cid": world.run}
    told = world.invoke("publish", payload)
    assert told.get("delivered") == 1, told
    assert ada.wait("message", room=room)["message"] == "deployed"
    assert world.invoke("publish", payload)["seq"] == told["seq"]
    assert world.invoke("publish", {"room": "NOT A ROOM"})["error"]["code"] == "bad_request"


def publish_event(world: World) -> None:
    """Another service publishes through the topic."""
    ada, room = world.socket("ada"), world.room("alerts")
    ada.ask("subscribe", room=room)
    world.notify({"room": room, "message": "disk full", "user": "monitor"})
    assert ada.wait("message", room=room)["message"] == "disk full"


def large_room(world: World) -> None:
    """More people than are posted to directly: the queue's workers reach them all."""
    ada, room = world.socket("ada"), world.room("hall")
    crowd = _crowd(world, room)
    for number in range(3):
        ada.ask("sendmessage", room=room, message=f"to all, {number}")
    for socket in crowd:
        for number in range(3):
            socket.wait("message", room=room, message=f"to all, {number}")
    told = world.invoke("publish", {"room": room, "message": "to all, again", "user": "ops"})
    assert told.get("queued") == len(crowd) + 1, told
    for socket in (ada, *crowd):
        socket.wait("message", room=room, message="to all, again")
    world.eventually(lambda: world.depth("deliveries") == 0, "the queue empty")


def dead_letters(world: World) -> None:
    """What cannot be delivered is kept, seen, and delivered when the fault is mended."""
    ada, bob, room = world.socket("ada"), world.socket("bob"), world.room("lost")
    for socket in (ada, bob):
        socket.ask("subscribe", room=room)
    hall = world.room("hall")
    _crowd(world, hall)
    said = {"room": room, "user": "ops"}
    # Who is unheard, and what by. The room of the last is large: its workers are.
    ways: dict[str, Callable[[], Any]] = {
        "websocket_message": lambda: ada.send("sendmessage", room=room, message="not heard"),
        "publish": lambda: world.invoke("publish", {**said, "message": "not heard of either"}),
        "publish_event": lambda: world.notify({**said, "message": "not heard of at all"}),
        "deliver": lambda: ada.ask("sendmessage", room=hall, message="not heard by many"),
    }
    for function, say in ways.items():
        _bury(world, function, say)
    seen = world.invoke("redrive", {})
    assert {room, hall} <= set(seen["rooms"]), seen
    moved = world.invoke("redrive", {"move": True})
    assert moved["moved"] >= len(ways), moved
    for text in ("not heard", "not heard of either", "not heard of at all"):
        bob.wait("message", room=room, message=text)
    bob.wait("message", room=hall, message="not heard by many")
    world.eventually(lambda: world.depth("undelivered") == 0, "the dead letters gone")


def _crowd(world: World, room: str) -> list[Socket]:
    """Fill a room; returns the sockets of all but ada."""
    crowd = [world.socket(name) for name in _CROWD]
    for socket in (world.socket("ada"), *crowd):
        socket.ask("subscribe", room=room)
    return crowd


def _bury(world: World, function: str, say: Callable[[], Any]) -> None:
    """Have a function deliver what API Gateway refuses: such posts are not tried again."""
    before = world.depth("undelivered")
    with without(world, function, "execute-api:ManageConnections"):
        say()
        world.eventually(
            lambda: world.depth("undelivered") > before, f"a dead letter by {function}"
        )


def warmer(world: World) -> None:
    """The warmer reaches every critical function, and none of them minds."""
    told = world.invoke("warm", _SCHEDULED)
    assert told["warmed"] > 0, told
    assert not told["failed"], told


def silence(world: World) -> None:
    """Nothing went wrong in any function that nobody has noticed."""
    world.leave()
    world.eventually(lambda: not world.depth("deliveries"), "the queue empty")
    faults = world.faults()
    assert not faults, "\n".join(faults[:5])


PARTS: Mapping[str, Callable[[World], None]] = {
    part.__name__.replace("_", " "): part
    for part in (
        page,
        doors,
        accounts,
        rooms,
        talk,
        catch_up,
        publish,
        publish_event,
        large_room,
        dead_letters,
        warmer,
        silence,
    )
}


def _a_guest(world: World) -> None:
    """One comes with a token, another without anything, under a name that is then taken."""
    name = f"guest-{world.run}"
    token = world.page.post("/guest", {"username": name})["token"]
    ticket = world.page.post("/ticket", token=token)["ticket"]
    for query in (f"ticket={ticket}", f"name=visitor-{world.run}", f"name={name}"):
        socket = Socket.open(f"{world.socket_url}?{query}", patience=world.patience)
        assert socket.ask("hello")["guest"]
        socket.close()


def _refused(attempt: Callable[[], Any], statuses: set[int]) -> None:
    status = _status(attempt)
    assert status in statuses, f"answered {status}, and not with one of {statuses}"


def _status(attempt: Callable[[], Any]) -> int:
    try:
        attempt()
    except Refused as refused:
        return refused.status
    return 200
