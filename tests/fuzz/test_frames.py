"""Whole frames through app.py: none makes a handler raise, none costs its sender the socket."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.commands import COMMANDS
from tests.fuzz.scenes import check_alive, scene
from tests.fuzz.shapes import FRAME, command


@settings(max_examples=150, deadline=None)
@given(frames=st.lists(FRAME, min_size=1, max_size=8))
@example(frames=['{"action":"hello","id":7}' * 2])
def test_no_row_of_frames_is_too_much(frames: list[str]) -> None:
    with scene() as chat:
        mallory = chat.join("mallory", "tea")

        for frame in frames:
            mallory.socket.send(frame.encode(errors="replace").decode())

        check_alive(mallory)


@pytest.mark.parametrize("action", COMMANDS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_no_action_can_be_asked_for_too_strangely(action: str, data: st.DataObject) -> None:
    frames = data.draw(st.lists(command(action), min_size=1, max_size=4))
    with scene() as chat:
        alice = chat.join("alice")

        for frame in frames:
            alice.socket.send(json.dumps(frame))

        check_alive(alice)
