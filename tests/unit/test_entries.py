"""The items of the messages table, there and back."""

import pytest

from chalicelib.database import Item
from chalicelib.drafts import Content, Entry, Message, State
from chalicelib.entries import (
    TAIL,
    edited_target,
    entry_item,
    entry_key,
    entry_of,
    idempotency_key,
    is_message,
    reaction_key,
)
from chalicelib.models import LARGEST_INTEGER, UserName, is_room
from tests.unit.fakes import ALICE, BOB, LOBBY, deleted, edited, reacted, said

AT = "2026-01-02T03:04:05.678Z"
CONTENTS = [
    said("hello"),
    said("", cid="c 1"),
    edited(7, "hello", cid="c1"),
    deleted(7, user=BOB),
    reacted(7, "👍🏽"),
    reacted(7, "1️⃣", removed=True, cid="🌊"),
]


@pytest.mark.parametrize("content", CONTENTS)
def test_an_entry_is_read_as_it_was_written(content: Content) -> None:
    item = entry_item(content, 9, AT, 4)

    entry = entry_of(item, {7: "hello"})

    assert entry == Entry(9, AT, content)
    assert entry.state == State()


def test_a_message_as_an_item() -> None:
    assert entry_item(said("hello", cid="c1"), 9, AT, 4) == {
        "room": {"S": "lobby"},
        "seq": {"N": "9"},
        "kind": {"S": "message"},
        "user": {"S": "alice"},
        "at": {"S": AT},
        "messages": {"N": "4"},
        "cid": {"S": "c1"},
        "message": {"S": "hello"},
        "reactions": {"M": {}},
    }


@pytest.mark.clause("L7")
def test_the_item_of_an_edit_does_not_hold_its_text() -> None:
    item = entry_item(edited(7, "secret"), 9, AT, 4)

    assert "secret" not in str(item)
    assert entry_of(item, {}).content == edited(7, "")


def test_the_state_of_a_message_is_read_from_its_item() -> None:
    item = entry_item(said("hello"), 9, AT, 4) | {
        "changed": {"N": "101"},
        "edited": {"S": "later"},
        "deleted": {"BOOL": True},
        "reactions": {
            "M": {
                reaction_key("👍", BOB): {"N": "100"},
                reaction_key("👎", ALICE): {"N": "20"},
                reaction_key("👍", ALICE): {"N": "9"},
            }
        },
    }

    state = entry_of(item, {}).state

    assert state == State(101, "later", deleted=True, reactions={"👍": [ALICE, BOB], "👎": [ALICE]})
    assert list(state.reactions) == ["👍", "👎"]


@pytest.mark.parametrize("content", CONTENTS)
def test_only_messages_are_messages_and_only_edits_show_the_text_of_another(
    content: Content,
) -> None:
    item = entry_item(content, 9, AT, 4)
    kind = item["kind"]["S"]

    assert is_message(item) is (kind == "message")
    assert edited_target(item) == (7 if kind == "edit" else None)


@pytest.mark.parametrize(
    ("user", "cid", "other_user", "other_cid"),
    [("a", "c", "b", "c"), ("a", "c", "a", "d"), ("a", "b#c", "a.b", "c"), ("a", "b", "a", "b#")],
)
def test_what_is_remembered_of_a_cid_is_the_persons_own(
    user: str, cid: str, other_user: str, other_cid: str
) -> None:
    one = idempotency_key(said(user=UserName(user)), cid)

    assert one != idempotency_key(said(user=UserName(other_user)), other_cid)
    assert not is_room(one["room"]["S"])


def test_an_account_does_not_inherit_the_cids_of_the_guest_of_its_name() -> None:
    guest = Message(room=LOBBY, user=ALICE, guest=True, text="x")

    assert idempotency_key(guest, "c1") != idempotency_key(said(user=ALICE), "c1")


def test_the_end_of_a_room_is_after_every_seq_that_a_client_may_name() -> None:
    keys: list[Item] = [entry_key(LOBBY, seq) for seq in (LARGEST_INTEGER, TAIL)]

    assert [key["seq"]["N"] for key in keys] == ["9007199254740992", "9007199254740993"]
