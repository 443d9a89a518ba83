"""Rooms that are ruled while others come, write and rule: many seeded interleavings.

RACES and RACES_FROM in the environment: see test_races.py.
"""

import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.functional.arena import Arena
from tests.functional.test_races import each_seed, explained
from tests.interleaving import Run
from tests.stores.tables import ACCOUNTS_TABLE, MEMBERSHIPS_TABLE

PEOPLE = ("ada", "bob", "eve")


@pytest.fixture(autouse=True)
def _nothing_unexpected(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def new_arena(seed: int, **kills: int) -> Arena:
    """Connect ada, bob and eve, who have accounts; eve twice."""
    arena = Arena(seed, **kills)
    for person in PEOPLE:
        arena.database.put_item(
            TableName=ACCOUNTS_TABLE, Item={"username": {"S": person}, "token_version": {"N": "1"}}
        )
        arena.connect(f"c-{person}", person)
    arena.connect("c-eve2", "eve")
    return arena


def ask(arena: Arena, who: str, action: str, **fields: Any) -> str:
    """Return the answer in short."""
    answer = arena.frame(f"c-{who}", action, id=f"{action}-{random.random()}", **fields)  # noqa: S311
    assert answer is not None
    return str(answer["code"] if answer["type"] == "error" else answer["type"])


def must(arena: Arena, who: str, action: str, **fields: Any) -> None:
    assert ask(arena, who, action, room="tea", **fields) == "ack", action


def standing(arena: Arena, user: str) -> str | None:
    """Return the role of somebody in tea, "banned", or None."""
    key = {"room": {"S": "tea"}, "member": {"S": user}}
    item = arena.database.get_item(TableName=MEMBERSHIPS_TABLE, Key=key).get("Item", {})
    assert not ("banned" in item and "role" in item)
    return "banned" if "banned" in item else item.get("role", {}).get("S")


def owner(arena: Arena) -> str | None:
    """Return the owner of tea: one at most, and the room agrees."""
    item = arena.database.get_item(
        TableName=MEMBERSHIPS_TABLE, Key={"room": {"S": "tea"}, "member": {"S": "#room"}}
    )["Item"]
    owners = [user for user in PEOPLE if standing(arena, user) == "owner"]
    assert owners == ([item["owner"]["S"]] if "owner" in item else [])
    return owners[0] if owners else None


def check_out(
    arena: Arena, run: Run, *, connections: tuple[str, ...] = ("c-eve", "c-eve2")
) -> None:
    """Check that eve is nowhere in tea, hears nothing, and can do nothing."""
    told = explained(run)
    assert "eve" not in arena.people("tea"), told([arena.rows(it) for it in connections])
    arena.mailboxes.frames.clear()
    must(arena, "ada", "sendmessage", message="is she gone?")
    for connection in connections:
        assert arena.received(connection) == [], told(arena.received(connection))
        for action in ("history", "presence"):
            answer = arena.frame(connection, action, room="tea", id=1)
            assert answer is not None
            assert answer["type"] == "error", told(answer)


def a_kick_races_with_subscribing(seed: int) -> None:
    arena = new_arena(seed)
    must(arena, "ada", "createroom", private=True)
    must(arena, "ada", "subscribe")
    must(arena, "ada", "invite", user="eve")

    run = arena.scheduler.run(
        ada=lambda: ask(arena, "ada", "kick", room="tea", user="eve"),
        eve=lambda: ask(arena, "eve", "subscribe", room="tea", after=0),
        two=lambda: ask(arena, "eve2", "subscribe", room="tea"),
    )

    assert run.results["ada"] == "ack", explained(run)(run.results)
    assert {run.results["eve"], run.results["two"]} <= {"ack", "forbidden"}
    assert standing(arena, "eve") is None, explained(run)(run.results)
    check_out(arena, run)


def a_ban_races_with_coming(seed: int) -> None:
    """In a public room that nobody has, or that eve is a member of already."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    arena = new_arena(seed)
    must(arena, "ada", "createroom")
    must(arena, "ada", "subscribe")
    if chance.random() < 0.5:
        must(arena, "eve", "subscribe")
    must(arena, "ada", "sendmessage", message="x")
    acts: list[tuple[str, dict[str, Any]]] = [
        ("subscribe", {}),
        ("read", {"seq": 1}),
        ("rooms", {}),
        ("leave", {}),
        ("sendmessage", {"message": "y"}),
    ]
    one, two = chance.sample(acts, 2)

    run = arena.scheduler.run(
        ada=lambda: ask(arena, "ada", "ban", room="tea", user="eve"),
        one=lambda: ask(arena, "eve", one[0], **{"room": "tea", **one[1]}),
        two=lambda: ask(arena, "eve2", two[0], **{"room": "tea", **two[1]}),
    )

    assert run.results["ada"] == "ack", explained(run)(run.results)
    assert standing(arena, "eve") == "banned", explained(run)([one, two, run.results])
    check_out(arena, run)


def a_ban_races_with_joining_by_reading(seed: int) -> None:
    arena = new_arena(seed)
    must(arena, "ada", "createroom")
    must(arena, "ada", "sendmessage", message="x")

    run = arena.scheduler.run(
        ada=lambda: ask(arena, "ada", "ban", room="tea", user="eve"),
        eve=lambda: ask(arena, "eve", "read", room="tea", seq=1),
    )

    assert standing(arena, "eve") == "banned", explained(run)(run.results)


def a_kick_races_with_reading(seed: int) -> None:
    """Nothing that a member does while they are kicked makes them a member again."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    arena = new_arena(seed)
    must(arena, "ada", "createroom", private=True)
    must(arena, "ada", "subscribe")
    must(arena, "ada", "sendmessage", message="x")
    must(arena, "ada", "invite", user="eve")
    must(arena, "ada", "sendmessage", message="y")
    must(arena, "eve", "subscribe")
    acts: list[tuple[str, dict[str, Any]]] = [("read", {"seq": 2}), ("rooms", {}), ("leave", {})]
    one, two = chance.sample(acts, 2)

    run = arena.scheduler.run(
        ada=lambda: ask(arena, "ada", "kick", room="tea", user="eve"),
        one=lambda: ask(arena, "eve", one[0], **{"room": "tea", **one[1]}),
        two=lambda: ask(arena, "eve2", two[0], **{"room": "tea", **two[1]}),
    )

    assert run.results["ada"] == "ack", explained(run)(run.results)
    assert standing(arena, "eve") is None, explained(run)([one, two, run.results])
    check_out(arena, run)


def two_hand_over_at_once(seed: int) -> None:
    arena = new_arena(seed)
    must(arena, "ada", "createroom", private=True)
    for person in ("bob", "eve"):
        must(arena, "ada", "invite", user=person)
    arena.connect("c-ada2", "ada")

    run = arena.scheduler.run(
        one=lambda: ask(arena, "ada", "setrole", room="tea", user="bob", role="owner"),
        two=lambda: ask(arena, "ada2", "setrole", room="tea", user="eve", role="owner"),
    )

    told = explained(run)
    assert sorted(run.results.values()) == ["ack", "forbidden"], told(run.results)
    assert owner(arena) == ("bob" if run.results["one"] == "ack" else "eve"), told(run.results)
    assert standing(arena, "ada") == "moderator"


def ruling_races_with_a_hand_over(seed: int) -> None:
    """Bob becomes the owner while eve, a moderator, would take him out, and ada rules on."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    arena = new_arena(seed)
    must(arena, "ada", "createroom", private=True)
    for person in ("bob", "eve"):
        must(arena, "ada", "invite", user=person)
    must(arena, "ada", "setrole", user="eve", role="moderator")
    arena.connect("c-ada2", "ada")
    acts: list[tuple[str, dict[str, Any]]] = [
        ("kick", {"user": "bob"}),
        ("ban", {"user": "bob"}),
        ("setrole", {"user": "bob", "role": "member"}),
        ("leave", {}),
    ]
    mine = chance.choice(acts)

    run = arena.scheduler.run(
        hand=lambda: ask(arena, "ada", "setrole", room="tea", user="bob", role="owner"),
        eve=lambda: ask(arena, "eve", chance.choice(["kick", "ban"]), room="tea", user="bob"),
        ada=lambda: ask(arena, "ada2", mine[0], room="tea", **mine[1]),
    )

    told = explained(run)
    assert set(run.results.values()) <= {"ack", "forbidden", "not_found", "conflict"}
    if run.results["hand"] == "ack":
        assert owner(arena) == "bob", told([mine, run.results])
    else:
        assert owner(arena) in {"ada", None}, told([mine, run.results])


def an_owner_leaves_while_somebody_is_invited(seed: int) -> None:
    arena = new_arena(seed)
    must(arena, "ada", "createroom", private=True)
    arena.connect("c-ada2", "ada")

    run = arena.scheduler.run(
        leave=lambda: ask(arena, "ada", "leave", room="tea"),
        invite=lambda: ask(arena, "ada2", "invite", room="tea", user="bob"),
    )

    told = explained(run)
    if run.results["leave"] == "ack":
        assert (owner(arena), standing(arena, "bob")) == (None, None), told(run.results)
        assert run.results["invite"] == "forbidden", told(run.results)
    else:
        assert run.results == {"leave": "conflict", "invite": "ack"}, told(run.results)
        assert (owner(arena), standing(arena, "bob")) == ("ada", "member")


def a_role_is_lost_while_it_is_used(seed: int) -> None:
    """What eve does as a moderator is done before she is demoted, or not at all."""
    arena = new_arena(seed)
    must(arena, "ada", "createroom", private=True)
    must(arena, "ada", "invite", user="eve")
    must(arena, "ada", "setrole", user="eve", role="moderator")

    def demote_and_look() -> str | None:
        ask(arena, "ada", "setrole", room="tea", user="eve", role="member")
        return standing(arena, "bob")

    run = arena.scheduler.run(
        ada=demote_and_look,
        eve=lambda: ask(arena, "eve", "invite", room="tea", user="bob"),
    )

    assert standing(arena, "bob") == run.results["ada"], explained(run)(run.results)


def one_room_is_made_in_three_ways(seed: int) -> None:
    arena = new_arena(seed)

    run = arena.scheduler.run(
        ada=lambda: ask(arena, "ada", "createroom", room="tea", private=True),
        bob=lambda: ask(arena, "bob", "sendmessage", room="tea", message="x"),
        eve=lambda: ask(arena, "eve", "subscribe", room="tea"),
    )

    told, results = explained(run), run.results
    if results["ada"] == "ack":
        assert (results["bob"], results["eve"]) == ("forbidden", "forbidden"), told(results)
        assert owner(arena) == "ada"
        assert arena.people("tea") == set(), told(results)
        assert ask(arena, "ada", "history", room="tea") == "ack"
    else:
        assert results == {"ada": "conflict", "bob": "ack", "eve": "ack"}, told(results)
        assert (owner(arena), standing(arena, "ada")) == (None, None)


def a_kick_that_dies_half_way_is_completed_by_the_next(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not a secret
    arena = new_arena(seed, ada=chance.randint(0, 24))
    must(arena, "ada", "createroom", private=True)
    must(arena, "ada", "subscribe")
    must(arena, "ada", "invite", user="eve")
    for device in ("eve", "eve2"):
        must(arena, device, "subscribe")
    kick = partial(ask, arena, "ada", "kick", room="tea", user="eve")

    run = arena.scheduler.run(ada=kick)
    assert kick() == "ack"

    assert standing(arena, "eve") is None
    check_out(arena, run)


@pytest.mark.clause("G5", "G9")
def test_who_is_kicked_while_they_subscribe_is_out() -> None:
    each_seed(a_kick_races_with_subscribing)


@pytest.mark.clause("G5", "G9")
def test_who_is_banned_while_they_come_in_any_way_is_out() -> None:
    each_seed(a_ban_races_with_coming)


@pytest.mark.clause("G5", "G9")
def test_who_reads_does_not_lift_a_ban() -> None:
    each_seed(a_ban_races_with_joining_by_reading)


@pytest.mark.clause("G5", "G9")
def test_who_is_kicked_is_no_member_again_by_what_they_do_meanwhile() -> None:
    each_seed(a_kick_races_with_reading)


@pytest.mark.clause("G6", "G9")
def test_of_two_who_are_handed_a_room_one_has_it() -> None:
    each_seed(two_hand_over_at_once)


@pytest.mark.clause("G6", "G9")
def test_a_new_owner_is_safe_from_those_who_ruled_before() -> None:
    each_seed(ruling_races_with_a_hand_over)


@pytest.mark.clause("G8", "G9")
def test_an_owner_does_not_leave_those_who_are_being_invited() -> None:
    each_seed(an_owner_leaves_while_somebody_is_invited)


@pytest.mark.clause("G9")
def test_a_role_that_is_lost_does_nothing_afterwards() -> None:
    each_seed(a_role_is_lost_while_it_is_used)


@pytest.mark.clause("G1", "G2", "G9")
def test_a_room_that_is_made_in_several_ways_is_one_or_the_other() -> None:
    each_seed(one_room_is_made_in_three_ways)


@pytest.mark.clause("G5", "E1")
def test_a_kick_whose_function_died_is_completed_by_the_next() -> None:
    each_seed(a_kick_that_dies_half_way_is_completed_by_the_next)
