"""Attacks on the others' turn: one who sends without end, connects without end, makes rooms."""

import json

import pytest

from localgateway.testing import HandshakeRefused
from tests.security.conftest import Open
from tests.security.doors import LET_IN, Door, Member

FLOOD = 5000
GARBAGE = ["", "{", "[]", "null", '{"action":"nothing"}', '{"action":5}', "\0" * 300]


def flooding(number: int) -> str:
    """Return the next frame of a flood: every other one is garbage."""
    if number % 2:
        return GARBAGE[number // 2 % len(GARBAGE)]
    return json.dumps({"action": "sendmessage", "room": "tea", "message": f"flood {number}"})


@pytest.fixture
def counted(open_door: Open) -> Door:
    """The chat with its limits as they are without a setting."""
    return open_door(FRAME_RATE="10", FRAME_BURST="50", ADDRESS_RATE="0")


@pytest.mark.attack("frames-flooded")
def test_one_of_ten_floods_and_the_other_nine_are_answered_as_ever(counted: Door) -> None:
    flooder = counted.member("mallory", "tea")
    nine = [counted.member(f"user-{number}", "tea") for number in range(9)]
    for each in (flooder, *nine):
        each.heard()
    counted.clock.now += 10
    start, answers, said = counted.clock.now, [], 0

    for number in range(FLOOD):
        counted.clock.now += 0.001
        flooder.socket.send(flooding(number))
        if number % 20 == 0:  # the nine come to 50 a second, 5.6 each
            speaker: Member = nine[said % len(nine)]
            answers.append(speaker.ask("sendmessage", room="tea", message=f"normal {said}"))
            said += 1

    elapsed = counted.clock.now - start
    allowed = 50 + 10 * elapsed
    refused = [frame["code"] for frame in flooder.heard("error")]
    heard = [push for push in nine[0].heard("message") if push["user"] == "mallory"]
    assert [answer["type"] for answer in answers] == ["ack"] * said
    assert refused.count("rate_limited") >= FLOOD - allowed - 1
    assert len(heard) <= allowed
    for each in nine:
        assert each.heard("error") == []


@pytest.mark.attack("frames-flooded")
def test_a_frame_too_many_says_when_to_come_back_and_changes_nothing(counted: Door) -> None:
    ada, mallory = counted.member("ada"), counted.member("mallory")
    while mallory.ask("hello")["type"] != "error":
        pass
    ada.heard()

    refused = mallory.ask("sendmessage", message="one more")

    assert (refused["code"], refused["retryable"]) == ("rate_limited", True)
    assert ada.heard() == []
    counted.clock.now += refused["retry_after_ms"] / 1000
    assert mallory.ask("sendmessage", message="one more")["type"] == "ack"


@pytest.mark.attack("logs-flooded")
def test_what_is_refused_fills_no_log(counted: Door, caplog: pytest.LogCaptureFixture) -> None:
    mallory = counted.member("mallory")
    caplog.clear()

    for number in range(500):
        mallory.socket.send(flooding(number))
        counted.post("/login", {"username": "ada", "password": f"guess {number}"})

    ours = [record for record in caplog.records if record.name.startswith("chalicelib")]
    assert ours == []


@pytest.mark.attack("connections-hoarded")
def test_nobody_has_more_than_twenty_connections(counted: Door) -> None:
    ada, token = counted.member("ada"), counted.register("mallory")
    held = [counted.enter(token) for _ in range(20)]

    for _ in range(3):
        with pytest.raises(HandshakeRefused) as refused:
            counted.enter(token)
        assert refused.value.status == 429

    assert all(each.ask("hello")["type"] == "welcome" for each in (ada, *held))
    held[0].socket.leave()
    assert counted.handshake(f"ticket={counted.ticket(token)}") == LET_IN


@pytest.mark.attack("rooms-hoarded")
@pytest.mark.parametrize("action", ["createroom", "sendmessage", "subscribe"])
def test_nobody_makes_rooms_without_end(counted: Door, action: str) -> None:
    ada, mallory = counted.member("ada"), counted.member("mallory")

    codes = []
    for number in range(60):
        counted.clock.now += 0.2
        answer = mallory.ask(action, room=f"room-{number}", message="mine")
        codes.append(answer.get("code"))

    assert codes == [None] * 20 + ["rate_limited"] * 40
    assert ada.ask(action, room="room-of-ada", message="mine")["type"] == "ack"
