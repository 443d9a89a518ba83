"""The actions, one by one: what each answers, whom it tells, and whom it refuses."""

import json
from typing import Any

import pytest

from chalicelib.chat import ChatService
from chalicelib.commands import COMMANDS
from chalicelib.connections import ConnectionRepository
from chalicelib.gateway import Outcome
from chalicelib.models import ConnectionId, RoomName
from tests.unit.fakes import (
    Client,
    Clock,
    Faulty,
    RecordingGateway,
    ServiceFactory,
    client_error,
    new_session,
)

pytestmark = pytest.mark.memory

DOWN = client_error("InternalServerError", status=500)
NOW = "2026-01-02T03:04:05.678Z"
DIRECT = "dm:alice:bob"

# An example of each action; alice has said something in the lobby and to bob.
CHANGES: dict[str, dict[str, Any]] = {
    "sendmessage": {"message": "x"},
    "editmessage": {"target": 1, "message": "y"},
    "deletemessage": {"target": 1},
    "react": {"target": 1, "emoji": "👍"},
    "subscribe": {},
    "unsubscribe": {},
    "read": {"seq": 1},
}
QUESTIONS: dict[str, dict[str, Any]] = {
    "history": {},
    "presence": {},
    "subscribe": {"after": 0},
}
WITHOUT_ROOM: list[tuple[str, dict[str, Any]]] = [
    ("hello", {}),
    ("ping", {"rooms": {"lobby": 0}}),
    ("rooms", {}),
]
IN_A_ROOM = [*CHANGES.items(), *QUESTIONS.items(), ("typing", {})]
changing = pytest.mark.parametrize(("action", "fields"), CHANGES.items())
in_a_room = pytest.mark.parametrize(("action", "fields"), IN_A_ROOM)


@pytest.fixture
def chat(build_service: ServiceFactory) -> ChatService:
    return build_service(MAX_SUBSCRIPTIONS="3", PRESENCE_LIST_LIMIT="3")


@pytest.fixture
def alice(chat: ChatService, gateway: RecordingGateway) -> Client:
    client = Client(chat, gateway, "A=")
    assert client.connect("alice") == 200
    return client


@pytest.fixture
def bob(chat: ChatService, gateway: RecordingGateway, alice: Client) -> Client:
    client = Client(chat, gateway, "B=")
    assert client.connect("bob") == 200
    alice.received()  # that bob has come
    return client


@pytest.fixture
def carol(chat: ChatService, gateway: RecordingGateway, alice: Client, bob: Client) -> Client:
    client = Client(chat, gateway, "C=")
    assert client.connect("carol") == 200
    for other in (alice, bob):
        other.received()
    return client


@pytest.fixture
def devices(
    chat: ChatService, gateway: RecordingGateway, connections: ConnectionRepository, clock: Clock
) -> tuple[Client, Client]:
    """Two connections of ann, who is no guest."""
    for connection_id in ("P=", "L="):
        connections.add(new_session(connection_id, "ann", "lobby", now=clock.now))
    return Client(chat, gateway, "P="), Client(chat, gateway, "L=")


@pytest.fixture
def said(alice: Client, bob: Client) -> None:
    """A message of alice's in the lobby, and one to bob."""
    alice.send("sendmessage", message="hi")
    alice.send("sendmessage", message="psst", to="bob")
    bob.received()


def kinds(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["type"] for frame in frames]


def seqs(frames: list[dict[str, Any]]) -> list[int]:
    return [frame["seq"] for frame in frames]


def test_every_command_has_a_use_case(chat: ChatService) -> None:
    assert set(chat._actions._use_cases) == set(COMMANDS.values())


# Answers


@pytest.mark.clause("R1")
@changing
@pytest.mark.usefixtures("said")
def test_what_only_changes_something_answers_only_with_an_id(
    alice: Client, action: str, fields: dict[str, Any]
) -> None:
    without = alice.send(action, room="lobby", **fields)
    answers = alice.send(action, room="lobby", id=7, **fields)

    assert without == []
    assert [(answer["type"], answer["id"], answer["action"]) for answer in answers] == [
        ("ack", 7, action)
    ]


