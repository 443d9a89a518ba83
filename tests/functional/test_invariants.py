"""Whatever people do: what one had before, plus the events received, is what one reads afresh.

In the manner of Zulip's tests of its event system, for every action and for random sequences:
https://zulip.readthedocs.io/en/latest/subsystems/events-system.html#testing
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatclient.timeline import Timeline
from tests.functional.chats import Chat, Person

ROOM = "tea"
LOG_EVENTS = ("message", "edit", "delete", "reaction")
THUMB, HEART = "\U0001f44d", "\u2764\ufe0f"


def snapshot(reader: Person, room: str) -> Timeline:
    """Read a room from its beginning, page by page."""
    timeline = Timeline(room)
    page = reader.ask("history", room=room, limit=3)
    timeline.reset(page["events"], page["events"][-1]["seq"] if page["events"] else 0)
    while page["more"]:
        before = page["events"][0]["seq"]
        page = reader.ask("history", room=room, before=before, limit=3)
        timeline.prepend(page["events"], more=page["more"])
    return timeline


def caught_up(reader: Person, room: str) -> Timeline:
    """Read a room from its beginning as somebody who was away all the time."""
    timeline = Timeline(room)
    timeline.begin(0)
    ack: dict[str, Any] = {"more": True, "seq": 0}
    while ack["more"]:
        ack = reader.ask("subscribe", room=room, after=timeline.last)
        timeline.feed(ack["events"])
    return timeline


ACTIONS: dict[str, Callable[[Person, Person], Any]] = {
    "send": lambda alice, _: alice.say("new", ROOM),
    "edit": lambda alice, _: alice.ask("editmessage", room=ROOM, target=1, message="new"),
    "edit again": lambda alice, _: alice.ask("editmessage", room=ROOM, target=2, message="x"),
    "delete": lambda alice, _: alice.ask("deletemessage", room=ROOM, target=1),
    "delete an edited one": lambda alice, _: alice.ask("deletemessage", room=ROOM, target=2),
    "react": lambda alice, _: alice.ask("react", room=ROOM, target=1, emoji=HEART),
    "react as another": lambda _, bob: bob.ask("react", room=ROOM, target=2, emoji=THUMB),
    "unreact": lambda _, bob: bob.ask("react", room=ROOM, target=2, emoji=HEART, remove=True),
    "send twice": lambda alice, _: [alice.say("twice", ROOM, cid="c") for _ in range(2)],
    "change nothing": lambda alice, _: alice.ask("react", room=ROOM, target=2, emoji=THUMB),
    "be refused": lambda _, bob: bob.ask("deletemessage", room=ROOM, target=1),
    "type": lambda alice, _: alice.ask,
    "read": lambda _, bob: bob.ask("read", room=ROOM, seq=2),
    "leave": lambda alice, _: alice.ask("unsubscribe", room=ROOM),
}


@pytest.mark.clause("H2")
@pytest.mark.parametrize("action", ACTIONS)
def test_an_old_snapshot_and_the_events_since_make_a_fresh_snapshot(
    action: str, chat: Chat
) -> None:
    alice, bob, watcher = (chat.join(name, ROOM) for name in ("alice", "bob", "watcher"))
    alice.say("one", ROOM)
    alice.say("two", ROOM)
    alice.ask("editmessage", room=ROOM, target=2, message="two!")
    alice.ask("react", room=ROOM, target=2, emoji=THUMB)
    bob.ask("react", room=ROOM, target=2, emoji=HEART)
    before = snapshot(watcher, ROOM)
    watcher.heard()

    ACTIONS[action](alice, bob)
    before.feed(watcher.heard(*LOG_EVENTS))

    after = snapshot(watcher, ROOM)
    assert before.snapshot() == after.snapshot()
    assert before.log() == after.log()
    assert caught_up(watcher, ROOM).snapshot() == after.snapshot()


STEP = st.one_of(
    st.tuples(st.just("sendmessage"), st.sampled_from(["a", "b"]), st.just(0)),
    st.tuples(st.just("editmessage"), st.sampled_from(["x", "y"]), st.integers(1, 6)),
    st.tuples(st.just("deletemessage"), st.just(""), st.integers(1, 6)),
    st.tuples(st.just("react"), st.sampled_from([THUMB, HEART]), st.integers(1, 6)),
    st.tuples(st.just("unreact"), st.sampled_from([THUMB, HEART]), st.integers(1, 6)),
)


def take_step(person: Person, room: str, step: tuple[str, str, int]) -> None:
    action, what, target = step
    fields: dict[str, Any] = {"room": room, "target": target} if target else {"room": room}
    fields |= {"remove": True} if action == "unreact" else {}
    key = "emoji" if "react" in action else "message"
    person.ask(
        "react" if action == "unreact" else action, **fields, **({key: what} if what else {})
    )


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(st.tuples(st.integers(0, 1), STEP), max_size=14),
    looks=st.sets(st.integers(0, 14), max_size=3),
    number=st.uuids(),
)
def test_snapshots_taken_at_any_time_agree_in_the_end(
    steps: list[tuple[int, tuple[str, str, int]]], looks: set[int], number: Any, chat: Chat
) -> None:
    room = f"room-{number}"
    people = [chat.join(name, room) for name in ("alice", "bob")]
    watcher = chat.join("watcher", room)
    timelines = [snapshot(watcher, room)]

    for n, (who, step) in enumerate(steps):
        take_step(people[who], room, step)
        events = watcher.heard(*LOG_EVENTS)
        for timeline in timelines:
            timeline.feed(events)
        if n in looks:
            timelines.append(snapshot(watcher, room))

    fresh = snapshot(watcher, room).snapshot()
    assert all(timeline.snapshot() == fresh for timeline in timelines)
    assert caught_up(watcher, room).snapshot() == fresh
    for person in (*people, watcher):
        person.socket.leave()
