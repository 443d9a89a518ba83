"""Frames in: what is understood, what is refused, and how the refusal reads."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.commands import (
    COMMANDS,
    RULES,
    Command,
    Hello,
    Ping,
    Presence,
    SendMessage,
    Subscribe,
    Unsubscribe,
)
from chalicelib.errors import BadRequest, ChatError, TooLarge, UnknownAction
from chalicelib.events import Failure
from chalicelib.models import USER_RULE
from chalicelib.protocol import MAX_FRAME_BYTES, decode, decode_publication, encode
from tests.unit.fakes import LOBBY, frame, refusal


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('{"action":"hello"}', Hello()),
        ('{"action":"hello","id":7}', Hello(id=7)),
        ('{"action":"hello","id":"a-7"}', Hello(id="a-7")),
        ('{"action":"hello","id":""}', Hello(id="")),
        ('{"action":"hello","id":9007199254740992}', Hello(id=2**53)),
        ('{"action":"hello","id":-9007199254740992}', Hello(id=-(2**53))),
        ('{"action":"hello","id":null}', Hello()),
        ('{"action":"hello","color":"red","x":[{"y":1.5}]}', Hello()),
        ('{"action":"ping"}', Ping()),
        ('{"action":"ping","rooms":null}', Ping()),
        ('{"action":"ping","rooms":{"lobby":0}}', Ping(rooms={LOBBY: 0})),
        (
            '{"action":"sendmessage","message":"hello, everyone!"}',
            SendMessage(message="hello, everyone!"),
        ),
        (
            '{"action":"sendmessage","message":"x","room":"lobby","cid":"c 1","to":null}',
            SendMessage(message="x", room=LOBBY, cid="c 1"),
        ),
        ('{"action":"sendmessage","message":"\\ud83c\\udf0a"}', SendMessage(message="🌊")),
        ('{"action":"sendmessage","message":"\\\\ud83c"}', SendMessage(message="\\ud83c")),
        ('{"action":"subscribe","room":"lobby"}', Subscribe(room=LOBBY)),
        ('{"action":"unsubscribe","room":"lobby"}', Unsubscribe(room=LOBBY)),
        (' {"action" : "presence", "room":"lobby"}\n', Presence(room=LOBBY)),
    ],
)
def test_a_frame_becomes_a_command(text: str, command: Command) -> None:
    assert decode(text) == command


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "action is missing"),
        ({"action": None}, "action is missing"),
        ({"action": 7}, "action must be a string"),
        ({"action": ["hello"]}, "action must be a string"),
        ({"action": "subscribe"}, "room is missing"),
        (
            {"action": "sendmessage", "message": 5},
            "message must be a string of at least 1 character",
        ),
        (
            {"action": "history", "room": "lobby", "limit": 0, "x": "limit"},
            "limit must be an integer from 1 to 100",
        ),
        (
            {"action": "ping", "rooms": {"$.after": 1}},
            f"rooms {RULES['rooms']}",
        ),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], message: str) -> None:
    error = refusal(json.dumps({"id": "q", **fields}))

    assert (error.code, error.message, error.id) == ("bad_request", message, "q")


@pytest.mark.parametrize(
    "frame_id", ["true", "false", "1.0", "1e2", "[]", "{}", f'"{"x" * 65}"', str(2**53 + 1)]
)
def test_another_kind_of_id_is_refused_and_not_echoed(frame_id: str) -> None:
    error = refusal(f'{{"action":"hello","id":{frame_id}}}')

    assert error.message.startswith("id must be a string of at most 64 characters or an integer")
    assert (error.id, error.action) == (None, "hello")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the frame is not JSON"),
        ("None", "the frame is not JSON"),
        ("{", "the frame is not JSON"),
        ("{'action':'hello'}", "the frame is not JSON"),
        ('{"action":"hello"} {}', "the frame is not JSON"),
        ('\ufeff{"action":"hello"}', "the frame is not JSON"),
        ('{"action":"hello\n"}', "the frame is not JSON"),
        ("null", "the frame must be a JSON object"),
        ("[]", "the frame must be a JSON object"),
        ("7", "the frame must be a JSON object"),
        ('"hello"', "the frame must be a JSON object"),
        ('[{"action":"hello"}]', "the frame must be a JSON object"),
        ("[" * 20_000, "the frame is nested too deeply"),
        ("[" * 15_000 + "]" * 15_000, "the frame is nested too deeply"),
        (None, "the frame must be text"),
        (b"{}", "the frame must be text"),
        ({"action": "hello"}, "the frame must be text"),
    ],
)
def test_what_is_not_an_object_in_json_is_refused(text: object, message: str) -> None:
    error = refusal(text)

    assert (error.code, error.message, error.id) == ("bad_request", message, None)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ('"x":NaN', "the frame is not JSON: NaN and Infinity are not numbers"),
        ('"x":-Infinity', "the frame is not JSON: NaN and Infinity are not numbers"),
        ('"x":1e999', "the frame holds a number that is out of range"),
        ('"x":[-1e999]', "the frame holds a number that is out of range"),
        (f'"x":{"9" * 5000}', "the frame holds a number that is out of range"),
        ('"room":"a","room":"b"', "room appears more than once"),
        ('"x":{"y":1,"y":1}', "y appears more than once"),
        ('"\\u0007":1,"\\u0007":1', "a field appears more than once"),
        (f'"{"x" * 33}":1,"{"x" * 33}":1', "a field appears more than once"),
        ('"message":"\\ud800"', "message holds half a character (a lone surrogate)"),
        ('"message":"\\uDC00\\uD800"', "message holds half a character (a lone surrogate)"),
        ('"message":"\ud800"', "message holds half a character (a lone surrogate)"),
        ('"\\ud800":1', "a field holds half a character (a lone surrogate)"),
        ('"x":[{"y":"\\ud800"}]', "x holds half a character (a lone surrogate)"),
    ],
)
def test_json_that_readers_may_understand_differently_is_refused(extra: str, message: str) -> None:
    error = refusal(f'{{"action":"ping","id":7,{extra}}}')

    assert (error.code, error.message) == ("bad_request", message)
    assert (error.id, error.action) == (7, "ping")


def test_a_repeated_id_is_not_echoed_because_it_is_not_known_which() -> None:
    error = refusal('{"action":"ping","id":1,"id":2}')

    assert (error.message, error.id) == ("id appears more than once", None)


def test_a_repeated_action_is_never_carried_out() -> None:
    assert refusal('{"action":"hello","action":"ping"}').message == "action appears more than once"


def test_an_id_of_half_a_character_is_not_echoed() -> None:
    assert refusal('{"action":"ping","id":"\\ud800"}').id is None


def test_lone_surrogates_outside_an_object_are_refused() -> None:
    assert refusal('"\\ud800"').code == "bad_request"


def test_an_unknown_action_is_answered_with_the_known_ones() -> None:
    error = refusal(frame(action="dance", id=7))

    assert isinstance(error, UnknownAction)
    assert error.code == "unknown_action"
    assert error.message == f"unknown action; the actions are {', '.join(COMMANDS)}"
    assert (error.id, error.action) == (7, "dance")


def test_a_long_unknown_action_is_not_echoed() -> None:
    assert refusal(frame(action="x" * 65)).action is None


def test_a_frame_of_32_kb_is_read() -> None:
    text = frame(action="hello", padding="")
    text = frame(action="hello", padding="x" * (MAX_FRAME_BYTES - len(text)))

    command = decode(text)

    assert len(text) == MAX_FRAME_BYTES
    assert command == Hello()


@pytest.mark.parametrize("padding", ["x" * 33_000, "é" * 16_400, "x" * 1_000_000])
def test_a_larger_frame_is_too_large_and_its_id_is_echoed(padding: str) -> None:
    text = json.dumps({"action": "hello", "id": 7, "padding": padding}, ensure_ascii=False)

    error = refusal(text)

    assert isinstance(error, TooLarge)
    assert error.message == "the frame must be at most 32768 bytes as JSON in UTF-8"
    assert error.id == 7


@pytest.mark.parametrize(("size", "fits"), [(32_000, True), (32_001, False)])
def test_a_publication_is_as_long_as_a_message_may_be(size: int, fits: bool) -> None:  # noqa: FBT001
    payload = {"room": "lobby", "message": "x" * size}

    if fits:
        assert len(decode_publication(payload).message) == size
    else:
        with pytest.raises(TooLarge, match="message must be at most 32000 bytes"):
            decode_publication(payload)


def test_a_publication_is_from_the_system_unless_it_says_otherwise() -> None:
    publication = decode_publication({"room": "lobby", "message": "x", "user": None})

    assert publication.user == "system"


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (None, "the payload must be an object"),
        ("text", "the payload must be an object"),
        ([], "the payload must be an object"),
        ({}, "room is missing"),
        ({"room": "lobby"}, "message is missing"),
        (
            {"room": "lobby", "message": "\ud800"},
            "message holds half a character (a lone surrogate)",
        ),
        (
            {"room": "lobby", "message": "x", "user": "Ann"},
            f"user {USER_RULE}",
        ),
        (
            {"room": "lobby", "message": "x", "cid": "\ud800"},
            "cid must be a string of 1 to 64 printable characters",
        ),
    ],
)
def test_a_wrong_publication_is_refused(payload: object, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_publication(payload)

    assert caught.value.message == message


@pytest.mark.parametrize("room", ["dm:a:b", "@alice", "cid#a#b", "Lobby", 7])
@pytest.mark.clause("D2")
def test_a_publication_goes_to_a_public_room(room: object) -> None:
    with pytest.raises(BadRequest, match=r"^room must be"):
        decode_publication({"room": room, "message": "x"})


def test_fields_of_a_publication_that_are_not_ours_are_ignored() -> None:
    payload = {"room": "lobby", "message": "x", "\ud800": 1}

    assert decode_publication(payload).message == "x"


@pytest.mark.parametrize("text", ["[" * 20_000, '{"a":"\ud800"}', '{"action":"x","id":"\ud800"}'])
def test_every_refusal_can_be_sent(text: str) -> None:
    answer = json.loads(encode(Failure.of(refusal(text))))

    assert answer["type"] == "error"
    assert answer["retryable"] is False


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text(alphabet='{}[]":,\\ud8dcNa1e.-'))
def test_any_text_becomes_a_command_or_a_refusal_that_can_be_sent(text: str) -> None:
    try:
        decode(text)
    except ChatError as error:
        sent = encode(Failure.of(error))
    else:
        return
    assert sent
