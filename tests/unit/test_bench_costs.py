"""docs/costs.md is what the script writes, and the script computes what it says it computes."""

from dataclasses import asdict, fields

import pytest

from bench.costs import (
    CHUNK,
    DOCUMENT,
    MESSAGE,
    READ_UNIT,
    WRITE_UNIT,
    Bill,
    Counts,
    counted,
    document,
    message,
    row_bytes,
    scanned_message,
)
from chalicelib.settings import Settings

SAID = Counts(wcu=5, rcu=1, posts=10)


def test_the_document_is_what_the_script_writes() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run python -m bench.costs"


def test_counts_are_those_of_the_table_of_actions() -> None:
    found = counted("sendmessage with cid")

    assert found.posts == 10
    assert found.wcu > counted("sendmessage").wcu


def test_a_message_in_a_room_of_ten_is_one_frame_in_ten_out_and_what_was_counted() -> None:
    bill = message(10, SAID)

    assert bill.api_gateway == pytest.approx(11 * MESSAGE)
    assert bill.dynamodb == pytest.approx(5 * WRITE_UNIT + READ_UNIT)
    assert bill.sqs == 0


@pytest.mark.parametrize("room", [100, 1000])
def test_a_larger_room_reads_more_of_its_subscriptions_and_writes_the_same(room: int) -> None:
    units = -(-room * row_bytes() // 4096)

    assert message(room, SAID).dynamodb == pytest.approx(5 * WRITE_UNIT + units * READ_UNIT)


def test_only_what_goes_through_the_queue_pays_for_it() -> None:
    assert message(CHUNK, SAID).sqs == 0
    assert message(CHUNK + 1, SAID).sqs > 0


def test_the_queue_takes_the_rooms_that_the_settings_send_there() -> None:
    assert {it.name: it.default for it in fields(Settings)}["direct_fanout"] == CHUNK


def test_a_scan_costs_by_who_is_online_and_a_query_by_who_is_in_the_room() -> None:
    few, many = (scanned_message(10, online).dynamodb for online in (10_000, 100_000))

    assert many == pytest.approx(10 * few, rel=0.01)
    assert scanned_message(10, 10_000).total > message(10, SAID).total
    assert scanned_message(10_000, 10_000).total < message(10_000, SAID).total


def test_bills_add_up_service_by_service() -> None:
    both = Bill(1, 2, 3, 4, 5) * 2 + Bill(sqs=1)

    assert list(asdict(both).values()) == [2, 4, 6, 9, 10]
    assert both.total == 31