@pytest.mark.clause("R1")
@pytest.mark.parametrize(
    ("action", "fields"),
    [
        *WITHOUT_ROOM,
        *((action, {"room": "lobby", **fields}) for action, fields in QUESTIONS.items()),
    ],
)
@pytest.mark.usefixtures("said")
def test_what_asks_for_something_always_answers(
    alice: Client, action: str, fields: dict[str, Any]
) -> None:
    without = alice.send(action, **fields)
    answers = alice.send(action, id="q", **fields)

    assert answers == [{**without[0], "id": "q"}]
    assert "id" not in without[0]


@pytest.mark.clause("R1")
@pytest.mark.usefixtures("said")
def test_typing_is_never_answered(alice: Client) -> None:
    assert alice.send("typing", room="lobby", id=7) == []


@pytest.mark.clause("R1")
@in_a_room
def test_an_error_is_always_answered(alice: Client, action: str, fields: dict[str, Any]) -> None:
    answers = alice.send(action, **{**fields, "room": "No Room"})

    assert [(answer["type"], answer["code"]) for answer in answers] == [("error", "bad_request")]
    assert answers[0]["action"] == action
    assert "id" not in answers[0]


@pytest.mark.clause("R1")
def test_an_id_of_zero_or_an_empty_one_is_an_id(alice: Client) -> None:
    assert alice.send("sendmessage", message="x", id=0)[0]["id"] == 0
    assert alice.send("sendmessage", message="x", id="")[0]["id"] == ""


@pytest.mark.clause("E1")
@pytest.mark.parametrize(
    ("action", "fields"),
    [
        *((action, {"room": "lobby", **fields}) for action, fields in IN_A_ROOM),
        ("subscribe", {"room": "games"}),
        *WITHOUT_ROOM[1:],
    ],
)
@pytest.mark.usefixtures("said")
def test_without_the_database_every_action_is_unavailable(
    alice: Client, dynamodb: Faulty, action: str, fields: dict[str, Any]
) -> None:
    for operation in ("get_item", "batch_get_item", "query", "put_item", "transact_write_items"):
        dynamodb.always(operation, DOWN)

    answers = alice.send(action, **fields, id=7)

    assert answers == [
        {
            "type": "error",
            "id": 7,
            "action": action,
            "code": "unavailable",
            "message": "the database is busy or unavailable: try again",
            "retryable": True,
            "retry_after_ms": 1000,
        }
    ]


# hello, ping


def test_hello_is_welcomed(alice: Client, clock: Clock) -> None:
    alice.send("subscribe", room="games")
    clock.now += 100

    answers = alice.send("hello", id=7)

    assert answers == [
        {
            "type": "welcome",
            "id": 7,
            "connection_id": "A=",
            "user": "alice",
            "guest": True,
            "rooms": ["games", "lobby"],
            "protocol": 1,
            "server_time": "2026-01-02T03:05:45.678Z",
            "expires_at": "2026-01-02T05:14:05.000Z",
            "heartbeat_ms": 240_000,
            "reconnect_after_ms": 6_500_000,
        }
    ]


@pytest.mark.clause("R4")
def test_hello_with_arrays_is_welcomed_like_any_other(alice: Client, dynamodb: Faulty) -> None:
    plain = alice.send("hello", id=7)
    dynamodb.calls.clear()

    answers = [alice.send("hello", id=7, arrays=True) for _ in range(2)]

    assert answers == [plain, plain]
    # The connection and its two subscriptions, once, beside what every frame writes.
    assert dynamodb.count("update_item") == len(dynamodb.calls) == 3 + 2


@pytest.mark.clause("R4")
@pytest.mark.parametrize("fields", [{}, {"arrays": False}, {"arrays": None}])
def test_without_true_hello_changes_nothing(
    alice: Client, dynamodb: Faulty, fields: dict[str, Any]
) -> None:
    dynamodb.calls.clear()

    alice.send("hello", **fields)

    assert [name for name, _ in dynamodb.calls] == ["update_item"]


def test_the_time_to_reconnect_is_never_negative(alice: Client, clock: Clock) -> None:
    clock.now += 7000

    assert alice.send("hello")[0]["reconnect_after_ms"] == 0


@pytest.mark.clause("C4")
@pytest.mark.usefixtures("said")
def test_ping_tells_the_last_seq_of_rooms(alice: Client) -> None:
    alice.send("sendmessage", message="x")

    assert alice.send("ping") == [{"type": "pong", "rooms": {}}]
    assert alice.send("ping", id="p", rooms={"lobby": 1, "games": 0, DIRECT: 0}) == [
        {"type": "pong", "id": "p", "rooms": {"lobby": 2, "games": 0, DIRECT: 1}}
    ]


