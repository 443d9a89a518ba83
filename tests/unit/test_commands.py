"""What clients may ask for, field by field."""

from typing import Any

import pytest

from chalicelib.commands import (
    COMMANDS,
    MAX_MESSAGE_BYTES,
    Ban,
    Command,
    CreateRoom,
    DeleteMessage,
    EditMessage,
    Hello,
    History,
    Invite,
    Kick,
    Leave,
    Ping,
    Presence,
    React,
    Read,
    Rooms,
    SendMessage,
    SetRole,
    SlowMode,
    Subscribe,
    Typing,
    Unban,
    Unsubscribe,
)
from chalicelib.errors import BadRequest, ChatError, TooLarge
from chalicelib.models import ROOM_RULE, USER_RULE, RoomName
from chalicelib.protocol import decode
from tests.unit.fakes import BOB, LOBBY, frame, refusal

EMOJI_RULE = (
    "emoji must be 1 to 16 characters, none of them a letter, a space or a control character"
)
SEQ_RULE = "must be a seq, an integer from 1 to 2**53"
TEA = RoomName("tea")
# Every kind of number that is no seq, as far as JSON can say it.
NO_SEQS = [0, -1, 2**53 + 1, 2**63, 2**64, 10**30, True, False, 1.0, 1.5, "1", "", [1], {}]
ROOM_FIELDS = {"target": 1, "message": "x", "emoji": "👍", "seq": 1}
RULING_FIELDS = {"user": "bob", "role": "member", "seconds": 1}


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        ({"action": "hello"}, Hello(arrays=False)),
        ({"action": "hello", "arrays": None}, Hello(arrays=False)),
        ({"action": "hello", "arrays": True}, Hello(arrays=True)),
        ({"action": "sendmessage", "message": "x"}, SendMessage(message="x")),
        ({"action": "sendmessage", "message": "x", "to": "bob"}, SendMessage(message="x", to=BOB)),
        (
            {"action": "sendmessage", "message": "x", "room": "lobby", "to": None, "cid": "c 1"},
            SendMessage(message="x", room=LOBBY, cid="c 1"),
        ),
        (
            {"action": "editmessage", "room": "lobby", "target": 1, "message": "x", "cid": "c"},
            EditMessage(room=LOBBY, target=1, message="x", cid="c"),
        ),
        (
            {"action": "deletemessage", "room": "lobby", "target": 2**53},
            DeleteMessage(room=LOBBY, target=2**53),
        ),
        (
            {"action": "react", "room": "lobby", "target": 1, "emoji": "👍"},
            React(room=LOBBY, target=1, emoji="👍"),
        ),
        (
            {"action": "react", "room": "lobby", "target": 1, "emoji": "👍", "remove": True},
            React(room=LOBBY, target=1, emoji="👍", remove=True),
        ),
        (
            {"action": "react", "room": "lobby", "target": 1, "emoji": "👍", "remove": None},
            React(room=LOBBY, target=1, emoji="👍"),
        ),
        ({"action": "subscribe", "room": "lobby"}, Subscribe(room=LOBBY)),
        ({"action": "subscribe", "room": "lobby", "after": 0}, Subscribe(room=LOBBY, after=0)),
        (
            {"action": "subscribe", "room": "lobby", "after": 2**53},
            Subscribe(room=LOBBY, after=2**53),
        ),
        ({"action": "unsubscribe", "room": "lobby"}, Unsubscribe(room=LOBBY)),
        ({"action": "history", "room": "lobby"}, History(room=LOBBY, before=None, limit=50)),
        (
            {"action": "history", "room": "lobby", "before": 1, "limit": 100},
            History(room=LOBBY, before=1, limit=100),
        ),
        ({"action": "typing", "room": "lobby"}, Typing(room=LOBBY)),
        ({"action": "presence", "room": "lobby"}, Presence(room=LOBBY)),
        ({"action": "read", "room": "lobby", "seq": 1}, Read(room=LOBBY, seq=1)),
        ({"action": "rooms"}, Rooms()),
        ({"action": "rooms", "after": "lobby"}, Rooms(after=LOBBY)),
        ({"action": "createroom", "room": "tea"}, CreateRoom(room=TEA)),
        (
            {"action": "createroom", "room": "tea", "private": True, "slow_mode": 86_400},
            CreateRoom(room=TEA, private=True, slow_mode=86_400),
        ),
        ({"action": "invite", "room": "tea", "user": "bob"}, Invite(room=TEA, user=BOB)),
        ({"action": "kick", "room": "tea", "user": "bob"}, Kick(room=TEA, user=BOB)),
        ({"action": "ban", "room": "tea", "user": "bob"}, Ban(room=TEA, user=BOB)),
        ({"action": "unban", "room": "tea", "user": "bob"}, Unban(room=TEA, user=BOB)),
        (
            {"action": "setrole", "room": "tea", "user": "bob", "role": "moderator"},
            SetRole(room=TEA, user=BOB, role="moderator"),
        ),
        ({"action": "leave", "room": "tea"}, Leave(room=TEA)),
        ({"action": "slowmode", "room": "tea", "seconds": 0}, SlowMode(room=TEA, seconds=0)),
        ({"action": "ping", "rooms": {"lobby": 0}}, Ping(rooms={LOBBY: 0})),
        ({"action": "ping", "rooms": {"lobby": 2**53}}, Ping(rooms={LOBBY: 2**53})),
    ],
)
def test_fields_become_a_command(fields: dict[str, Any], command: Command) -> None:
    assert decode(frame(**fields)) == command


