"""Adding to the log of a room: gapless, ordered, and each entry once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from chalicelib.drafts import Appended, Content, Entry
from chalicelib.errors import NotFound, Unavailable
from chalicelib.messages import MessageLog
from chalicelib.models import LARGEST_INTEGER, RoomName
from chalicelib.positions import Position
from tests.unit.fakes import (
    BOB,
    GAMES,
    LOBBY,
    Clock,
    Faulty,
    LogFactory,
    cancelled,
    client_error,
    deleted,
    edited,
    reacted,
    said,
    stored,
)

NOW = "2026-01-02T03:04:05.678Z"


def seqs(dynamodb: Faulty, room: str) -> list[int]:
    return [int(item["seq"]["N"]) for item in stored(dynamodb, room)]


@pytest.mark.clause("L1")
def test_the_first_entry_of_a_room_is_number_one(log: MessageLog) -> None:
    appended = log.append(said("hello"))

    assert appended == Appended(LOBBY, 1, NOW)
    assert log.entry(LOBBY, 1) == Entry(1, NOW, said("hello"))


@pytest.mark.clause("L1")
def test_messages_and_changes_are_numbered_alike_without_reading_again(
    log: MessageLog, dynamodb: Faulty
) -> None:
    contents: list[Content] = [said(), edited(1), reacted(1), said(), deleted(1), said()]

    appended = [log.append(content).seq for content in contents]

    assert appended == [1, 2, 3, 4, 5, 6]
    assert dynamodb.count("query") == 1


@pytest.mark.clause("L1")
def test_each_room_has_numbers_of_its_own(log: MessageLog) -> None:
    log.append(said())

    assert log.append(said(room=GAMES)).seq == 1


@pytest.mark.clause("L1")
def test_functions_that_remember_different_things_leave_no_hole(new_log: LogFactory) -> None:
    log, other = new_log(), new_log()

    appended = [writer.append(said()).seq for writer in (log, log, other, log, other, log)]

    assert appended == [1, 2, 3, 4, 5, 6]


def test_the_last_position_counts_entries_and_messages(log: MessageLog) -> None:
    for content in (said(), reacted(1), said(), edited(1), said(), deleted(1)):
        log.append(content)

    assert log.last(LOBBY) == Position(6, messages=3)
    assert [log.position(LOBBY, seq).messages for seq in range(1, 7)] == [1, 1, 2, 2, 3, 3]
    assert log.last(GAMES) == Position()


def test_counting_goes_on_after_others_have_written(new_log: LogFactory) -> None:
    log, other = new_log(), new_log()
    log.append(said())
    other.append(said())
    other.append(reacted(1))

    log.append(said())

    assert log.last(LOBBY) == Position(4, messages=3)


@pytest.mark.clause("M1")
@pytest.mark.parametrize("seq", [2, LARGEST_INTEGER])
def test_there_is_no_place_beyond_the_log(new_log: LogFactory, seq: int) -> None:
    log = new_log(retention=60)
    log.append(said())

    with pytest.raises(NotFound):
        log.position(LOBBY, seq)


def test_there_is_no_entry_where_nothing_was_written(log: MessageLog) -> None:
    log.append(said())

    assert log.entry(LOBBY, 2) is None
    assert log.entry(GAMES, 1) is None


@pytest.mark.clause("L3")
def test_a_cid_used_again_answers_the_original(
    log: MessageLog, dynamodb: Faulty, clock: Clock
) -> None:
    log.append(said("first"))
    original = log.append(said("hello", cid="c1"))
    log.append(said("later"))
    clock.now += 60

    again = log.append(said("hello", cid="c1"))

    assert again == Appended(LOBBY, original.seq, original.at, duplicate=True)
    assert seqs(dynamodb, "lobby") == [1, 2, 3]


@pytest.mark.clause("L3")
@pytest.mark.parametrize(
    "content",
    [
        said("another text", cid="c1"),
        said(room=GAMES, cid="c1"),
        edited(1, cid="c1"),
        edited(99, cid="c1"),
        deleted(1, room=GAMES, cid="c1"),
        deleted(1, cid="c1"),
        reacted(1, cid="c1"),
        reacted(1, room=GAMES, cid="c1"),
        reacted(3, removed=True, cid="c1"),
    ],
)
def test_a_cid_used_again_answers_the_original_whatever_else_is_said(
    log: MessageLog, content: Content, dynamodb: Faulty
) -> None:
    log.append(said("hello"))
    original = log.append(said("said already", cid="c1"))

    again = log.append(content)

    assert again == Appended(LOBBY, original.seq, original.at, duplicate=True)
    assert (seqs(dynamodb, "lobby"), seqs(dynamodb, "games")) == ([1, 2], [])
    entry = log.entry(LOBBY, 1)
    assert entry == Entry(1, NOW, said("hello"))


@pytest.mark.clause("L3", "L5")
@pytest.mark.parametrize("change", [edited(1, "y", cid="c1"), reacted(1, cid="c1")])
def test_a_change_sent_again_after_its_message_was_deleted_answers_the_original(
    log: MessageLog, change: Content
) -> None:
    log.append(said())
    original = log.append(change)
    log.append(deleted(1))

    again = log.append(change)

    assert again == Appended(LOBBY, original.seq, original.at, duplicate=True)


@pytest.mark.clause("L3", "L9")
@pytest.mark.parametrize("change", [edited(1, "y", cid="c1"), reacted(1, cid="c1")])
def test_a_change_sent_again_after_its_message_has_expired_answers_the_original(
    new_log: LogFactory, clock: Clock, change: Content
) -> None:
    log = new_log(retention=60)
    log.append(said())
    original = log.append(change)
    clock.now += 61

    again = log.append(change)

    assert again == Appended(LOBBY, original.seq, original.at, duplicate=True)


@pytest.mark.clause("L3")
def test_a_cid_used_again_where_the_position_is_stale_answers_the_original(
    new_log: LogFactory,
) -> None:
    log, other = new_log(), new_log()
    other.append(said())
    log.append(said("hello", cid="c1"))

    again = other.append(said("hello", cid="c1"))

    assert (again.seq, again.duplicate) == (2, True)


@pytest.mark.clause("L3")
def test_a_cid_belongs_to_its_user(log: MessageLog) -> None:
    log.append(said(cid="c1"))

    assert log.append(said(cid="c1", user=BOB)).duplicate is False


@pytest.mark.clause("L3")
@pytest.mark.parametrize("content", [said("again", cid="c1"), edited(1, cid="c1")])
def test_a_cid_is_forgotten_after_its_time_although_the_table_still_has_it(
    log: MessageLog, clock: Clock, dynamodb: Faulty, content: Content
) -> None:
    log.append(said(cid="c1"))
    clock.now += 86_400

    appended = log.append(content)

    assert (appended.seq, appended.duplicate) == (2, False)
    assert stored(dynamodb, "cid#alice#c1")[0]["original_seq"] == {"N": "2"}


@pytest.mark.clause("L3")
def test_a_forgotten_cid_does_not_bring_back_what_is_beyond_the_log(
    log: MessageLog, clock: Clock
) -> None:
    log.append(said(cid="c1"))
    clock.now += 86_400

    with pytest.raises(NotFound):
        log.append(edited(99, cid="c1"))


@pytest.mark.clause("L3")
def test_a_cid_is_remembered_until_just_before_its_time_is_over(
    log: MessageLog, clock: Clock
) -> None:
    log.append(said(cid="c1"))
    clock.now += 86_399

    assert log.append(said(cid="c1")).duplicate is True


def test_after_a_duplicate_the_log_goes_on(log: MessageLog) -> None:
    log.append(said(cid="c1"))
    log.append(said(cid="c1"))

    assert log.append(said()).seq == 2


@pytest.mark.parametrize("reason", ["TransactionConflict", "ThrottlingError"])
def test_others_in_the_way_cost_a_pause_and_a_fresh_look(
    reason: str, log: MessageLog, dynamodb: Faulty, clock: Clock
) -> None:
    log.append(said())
    dynamodb.plan("transact_write_items", cancelled(reason), cancelled(reason), None)

    appended = log.append(said())

    assert appended.seq == 2
    assert dynamodb.count("query") == 3
    assert len(clock.slept) == 2


def test_contention_without_end_is_unavailable_within_the_deadline(
    log: MessageLog, dynamodb: Faulty, clock: Clock
) -> None:
    dynamodb.always("transact_write_items", cancelled("ConditionalCheckFailed"))
    started = clock.now

    with pytest.raises(Unavailable) as caught:
        log.append(said())

    assert clock.now - started <= 5
    assert dynamodb.count("transact_write_items") <= 100
    assert caught.value.retryable


@pytest.mark.clause("E1")
@pytest.mark.parametrize("content", [said(cid="c1"), edited(1, cid="c1"), reacted(1, cid="c1")])
def test_a_lost_answer_is_unavailable_and_a_second_try_with_the_cid_finds_the_entry(
    log: MessageLog, dynamodb: Faulty, content: Content
) -> None:
    def lose(arguments: dict[str, Any]) -> None:
        dynamodb.client.transact_write_items(**arguments)
        raise ReadTimeoutError(endpoint_url="http://localhost")

    log.append(said())
    dynamodb.plan("transact_write_items", lose)

    with pytest.raises(Unavailable):
        log.append(content)
    again = log.append(content)

    assert (again.seq, again.duplicate) == (2, True)
    assert seqs(dynamodb, "lobby") == [1, 2]


def test_after_a_failure_the_position_is_read_anew(log: MessageLog, dynamodb: Faulty) -> None:
    log.append(said())
    dynamodb.plan("transact_write_items", client_error("InternalServerError", status=500))
    with pytest.raises(Unavailable):
        log.append(said())

    appended = log.append(said())

    assert appended.seq == 2
    assert dynamodb.count("query") == 2


def test_the_memory_of_positions_is_bounded(new_log: LogFactory, dynamodb: Faulty) -> None:
    log = new_log(remembered_rooms=2)
    rooms = [RoomName(room) for room in ("r1", "r2", "r3")]
    for room in rooms:
        log.append(said(room=room))
    reads = dynamodb.count("query")

    for room in reversed(rooms):
        log.append(said(room=room))

    assert dynamodb.count("query") == reads + 1


@pytest.mark.clause("L1", "L3")
def test_threads_that_write_at_the_same_time_leave_no_hole_and_no_duplicate(
    tables: Any, new_log: LogFactory, dynamodb: Faulty
) -> None:
    # moto's transactions are not safe in threads; the calls still interleave between the locks.
    lock = threading.Lock()

    def locked(operation: str) -> Any:
        def call(arguments: dict[str, Any]) -> Any:
            with lock:
                return getattr(tables, operation)(**arguments)

        return call

    for operation in ("query", "transact_write_items"):
        dynamodb.always(operation, locked(operation))
    logs = [new_log() for _ in range(3)]

    def write(n: int) -> Appended:
        while True:  # as a client does that is told to try again
            try:
                return logs[n % 3].append(said(f"m{n}", cid=f"c{n % 20}"))
            except Unavailable:
                continue

    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(write, range(40)))

    assert seqs(dynamodb, "lobby") == list(range(1, 21))
    assert [int(item["messages"]["N"]) for item in stored(dynamodb, "lobby")] == list(range(1, 21))
    assert sum(result.duplicate for result in results) == 20
