"""What clients see when frames are handled at the same time, in many seeded interleavings.

RACES=5000 in the environment asks for more of them than the default; RACES_FROM=n starts at
another seed. A failure names its seed and the steps that led to it.
"""

import json
import os
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.functional.arena import Arena
from tests.functional.views import Frame, folded, merged, pushed, seen
from tests.interleaving import Run

RACES = int(os.environ.get("RACES", "200"))
FIRST = int(os.environ.get("RACES_FROM", "0"))


@pytest.fixture(autouse=True)
def _nothing_unexpected(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What fails without an answer is only logged."""
    yield
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def each_seed(race: Callable[[int], None], *, races: int = RACES) -> None:
    for seed in range(FIRST, FIRST + races):
        try:
            race(seed)
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise


def explained(run: Run) -> Callable[[Any], str]:
    return lambda found: f"{json.dumps(found, indent=1, ensure_ascii=False)}\n{run}"


def whole_log(arena: Arena, room: str) -> dict[int, Frame]:
    """Return the log as a newcomer reads it."""
    arena.connect("c-reader", "reader")
    events: dict[int, Frame] = {}
    before: int | None = None
    while True:
        page = arena.frame("c-reader", "history", room=room, before=before, limit=100, id="h")
        arena.mailboxes.frames["c-reader"].clear()
        assert page is not None
        assert page["type"] == "ack", page
        events |= {event["seq"]: event for event in page["events"]}
        if not page["more"]:
            return events
        before = min(events)


def write(arena: Arena, who: str, chance: random.Random, count: int) -> None:
    """Say and change things, as one client that waits for its answers."""
    for number in range(count):
        target = chance.randint(1, 4)
        choices: list[tuple[str, Frame]] = [
            ("sendmessage", {"message": f"{who} {number}", "cid": f"{who}-{number}"}),
            ("sendmessage", {"message": "a" * 7000}),
            ("editmessage", {"target": target, "message": f"edited by {who} {number}"}),
            ("react", {"target": target, "emoji": "👍", "remove": chance.random() < 0.3}),
            ("deletemessage", {"target": target}),
        ]
        action, fields = chance.choice(choices)
        arena.frame(f"c-{who}", action, room="tea", id=f"w{number}", **fields)


def catch_up(arena: Arena, connection: str, after: int) -> None:
    """Subscribe, page by page, as a client does that knows the room up to `after`."""
    more = True
    while more:
        answer = arena.frame(connection, "subscribe", room="tea", after=after, id=f"s{after}")
        assert answer is not None
        assert answer["type"] == "ack", answer
        assert answer["recovered"]
        more = answer["more"]
        after = answer["events"][-1]["seq"] if answer["events"] else after


def subscribing_races_with_writing(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not a secret
    arena = Arena(seed)
    arena.connect("c-ada", "ada", "tea")
    arena.connect("c-bob", "bob", "tea")
    arena.connect("c-eve", "eve")
    write(arena, "ada", chance, chance.randint(1, 5))
    known = whole_log(arena, "tea")
    after = chance.randint(0, len(known))

    run = arena.scheduler.run(
        eve=partial(catch_up, arena, "c-eve", after),
        ada=partial(write, arena, "ada", random.Random(seed + 1), 2),  # noqa: S311
        bob=partial(write, arena, "bob", random.Random(seed + 2), 2),  # noqa: S311
    )

    log = whole_log(arena, "tea")
    told = explained(run)
    assert sorted(log) == list(range(1, len(log) + 1)), told(log)
    received = arena.received("c-eve")
    assert not [frame for frame in received if frame["type"] == "error"], told(received)
    mine = merged(received, {seq: known[seq] for seq in range(1, after + 1)})
    assert sorted(mine) == sorted(log), told([received, log])
    # What was known may have been changed since it was read: its changes are among the events.
    assert folded(mine) == folded(log), told([received, log])


def leaving_races_with_everything(seed: int) -> None:
    arena = Arena(seed)
    arena.connect("c-ada", "ada", "tea")
    arena.connect("c-eve", "eve", "cake")

    run = arena.scheduler.run(
        eve=lambda: arena.frame("c-eve", "subscribe", room="tea", after=0, id=1),
        end=partial(arena.leave, "c-eve"),
        ada=partial(write, arena, "ada", random.Random(seed), 2),  # noqa: S311
    )

    told = explained(run)
    assert arena.rows("c-eve") == [], told(arena.rows("c-eve"))
    assert arena.people("tea") == {"ada"}, told(arena.received("c-ada"))
    assert seen(arena.received("c-ada"), "eve") in {"left", None}, told(arena.received("c-ada"))


def unsubscribing_races_with_writing(seed: int) -> None:
    arena = Arena(seed)
    arena.connect("c-ada", "ada", "tea")
    arena.connect("c-eve", "eve", "tea")

    run = arena.scheduler.run(
        eve=lambda: arena.frame("c-eve", "unsubscribe", room="tea", id=1),
        ada=partial(write, arena, "ada", random.Random(seed), 3),  # noqa: S311
    )

    seqs, told = pushed(arena.received("c-eve")), explained(run)
    assert seqs == set(range(1, len(seqs) + 1)), told(sorted(seqs))
    arena.mailboxes.frames.clear()
    arena.frame("c-ada", "sendmessage", room="tea", message="is she gone?")
    assert arena.received("c-eve") == [], told(sorted(seqs))


def come_and_go(arena: Arena, tab: str, chance: random.Random) -> None:
    """Subscribe and unsubscribe, and perhaps close, as one tab that waits for its answers."""
    for number in range(chance.randint(1, 2)):
        arena.frame(tab, chance.choice(["subscribe", "unsubscribe"]), room="tea", id=f"t{number}")
    if chance.random() < 0.4:
        arena.leave(tab)


def check_presence(arena: Arena, run: Run, before: str) -> None:
    now = status(arena)
    assert (seen(arena.received("c-eve"), "ada") or before) == now, explained(run)(
        arena.received("c-eve")
    )


def status(arena: Arena) -> str:
    return "joined" if "ada" in arena.people("tea") else "left"


def tabs_of_one_person_race(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not a secret
    arena = Arena(seed)
    arena.connect("c-eve", "eve", "tea")
    for tab in ("c-ada1", "c-ada2"):
        arena.connect(tab, "ada", *chance.sample(["tea"], chance.randint(0, 1)))
    before = status(arena)

    run = arena.scheduler.run(
        one=partial(come_and_go, arena, "c-ada1", random.Random(seed + 1)),  # noqa: S311
        other=partial(come_and_go, arena, "c-ada2", random.Random(seed + 2)),  # noqa: S311
    )

    check_presence(arena, run, before)


def a_tab_closes_while_two_come(seed: int) -> None:
    arena = Arena(seed)
    arena.connect("c-eve", "eve", "tea")
    for tab in ("c-ada1", "c-ada2"):
        arena.connect(tab, "ada")

    run = arena.scheduler.run(
        one=lambda: arena.frame("c-ada1", "subscribe", room="tea", id=1),
        end=partial(arena.leave, "c-ada1"),
        other=lambda: arena.frame("c-ada2", "subscribe", room="tea", id=1),
    )

    check_presence(arena, run, "left")


def test_who_leaves_while_others_write_leaves_nothing_behind() -> None:
    each_seed(leaving_races_with_everything)


def test_who_unsubscribes_while_others_write_has_no_hole_and_then_silence() -> None:
    each_seed(unsubscribing_races_with_writing)


def test_two_tabs_of_a_person_that_come_and_go_at_once_leave_a_true_picture() -> None:
    each_seed(tabs_of_one_person_race)


def test_a_tab_that_closes_while_its_subscription_is_handled_leaves_a_true_picture() -> None:
    each_seed(a_tab_closes_while_two_come, races=2 * RACES)


def a_function_dies_and_the_client_sends_again(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not a secret
    arena = Arena(seed, ada=chance.randint(0, 12))
    for person in ("ada", "bob", "eve"):
        arena.connect(f"c-{person}", person, "tea")
    send = partial(
        arena.frame, "c-ada", "sendmessage", room="tea", message="milk?", cid="c1", id="s"
    )

    run = arena.scheduler.run(ada=send, bob=partial(write, arena, "bob", chance, 1))
    answer = send()

    told, log = explained(run), whole_log(arena, "tea")
    assert answer is not None
    assert answer["type"] == "ack", told(answer)
    assert [seq for seq, event in log.items() if event.get("cid") == "c1"] == [answer["seq"]]
    assert merged(arena.received("c-eve"), {}).keys() == log.keys(), told(log)


def test_what_is_sent_again_after_a_function_died_is_there_once_for_everyone() -> None:
    each_seed(a_function_dies_and_the_client_sends_again)


def test_who_subscribes_while_others_write_misses_nothing() -> None:
    each_seed(subscribing_races_with_writing)