@pytest.mark.clause("P3")
def test_ping_removes_those_who_vanished_from_the_rooms_it_names(
    alice: Client, bob: Client, gateway: RecordingGateway, clock: Clock
) -> None:
    clock.now += 600
    gateway.outcomes = {bob.id: Outcome.GONE}

    nothing = alice.send("ping")
    answers = alice.send("ping", rooms={"lobby": 0})

    assert kinds(nothing) == ["pong"]
    assert [(frame["type"], frame.get("status")) for frame in answers] == [
        ("presence", "left"),
        ("pong", None),
    ]


@pytest.mark.clause("P3")
@pytest.mark.usefixtures("bob")
def test_every_frame_counts_as_a_sign_of_life(
    alice: Client, gateway: RecordingGateway, clock: Clock
) -> None:
    clock.now += 599
    alice.send_text('{"action": "dance"}')
    alice.send("typing", room="lobby")
    clock.now += 1

    alice.send("presence", room="lobby")

    assert [probe.connection_id for probe in gateway.probes] == ["B="]


@pytest.mark.clause("P3")
def test_ping_looks_after_rooms_only_that_the_connection_is_in(
    alice: Client,
    connections: ConnectionRepository,
    gateway: RecordingGateway,
    dynamodb: Faulty,
    clock: Clock,
) -> None:
    connections.add(new_session("D=", "dave", "games", now=clock.now))
    clock.now += 600
    dynamodb.calls.clear()

    alice.send("ping", rooms={"games": 0, DIRECT: 0, "lobby": 0})

    assert gateway.probes == []
    reads = [arguments for name, arguments in dynamodb.calls if name == "query"]
    swept = [
        read["ExpressionAttributeValues"][":pk"]["S"]
        for read in reads
        if ":pk" in read["ExpressionAttributeValues"]
    ]
    assert swept == ["room#lobby"]


# sendmessage


@pytest.mark.clause("L4", "R1")
def test_the_frame_of_the_aws_tutorial_reaches_everyone_in_the_lobby(
    alice: Client, bob: Client
) -> None:
    answers = alice.send_text('{"action":"sendmessage","message":"hello, everyone!"}')

    assert answers == []
    assert bob.received() == [
        {
            "type": "message",
            "room": "lobby",
            "seq": 1,
            "user": "alice",
            "guest": True,
            "message": "hello, everyone!",
            "at": NOW,
        }
    ]


@pytest.mark.clause("L4")
def test_the_sender_gets_the_ack_and_the_others_the_message_in_one_batch(
    alice: Client, bob: Client, gateway: RecordingGateway
) -> None:
    gateway.batches.clear()

    alice.send("sendmessage", message="hi", id=7, cid="c1")

    assert [post.connection_id for post in gateway.batches[0]] == [alice.id, bob.id]
    assert len(gateway.batches) == 1
    assert json.loads(gateway.frames(bob.id)[0])["cid"] == "c1"
    assert json.loads(gateway.frames(alice.id)[0]) == {
        "type": "ack",
        "id": 7,
        "action": "sendmessage",
        "room": "lobby",
        "seq": 1,
        "at": NOW,
        "duplicate": False,
    }


@pytest.mark.clause("L4")
def test_the_senders_other_devices_get_the_message(devices: tuple[Client, Client]) -> None:
    phone, laptop = devices

    answers = phone.send("sendmessage", message="x", id=1)

    assert kinds(answers) == ["ack"]
    assert kinds(laptop.received()) == ["message"]


def test_who_is_not_in_a_room_may_say_something_there(alice: Client, bob: Client) -> None:
    bob.send("subscribe", room="games")

    answers = alice.send("sendmessage", room="games", message="x", id=1)

    assert answers[0]["room"] == "games"
    assert bob.received()[0]["room"] == "games"
    assert alice.received() == []


@pytest.mark.clause("L3")
def test_a_message_sent_twice_is_in_the_log_once_and_pushed_once_more(
    alice: Client, bob: Client, clock: Clock
) -> None:
    alice.send("sendmessage", message="x", id=1, cid="c1")
    first = bob.received()
    clock.now += 9

    answers = alice.send("sendmessage", room="games", message="other", id=2, cid="c1")

    assert answers == [
        {
            "type": "ack",
            "id": 2,
            "action": "sendmessage",
            "room": "lobby",
            "seq": 1,
            "at": NOW,
            "duplicate": True,
        }
    ]
    assert bob.received() == first
    assert alice.send("sendmessage", message="x", cid="c1") == []
    assert seqs(bob.received()) == [1]


