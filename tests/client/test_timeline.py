"""One room's log, whatever order it comes in."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatclient.timeline import Timeline
from tests.client.servers import Server

PEOPLE = st.sampled_from(["ada", "bob", "cleo"])


def message(seq: int, text: str = "hi", **more: Any) -> dict[str, Any]:
    event = {"type": "message", "room": "tea", "seq": seq, "user": "ada", "message": text}
    return event | {"at": "2026-01-02T03:04:05.678Z"} | more


def change(seq: int, kind: str, target: int, **more: Any) -> dict[str, Any]:
    event = {"type": kind, "room": "tea", "seq": seq, "user": "ada", "target": target}
    return event | {"at": "2026-01-02T03:04:06.000Z"} | more


def begun(base: int = 0, *, keep: int = 2000) -> Timeline:
    timeline = Timeline("tea", keep=keep)
    timeline.begin(base)
    return timeline


def texts(timeline: Timeline) -> list[str]:
    return [message.text for message in timeline.snapshot()]


@st.composite
def logs(draw: st.DrawFn) -> Server:
    """Return a server in whose room tea something happened."""
    server = Server()
    server.add("ada", "tea", message="first")
    for number in range(draw(st.integers(0, 25))):
        log = server.logs["tea"]
        targets = [e["seq"] for e in server.events("tea") if e["type"] == "message"]
        alive = [s for s in targets if not server.events("tea")[s - 1].get("deleted")]
        kind = draw(st.sampled_from(["sendmessage", "editmessage", "deletemessage", "react"]))
        if kind == "sendmessage" or not alive:
            server.add(draw(PEOPLE), "tea", message=f"text {number}")
            continue
        target = draw(st.sampled_from(alive))
        if kind == "react":
            emoji, user = draw(st.sampled_from(["+1", "*"])), draw(PEOPLE)
            given = server.events("tea")[target - 1].get("reactions", {}).get(emoji, [])
            server.add(user, "tea", kind, target=target, emoji=emoji, remove=user in given)
        elif kind == "editmessage":
            server.add(log[target - 1]["user"], "tea", kind, target=target, message=f"e{number}")
        else:
            server.add(log[target - 1]["user"], "tea", kind, target=target)
    return server


@settings(max_examples=100, deadline=None)
@given(server=logs(), data=st.data())
def test_any_order_and_any_split_gives_the_same(server: Server, data: st.DataObject) -> None:
    pushes, present = server.logs["tea"], server.events("tea")
    fresh = begun()
    fresh.feed(present)
    seen = begun()
    seen.feed(pushes)
    base = data.draw(st.integers(0, len(pushes)))
    mixed = begun(base)
    later = [data.draw(st.sampled_from([a, b])) for a, b in zip(pushes, present, strict=True)]
    again = data.draw(st.lists(st.sampled_from(later), max_size=10))

    # Pages of history come at any time between the pushes.
    steps: list[Any] = data.draw(st.permutations([*later, *again]))
    while mixed.base:
        for _ in range(data.draw(st.integers(0, 5))):
            mixed.feed([steps.pop()] if steps else [])
        start = data.draw(st.integers(0, mixed.base - 1))
        mixed.prepend(present[start : mixed.base], more=start > 0)
    mixed.feed(steps)

    assert fresh.snapshot() == seen.snapshot() == mixed.snapshot()
    assert mixed.log() == list(range(1, len(pushes) + 1))
    assert mixed.hole is None
    assert not mixed.older


@settings(max_examples=100, deadline=None)
@given(server=logs(), data=st.data())
def test_the_hole_is_the_first_range_that_is_missing(server: Server, data: st.DataObject) -> None:
    events = server.logs["tea"]
    some = data.draw(st.lists(st.sampled_from(events), unique_by=lambda e: e["seq"]))
    end = data.draw(st.integers(0, len(events)))
    timeline = begun()

    timeline.feed(some)
    timeline.known_last(end)

    have = {event["seq"] for event in some}
    known = max(have | {end})
    first = next((seq for seq in range(1, known + 1) if seq not in have), None)
    after = next((seq for seq in range(first or 1, known + 1) if seq in have), known + 1)
    assert timeline.hole == (None if first is None else (first, after - 1))


def test_what_is_early_waits_for_what_is_before_it() -> None:
    timeline = begun(4)

    early = timeline.feed([message(6, "second")])
    both = timeline.feed([message(5, "first")])

    assert early == []
    assert [entry.seq for entry in both] == [5, 6]
    assert texts(timeline) == ["first", "second"]
    assert timeline.last == 6


def test_nothing_is_shown_before_the_beginning_is_known() -> None:
    timeline = Timeline("tea")

    added = timeline.feed([message(4), message(5), message(6)])
    shown = timeline.begin(4)

    assert added == []
    assert [entry.seq for entry in shown] == [5, 6]
    assert timeline.older


def test_a_change_that_the_state_reflects_already_is_skipped() -> None:
    timeline = begun()

    timeline.feed([message(1, "third", changed=3, edited="x")])
    timeline.feed([change(2, "edit", 1, message="second"), change(3, "edit", 1, message="third")])

    assert texts(timeline) == ["third"]
    assert timeline.snapshot()[0].changed == 3


def test_a_change_is_not_lost_on_a_message_that_is_loaded_later() -> None:
    timeline = begun(1)
    timeline.feed([change(2, "reaction", 1, emoji="+1", user="bob", removed=False)])

    timeline.prepend([message(1)], more=False)

    assert timeline.snapshot()[0].reactions == {"+1": ("bob",)}


def test_a_page_that_does_not_reach_the_base_changes_nothing() -> None:
    timeline = begun(5)

    added = timeline.prepend([message(2), message(3)], more=True)

    assert added == []
    assert timeline.base == 5


def test_a_reset_forgets_everything() -> None:
    timeline = begun()
    timeline.feed([message(1, "old"), message(3, "old")])

    timeline.reset([message(1, "new"), message(2, "new")], 2)

    assert texts(timeline) == ["new", "new"]
    assert timeline.hole is None
    assert not timeline.older


def test_a_reset_to_an_empty_page_begins_at_the_end() -> None:
    timeline = begun()

    timeline.reset([], 7)

    assert (timeline.base, timeline.last, timeline.older) == (7, 7, True)


def test_the_oldest_entries_make_room() -> None:
    timeline = begun(keep=3)

    timeline.feed([message(1), change(2, "edit", 1, message="x"), *map(message, range(3, 8))])

    assert timeline.log() == [5, 6, 7]
    assert timeline.base == 4
    assert timeline.older


def test_many_early_entries_do_not_fill_the_memory() -> None:
    timeline = begun(keep=10)

    timeline.feed(message(seq) for seq in range(100, 1000))
    timeline.feed(message(seq) for seq in range(1, 100))

    assert timeline.last == 109
    assert timeline.hole == (110, 999)


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"type": "message", "room": "tea"},
        message(0),
        message(-1),
        message(2**53 + 1),
        message(1) | {"seq": True},
        message(1) | {"seq": 1.0},
        message(1) | {"room": "coffee"},
    ],
)
def test_what_is_no_entry_of_the_room_is_ignored(event: object) -> None:
    timeline = begun()

    added = timeline.feed([event])

    assert added == []
    assert timeline.hole is None


@pytest.mark.parametrize(
    "event",
    [
        message(1) | {"type": "poll"},
        message(1) | {"type": None},
        message(1) | {"message": 7},
        message(1) | {"user": None},
        change(1, "edit", 1, message="x"),
        change(1, "reaction", 0, emoji=7),
        change(1, "delete", 5),
    ],
)
def test_an_entry_of_another_kind_takes_its_number_and_shows_nothing(event: object) -> None:
    timeline = begun()

    timeline.feed([event, message(2)])

    assert timeline.log() == [1, 2]
    assert texts(timeline) == ["hi"]


def test_reactions_that_make_no_sense_are_left_out() -> None:
    timeline = begun()

    timeline.feed([message(1, reactions={"+1": ["ada", 7], "*": 3, "-": []})])

    assert timeline.snapshot()[0].reactions == {"+1": ("ada",)}
