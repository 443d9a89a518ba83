"""Whatever a server sends, the client lives."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client.worlds import World

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(
        [
            "tea",
            "dm:ada:bob",
            "ada",
            "joined",
            "unauthorized",
            "rate_limited",
            "9999-12-31T23:59:59Z",
        ]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
TYPES = [
    "ack",
    "welcome",
    "pong",
    "error",
    "message",
    "edit",
    "delete",
    "reaction",
    "presence",
    "typing",
    "read",
    "reconnect",
    "kicked",
    "invited",
    "left",
    "news",
]
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES[4:8])},
    optional={
        name: VALUES | st.integers(0, 9) | st.sampled_from(["tea"])
        for name in ("room", "seq", "user", "message", "at", "target", "emoji", "reactions")
    },
)
FRAMES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(TYPES),
        "id": st.integers(0, 12) | VALUES,
        "events": st.lists(EVENTS, max_size=4) | VALUES,
        "rooms": st.lists(VALUES) | st.dictionaries(st.just("tea"), VALUES) | VALUES,
        **dict.fromkeys(
            (
                "room",
                "seq",
                "user",
                "at",
                "message",
                "target",
                "users",
                "count",
                "status",
                "code",
                "retryable",
                "retry_after_ms",
                "after_ms",
                "more",
                "recovered",
                "duplicate",
                "connectionId",
                "heartbeat_ms",
                "reconnect_after_ms",
                "guest",
                "guests",
                "by",
                "banned",
                "expires_at",
                "server_time",
            ),
            VALUES,
        ),
    },
)


@settings(max_examples=100, deadline=None)
@given(st.lists(FRAMES | EVENTS | VALUES, max_size=15))
def test_no_frame_makes_the_client_raise(frames: list[object]) -> None:
    world = World()
    ada = world.peer("ada", "tea")
    ada.core.watch("tea")
    ada.core.send("hello", room="tea")
    ada.core.load_history("tea")

    for frame in frames:
        for link in list(ada.links):
            ada.core.received(link, json.dumps(frame))
    world.sleep(30)

    world.cut(ada)
    world.sleep(60)
    assert ada.core.is_online


@settings(max_examples=100, deadline=None)
@given(st.lists(FRAMES | EVENTS | VALUES, max_size=15))
def test_no_frame_makes_a_client_with_a_ticket_raise(frames: list[object]) -> None:
    world = World()
    ada = world.member("ada", "tea")
    ada.core.send("hello", room="tea")
    ada.core.kick("tea", "bob")
    ada.core.leave("tea")

    for frame in frames:
        for link in list(ada.links):
            ada.core.received(link, json.dumps(frame))
        world.run()
    world.sleep(30)

    world.cut(ada)
    world.sleep(60)
    assert ada.core.is_online


@settings(max_examples=100, deadline=None)
@pytest.mark.clause("R4")
@given(st.lists(FRAMES | EVENTS | st.none() | st.text(max_size=5), max_size=8))
def test_an_array_is_as_good_as_its_frames_one_after_the_other(frames: list[object]) -> None:
    ada, bea = (World().peer("ada", "tea") for _ in range(2))
    for each in (ada, bea):
        each.core.send("hello", room="tea")

    ada.core.received(1, json.dumps(frames))
    for frame in frames:
        bea.core.received(1, json.dumps(frame))

    assert ada.core.updates() == bea.core.updates()
    assert ada.core.effects() == bea.core.effects()
    assert (ada.texts(), ada.seqs()) == (bea.texts(), bea.seqs())


@pytest.mark.clause("R4")
def test_pushes_that_come_together_are_taken_in_their_order(world: World) -> None:
    ada = world.peer("ada", "tea")
    for text in ("one", "two", "three"):
        world.server.say("bob", "tea", text)

    world.server.gather()
    together = len(world.server.out)
    world.run()

    assert together == 1
    assert ada.texts() == ["one", "two", "three"]


@pytest.mark.clause("R4")
@pytest.mark.parametrize("garbage", [[], {}, [[]], None, 7, "x", True])
def test_what_is_no_frame_among_others_is_ignored(world: World, garbage: object) -> None:
    ada = world.peer("ada", "tea")
    push = {"type": "message", "room": "tea", "seq": 1, "user": "bob", "message": "x", "at": ""}

    ada.core.received(1, json.dumps([garbage, push, garbage]))

    assert ada.texts() == ["x"]


@pytest.mark.clause("R4")
def test_an_array_in_an_array_is_ignored(world: World) -> None:
    ada = world.peer("ada", "tea")
    push = {"type": "message", "room": "tea", "seq": 1, "user": "bob", "message": "x", "at": ""}

    ada.core.received(1, json.dumps([[push]]))

    assert ada.texts() == []


def test_what_stands_behind_the_end_of_a_connection_is_ignored(world: World) -> None:
    ada = world.peer("ada", "tea")
    over = {"type": "error", "code": "unauthorized", "message": "over"}
    push = {"type": "message", "room": "tea", "seq": 1, "user": "bob", "message": "x", "at": ""}

    ada.core.received(1, json.dumps([over, push]))

    assert ada.texts() == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[[],[{}]]",
        "[1,null]",
        "NaN",
        '{"seq": NaN}',
        "[" * 100_000,
        b"\x00",
        "9" * 9999,
    ],
)
def test_what_is_no_frame_is_ignored(world: World, text: object) -> None:
    ada = world.peer("ada", "tea")

    ada.core.received(1, text)

    assert ada.core.is_online


def test_half_a_character_is_replaced(world: World) -> None:
    ada = world.peer("ada", "tea")
    push = {"type": "message", "room": "tea", "seq": 1, "user": "bob", "message": "a\ud800b"}

    ada.core.received(1, json.dumps({**push, "at": ""}))

    assert ada.texts() == ["a?b"]


def test_a_frame_of_a_connection_that_is_gone_is_ignored(world: World) -> None:
    ada = world.peer("ada", "tea")

    ada.core.received(99, "{}")
    ada.core.lost(99)
    ada.core.opened(99)
    ada.core.refused(99, 403)

    assert ada.core.is_online