@pytest.mark.clause("L3", "E1")
def test_a_duplicate_whose_original_cannot_be_read_is_acknowledged_all_the_same(
    alice: Client, bob: Client, dynamodb: Faulty
) -> None:
    alice.send("sendmessage", message="x", cid="c1")
    bob.received()
    dynamodb.plan("get_item", DOWN)

    answers = alice.send("sendmessage", message="x", id=1, cid="c1")

    assert answers[0]["duplicate"] is True
    assert bob.received() == []


@pytest.mark.parametrize("length", [1, 8000])
def test_a_message_may_have_up_to_8000_characters(alice: Client, bob: Client, length: int) -> None:
    assert alice.send("sendmessage", message="x" * length, id=1)[0]["type"] == "ack"
    assert len(bob.received()[0]["message"]) == length


def test_a_longer_message_is_refused_with_the_limit(alice: Client, bob: Client) -> None:
    answers = alice.send("sendmessage", message="x" * 8001, id=1)

    assert answers == [
        {
            "type": "error",
            "id": 1,
            "action": "sendmessage",
            "code": "bad_request",
            "message": "message must be at most 8000 characters",
            "retryable": False,
        }
    ]
    assert bob.received() == []


def test_8000_emoji_arrive(alice: Client, bob: Client) -> None:
    text = json.dumps({"action": "sendmessage", "message": "🌊" * 8000}, ensure_ascii=False)

    assert alice.send_text(text) == []
    assert bob.received()[0]["message"] == "🌊" * 8000


def test_a_text_that_swells_beyond_a_frame_is_too_large(alice: Client, bob: Client) -> None:
    text = json.dumps({"action": "sendmessage", "message": "\x01" * 5400})

    assert alice.send_text(text)[0]["code"] == "too_large"
    assert bob.received() == []


def test_without_a_lobby_a_message_needs_a_room(
    build_service: ServiceFactory, gateway: RecordingGateway
) -> None:
    service = build_service(LOBBY="")
    client = Client(service, gateway, "A=")
    client.connect("alice")
    Client(service, gateway, "B=").connect("bob")

    refusal = client.send("sendmessage", message="x", id=1)[0]

    assert refusal["message"] == "room is missing, and there is no lobby"
    assert client.send("sendmessage", message="x", room="games", id=2)[0]["seq"] == 1
    assert client.send("sendmessage", message="x", to="bob", id=3)[0]["room"] == DIRECT


# editmessage, deletemessage, react


@pytest.mark.clause("L1", "L4")
@pytest.mark.parametrize(
    ("action", "push"),
    [
        ("editmessage", {"type": "edit", "message": "y"}),
        ("deletemessage", {"type": "delete"}),
        ("react", {"type": "reaction", "emoji": "👍", "removed": False}),
    ],
)
@pytest.mark.usefixtures("said")
def test_a_change_is_the_next_entry_and_pushed_to_the_others(
    alice: Client, bob: Client, action: str, push: dict[str, Any]
) -> None:
    answers = alice.send(action, room="lobby", id=7, cid="c9", **CHANGES[action])

    place = {"room": "lobby", "seq": 2, "at": NOW}
    author = {"user": "alice", "guest": True, "cid": "c9"}
    assert answers == [{"type": "ack", "id": 7, "action": action, **place, "duplicate": False}]
    assert bob.received() == [{**push, **place, "target": 1, **author}]


@pytest.mark.usefixtures("said")
def test_a_reaction_can_be_taken_away(alice: Client, bob: Client) -> None:
    bob.send("react", room="lobby", target=1, emoji="👍")
    alice.received()

    bob.send("react", room="lobby", target=1, emoji="👍", remove=True)

    assert [(push["type"], push["removed"]) for push in alice.received()] == [("reaction", True)]
    history = alice.send("history", room="lobby")[0]["events"]
    assert "reactions" not in history[0]