@pytest.mark.parametrize("action", sorted(COMMANDS))
@pytest.mark.clause("R2")
def test_every_action_takes_fields_that_it_does_not_know(action: str) -> None:
    fields = {"room": "lobby", "token": "x", **ROOM_FIELDS, **RULING_FIELDS}
    if action == "ping":
        del fields["room"]

    command = decode(frame(action=action, color="red", x=[{"y": 1.5}], **fields))

    assert command.action == action


@pytest.mark.parametrize("name", ["a", "0", "a.b_c-d", "a" * 64, "dm:a:b", "dm:a:a"])
def test_a_room_may_have_these_names(name: str) -> None:
    command = decode(frame(action="presence", room=name))

    assert isinstance(command, Presence)
    assert command.room == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "A",
        "-a",
        "_a",
        ".a",
        "a b",
        "a\n",
        "@alice",
        "cid#alice#c1",
        "é",
        "a" * 65,
        "dm:",
        "dm:a",
        "dm:a:",
        "dm::a",
        "dm:a:b:c",
        "dm:a:B",
        "dm:a:b\n",
        "dm:a:" + "b" * 33,
        "dm:@a:b",
        "DM:a:b",
        "a:b",
        7,
        True,
        ["a"],
        {},
        1.5,
    ],
)
@pytest.mark.parametrize(
    "action",
    ["subscribe", "unsubscribe", "history", "typing", "presence", "read", "sendmessage", "react"],
)
def test_other_rooms_are_refused_with_the_rule(action: str, name: object) -> None:
    error = refusal(frame(action=action, id=3, **ROOM_FIELDS, room=name))

    assert isinstance(error, BadRequest)
    assert error.message == (
        "room must be 1 to 64 characters: a-z, 0-9, '.', '_' or '-', the first a letter or a digit;"
        " or dm:<user>:<user>, the names in order"
    )
    assert (error.id, error.action) == (3, action)


@pytest.mark.parametrize("seq", NO_SEQS)
@pytest.mark.parametrize(
    ("action", "field"),
    [
        ("editmessage", "target"),
        ("deletemessage", "target"),
        ("react", "target"),
        ("read", "seq"),
        ("history", "before"),
    ],
)
def test_a_seq_is_a_whole_number_from_1_to_2_to_the_53(
    action: str, field: str, seq: object
) -> None:
    error = refusal(frame(action=action, id=3, **{"room": "lobby", **ROOM_FIELDS, field: seq}))

    assert (error.code, error.message) == ("bad_request", f"{field} {SEQ_RULE}")


@pytest.mark.parametrize("seq", NO_SEQS[1:])
def test_a_position_may_be_0_but_is_no_other_thing(seq: object) -> None:
    error = refusal(frame(action="subscribe", room="lobby", after=seq))

    rule = "after must be the last seq seen, an integer from 0 to 2**53"
    assert (error.code, error.message) == ("bad_request", rule)


@pytest.mark.parametrize("after", ["Lobby", "", 1, True, "@alice", "dm:a"])
def test_rooms_go_on_after_the_name_of_a_room(after: object) -> None:
    error = refusal(frame(action="rooms", after=after))

    assert error.message == "after must be the name of a room"


@pytest.mark.parametrize("limit", [0, -1, 101, 2**53, 10**30, True, "50", 1.0, []])
def test_a_limit_is_1_to_100(limit: object) -> None:
    error = refusal(frame(action="history", room="lobby", limit=limit))

    assert error.message == "limit must be an integer from 1 to 100"


