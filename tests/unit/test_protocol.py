"""Frames in: what is understood, what is refused, and how the refusal reads."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.commands import (
    COMMANDS,
    MAX_MESSAGE_BYTES,
    Command,
    Hello,
    Ping,
    Presence,
    SendMessage,
    Subscribe,
    Unsubscribe,
)
from chalicelib.errors import BadRequest, ChatError, TooLarge, UnknownAction
from chalicelib.events import Failure, MessagePush, SentAck
from chalicelib.models import USER_RULE, RoomName, UserName
from chalicelib.protocol import MAX_FRAME_BYTES, decode, decode_publication, encode


def refusal(text: object) -> ChatError:
    with pytest.raises(ChatError) as caught:
        decode(text)
    return caught.value


def frame(**fields: Any) -> str:
    return json.dumps(fields)


ROOM = RoomName("lobby")


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
        ('{"action":"ping","rooms":{"lobby":0}}', Ping(rooms={ROOM: 0})),
        (
            '{"action":"sendmessage","message":"hello, everyone!"}',
            SendMessage(message="hello, everyone!"),
        ),
        (
            '{"action":"sendmessage","message":"x","room":"lobby","cid":"c 1","to":null}',
            SendMessage(message="x", room=ROOM, cid="c 1"),
        ),
        ('{"action":"sendmessage","message":"\\ud83c\\udf0a"}', SendMessage(message="🌊")),
        ('{"action":"sendmessage","message":"\\\\ud83c"}', SendMessage(message="\\ud83c")),
        ('{"action":"subscribe","room":"lobby"}', Subscribe(room=ROOM)),
        ('{"action":"unsubscribe","room":"lobby"}', Unsubscribe(room=ROOM)),
        (' {"action" : "presence", "room":"lobby"}\n', Presence(room=ROOM)),
    ],
)
def test_a_frame_becomes_a_command(text: str, command: Command) -> None:
    assert decode(text) == command


@pytest.mark.parametrize("name", ["a", "0", "a.b_c-d", "a" * 64])
def test_a_room_may_have_these_names(name: str) -> None:
    assert decode(frame(action="subscribe", room=name)) == Subscribe(room=RoomName(name))


@pytest.mark.parametrize(
    "name",
    ["", "A", "-a", "_a", ".a", "a b", "a\n", "@alice", "dm:a:b", "é", "a" * 65, 7, ["a"], {}, 1.5],
)
def test_other_rooms_are_refused_with_the_rule(name: object) -> None:
    error = refusal(frame(action="subscribe", room=name, id=3))

    assert isinstance(error, BadRequest)
    assert error.message == (
        "room must be 1 to 64 characters: a-z, 0-9, '.', '_' or '-', the first a letter or a digit"
    )
    assert (error.id, error.action) == (3, "subscribe")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "action is missing"),
        ({"action": None}, "action is missing"),
        ({"action": 7}, "action must be a string"),
        ({"action": ["hello"]}, "action must be a string"),
        ({"action": "subscribe"}, "room is missing"),
        ({"action": "subscribe", "room": None}, "room is missing"),
        ({"action": "presence"}, "room is missing"),
        ({"action": "sendmessage"}, "message is missing"),
        (
            {"action": "sendmessage", "message": ""},
            "message must be a string of at least 1 character",
        ),
        (
            {"action": "sendmessage", "message": 5},
            "message must be a string of at least 1 character",
        ),
        (
            {"action": "sendmessage", "message": "x", "to": "bob"},
            "to is not supported by this version of the server",
        ),
        (
            {"action": "sendmessage", "message": "x", "to": False},
            "to is not supported by this version of the server",
        ),
        (
            {"action": "subscribe", "room": "lobby", "after": 0},
            "after is not supported by this version of the server",
        ),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], message: str) -> None:
    error = refusal(json.dumps({"id": "q", **fields}))

    assert (error.code, error.message, error.id) == ("bad_request", message, "q")


@pytest.mark.parametrize("cid", ["", "x" * 65, "a\tb", "a\x00", "\x7f", "\u200b", 5, True])
def test_a_cid_is_1_to_64_printable_characters(cid: object) -> None:
    error = refusal(frame(action="sendmessage", message="x", cid=cid))

    assert error.message == "cid must be a string of 1 to 64 printable characters"


@pytest.mark.parametrize(
    "rooms",
    [
        [],
        "lobby",
        {"Lobby": 1},
        {"lobby": -1},
        {"lobby": True},
        {"lobby": 1.0},
        {"lobby": "1"},
        {"lobby": None},
        {"lobby": 2**53 + 1},
        {f"r{n}": 1 for n in range(11)},
    ],
)
def test_ping_takes_at_most_ten_rooms_and_their_seq(rooms: object) -> None:
    error = refusal(frame(action="ping", rooms=rooms))

    assert error.message.startswith("rooms must be an object of at most 10 entries")


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


@pytest.mark.parametrize(
    ("message", "fits"),
    [
        ("🌊" * 8000, True),
        ("🌊" * 8000 + "x", False),
        ("\x01" * 5333, True),  # six bytes each
        ("\x01" * 5334, False),
        ('"' * 16_000, True),
        ('"' * 16_001, False),
    ],
)
def test_a_message_may_take_32000_bytes_as_json(message: str, fits: bool) -> None:  # noqa: FBT001
    payload = {"room": "lobby", "message": message}

    if fits:
        assert decode_publication(payload).message == message
    else:
        with pytest.raises(TooLarge, match="message must be at most 32000 bytes"):
            decode_publication(payload)


def test_the_largest_message_fits_into_a_frame() -> None:
    push = MessagePush(
        room=RoomName("r" * 64),
        seq=2**63,
        user=UserName("u" * 32),
        message="x" * MAX_MESSAGE_BYTES,
        at="2026-01-02T03:04:05.678Z",
        cid="🌊" * 64,
    )

    assert len(encode(push)) <= MAX_FRAME_BYTES


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


def test_fields_of_a_publication_that_are_not_ours_are_ignored() -> None:
    payload = {"room": "lobby", "message": "x", "\ud800": 1}

    assert decode_publication(payload).message == "x"


def test_an_answer_leaves_out_what_it_was_not_given() -> None:
    ack = SentAck(action="sendmessage", room=ROOM, seq=12, at="now", duplicate=False)

    assert json.loads(encode(ack)) == {
        "type": "ack",
        "action": "sendmessage",
        "room": "lobby",
        "seq": 12,
        "at": "now",
        "duplicate": False,
    }


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