@pytest.mark.clause("L5")
@pytest.mark.usefixtures("said")
def test_only_the_author_edits_and_deletes(alice: Client, bob: Client) -> None:
    for action in ("editmessage", "deletemessage"):
        answers = bob.send(action, room="lobby", **CHANGES[action])

        assert answers[0]["code"] == "forbidden"
    assert alice.received() == []


@pytest.mark.clause("L5")
@pytest.mark.parametrize("action", ["editmessage", "deletemessage", "react"])
@pytest.mark.usefixtures("said")
def test_what_is_not_there_cannot_be_changed(alice: Client, bob: Client, action: str) -> None:
    fields = {**CHANGES[action], "target": 9}

    answers = alice.send(action, room="lobby", **fields)

    assert answers[0]["code"] == "not_found"
    assert bob.received() == []


@pytest.mark.clause("L6")
@pytest.mark.usefixtures("said")
def test_a_change_that_changes_nothing_is_answered_with_the_last_one(
    alice: Client, bob: Client
) -> None:
    alice.send("editmessage", room="lobby", target=1, message="y")
    bob.received()

    answers = alice.send("editmessage", room="lobby", target=1, message="y", id=1)

    assert (answers[0]["seq"], answers[0]["duplicate"]) == (2, True)
    assert seqs(bob.received()) == [2]


@pytest.mark.usefixtures("said")
def test_a_longer_edit_is_refused(alice: Client, bob: Client) -> None:
    answers = alice.send("editmessage", room="lobby", target=1, message="x" * 8001)

    assert answers[0]["message"] == "message must be at most 8000 characters"
    assert bob.received() == []


# subscribe, unsubscribe


def test_subscribing_answers_the_last_seq_and_pushes_what_follows(
    alice: Client, bob: Client
) -> None:
    bob.send("sendmessage", room="games", message="before")

    answers = alice.send("subscribe", room="games", id=1)
    bob.send("sendmessage", room="games", message="after")

    assert answers == [
        {
            "type": "ack",
            "id": 1,
            "action": "subscribe",
            "room": "games",
            "seq": 1,
            "recovered": True,
            "events": [],
            "more": False,
        }
    ]
    assert seqs(alice.received()) == [2]


@pytest.mark.clause("P1")
def test_subscribing_tells_the_others_once(alice: Client, bob: Client) -> None:
    bob.send("subscribe", room="games")

    for _ in range(2):
        alice.send("subscribe", room="games", id=1)

    assert [(push["room"], push["user"], push["status"]) for push in bob.received()] == [
        ("games", "alice", "joined")
    ]


@pytest.mark.clause("P1")
def test_who_subscribed_is_announced_even_if_the_rest_failed(
    alice: Client, bob: Client, dynamodb: Faulty
) -> None:
    bob.send("subscribe", room="games")
    dynamodb.plan("query", None, None, DOWN)

    failed = alice.send("subscribe", room="games", id=1)
    again = alice.send("subscribe", room="games", id=1)

    assert (kinds(failed), kinds(again)) == (["error"], ["ack"])
    assert [push["status"] for push in bob.received()] == ["joined"]


def test_subscribing_to_too_many_rooms_is_a_conflict(alice: Client) -> None:
    for room in ("r1", "r2"):
        assert alice.send("subscribe", room=room) == []

    answers = alice.send("subscribe", room="r3")

    assert answers[0]["code"] == "conflict"
    assert answers[0]["message"] == "a connection may be subscribed to at most 3 rooms"


@pytest.mark.clause("C3")
@pytest.mark.parametrize(("place", "pushed"), [(0, False), (1, True), (2, True)])
def test_a_message_in_the_middle_of_subscribing_is_not_missed(
    *, alice: Client, bob: Client, dynamodb: Faulty, place: int, pushed: bool
) -> None:
    def meanwhile(arguments: dict[str, Any]) -> Any:
        bob.send("sendmessage", room="games", message="meanwhile")
        return dynamodb.client.query(**arguments)

    dynamodb.plan("query", *[None] * place, meanwhile)

    answers = alice.send("subscribe", room="games", id=1, after=0)

    # Pushed as well where it is subscribed by then: the client drops one of the two.
    assert kinds(answers) == (["message", "ack"] if pushed else ["ack"])
    assert seqs(answers[-1]["events"]) == [1]


