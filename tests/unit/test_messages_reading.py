"""Reading the log of a room forwards and backwards, page by page."""

from typing import Any

import pytest

from chalicelib.drafts import Page
from chalicelib.messages import MessageLog
from chalicelib.models import LARGEST_INTEGER, RoomName
from tests.unit.fakes import (
    GAMES,
    LOBBY,
    MESSAGES_TABLE,
    Clock,
    Faulty,
    LogFactory,
    deleted,
    edited,
    said,
)


def seqs(page: Page | None) -> list[int]:
    assert page is not None
    return [entry.seq for entry in page.entries]


@pytest.fixture
def seven(log: MessageLog) -> MessageLog:
    """A log of which the lobby has seven entries."""
    for n in range(1, 8):
        log.append(said(f"m{n}"))
    log.append(said(room=GAMES))
    return log


@pytest.mark.clause("C1")
@pytest.mark.parametrize(
    ("after", "limit", "found", "more"),
    [
        (0, 100, [1, 2, 3, 4, 5, 6, 7], False),
        (0, 7, [1, 2, 3, 4, 5, 6, 7], False),
        (0, 6, [1, 2, 3, 4, 5, 6], True),
        (0, 1, [1], True),
        (3, 3, [4, 5, 6], True),
        (3, 4, [4, 5, 6, 7], False),
        (6, 1, [7], False),
        (7, 1, [], False),
    ],
)
def test_the_first_entries_after_a_seq(
    seven: MessageLog,
    after: int,
    limit: int,
    found: list[int],
    more: bool,  # noqa: FBT001
) -> None:
    page = seven.after(LOBBY, after, limit=limit)

    assert page is not None
    assert (seqs(page), page.more) == (found, more)


@pytest.mark.clause("C2")
@pytest.mark.parametrize("after", [8, 9, 2**53 - 1, 2**53])
def test_nothing_is_after_a_seq_ahead_of_the_log(seven: MessageLog, after: int) -> None:
    assert seven.after(LOBBY, after, limit=100) is None
    assert seven.after(RoomName("empty"), after, limit=100) is None


def test_an_empty_room_is_whole(seven: MessageLog) -> None:
    empty = RoomName("empty")

    assert seven.after(empty, 0, limit=100) == Page([])
    assert seven.before(empty, None, limit=100) == Page([])
    assert seven.before(empty, 2**53, limit=100) == Page([])


@pytest.mark.clause("H3")
@pytest.mark.parametrize(
    ("before", "limit", "found", "more"),
    [
        (None, 100, [1, 2, 3, 4, 5, 6, 7], False),
        (None, 7, [1, 2, 3, 4, 5, 6, 7], False),
        (None, 6, [2, 3, 4, 5, 6, 7], True),
        (None, 1, [7], True),
        (LARGEST_INTEGER, 2, [6, 7], True),
        (8, 2, [6, 7], True),
        (7, 2, [5, 6], True),
        (4, 3, [1, 2, 3], False),
        (4, 2, [2, 3], True),
        (2, 1, [1], False),
        (1, 1, [], False),
    ],
)
def test_the_last_entries_before_a_seq(
    seven: MessageLog,
    before: int | None,
    limit: int,
    found: list[int],
    more: bool,  # noqa: FBT001
) -> None:
    page = seven.before(LOBBY, before, limit=limit)

    assert (seqs(page), page.more) == (found, more)


def test_a_page_of_edits_shows_texts_of_messages_outside_of_it(seven: MessageLog) -> None:
    for target, text in [(1, "one"), (7, "seven"), (1, "uno")]:
        seven.append(edited(target, text))

    page = seven.before(LOBBY, None, limit=3)

    assert [entry.content for entry in page.entries] == [
        edited(1, "uno"),
        edited(7, "seven"),
        edited(1, "uno"),
    ]


def test_a_page_without_edits_is_one_read(seven: MessageLog, dynamodb: Faulty) -> None:
    dynamodb.calls.clear()

    seven.before(LOBBY, None, limit=3)
    seven.after(LOBBY, 2, limit=3)

    assert [operation for operation, _ in dynamodb.calls] == ["query", "query"]


def test_every_read_is_strongly_consistent(seven: MessageLog, dynamodb: Faulty) -> None:
    seven.append(edited(1))
    dynamodb.calls.clear()

    seven.last(LOBBY)
    seven.position(LOBBY, 1)
    seven.after(LOBBY, 0, limit=100)
    seven.after(LOBBY, 8, limit=100)
    seven.before(LOBBY, None, limit=100)

    reads = [call.get("RequestItems", {"": call}) for _, call in dynamodb.calls]
    assert len(reads) == 8
    assert all(read["ConsistentRead"] for call in reads for read in call.values())


