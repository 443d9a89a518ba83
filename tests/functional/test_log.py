"""The log of a room as people see it: what is said, changed, missed and read again."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.functional.chats import Chat
from tests.stores.tables import MESSAGES_TABLE

THUMB, FAMILY = "\U0001f44d", "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.clause("L1", "L2")
def test_everything_that_happens_has_its_own_number(chat: Chat) -> None:
    alice, bob = chat.join("alice"), chat.join("bob")

    said = alice.ask("sendmessage", message="helo")
    edited = alice.ask("editmessage", room="lobby", target=1, message="hello")
    liked = bob.ask("react", room="lobby", target=1, emoji=THUMB)
    deleted = alice.ask("deletemessage", room="lobby", target=1)

    assert [ack["seq"] for ack in (said, edited, liked, deleted)] == [1, 2, 3, 4]
    assert {ack["type"] for ack in (said, edited, liked, deleted)} == {"ack"}


@pytest.mark.clause("L4")
def test_every_change_is_pushed_to_the_others_and_acknowledged_to_its_author(chat: Chat) -> None:
    alice, bob, carol = chat.join("alice"), chat.join("bob"), chat.join("carol")

    alice.say("helo", cid="c1")
    alice.ask("editmessage", room="lobby", target=1, message="hello", cid="c2")
    bob.ask("react", room="lobby", target=1, emoji=THUMB, cid="c3")
    bob.ask("react", room="lobby", target=1, emoji=THUMB, remove=True)
    alice.ask("deletemessage", room="lobby", target=1)

    assert carol.heard() == [
        _push("message", 1, "alice", message="helo", cid="c1"),
        _push("edit", 2, "alice", target=1, message="hello", cid="c2"),
        _push("reaction", 3, "bob", target=1, emoji=THUMB, removed=False, cid="c3"),
        _push("reaction", 4, "bob", target=1, emoji=THUMB, removed=True),
        _push("delete", 5, "alice", target=1),
    ]
    assert [frame["seq"] for frame in alice.heard("reaction")] == [3, 4]


def _push(kind: str, seq: int, user: str, **fields: Any) -> dict[str, Any]:
    at = "2027-01-15T08:00:00.000Z"
    return {
        "type": kind,
        "room": "lobby",
        "seq": seq,
        "user": user,
        "guest": True,
        "at": at,
        **fields,
    }


@pytest.mark.clause("L3")
def test_what_is_sent_again_is_said_once_and_pushed_again(chat: Chat) -> None:
    alice, bob = chat.join("alice"), chat.join("bob")
    first = alice.ask("sendmessage", message="hello", cid="c1")

    again = alice.ask("sendmessage", message="something else", room="tea", cid="c1")

    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert [again[name] for name in ("room", "seq", "at")] == ["lobby", 1, first["at"]]
    assert [frame["message"] for frame in bob.heard("message")] == ["hello", "hello"]
    assert alice.ask("history", room="tea")["events"] == []


@pytest.mark.clause("L3")
@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("editmessage", {"message": "other"}),
        ("deletemessage", {}),
        ("react", {"emoji": THUMB}),
    ],
)
def test_a_change_that_comes_late_a_second_time_undoes_nothing(
    action: str, fields: dict[str, Any], chat: Chat
) -> None:
    alice = chat.join("alice")
    alice.say("hello")
    frame = {"room": "lobby", "target": 1, "cid": "c1", **fields}
    first = alice.ask(action, **frame)
    if action == "react":
        alice.ask("react", room="lobby", target=1, emoji=THUMB, remove=True)
    if action == "editmessage":
        alice.ask("editmessage", room="lobby", target=1, message="newest")
    before = alice.ask("history", room="lobby")["events"]

    again = alice.ask(action, **frame)

    assert (again["seq"], again["at"], again["duplicate"]) == (first["seq"], first["at"], True)
    assert alice.ask("history", room="lobby")["events"] == before


@pytest.mark.clause("L5")
@pytest.mark.parametrize("action", ["editmessage", "deletemessage"])
def test_nobody_changes_what_somebody_else_said(action: str, chat: Chat) -> None:
    alice, bob = chat.join("alice"), chat.join("bob")
    alice.say("hello")

    error = bob.ask(action, room="lobby", target=1, message="hacked")

    assert (error["type"], error["code"], error["retryable"]) == ("error", "forbidden", False)
    assert alice.ask("history", room="lobby")["events"][0]["message"] == "hello"


@pytest.mark.clause("L5")
@pytest.mark.parametrize(
    ("target", "code"),
    [(2, "not_found"), (3, "not_found"), (99, "not_found"), (2**53, "not_found")],
)
@pytest.mark.parametrize("action", ["editmessage", "deletemessage", "react"])
def test_a_target_that_is_no_message_is_not_found(
    action: str, target: int, code: str, chat: Chat
) -> None:
    alice = chat.join("alice")
    alice.say("hello")
    alice.ask("react", room="lobby", target=1, emoji=THUMB)

    error = alice.ask(action, room="lobby", target=target, message="x", emoji=THUMB)

    assert error["code"] == code
    assert str(target) in error["message"]


@pytest.mark.clause("L5", "L6")
def test_what_is_deleted_stays_deleted(chat: Chat) -> None:
    alice = chat.join("alice")
    alice.say("hello")
    deleted = alice.ask("deletemessage", room="lobby", target=1)

    edited = alice.ask("editmessage", room="lobby", target=1, message="back")
    liked = alice.ask("react", room="lobby", target=1, emoji=THUMB)
    again = alice.ask("deletemessage", room="lobby", target=1)

    assert [edited["code"], liked["code"]] == ["conflict", "conflict"]
    assert (again["seq"], again["duplicate"]) == (deleted["seq"], True)


@pytest.mark.clause("L6")
def test_a_change_that_changes_nothing_adds_nothing(chat: Chat) -> None:
    alice = chat.join("alice")
    alice.say("hello")
    liked = alice.ask("react", room="lobby", target=1, emoji=THUMB)

    same_text = alice.ask("editmessage", room="lobby", target=1, message="hello")
    liked_again = alice.ask("react", room="lobby", target=1, emoji=THUMB)
    not_there = alice.ask("react", room="lobby", target=1, emoji=FAMILY, remove=True)

    for ack in (same_text, liked_again, not_there):
        assert (ack["seq"], ack["duplicate"]) == (liked["seq"], True)
    assert len(alice.ask("history", room="lobby")["events"]) == 2


@pytest.mark.clause("L3", "L6")
def test_a_change_that_changed_nothing_changes_nothing_when_it_comes_late_again(chat: Chat) -> None:
    alice = chat.join("alice")
    alice.say("hello")
    remove = {"room": "lobby", "target": 1, "emoji": THUMB, "remove": True, "cid": "r1"}
    first = alice.ask("react", **remove)
    alice.ask("react", room="lobby", target=1, emoji=THUMB)

    again = alice.ask("react", **remove)

    assert (first["seq"], again["seq"], again["duplicate"]) == (1, 1, True)
    assert alice.ask("history", room="lobby")["events"][0]["reactions"] == {THUMB: ["alice"]}


@pytest.mark.clause("L7")
def test_a_deletion_leaves_no_trace_of_the_text(chat: Chat) -> None:
    alice = chat.join("alice")
    alice.say("sesame-one")
    alice.ask("editmessage", room="lobby", target=1, message="sesame-two")

    alice.ask("deletemessage", room="lobby", target=1)

    assert "sesame" not in chat.everything()
    texts = [event.get("message") for event in alice.ask("history", room="lobby")["events"]]
    assert texts == ["", "", None]


@pytest.mark.clause("L9")
def test_entries_expire_and_their_numbers_do_not_come_again(start: Callable[..., Chat]) -> None:
    chat = start(RETENTION_SECONDS="3600")
    alice = chat.join("alice")
    assert [alice.say("one"), alice.say("two")] == [1, 2]
    chat.clock.now += 3601
    for row in chat.rows("messages"):  # as the table's time to live does
        if row.get("expires_at", 10**12) <= chat.clock.now:
            key = {"room": {"S": row["room"]}, "seq": {"N": str(row["seq"])}}
            chat.dynamodb.delete_item(TableName=MESSAGES_TABLE, Key=key)

    history = alice.ask("history", room="lobby")
    missed = alice.ask("subscribe", room="lobby", after=1)
    edited = alice.ask("editmessage", room="lobby", target=1, message="x")

    assert history["events"] == []
    assert (missed["recovered"], missed["seq"], missed["events"]) == (False, 2, [])
    assert edited["code"] == "not_found"
    assert alice.say("three") == 3


@pytest.mark.clause("H1")
def test_history_shows_messages_as_they_are_now(chat: Chat) -> None:
    alice, bob = chat.join("alice"), chat.join("bob")
    alice.say("helo")
    alice.say("untouched")
    bob.ask("react", room="lobby", target=1, emoji=FAMILY)
    alice.ask("react", room="lobby", target=1, emoji=THUMB)
    chat.clock.now += 1
    alice.ask("react", room="lobby", target=1, emoji=FAMILY)
    edited = alice.ask("editmessage", room="lobby", target=1, message="hello")

    first, second, *changes = alice.ask("history", room="lobby")["events"]

    assert (first["message"], first["edited"], first["changed"]) == ("hello", edited["at"], 6)
    assert first["reactions"] == {FAMILY: ["bob", "alice"], THUMB: ["alice"]}
    assert list(first["reactions"]) == [FAMILY, THUMB]
    assert "deleted" not in first
    assert not second.keys() & {"edited", "deleted", "reactions", "changed"}
    assert [(event["type"], event["seq"]) for event in changes] == [
        ("reaction", 3),
        ("reaction", 4),
        ("reaction", 5),
        ("edit", 6),
    ]


@pytest.mark.clause("H3")
def test_history_is_read_backwards_page_by_page(chat: Chat) -> None:
    alice = chat.join("alice")
    for n in range(1, 8):
        alice.say(f"m{n}")

    newest = alice.ask("history", room="lobby", limit=3)
    older = alice.ask("history", room="lobby", before=5, limit=3)
    oldest = alice.ask("history", room="lobby", before=2, limit=3)

    assert [event["seq"] for event in newest["events"]] == [5, 6, 7]
    assert [event["seq"] for event in older["events"]] == [2, 3, 4]
    assert [event["seq"] for event in oldest["events"]] == [1]
    assert [page["more"] for page in (newest, older, oldest)] == [True, True, False]


@pytest.mark.clause("H3")
@pytest.mark.parametrize("before", [None, 1, 2**53])
def test_the_history_of_a_room_that_does_not_exist_is_empty(before: int | None, chat: Chat) -> None:
    alice = chat.join("alice")

    page = alice.ask("history", room="nowhere", before=before)

    assert (page["type"], page["events"], page["more"]) == ("ack", [], False)


@pytest.mark.clause("H4")
def test_a_message_has_room_for_so_many_reactions(start: Callable[..., Chat]) -> None:
    chat = start(MAX_REACTIONS="2")
    alice, bob = chat.join("alice"), chat.join("bob")
    alice.say("hello")
    alice.ask("react", room="lobby", target=1, emoji=THUMB)
    bob.ask("react", room="lobby", target=1, emoji=THUMB)

    error = bob.ask("react", room="lobby", target=1, emoji=FAMILY)

    assert (error["code"], "2" in error["message"]) == ("conflict", True)
    bob.ask("react", room="lobby", target=1, emoji=THUMB, remove=True)
    assert bob.ask("react", room="lobby", target=1, emoji=FAMILY)["type"] == "ack"


@pytest.mark.clause("C1")
def test_who_was_away_gets_everything_that_was_missed_in_order(chat: Chat) -> None:
    alice, bob = chat.join("alice", "tea"), chat.join("bob", "tea")
    alice.say("one", "tea")
    bob.socket.leave()
    for n in range(2, 252):
        alice.say(f"m{n}", "tea")
    back = chat.join("bob")

    pages: list[dict[str, Any]] = []
    after = 1
    while not pages or pages[-1]["more"]:
        pages.append(back.ask("subscribe", room="tea", after=after))
        after = pages[-1]["events"][-1]["seq"]

    assert [page["recovered"] for page in pages] == [True, True, True]
    assert {page["seq"] for page in pages} == {251}
    events = [event for page in pages for event in page["events"]]
    assert [event["seq"] for event in events] == list(range(2, 252))
    assert alice.say("live", "tea") == 252
    assert [frame["message"] for frame in back.heard("message")] == ["live"]


@pytest.mark.clause("C1")
def test_who_missed_nothing_is_told_so(chat: Chat) -> None:
    alice = chat.join("alice")
    alice.say("one")

    ack = alice.ask("subscribe", room="lobby", after=1)

    assert (ack["recovered"], ack["events"], ack["more"], ack["seq"]) == (True, [], False, 1)


@pytest.mark.clause("C2")
@pytest.mark.parametrize("after", [3, 2**53])
def test_who_is_ahead_of_the_log_starts_over(after: int, chat: Chat) -> None:
    alice = chat.join("alice")
    alice.say("one")
    alice.say("two")

    ack = alice.ask("subscribe", room="lobby", after=after)

    assert (ack["recovered"], ack["more"], ack["seq"]) == (False, False, 2)
    assert [event["seq"] for event in ack["events"]] == [1, 2]


@pytest.mark.clause("C2")
def test_who_was_away_longer_than_messages_are_kept_starts_over(
    start: Callable[..., Chat],
) -> None:
    chat = start(RETENTION_SECONDS="3600")
    alice = chat.join("alice")
    alice.say("one")
    alice.say("two")
    chat.clock.now += 3600
    alice.say("three")

    ack = alice.ask("subscribe", room="lobby", after=1)

    assert (ack["recovered"], ack["seq"]) == (False, 3)
    assert [event["seq"] for event in ack["events"]] == [3]


@pytest.mark.clause("C4")
def test_a_ping_tells_that_something_was_missed(chat: Chat) -> None:
    alice, bob = chat.join("alice"), chat.join("bob")
    alice.say("one")

    pong = bob.ask("ping", rooms={"lobby": 0, "nowhere": 0})

    assert (pong["type"], pong["rooms"]) == ("pong", {"lobby": 1, "nowhere": 0})


@pytest.mark.clause("C5")
def test_a_hole_is_read_with_history(chat: Chat) -> None:
    alice = chat.join("alice")
    for n in range(1, 10):
        alice.say(f"m{n}")

    page = alice.ask("history", room="lobby", before=7, limit=3)

    assert [event["seq"] for event in page["events"]] == [4, 5, 6]


def test_long_messages_come_in_pages_of_one_frame(chat: Chat) -> None:
    alice = chat.join("alice")
    for _ in range(6):
        alice.say("\u00e4" * 7_000)  # 14,000 bytes

    page = alice.ask("subscribe", room="lobby", after=0)

    assert [event["seq"] for event in page["events"]] == [1, 2]
    assert (page["more"], page["seq"]) == (True, 6)
    history = alice.ask("history", room="lobby")
    assert [event["seq"] for event in history["events"]] == [5, 6]
    assert len(json.dumps(history, ensure_ascii=False).encode()) < 32 * 1024


@pytest.mark.clause("R1")
def test_an_action_without_an_id_is_done_in_silence(chat: Chat) -> None:
    alice, bob = chat.join("alice"), chat.join("bob")
    alice.heard()

    alice.send("sendmessage", message="hello")
    alice.send("editmessage", room="lobby", target=1, message="hi")
    alice.send("react", room="lobby", target=1, emoji=THUMB)
    alice.send("deletemessage", room="lobby", target=1)
    alice.send("subscribe", room="tea")
    alice.send("read", room="lobby", seq=1)
    alice.send("unsubscribe", room="tea")
    alice.send("typing", room="lobby")

    assert alice.heard() == []
    assert [frame["seq"] for frame in bob.heard("message", "edit", "reaction", "delete")] == [
        1,
        2,
        3,
        4,
    ]


@pytest.mark.clause("R1")
@pytest.mark.parametrize(
    ("action", "fields", "kind"),
    [
        ("hello", {}, "welcome"),
        ("ping", {}, "pong"),
        ("history", {"room": "lobby"}, "ack"),
        ("subscribe", {"room": "lobby", "after": 0}, "ack"),
        ("presence", {"room": "lobby"}, "ack"),
        ("rooms", {}, "ack"),
        ("editmessage", {"room": "lobby", "target": 7, "message": "x"}, "error"),
        ("typing", {"room": "dm:bob:carol"}, "error"),
    ],
)
def test_what_asks_for_something_and_what_fails_is_always_answered(
    action: str, fields: dict[str, Any], kind: str, chat: Chat
) -> None:
    alice = chat.join("alice")

    alice.send(action, **fields)

    (answer,) = alice.heard()
    assert answer["type"] == kind
    assert "id" not in answer


@pytest.mark.clause("R2")
def test_null_is_as_good_as_absent_and_what_is_unknown_is_ignored(chat: Chat) -> None:
    alice = chat.join("alice")

    ack = alice.ask("sendmessage", message="hello", room=None, to=None, cid=None, colour="red")

    assert (ack["type"], ack["room"], ack["seq"]) == ("ack", "lobby", 1)
