"""Logs whose entries are kept for a limited time."""

from collections.abc import Callable

import pytest

from chalicelib.drafts import Content, Page
from chalicelib.errors import NotFound
from chalicelib.messages import MessageLog
from chalicelib.positions import Position
from tests.unit.fakes import (
    LOBBY,
    MESSAGES_TABLE,
    Clock,
    Faulty,
    LogFactory,
    collect_expired,
    deleted,
    edited,
    reacted,
    said,
    stored,
)

MINUTE = 60
# DynamoDB deletes what has expired within days: at once, or not yet.
Collector = Callable[[], None]


@pytest.fixture(params=["still in the table", "collected"])
def collect(request: pytest.FixtureRequest, dynamodb: Faulty, clock: Clock) -> Collector:
    """What the table's time to live does meanwhile."""

    def now() -> None:
        if request.param == "collected":
            collect_expired(dynamodb, MESSAGES_TABLE, ("room", "seq"), clock.now)

    return now


def append_each_minute(log: MessageLog, clock: Clock, count: int) -> None:
    for _ in range(count):
        clock.now += MINUTE
        log.append(said())


def seqs(page: Page | None) -> list[int] | None:
    return None if page is None else [entry.seq for entry in page.entries]


@pytest.mark.clause("L9")
def test_what_has_expired_is_gone_from_everything_that_is_read(
    new_log: LogFactory, clock: Clock, collect: Collector
) -> None:
    log = new_log(retention=5 * MINUTE)
    append_each_minute(log, clock, 4)
    clock.now += 3 * MINUTE  # 1 and 2 have gone
    collect()

    page = log.before(LOBBY, None, limit=100)

    assert (seqs(page), page.more) == ([3, 4], False)
    assert seqs(log.before(LOBBY, None, limit=2)) == [3, 4]
    assert log.before(LOBBY, 3, limit=100) == Page([])
    assert log.before(LOBBY, 2, limit=100) == Page([])
    assert [log.entry(LOBBY, seq) is None for seq in (1, 2, 3, 4)] == [True, True, False, False]
    with pytest.raises(NotFound):
        log.position(LOBBY, 2)


@pytest.mark.clause("L9")
def test_older_entries_are_not_said_to_be_more(
    new_log: LogFactory, clock: Clock, collect: Collector
) -> None:
    log = new_log(retention=5 * MINUTE)
    append_each_minute(log, clock, 6)
    clock.now += 2 * MINUTE  # 3 and older have gone
    collect()

    pages = [log.before(LOBBY, None, limit=limit) for limit in (1, 2, 4)]

    assert [seqs(page) for page in pages] == [[6], [5, 6], [4, 5, 6]]
    assert [page.more for page in pages] == [True, True, False]


@pytest.mark.clause("C2")
@pytest.mark.parametrize(
    ("after", "found"), [(0, None), (1, None), (2, [3, 4]), (3, [4]), (4, []), (5, None)]
)
def test_what_came_after_is_told_whole_or_not_at_all(
    after: int, found: list[int] | None, new_log: LogFactory, clock: Clock, collect: Collector
) -> None:
    log = new_log(retention=5 * MINUTE)
    append_each_minute(log, clock, 4)
    clock.now += 3 * MINUTE
    collect()

    assert seqs(log.after(LOBBY, after, limit=100)) == found


@pytest.mark.clause("L9")
def test_an_entry_is_kept_until_its_time_is_over(new_log: LogFactory, clock: Clock) -> None:
    clock.now = 1_000_000.0
    log = new_log(retention=MINUTE)
    log.append(said())

    clock.now += MINUTE - 0.001
    just_before = log.entry(LOBBY, 1)
    clock.now += 0.001

    assert just_before is not None
    assert log.entry(LOBBY, 1) is None


@pytest.mark.clause("L9")
def test_numbers_go_on_when_everything_has_gone(
    new_log: LogFactory, clock: Clock, collect: Collector
) -> None:
    append_each_minute(new_log(retention=MINUTE), clock, 3)
    clock.now += MINUTE
    collect()
    log = new_log(retention=MINUTE)

    appended = log.append(said())

    assert appended.seq == 4
    assert log.last(LOBBY) == Position(4, messages=4)
    assert seqs(log.after(LOBBY, 3, limit=100)) == [4]
    assert log.after(LOBBY, 2, limit=100) is None
    assert seqs(log.before(LOBBY, None, limit=100)) == [4]


@pytest.mark.clause("L9", "C2")
def test_a_room_of_which_everything_has_gone_still_has_its_end(
    new_log: LogFactory, clock: Clock, collect: Collector
) -> None:
    log = new_log(retention=MINUTE)
    append_each_minute(log, clock, 2)
    log.append(edited(2))
    clock.now += MINUTE
    collect()

    assert log.last(LOBBY) == Position(3, messages=2)
    assert log.before(LOBBY, None, limit=100) == Page([])
    assert log.after(LOBBY, 3, limit=100) == Page([])
    assert log.after(LOBBY, 2, limit=100) is None
    assert log.after(LOBBY, 4, limit=100) is None


@pytest.mark.clause("L9")
def test_a_function_that_remembers_an_old_end_never_uses_a_number_twice(
    new_log: LogFactory, clock: Clock, collect: Collector
) -> None:
    log, other = new_log(retention=MINUTE), new_log(retention=MINUTE)
    log.append(said())
    append_each_minute(other, clock, 4)
    clock.now += MINUTE
    collect()

    appended = log.append(said())

    assert appended.seq == 6
    assert log.last(LOBBY) == Position(6, messages=6)


