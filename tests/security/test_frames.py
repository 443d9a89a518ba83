"""Attacks with frames: saying to be somebody else, and saying more than a frame may hold."""

import json
from typing import Any

import pytest

from chalicelib.commands import COMMANDS
from tests.functional.chats import Person
from tests.security.doors import Door
from tests.security.witnesses import nothing_happens, stored

SPOOFED: dict[str, Any] = {
    "user": "ada",
    "guest": False,
    "at": "1999-01-01T00:00:00.000Z",
    "connection_id": "somebody-elses",
    "connectionId": "somebody-elses",
    "from": "ada",
    "role": "owner",
    "admin": True,
    "session_expires_at": 2**40,
    "requestContext": {"authorizer": {"user": "ada"}},
    "type": "message",
    "messages": 99,
    "duplicate": True,
}


@pytest.mark.attack("frame-spoofed")
def test_what_a_frame_says_about_its_sender_and_time_counts_for_nothing(door: Door) -> None:
    ada, bob, mallory = (door.member(name, "tea") for name in ("ada", "bob", "mallory"))
    ada.heard()
    bob.heard()

    answer = mallory.ask("sendmessage", room="tea", message="hi", seq=99, **SPOOFED)

    assert answer["seq"] == 1
    for each in (ada, bob):
        (push,) = each.heard("message")
        assert (push["user"], push["seq"], push["at"]) == ("mallory", 1, answer["at"])
        assert not push["at"].startswith("1999")
        assert set(push) == {"type", "room", "seq", "user", "at", "message"}


@pytest.mark.attack("frame-spoofed")
@pytest.mark.parametrize("action", ["editmessage", "deletemessage"])
def test_nobody_changes_what_somebody_else_has_said(door: Door, action: str) -> None:
    ada, bob, mallory = (door.member(name, "tea") for name in ("ada", "bob", "mallory"))
    seq = ada.say("mine", "tea")

    with nothing_happens(door, ada, bob):
        answer = mallory.ask(action, room="tea", target=seq, message="yours", **SPOOFED)

    assert answer["code"] == "forbidden"


@pytest.mark.attack("frame-spoofed")
@pytest.mark.parametrize("action", sorted(set(COMMANDS) - {"sendmessage"}))
def test_in_no_other_frame_either(door: Door, action: str) -> None:
    ada, mallory = door.member("ada", "tea"), door.member("mallory", "tea")
    seq = ada.say("hello", "tea")
    fields = {"target": seq, "seq": seq, "emoji": "\U0001f44d", "message": "x", "token": "x"}
    ada.heard()

    mallory.send(action, id=1, room="tea", **{**SPOOFED, **fields})

    for push in ada.heard():
        assert push["user"] == "mallory"
        assert push.get("guest") is None
        assert not push.get("at", "").startswith("1999")
    assert mallory.name == "mallory"
    assert "somebody-elses" not in str(stored(door))


@pytest.mark.attack("cid-stolen")
def test_a_cid_is_its_senders_own(door: Door) -> None:
    ada, mallory = door.member("ada", "tea"), door.member("mallory", "tea")
    ada.ask("sendmessage", room="tea", message="mine", cid="c-1")

    answer = mallory.ask("sendmessage", room="tea", message="mine too", cid="c-1")

    assert (answer["seq"], answer["duplicate"]) == (2, False)


HUGE = 30_000
OVERSIZED: dict[str, tuple[dict[str, Any], str]] = {
    "message of 8,001 characters": ({"message": "x" * 8001}, "bad_request"),
    "message of 32,001 bytes": ({"message": "\U0001f44d" * 7999 + "x" * 700}, "too_large"),
    "cid": ({"message": "x", "cid": "c" * 65}, "bad_request"),
    "huge cid": ({"message": "x", "cid": "c" * HUGE}, "bad_request"),
    "id": ({"id": "i" * 65, "message": "x"}, "bad_request"),
    "huge id": ({"id": "i" * HUGE, "message": "x"}, "bad_request"),
    "id of 2,000 digits": ({"id": 10**2000, "message": "x"}, "bad_request"),
    "room": ({"room": "r" * 65, "message": "x"}, "bad_request"),
    "huge room": ({"room": "r" * HUGE, "message": "x"}, "bad_request"),
    "huge direct room": ({"room": f"dm:{'a' * HUGE}:b", "message": "x"}, "bad_request"),
    "recipient": ({"to": "u" * 33, "message": "x"}, "bad_request"),
    "huge recipient": ({"to": "u" * HUGE, "message": "x"}, "bad_request"),
    "action": ({"action": "a" * HUGE}, "unknown_action"),
    "token": ({"action": "refresh", "token": "t" * 16_385}, "bad_request"),
    "token as long as it may be": (
        {"action": "refresh", "token": "t" * 16_384},
        "unauthorized",
    ),
    "emoji": (
        {"action": "react", "room": "tea", "target": 1, "emoji": "\U0001f44d" * 17},
        "bad_request",
    ),
    "target beyond 2**53": (
        {"action": "deletemessage", "room": "tea", "target": 2**53 + 1},
        "bad_request",
    ),
    "target of 4,000 digits": (
        {"action": "deletemessage", "room": "tea", "target": 10**4000},
        "bad_request",
    ),
    "negative target": ({"action": "deletemessage", "room": "tea", "target": -1}, "bad_request"),
    "history limit": ({"action": "history", "room": "tea", "limit": 101}, "bad_request"),
    "history before": ({"action": "history", "room": "tea", "before": 2**60}, "bad_request"),
    "after": ({"action": "subscribe", "room": "tea", "after": 2**64}, "bad_request"),
    "11 rooms in ping": (
        {"action": "ping", "rooms": {f"r{number}": 0 for number in range(11)}},
        "bad_request",
    ),
    "100 rooms in ping": (
        {"action": "ping", "rooms": {f"r{number}": 0 for number in range(100)}},
        "bad_request",
    ),
    "a list of 10,000": ({"message": [1] * 10_000}, "bad_request"),
    "an object of 2,000": ({"message": {str(n): n for n in range(2000)}}, "bad_request"),
    "an unknown field of 30,000": ({"action": "nothing", "x": "x" * HUGE}, "unknown_action"),
}