@pytest.mark.clause("M2", "P1", "E1")
def test_a_subscription_that_failed_half_way_is_completed_by_the_next_try(
    alice: Client, bob: Client, dynamodb: Faulty
) -> None:
    bob.send("subscribe", room="games")
    dynamodb.plan("transact_write_items", DOWN)
    failed = alice.send("subscribe", room="games")
    bob.received()

    answers = alice.send("subscribe", room="games", id=1)

    assert (failed[0]["code"], kinds(answers)) == ("unavailable", ["ack"])
    assert [(push["user"], push["status"]) for push in bob.received()] == [("alice", "joined")]
    names = [room["name"] for room in alice.send("rooms")[0]["rooms"]]
    assert names == ["games", "lobby"]


@pytest.mark.clause("C1")
def test_catching_up_in_pages_subscribes_once(alice: Client, bob: Client, dynamodb: Faulty) -> None:
    for _ in range(9):
        bob.send("sendmessage", room="games", message="x" * 8000)
    dynamodb.calls.clear()

    pages = [alice.send("subscribe", room="games", after=0)[0]]
    while pages[-1]["more"]:
        pages += alice.send("subscribe", room="games", after=pages[-1]["events"][-1]["seq"])

    assert [seq for page in pages for seq in seqs(page["events"])] == list(range(1, 10))
    assert {(page["seq"], page["recovered"]) for page in pages} == {(9, True)}
    assert len(pages) > 2
    assert dynamodb.count("transact_write_items") == 1
    assert dynamodb.count("update_item") == len(pages)  # one sign of life each


@pytest.mark.clause("C2")
def test_catching_up_from_beyond_the_log_starts_anew(alice: Client, bob: Client) -> None:
    bob.send("sendmessage", room="games", message="x")

    answer = alice.send("subscribe", room="games", after=5)[0]

    assert (answer["recovered"], answer["seq"], seqs(answer["events"])) == (False, 1, [1])


@pytest.mark.clause("P1")
def test_unsubscribing_ends_the_pushes_and_tells_the_others(alice: Client, bob: Client) -> None:
    answers = alice.send("unsubscribe", room="lobby", id=1)
    told = bob.received()
    bob.send("sendmessage", message="x")

    assert answers == [{"type": "ack", "id": 1, "action": "unsubscribe", "room": "lobby"}]
    assert [(push["user"], push["status"]) for push in told] == [("alice", "left")]
    assert alice.received() == []


@pytest.mark.parametrize("room", ["games", DIRECT])
@pytest.mark.usefixtures("bob")
def test_leaving_a_room_that_one_is_not_in_writes_nothing(
    alice: Client, dynamodb: Faulty, gateway: RecordingGateway, room: str
) -> None:
    dynamodb.calls.clear()
    gateway.batches.clear()

    alice.send("unsubscribe", room=room)

    written = [name for name, _ in dynamodb.calls if name != "batch_get_item"]
    assert written == ["update_item"]  # the sign of life
    assert gateway.batches == []


# history, presence, typing


@pytest.mark.clause("H3")
def test_history_answers_the_newest_before_a_seq(alice: Client) -> None:
    for n in range(1, 6):
        alice.send("sendmessage", message=f"m{n}")

    newest = alice.send("history", room="lobby", limit=2)[0]
    older = alice.send("history", room="lobby", limit=3, before=4)[0]
    empty = alice.send("history", room="games", id=1)

    assert (seqs(newest["events"]), newest["more"]) == ([4, 5], True)
    assert (seqs(older["events"]), older["more"]) == ([1, 2, 3], False)
    assert empty == [
        {"type": "ack", "id": 1, "action": "history", "room": "games", "events": [], "more": False}
    ]


@pytest.mark.clause("P1")
@pytest.mark.usefixtures("alice")
def test_presence_tells_who_is_there(bob: Client) -> None:
    answers = bob.send("presence", room="lobby", id=1)

    assert answers == [
        {
            "type": "ack",
            "id": 1,
            "action": "presence",
            "room": "lobby",
            "users": ["alice", "bob"],
            "guests": ["alice", "bob"],
            "count": 2,
        }
    ]
    assert bob.send("presence", room="empty")[0]["count"] == 0


@pytest.mark.clause("P2")
@pytest.mark.usefixtures("bob")
def test_of_a_full_room_presence_tells_only_the_count(
    carol: Client, chat: ChatService, gateway: RecordingGateway
) -> None:
    Client(chat, gateway, "D=").connect("dave")

    answer = carol.send("presence", room="lobby")[0]

    assert (answer["users"], answer["count"]) == ([], 4)