@pytest.mark.clause("R4")
@pytest.mark.parametrize("arrays", [0, 1, "true", "", [], {}])
def test_to_take_arrays_is_true_or_false(arrays: object) -> None:
    error = refusal(frame(action="hello", arrays=arrays))

    assert (error.code, error.message) == ("bad_request", "arrays must be true or false")


@pytest.mark.parametrize("remove", [0, 1, "true", "", [], {}])
def test_to_remove_is_true_or_false(remove: object) -> None:
    error = refusal(frame(action="react", room="lobby", target=1, emoji="👍", remove=remove))

    assert error.message == "remove must be true or false"


@pytest.mark.parametrize(
    "emoji",
    [
        "👍",
        "👍🏽",
        "👨\u200d👩\u200d👧\u200d👦",
        "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
        "1\ufe0f\u20e3",
        "#\ufe0f\u20e3",
        "❤️",
        "🇩🇪",
        "🏳️\u200d🌈",
        "👩🏽\u200d❤️\u200d💋\u200d👨🏿",
        "©",
        "™️",
        "\U0001fae8",
        "\U0001faff",  # not assigned yet
        "+1",
        "🔥" * 16,
    ],
)
def test_what_is_shown_as_an_emoji_is_one(emoji: str) -> None:
    command = decode(frame(action="react", room="lobby", target=1, emoji=emoji))

    assert isinstance(command, React)
    assert command.emoji == emoji


@pytest.mark.parametrize(
    "emoji",
    [
        "",
        "a",
        "Ω",
        "字",
        " ",
        "👍 ",
        "\u00a0",
        "\u2028",
        "\u202e",
        "\u202e👍",
        "\u200b",
        "\n",
        "\x00",
        "\x7f",
        "\ufeff",
        "\ue000",
        "\U000e0001",
        "\U0010ffff",
        "🔥" * 17,
        "This is not an emoji.",
        "well done",
        7,
        True,
        ["👍"],
    ],
)
def test_what_is_not_is_refused(emoji: object) -> None:
    error = refusal(frame(action="react", room="lobby", target=1, emoji=emoji))

    assert (error.code, error.message) == ("bad_request", EMOJI_RULE)


def test_half_an_emoji_is_refused() -> None:
    error = refusal('{"action":"react","room":"lobby","target":1,"emoji":"\\ud83d"}')

    assert error.message == "emoji holds half a character (a lone surrogate)"


@pytest.mark.parametrize("emoji", ["\ud83d", "👍\udc4d"])
def test_half_an_emoji_is_refused_by_the_type_too(emoji: str) -> None:
    with pytest.raises(BadRequest):
        React(room=LOBBY, target=1, emoji=emoji)


@pytest.mark.parametrize("user", ["", "Bob", "a b", "@bob", "b" * 33, "bob\n", "dm:a:b", 7, True])
def test_a_message_goes_to_the_name_of_a_user(user: object) -> None:
    error = refusal(frame(action="sendmessage", message="x", to=user))

    assert error.message == f"to {USER_RULE}"


def test_a_message_goes_to_a_room_or_to_a_person() -> None:
    error = refusal(frame(action="sendmessage", message="x", room="lobby", to="bob", id=1))

    assert (error.code, error.message) == ("bad_request", "to cannot be given together with room")
    assert error.id == 1


@pytest.mark.parametrize("cid", ["", "x" * 65, "a\tb", "a\x00", "\x7f", "\u200b", 5, True, []])
@pytest.mark.parametrize("action", ["sendmessage", "editmessage", "deletemessage", "react"])
def test_a_cid_is_1_to_64_printable_characters(action: str, cid: object) -> None:
    error = refusal(frame(action=action, room="lobby", **ROOM_FIELDS, cid=cid))

    assert error.message == "cid must be a string of 1 to 64 printable characters"


@pytest.mark.parametrize("cid", ["x", "x" * 64, "🌊" * 64, "a b#c"])
def test_a_cid_may_be_any_other_text(cid: str) -> None:
    command = decode(frame(action="sendmessage", message="x", cid=cid))

    assert isinstance(command, SendMessage)
    assert command.cid == cid


@pytest.mark.parametrize("message", ["", 5, True, ["x"], {}])
@pytest.mark.parametrize("action", ["sendmessage", "editmessage"])
def test_a_message_is_a_text_that_is_not_empty(action: str, message: object) -> None:
    error = refusal(frame(action=action, room="lobby", target=1, message=message))

    assert error.message == "message must be a string of at least 1 character"