def test_pages_of_more_than_a_megabyte_are_cut_and_say_so(log: MessageLog) -> None:
    for _ in range(9):
        log.append(said("x" * 150_000))

    first, newest = log.after(LOBBY, 0, limit=100), log.before(LOBBY, None, limit=100)

    assert first is not None
    assert (seqs(first)[0], first.more) == (1, True)
    assert (seqs(newest)[-1], newest.more) == (9, True)
    assert seqs(log.after(LOBBY, seqs(first)[-1], limit=100))[-1] == 9
    assert seqs(log.before(LOBBY, seqs(newest)[0], limit=100))[0] == 1


@pytest.mark.parametrize("kept", [0, 3])
def test_edits_of_large_messages_are_shown_in_full(log: MessageLog, kept: int) -> None:
    for _ in range(6):
        log.append(said("x" * 8000))
    for target in range(1, 7):
        log.append(edited(target, f"{target}" * 8000))
    for target in range(1, kept + 1):
        log.append(deleted(target))

    page = log.before(LOBBY, 13, limit=6)

    texts = ["" if target <= kept else f"{target}" * 8000 for target in range(1, 7)]
    assert [entry.content for entry in page.entries] == [
        edited(target, text) for target, text in enumerate(texts, 1)
    ]


@pytest.mark.clause("C1", "C3")
def test_an_entry_appended_between_the_two_reads_is_in_the_page(
    seven: MessageLog, new_log: LogFactory, dynamodb: Faulty
) -> None:
    def append_first(arguments: dict[str, Any]) -> Any:
        new_log().append(said("just now"))
        return dynamodb.client.query(**arguments)

    dynamodb.plan("query", None, append_first)

    page = seven.after(LOBBY, 7, limit=100)

    assert page is not None
    assert [entry.content for entry in page.entries] == [said("just now")]


@pytest.mark.clause("C2")
def test_entries_that_expire_between_the_two_reads_make_the_answer_none(
    new_log: LogFactory, dynamodb: Faulty, clock: Clock
) -> None:
    log = new_log(retention=60)
    for _ in range(3):
        log.append(said())

    def nothing_is_left(arguments: dict[str, Any]) -> Any:
        clock.now += 60
        return {**dynamodb.client.query(**arguments), "Items": []}

    dynamodb.plan("query", nothing_is_left, None, nothing_is_left)

    assert log.after(LOBBY, 1, limit=100) is None
    assert dynamodb.count("query") == 5  # the append's, and twice two


# Reads are not isolated from transactions: what belongs together may show one after the other.


def without(*seqs_: int) -> Any:
    """Plan a query that does not see some entries yet."""

    def answer(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [item for item in items if int(item["seq"]["N"]) not in seqs_]

    return answer


def seen_late(dynamodb: Faulty, hide: Any) -> None:
    def query(arguments: dict[str, Any]) -> Any:
        page = dynamodb.client.query(**arguments)
        return {**page, "Items": hide(page["Items"])}

    dynamodb.plan("query", query)


@pytest.mark.clause("C2", "H3")
def test_what_looks_like_a_hole_is_looked_at_again(seven: MessageLog, dynamodb: Faulty) -> None:
    seen_late(dynamodb, without(6))
    forwards = seven.after(LOBBY, 4, limit=10)
    seen_late(dynamodb, without(6))
    backwards = seven.before(LOBBY, None, limit=3)

    assert seqs(forwards) == seqs(backwards) == [5, 6, 7]
    assert backwards.more


@pytest.mark.clause("C2", "H3", "L9")
def test_an_end_that_shows_before_its_entry_is_looked_at_again(
    new_log: LogFactory, dynamodb: Faulty
) -> None:
    log = new_log(retention=3600)
    for _ in range(3):
        log.append(said())

    seen_late(dynamodb, without(3))
    forwards = log.after(LOBBY, 1, limit=10)
    seen_late(dynamodb, without(3))
    backwards = log.before(LOBBY, None, limit=10)

    assert seqs(forwards) == [2, 3]
    assert seqs(backwards) == [1, 2, 3]


@pytest.mark.clause("H1")
def test_an_edit_that_shows_before_its_target_has_changed_waits_for_the_text(
    log: MessageLog, dynamodb: Faulty, clock: Clock
) -> None:
    log.append(said("helo"))
    stale = dynamodb.client.get_item(
        TableName=MESSAGES_TABLE, Key={"room": {"S": "lobby"}, "seq": {"N": "1"}}
    )["Item"]
    log.append(edited(1, "hello"))
    dynamodb.plan(
        "batch_get_item", lambda _: {"Responses": {MESSAGES_TABLE: [stale]}, "UnprocessedKeys": {}}
    )

    page = log.after(LOBBY, 1, limit=10)

    assert page is not None
    assert [getattr(entry.content, "text", None) for entry in page.entries] == ["hello"]
    assert len(clock.slept) == 1