@pytest.mark.clause("P4")
def test_typing_goes_to_the_others(alice: Client, bob: Client) -> None:
    alice.send("typing", room="lobby")

    typing = {"type": "typing", "room": "lobby", "user": "alice", "guest": True}
    assert bob.received() == [typing]
    assert alice.received() == []


# read, rooms


@pytest.mark.clause("D3", "M1")
@pytest.mark.usefixtures("said")
def test_a_marker_that_moves_is_told_to_the_persons_other_devices_only(
    alice: Client, bob: Client, devices: tuple[Client, Client]
) -> None:
    phone, laptop = devices

    answers = phone.send("read", room="lobby", seq=1, id=7)

    assert answers == [{"type": "ack", "id": 7, "action": "read", "room": "lobby", "seq": 1}]
    assert laptop.received() == [{"type": "read", "room": "lobby", "user": "ann", "seq": 1}]
    assert alice.received() == bob.received() == []


@pytest.mark.clause("D3", "M1")
def test_a_marker_that_does_not_move_tells_nobody_and_answers_where_it_is(
    alice: Client, devices: tuple[Client, Client]
) -> None:
    phone, laptop = devices
    for _ in range(2):
        alice.send("sendmessage", message="x")
    phone.send("read", room="lobby", seq=2)
    phone.received()
    laptop.received()

    answers = phone.send("read", room="lobby", seq=1, id=7)

    assert answers[0]["seq"] == 2
    assert laptop.received() == []


@pytest.mark.clause("M1")
def test_what_is_not_in_the_log_cannot_be_read(devices: tuple[Client, Client]) -> None:
    phone, laptop = devices

    assert phone.send("read", room="lobby", seq=1)[0]["code"] == "not_found"
    assert laptop.received() == []


@pytest.mark.clause("M2", "M3")
@pytest.mark.usefixtures("said")
def test_rooms_lists_what_a_person_has_joined_and_not_read(alice: Client, bob: Client) -> None:
    bob.send("subscribe", room="games")
    alice.send("sendmessage", room="games", message="x")
    bob.received()

    answer = bob.send("rooms", id=7)[0]
    rest = bob.send("rooms", after="games")[0]

    public = {"visibility": "public", "role": "member"}
    direct = {"name": DIRECT, "visibility": "direct", "role": "member", "seq": 1, "unread": 1}
    assert (answer["id"], answer["more"]) == (7, False)
    assert answer["rooms"] == [
        direct,
        {"name": "games", **public, "seq": 1, "unread": 1},
        {"name": "lobby", **public, "seq": 1, "unread": 0},
    ]
    assert [room["name"] for room in rest["rooms"]] == ["lobby"]


# Direct messages


@pytest.mark.clause("D1")
def test_a_direct_message_reaches_all_devices_of_both_and_nobody_else(
    alice: Client, bob: Client, devices: tuple[Client, Client]
) -> None:
    phone, laptop = devices

    answers = phone.send("sendmessage", to="alice", message="psst", id=1)

    assert (answers[0]["room"], answers[0]["seq"]) == ("dm:alice:ann", 1)
    for other in (laptop, alice):
        assert [(push["room"], push["message"]) for push in other.received()] == [
            ("dm:alice:ann", "psst")
        ]
    assert bob.received() == []


@pytest.mark.clause("D1")
@pytest.mark.usefixtures("said")
def test_a_direct_message_waits_for_whoever_is_away(bob: Client, dynamodb: Faulty) -> None:
    dynamodb.calls.clear()

    answers = bob.send("subscribe", room=DIRECT, after=0, id=1)

    assert [event["message"] for event in answers[0]["events"]] == ["psst"]
    assert (answers[0]["seq"], answers[0]["recovered"]) == (1, True)
    # All their devices get the pushes without a subscription.
    assert dynamodb.count("transact_write_items") == dynamodb.count("put_item") == 0


@pytest.mark.clause("D1")
@in_a_room
@pytest.mark.usefixtures("said")
def test_every_action_works_between_two_people(
    alice: Client, bob: Client, carol: Client, action: str, fields: dict[str, Any]
) -> None:
    answers = alice.send(action, room=DIRECT, id=7, **fields)

    assert kinds(answers) == ([] if action == "typing" else ["ack"])
    assert kinds(bob.received()) == {
        "sendmessage": ["message"],
        "editmessage": ["edit"],
        "deletemessage": ["delete"],
        "react": ["reaction"],
        "typing": ["typing"],
    }.get(action, [])
    assert carol.received() == []


