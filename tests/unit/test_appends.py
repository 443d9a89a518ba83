"""The transaction that adds an entry, write by write."""

from typing import Any

import pytest

from chalicelib.appends import Append, Part
from chalicelib.drafts import Content
from chalicelib.entries import TAIL
from chalicelib.positions import Position
from tests.unit.fakes import deleted, edited, reacted, said

TIME = 1_767_323_045.678


def append(content: Content, **arguments: Any) -> Append:
    given = {"idempotency_ttl": 86_400, "retention": 0, "max_reactions": 500, **arguments}
    return Append(table="t", content=content, position=Position(7, messages=4), time=TIME, **given)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (said(), [Part.ENTRY]),
        (said(cid="c"), [Part.ENTRY, Part.ORIGINAL]),
        (edited(1), [Part.ENTRY, Part.TARGET]),
        (deleted(1), [Part.ENTRY, Part.TARGET]),
        (reacted(1, cid="c"), [Part.ENTRY, Part.ORIGINAL, Part.TARGET]),
    ],
)
def test_each_content_has_its_writes(content: Content, parts: list[Part]) -> None:
    assert list(append(content).writes()) == parts
    assert list(append(content, retention=1).writes()) == [*parts, Part.TAIL]


def test_an_entry_is_put_only_where_its_number_is_free() -> None:
    put = append(said()).writes()[Part.ENTRY]["Put"]

    assert put["ConditionExpression"] == "attribute_not_exists(room)"
    assert (put["Item"]["seq"], put["Item"]["messages"]) == ({"N": "7"}, {"N": "4"})
    assert "expires_at" not in put["Item"]


@pytest.mark.clause("L3")
def test_what_a_cid_was_used_for_is_remembered_for_its_time() -> None:
    put = append(said(cid="c1")).writes()[Part.ORIGINAL]["Put"]

    assert put["Item"] == {
        "room": {"S": "cid#alice#c1"},
        "seq": {"N": "0"},
        "original_room": {"S": "lobby"},
        "original_seq": {"N": "7"},
        "at": {"S": "2026-01-02T03:04:05.678Z"},
        "expires_at": {"N": "1767409445"},
    }


@pytest.mark.clause("L9")
def test_where_entries_expire_the_end_of_the_room_does_not() -> None:
    writes = append(said(), retention=60).writes()

    tail = writes[Part.TAIL]["Put"]["Item"]
    assert writes[Part.ENTRY]["Put"]["Item"]["expires_at"] == {"N": "1767323105"}
    assert tail == {
        "room": {"S": "lobby"},
        "seq": {"N": str(TAIL)},
        "last_seq": {"N": "7"},
        "messages": {"N": "4"},
    }