@pytest.mark.parametrize(
    ("message", "fits"),
    [
        ("x" * 32_000, True),
        ("x" * 32_001, False),
        ("🌊" * 8000, True),
        ("🌊" * 8000 + "x", False),
        ("\x01" * 5333, True),  # six bytes each
        ("\x01" * 5334, False),
        ('"' * 16_000, True),
        ('"' * 16_001, False),
    ],
)
@pytest.mark.parametrize("make", [SendMessage, lambda **it: EditMessage(target=1, **it)])
def test_a_message_may_take_32000_bytes_as_json(make: Any, message: str, fits: bool) -> None:  # noqa: FBT001
    refused: ChatError | None = None

    try:
        make(room=LOBBY, message=message)
    except TooLarge as error:
        refused = error

    assert (refused is None) is fits
    if refused:
        assert refused.message.startswith(f"message must be at most {MAX_MESSAGE_BYTES} bytes")


@pytest.mark.parametrize(
    "rooms",
    [
        [],
        "lobby",
        {"Lobby": 1},
        {"@alice": 1},
        {"dm:a": 1},
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


def test_ping_takes_ten_rooms_public_or_direct() -> None:
    rooms = {"dm:a:b": 0} | {f"r{n}": n for n in range(9)}

    assert decode(frame(action="ping", rooms=rooms)) == Ping(rooms=rooms)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("action", "missing"),
    [
        ("sendmessage", "message"),
        ("editmessage", "room"),
        ("editmessage", "target"),
        ("editmessage", "message"),
        ("deletemessage", "room"),
        ("deletemessage", "target"),
        ("react", "room"),
        ("react", "target"),
        ("react", "emoji"),
        ("subscribe", "room"),
        ("unsubscribe", "room"),
        ("history", "room"),
        ("typing", "room"),
        ("presence", "room"),
        ("read", "room"),
        ("read", "seq"),
    ],
)
@pytest.mark.parametrize("absent", ["left out", "null"])
@pytest.mark.clause("R2")
def test_a_field_that_is_needed_is_named(action: str, missing: str, absent: str) -> None:
    fields: dict[str, Any] = {"room": "lobby", **ROOM_FIELDS}
    del fields[missing]
    if absent == "null":
        fields[missing] = None

    error = refusal(frame(action=action, id="q", **fields))

    assert (error.code, error.message, error.id) == ("bad_request", f"{missing} is missing", "q")


RULING = ["createroom", "invite", "kick", "ban", "unban", "setrole", "leave", "slowmode"]


@pytest.mark.clause("G1")
@pytest.mark.parametrize("action", RULING)
@pytest.mark.parametrize("room", ["dm:alice:bob", "@bob", "#room", "", "Tea", 1, ["tea"], "tea\n"])
def test_rooms_that_are_ruled_have_names_of_their_own(action: str, room: object) -> None:
    error = refusal(frame(action=action, room=room, **RULING_FIELDS))

    assert (error.code, error.message) == ("bad_request", f"room {ROOM_RULE}")


@pytest.mark.clause("G1")
@pytest.mark.parametrize("action", ["invite", "kick", "ban", "unban", "setrole"])
@pytest.mark.parametrize("user", ["#room", "Bob", "", "a" * 33, 1, {"a": 1}, "bob\n", "@bob"])
def test_who_is_ruled_over_has_a_name(action: str, user: object) -> None:
    error = refusal(frame(action=action, room="tea", **{**RULING_FIELDS, "user": user}))

    assert (error.code, error.message) == ("bad_request", f"user {USER_RULE}")


@pytest.mark.clause("G6")
@pytest.mark.parametrize("role", ["admin", "Owner", "", 1, None, ["owner"]])
def test_there_are_three_roles(role: object) -> None:
    error = refusal(frame(action="setrole", room="tea", user="bob", role=role))

    rule = "is missing" if role is None else "must be owner, moderator or member"
    assert (error.code, error.message) == ("bad_request", f"role {rule}")


@pytest.mark.clause("G7")
@pytest.mark.parametrize("seconds", [-1, 86_401, 1.5, "1", True, 10**30, [1]])
@pytest.mark.parametrize(
    ("action", "field"), [("createroom", "slow_mode"), ("slowmode", "seconds")]
)
def test_slow_mode_is_at_most_a_day(action: str, field: str, seconds: object) -> None:
    error = refusal(frame(action=action, room="tea", **{field: seconds}))

    rule = "must be an integer from 0 to 86400"
    assert (error.code, error.message) == ("bad_request", f"{field} {rule}")


@pytest.mark.clause("G1")
@pytest.mark.parametrize("private", [1, 0, "true", "", []])
def test_a_room_is_private_or_not(private: object) -> None:
    error = refusal(frame(action="createroom", room="tea", private=private))

    assert error.message == "private must be true or false"