@pytest.mark.clause("D1")
@pytest.mark.usefixtures("bob", "said")
def test_of_two_people_presence_tells_which_are_connected(alice: Client, bob: Client) -> None:
    both = alice.send("presence", room=DIRECT)[0]
    bob.disconnect()
    alice.received()
    one = alice.send("presence", room=DIRECT)[0]

    assert (both["users"], both["count"]) == (["alice", "bob"], 2)
    assert (one["users"], one["count"]) == (["alice"], 1)


@pytest.mark.clause("D1")
def test_one_may_write_to_oneself(alice: Client, bob: Client) -> None:
    answers = alice.send("sendmessage", to="alice", message="milk", id=1)

    assert answers[0]["room"] == "dm:alice:alice"
    assert [room["name"] for room in alice.send("rooms")[0]["rooms"]] == ["dm:alice:alice", "lobby"]
    assert bob.received() == []


@pytest.mark.clause("D2")
@pytest.mark.parametrize(
    ("action", "fields"),
    [
        *((action, {"room": DIRECT, **fields}) for action, fields in IN_A_ROOM),
        ("ping", {"rooms": {"lobby": 0, DIRECT: 0}}),
    ],
)
@pytest.mark.usefixtures("said")
def test_a_third_person_is_refused_every_action(
    *,
    alice: Client,
    bob: Client,
    carol: Client,
    dynamodb: Faulty,
    action: str,
    fields: dict[str, Any],
) -> None:
    dynamodb.calls.clear()

    answers = carol.send(action, id=7, **fields)

    assert [(answer["code"], answer["id"], answer["action"]) for answer in answers] == [
        ("forbidden", 7, action)
    ]
    assert answers[0]["message"] == "dm:alice:bob is for alice and bob only"
    assert [name for name, _ in dynamodb.calls] == ["update_item"]  # the sign of life
    assert alice.received() == bob.received() == []


@pytest.mark.clause("D2")
@pytest.mark.usefixtures("said")
def test_a_third_person_does_not_see_the_room_in_their_list(carol: Client) -> None:
    assert [room["name"] for room in carol.send("rooms")[0]["rooms"]] == ["lobby"]
    assert [room["name"] for room in carol.send("rooms", after="dm:alice:aaa")[0]["rooms"]] == [
        "lobby"
    ]


@pytest.mark.clause("D1")
@pytest.mark.parametrize(
    "room",
    ["dm:bob:alice", "dm:", "dm:alice", "dm:alice:", "dm:alice:bob:carol", "@bob"],
)
@pytest.mark.parametrize(("action", "fields"), [("history", {}), ("sendmessage", {"message": "x"})])
def test_a_room_that_does_not_name_two_people_in_order_is_a_bad_request(
    alice: Client, action: str, fields: dict[str, Any], room: str
) -> None:
    answers = alice.send(action, room=room, **fields)

    assert [answer["code"] for answer in answers] == ["bad_request"]
    assert answers[0]["message"].startswith("room must ")


@pytest.mark.parametrize("room", ["dm:bob:alice", "dm:alice"])
def test_ping_names_no_room_that_is_none(alice: Client, room: str) -> None:
    answers = alice.send("ping", rooms={room: 0})

    assert [answer["code"] for answer in answers] == ["bad_request"]


@pytest.mark.clause("D4")
def test_the_direct_messages_of_a_guest_go_with_the_name(
    alice: Client, bob: Client, chat: ChatService, gateway: RecordingGateway
) -> None:
    alice.send("sendmessage", to="bob", message="psst")
    bob.disconnect()
    heir = Client(chat, gateway, "H=")
    heir.connect("bob")

    answers = heir.send("history", room=DIRECT)

    assert [event["message"] for event in answers[0]["events"]] == ["psst"]


def test_the_session_of_a_frame_is_the_connections_own(
    alice: Client, connections: ConnectionRepository
) -> None:
    connections.remove(ConnectionId(alice.id))

    assert alice.send("sendmessage", message="x")[0]["code"] == "unauthorized"
    assert list(connections.members(RoomName("lobby"))) == []