def test_an_edit_of_an_expired_message_shows_no_text(
    new_log: LogFactory, clock: Clock, collect: Collector
) -> None:
    log = new_log(retention=MINUTE)
    log.append(said("a"))
    clock.now += MINUTE / 2
    log.append(edited(1, "b"))
    clock.now += MINUTE / 2
    collect()

    entry = log.entry(LOBBY, 2)

    assert entry is not None
    assert entry.content == edited(1, "")


def test_a_change_does_not_prolong_the_life_of_its_message(
    new_log: LogFactory, clock: Clock, collect: Collector
) -> None:
    log = new_log(retention=MINUTE)
    log.append(said())
    clock.now += MINUTE / 2
    log.append(reacted(1))
    clock.now += MINUTE / 2
    collect()

    assert log.entry(LOBBY, 1) is None
    assert log.entry(LOBBY, 2) is not None


def test_where_entries_are_kept_for_ever_the_end_is_not_written_down(
    log: MessageLog, dynamodb: Faulty, clock: Clock
) -> None:
    log.append(said())
    clock.now += 10**9

    assert log.entry(LOBBY, 1) is not None
    assert len(stored(dynamodb, "lobby")) == 1


@pytest.mark.clause("L9")
def test_retention_can_be_switched_on_for_a_room_with_a_past(
    new_log: LogFactory, clock: Clock, collect: Collector
) -> None:
    append_each_minute(new_log(), clock, 2)
    log = new_log(retention=MINUTE)

    appended = log.append(said())
    rest = log.after(LOBBY, 2, limit=100)
    past = log.after(LOBBY, 0, limit=100)
    clock.now += MINUTE
    collect()
    append_each_minute(log, clock, 1)

    assert appended.seq == 3
    assert (past, seqs(rest)) == (None, [3])
    assert seqs(log.before(LOBBY, None, limit=100)) == [4]
    assert [log.after(LOBBY, seq, limit=100) for seq in (0, 1, 2)] == [None] * 3


@pytest.mark.clause("L9", "C2")
def test_a_past_that_is_kept_does_not_look_whole_when_what_followed_has_gone(
    new_log: LogFactory, clock: Clock, collect: Collector
) -> None:
    append_each_minute(new_log(), clock, 2)
    log = new_log(retention=MINUTE)
    append_each_minute(log, clock, 2)
    clock.now += MINUTE
    collect()

    assert [seqs(log.after(LOBBY, seq, limit=100)) for seq in (0, 1, 2, 3)] == [None] * 4
    assert log.before(LOBBY, None, limit=100) == Page([])
    assert log.before(LOBBY, 4, limit=100) == Page([])
    assert log.last(LOBBY).seq == 4


@pytest.mark.clause("L9")
def test_retention_can_be_switched_off_again(
    new_log: LogFactory, clock: Clock, collect: Collector
) -> None:
    append_each_minute(new_log(retention=MINUTE), clock, 2)
    log = new_log()
    append_each_minute(log, clock, 2)
    clock.now += MINUTE
    collect()

    again = new_log(retention=MINUTE).append(said())

    assert again.seq == 5
    assert log.last(LOBBY) == Position(5, messages=5)
    assert seqs(log.before(LOBBY, None, limit=100)) == [3, 4, 5]
    assert seqs(log.after(LOBBY, 2, limit=100)) == [3, 4, 5]
    assert log.after(LOBBY, 1, limit=100) is None


@pytest.mark.clause("L1")
def test_a_room_without_its_past_is_not_founded_again(
    new_log: LogFactory, clock: Clock, collect: Collector, dynamodb: Faulty
) -> None:
    log = new_log(retention=MINUTE)
    founding = [{"Put": {"TableName": MESSAGES_TABLE, "Item": {"room": {"S": "founded"}}}}]
    log.append(said())
    clock.now += MINUTE
    collect()

    new_log(retention=MINUTE).append(said(), founding=lambda: founding)

    assert stored(dynamodb, "founded") == []


@pytest.mark.clause("L5", "L9")
@pytest.mark.parametrize("change", [edited(1, "x"), reacted(1), deleted(1)])
def test_what_readers_do_not_see_any_more_cannot_be_changed(
    change: Content, new_log: LogFactory, clock: Clock
) -> None:
    new_log().append(said())
    clock.now += MINUTE
    log = new_log(retention=MINUTE)

    with pytest.raises(NotFound):
        log.append(change)

    assert log.last(LOBBY).seq == 1


@pytest.mark.clause("L9", "H3")
@pytest.mark.parametrize("before", [None, 5, 9])
def test_of_what_has_expired_some_may_be_deleted_before_the_rest(
    before: int | None, new_log: LogFactory, clock: Clock, dynamodb: Faulty
) -> None:
    log = new_log(retention=MINUTE)
    for _ in range(3):
        log.append(said())
    clock.now += MINUTE
    log.append(said())
    key = {"room": {"S": LOBBY}, "seq": {"N": "3"}}
    dynamodb.client.delete_item(TableName=MESSAGES_TABLE, Key=key)

    page = log.before(LOBBY, before, limit=10)

    assert (seqs(page), page.more) == ([4], False)
