"""What clients are told, and what is left out where there is nothing to tell."""

import json
from typing import Any

import pytest

from chalicelib.drafts import Content, Entry, State
from chalicelib.events import (
    AppendedAck,
    Failure,
    LogEvent,
    Pong,
    PresencePush,
    SubscribedAck,
    Welcome,
    given,
    log_event,
)
from chalicelib.models import ConnectionId, RoomName, UserName
from chalicelib.protocol import MAX_FRAME_BYTES, encode
from tests.unit.fakes import ALICE, BOB, LOBBY, deleted, edited, reacted, said

AT = "2026-01-02T03:04:05.678Z"
COMMON = {"room": "lobby", "seq": 9, "user": "alice", "at": AT}


def told(event: Any) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(encode(event))
    return frame


@pytest.mark.clause("L4")
@pytest.mark.parametrize(
    ("content", "push"),
    [
        (said("hello"), {"type": "message", "message": "hello"}),
        (edited(7, "hello"), {"type": "edit", "target": 7, "message": "hello"}),
        (deleted(7), {"type": "delete", "target": 7}),
        (reacted(7, "👍"), {"type": "reaction", "target": 7, "emoji": "👍", "removed": False}),
        (
            reacted(7, "👍", removed=True),
            {"type": "reaction", "target": 7, "emoji": "👍", "removed": True},
        ),
    ],
)
def test_an_entry_as_clients_see_it(content: Content, push: dict[str, Any]) -> None:
    assert told(log_event(Entry(9, AT, content))) == COMMON | push


@pytest.mark.parametrize(
    "content", [said(cid="c"), edited(1, cid="c"), deleted(1, cid="c"), reacted(1, cid="c")]
)
def test_an_entry_tells_its_cid(content: Content) -> None:
    assert told(log_event(Entry(9, AT, content)))["cid"] == "c"


@pytest.mark.clause("H1")
@pytest.mark.parametrize(
    ("state", "fields"),
    [
        (State(), {}),
        (State(changed=12, edited=AT), {"changed": 12, "edited": AT}),
        (State(changed=12, deleted=True), {"changed": 12, "deleted": True}),
        (
            State(changed=12, reactions={"👎": [BOB], "👍": [BOB, ALICE]}),
            {"changed": 12, "reactions": {"👎": ["bob"], "👍": ["bob", "alice"]}},
        ),
        (State(changed=12, reactions={}), {"changed": 12}),
    ],
)
def test_what_happened_to_a_message_stands_beside_it(state: State, fields: dict[str, Any]) -> None:
    push = told(log_event(Entry(9, AT, said("x"), state)))

    assert push == {"type": "message", "message": "x", **COMMON, **fields}


def test_reactions_keep_their_order_on_the_wire() -> None:
    state = State(changed=12, reactions={"👎": [BOB], "👍": [BOB]})

    frame = encode(log_event(Entry(9, AT, said(), state))).decode()

    assert frame.index("👎") < frame.index("👍")


@pytest.mark.clause("R1")
@pytest.mark.parametrize(("frame_id", "shown"), [(None, {}), (0, {"id": 0}), ("", {"id": ""})])
def test_an_id_is_repeated_unless_there_was_none(
    frame_id: str | int | None, shown: dict[str, Any]
) -> None:
    pong = Pong(id=given(frame_id), rooms={LOBBY: 0})

    assert told(pong) == {"type": "pong", "rooms": {"lobby": 0}, **shown}


def test_an_ack_of_an_append() -> None:
    ack = AppendedAck(action="sendmessage", room=LOBBY, seq=12, at=AT, duplicate=False)

    assert told(ack) == {
        "type": "ack",
        "action": "sendmessage",
        "room": "lobby",
        "seq": 12,
        "at": AT,
        "duplicate": False,
    }


def test_an_ack_of_a_subscription_holds_events_of_every_kind() -> None:
    contents: list[Content] = [said(), edited(1), deleted(1), reacted(1)]
    events = [log_event(Entry(seq, AT, content)) for seq, content in enumerate(contents, 1)]

    ack = SubscribedAck(
        action="subscribe", room=LOBBY, seq=4, recovered=True, events=events, more=False
    )

    assert [event["type"] for event in told(ack)["events"]] == [
        "message",
        "edit",
        "delete",
        "reaction",
    ]
    assert all(isinstance(event, LogEvent) for event in events)


def test_a_welcome_tells_the_version() -> None:
    welcome = Welcome(
        connection_id=ConnectionId("c1"),
        user=ALICE,
        rooms=[LOBBY],
        server_time=AT,
        expires_at=AT,
        heartbeat_ms=1,
        reconnect_after_ms=2,
    )

    assert told(welcome)["protocol"] == 1


def test_presence_is_told_with_its_time() -> None:
    push = PresencePush(room=LOBBY, user=BOB, status="left", at=AT)

    assert told(push) == {
        "type": "presence",
        "room": "lobby",
        "user": "bob",
        "status": "left",
        "at": AT,
    }


@pytest.mark.clause("R1")
def test_a_failure_that_answers_nothing_in_particular_has_no_id() -> None:
    failure = Failure(code="bad_request", message="no", retryable=False)

    assert told(failure) == {
        "type": "error",
        "code": "bad_request",
        "message": "no",
        "retryable": False,
    }


@pytest.mark.parametrize("make", [said, lambda text, **it: edited(2**53, text, **it)])
def test_the_largest_text_fits_into_the_frame_of_a_push(make: Any) -> None:
    longest = {
        "room": RoomName(f"dm:{'a' * 32}:{'b' * 32}"),
        "user": UserName("u" * 32),
        "cid": "🌊" * 64,
    }

    push = log_event(Entry(2**53, AT, make("x" * 32_000, **longest)))

    assert len(encode(push)) <= MAX_FRAME_BYTES
