"""The log of a room: gapless, ordered, and each message once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from chalicelib.database import Database
from chalicelib.errors import Unavailable
from chalicelib.messages import MessageLog, iso
from chalicelib.models import Appended, RoomName, UserName
from tests.unit.fakes import MESSAGES_TABLE, Clock, Faulty, cancelled, client_error

LOBBY, GAMES = RoomName("lobby"), RoomName("games")
ALICE, BOB = UserName("alice"), UserName("bob")
NOW = "2026-01-02T03:04:05.678Z"


def entries(dynamodb: Faulty, room: str) -> list[dict[str, Any]]:
    return list(
        dynamodb.client.query(
            TableName=MESSAGES_TABLE,
            KeyConditionExpression="room = :room",
            ExpressionAttributeValues={":room": {"S": room}},
        )["Items"]
    )


def another(database: Database, clock: Clock, **arguments: Any) -> MessageLog:
    """The log as another function sees it."""
    return MessageLog(
        database, table=MESSAGES_TABLE, clock=clock, idempotency_ttl=86_400, **arguments
    )


def test_the_first_message_of_a_room_is_number_one(log: MessageLog, dynamodb: Faulty) -> None:
    appended = log.append(LOBBY, ALICE, "hello")

    assert appended == Appended(LOBBY, 1, NOW, messages=1)
    assert entries(dynamodb, "lobby") == [
        {
            "room": {"S": "lobby"},
            "seq": {"N": "1"},
            "kind": {"S": "message"},
            "user": {"S": "alice"},
            "message": {"S": "hello"},
            "at": {"S": NOW},
            "messages": {"N": "1"},
        }
    ]


def test_numbers_go_on_without_reading_again(log: MessageLog, dynamodb: Faulty) -> None:
    seqs = [log.append(LOBBY, ALICE, "x").seq for _ in range(4)]

    assert seqs == [1, 2, 3, 4]
    assert dynamodb.count("query") == 1
    assert [entry["messages"]["N"] for entry in entries(dynamodb, "lobby")] == list("1234")


def test_each_room_has_numbers_of_its_own(log: MessageLog) -> None:
    log.append(LOBBY, ALICE, "x")

    assert log.append(GAMES, ALICE, "x").seq == 1


def test_the_last_seq_of_a_room(log: MessageLog) -> None:
    for _ in range(12):
        log.append(LOBBY, ALICE, "x", cid=None)

    assert log.last(LOBBY) == 12
    assert log.last(GAMES) == 0


def test_two_functions_that_remember_different_things_leave_no_hole(
    log: MessageLog, database: Database, clock: Clock
) -> None:
    other = another(database, clock)

    seqs = [writer.append(LOBBY, ALICE, "x").seq for writer in (log, log, other, log, other, log)]

    assert seqs == [1, 2, 3, 4, 5, 6]


def test_every_append_is_a_transaction_so_that_the_clients_retry_is_harmless(
    log: MessageLog, dynamodb: Faulty
) -> None:
    log.append(LOBBY, ALICE, "x")
    log.append(LOBBY, ALICE, "x", cid="c1")

    writes = [call["TransactItems"] for name, call in dynamodb.calls if name.startswith("trans")]
    assert [len(items) for items in writes] == [1, 2]


def test_a_cid_used_again_answers_the_original(
    log: MessageLog, dynamodb: Faulty, clock: Clock
) -> None:
    log.append(LOBBY, ALICE, "first")
    original = log.append(LOBBY, ALICE, "hello", cid="c1")
    log.append(LOBBY, ALICE, "later")
    clock.now += 60

    again = log.append(LOBBY, ALICE, "hello", cid="c1")

    assert again == Appended(LOBBY, original.seq, original.at, duplicate=True)
    assert [entry["message"]["S"] for entry in entries(dynamodb, "lobby")] == [
        "first",
        "hello",
        "later",
    ]
    assert entries(dynamodb, "lobby")[1]["cid"] == {"S": "c1"}


def test_a_cid_used_again_where_the_position_is_stale_answers_the_original(
    log: MessageLog, database: Database, clock: Clock
) -> None:
    other = another(database, clock)
    other.append(LOBBY, ALICE, "x")
    log.append(LOBBY, ALICE, "hello", cid="c1")

    again = other.append(LOBBY, ALICE, "hello", cid="c1")

    assert (again.seq, again.duplicate) == (2, True)


def test_a_cid_used_again_in_another_room_says_where_the_message_is(log: MessageLog) -> None:
    log.append(LOBBY, ALICE, "hello", cid="c1")

    again = log.append(GAMES, ALICE, "hello", cid="c1")

    assert (again.room, again.seq, again.duplicate) == (LOBBY, 1, True)


def test_a_cid_belongs_to_its_user(log: MessageLog) -> None:
    log.append(LOBBY, ALICE, "x", cid="c1")

    assert log.append(LOBBY, BOB, "x", cid="c1").duplicate is False


def test_a_cid_is_forgotten_after_its_time_although_the_table_still_has_it(
    log: MessageLog, clock: Clock, dynamodb: Faulty
) -> None:
    log.append(LOBBY, ALICE, "x", cid="c1")
    clock.now += 86_400

    appended = log.append(LOBBY, ALICE, "x", cid="c1")

    assert (appended.seq, appended.duplicate) == (2, False)
    assert entries(dynamodb, "cid#alice#c1")[0]["original_seq"] == {"N": "2"}


def test_after_a_duplicate_the_log_goes_on(log: MessageLog) -> None:
    log.append(LOBBY, ALICE, "x", cid="c1")
    log.append(LOBBY, ALICE, "x", cid="c1")

    assert log.append(LOBBY, ALICE, "y").seq == 2


@pytest.mark.parametrize("reason", ["TransactionConflict", "ThrottlingError"])
def test_others_in_the_way_cost_a_pause_and_a_fresh_look(
    reason: str, log: MessageLog, dynamodb: Faulty, clock: Clock
) -> None:
    log.append(LOBBY, ALICE, "x")
    dynamodb.plan("transact_write_items", cancelled(reason), cancelled(reason), None)

    appended = log.append(LOBBY, ALICE, "y")

    assert appended.seq == 2
    assert dynamodb.count("query") == 3
    assert len(clock.slept) == 2


def test_contention_without_end_is_unavailable_within_the_deadline(
    log: MessageLog, dynamodb: Faulty, clock: Clock
) -> None:
    dynamodb.always("transact_write_items", cancelled("ConditionalCheckFailed"))
    started = clock.now

    with pytest.raises(Unavailable) as caught:
        log.append(LOBBY, ALICE, "x")

    assert clock.now - started <= 5
    assert dynamodb.count("transact_write_items") <= 20
    assert caught.value.retryable


def test_a_lost_answer_is_unavailable_and_a_second_try_with_the_cid_finds_the_message(
    log: MessageLog, dynamodb: Faulty
) -> None:
    def lose(arguments: dict[str, Any]) -> None:
        dynamodb.client.transact_write_items(**arguments)
        raise ReadTimeoutError(endpoint_url="http://localhost")

    dynamodb.plan("transact_write_items", lose)

    with pytest.raises(Unavailable):
        log.append(LOBBY, ALICE, "hello", cid="c1")
    again = log.append(LOBBY, ALICE, "hello", cid="c1")

    assert (again.seq, again.duplicate) == (1, True)
    assert len(entries(dynamodb, "lobby")) == 1


def test_after_a_failure_the_position_is_read_anew(log: MessageLog, dynamodb: Faulty) -> None:
    log.append(LOBBY, ALICE, "x")
    dynamodb.plan("transact_write_items", client_error("InternalServerError", status=500))
    with pytest.raises(Unavailable):
        log.append(LOBBY, ALICE, "y")

    appended = log.append(LOBBY, ALICE, "z")

    assert appended.seq == 2
    assert dynamodb.count("query") == 2


def test_the_memory_of_positions_is_bounded(
    database: Database, clock: Clock, dynamodb: Faulty
) -> None:
    log = another(database, clock, remembered_rooms=2)
    for room in ("r1", "r2", "r3"):
        log.append(RoomName(room), ALICE, "x")
    reads = dynamodb.count("query")

    log.append(RoomName("r3"), ALICE, "x")
    log.append(RoomName("r2"), ALICE, "x")
    log.append(RoomName("r1"), ALICE, "x")

    assert dynamodb.count("query") == reads + 1
    assert len(log._positions._known) == 2


def test_threads_that_write_at_the_same_time_leave_no_hole_and_no_duplicate(
    tables: Any, database: Database, clock: Clock, dynamodb: Faulty
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
    logs = [another(database, clock) for _ in range(3)]

    def write(n: int) -> Appended:
        while True:  # as a client does that is told to try again
            try:
                return logs[n % 3].append(LOBBY, ALICE, f"m{n}", cid=f"c{n % 20}")
            except Unavailable:
                continue

    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(write, range(40)))

    stored = entries(dynamodb, "lobby")
    assert [int(entry["seq"]["N"]) for entry in stored] == list(range(1, 21))
    assert [int(entry["messages"]["N"]) for entry in stored] == list(range(1, 21))
    assert sum(result.duplicate for result in results) == 20


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_767_323_045.678, NOW),
        (1.0004, "1970-01-01T00:00:01.000Z"),
    ],
)
def test_times_are_iso_8601_in_utc_with_milliseconds(seconds: float, text: str) -> None:
    assert iso(seconds) == text