@pytest.mark.attack("frame-oversized")
@pytest.mark.parametrize(("fields", "code"), OVERSIZED.values(), ids=list(OVERSIZED))
def test_what_is_too_large_is_refused_by_name_and_the_connection_stays(
    door: Door, fields: dict[str, Any], code: str
) -> None:
    ada, mallory = door.member("ada", "tea"), door.member("mallory", "tea")

    with nothing_happens(door, ada):
        mallory.socket.send(json.dumps({"action": "sendmessage", **fields}, ensure_ascii=False))
        (answer,) = mallory.heard()

    assert answer["type"] == "error"
    assert answer["code"] == code
    assert len(json.dumps(answer)) < 1000  # nobody makes us send much by sending much
    assert mallory.name == "mallory"


NESTED = 15_000
RAW = {
    "brackets": "[" * NESTED,
    "closed brackets": "[" * NESTED + "]" * NESTED,
    "objects": '{"a":' * 5000,
    "nested field": '{"action":"sendmessage","message":' + "[" * 9000 + "]" * 9000 + "}",
    "digits": '{"action":"history","room":"tea","limit":' + "9" * HUGE + "}",
    "exponent": '{"action":"history","room":"tea","limit":1e400}',
    "small exponent": '{"action":"history","room":"tea","limit":1e-400000000}',
    "names": "{" + ",".join(f'"n{number}":0' for number in range(2500)) + "}",
    "repeated names": "{" + ",".join(['"action":"hello"'] * 1500) + "}",
    "blanks": " " * 32_000,
    "escapes": '"' + "\\u0000" * 5000 + '"',
    "surrogates": '{"action":"sendmessage","message":"' + "\\ud800" * 5000 + '"}',
    "a bomb of references": '{"a":"&a;&a;&a;","action":"<!ENTITY a \\"&a;\\">"}',
}


@pytest.mark.attack("frame-oversized")
@pytest.mark.parametrize("text", RAW.values(), ids=list(RAW))
def test_what_costs_a_parser_dearly_costs_this_one_nothing(door: Door, text: str) -> None:
    ada, mallory = door.member("ada", "tea"), door.member("mallory", "tea")

    with nothing_happens(door, ada):
        mallory.socket.send(text)
        (answer,) = mallory.heard()

    assert answer["type"] == "error"
    assert answer["code"] in {"bad_request", "unknown_action"}
    assert len(json.dumps(answer)) < 1000
    assert mallory.name == "mallory"


@pytest.mark.attack("frame-oversized")
def test_a_message_of_several_frames_is_as_limited_as_one(door: Door) -> None:
    ada, mallory = door.member("ada"), door.member("mallory")
    text = json.dumps({"action": "sendmessage", "message": "x" * 8000, "y": "y" * 80_000})

    with nothing_happens(door, ada):
        mallory.socket.send(text, fragments=4)
        (answer,) = mallory.heard()

    assert (answer["code"], answer["message"]) == (
        "too_large",
        "the frame must be at most 32768 bytes as JSON in UTF-8",
    )


@pytest.mark.attack("frame-oversized")
def test_who_sends_more_than_api_gateway_takes_loses_only_their_own_connection(
    door: Door,
) -> None:
    ada, mallory = door.member("ada"), door.member("mallory")

    mallory.socket.send("x" * 200_000)

    assert mallory.socket.closed is not None
    assert [push["status"] for push in ada.heard("presence")] == ["joined", "left"]
    assert ada.ask("hello")["type"] == "welcome"


@pytest.mark.attack("subscriptions-hoarded")
def test_a_connection_subscribes_to_so_many_rooms_and_no_more(door: Door) -> None:
    mallory: Person = door.member("mallory")

    codes = [mallory.ask("subscribe", room=f"r{number}").get("code") for number in range(120)]

    assert codes.count(None) <= 99  # and the lobby
    assert set(codes[99:]) <= {"conflict", "rate_limited"}
