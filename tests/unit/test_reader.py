"""The log in frames: nothing larger than a frame, nothing left out without saying so."""

from collections.abc import Sequence
from typing import Any

import pytest

from chalicelib.drafts import Entry, Message, State
from chalicelib.events import AnyLogEvent, DeletePush, HistoryAck, MessagePush, SubscribedAck
from chalicelib.messages import MessageLog
from chalicelib.models import RoomName, UserName
from chalicelib.protocol import MAX_FRAME_BYTES, encode
from chalicelib.reader import CatchUp, Events, Reader, _fitting
from tests.unit.fakes import (
    BOB,
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
)

# The longest that a client may choose, in the characters that take most bytes.
LONGEST_ID = "\x01" * 64
LONGEST_ROOM = RoomName(f"dm:{'a' * 32}:{'b' * 32}")


@pytest.fixture
def reader(log: MessageLog) -> Reader:
    return Reader(log)


def seqs(events: Sequence[AnyLogEvent]) -> list[int]:
    return [event.seq for event in events]


def longest_answer(events: list[AnyLogEvent]) -> int:
    return len(
        encode(
            SubscribedAck(
                id=LONGEST_ID,
                action="subscribe",
                room=LONGEST_ROOM,
                seq=2**53,
                recovered=False,
                events=events,
                more=False,
            )
        )
    )


def read_back(reader: Reader, *, limit: int = 100) -> list[Events]:
    pages, before, more = [], None, True
    while more:
        page = reader.history(LOBBY, before=before, limit=limit)
        pages.append(page)
        before, more = page.events[0].seq, page.more
    return pages[::-1]


def read_on(reader: Reader) -> list[CatchUp]:
    pages, after, more = [], 0, True
    while more:
        caught_up = reader.catch_up(LOBBY, after)
        pages.append(caught_up)
        after, more = caught_up.missed.events[-1].seq, caught_up.missed.more
    return pages


@pytest.mark.clause("H1")
def test_messages_come_in_their_present_state(log: MessageLog, reader: Reader) -> None:
    for content in (
        said("a"),
        edited(1, "b"),
        reacted(1, user=BOB),
        said("c"),
        deleted(4),
    ):
        log.append(content)

    page = reader.history(LOBBY, before=None, limit=50)

    message, edit, _, gone, deletion = page.events
    assert isinstance(message, MessagePush)
    assert (message.message, message.reactions, message.changed) == ("b", {"👍": [BOB]}, 3)
    assert edit.message == "b"  # type: ignore[union-attr]
    assert isinstance(gone, MessagePush)
    assert (gone.message, gone.deleted, gone.changed) == ("", True, 5)
    assert isinstance(deletion, DeletePush)
    assert page.more is False


@pytest.mark.clause("H3")
def test_the_history_of_an_empty_room_is_empty(reader: Reader) -> None:
    assert reader.history(LOBBY, before=None, limit=50) == Events([], more=False)
    assert reader.history(LOBBY, before=1, limit=50) == Events([], more=False)


@pytest.mark.clause("C1")
def test_an_empty_room_is_caught_up_with(reader: Reader) -> None:
    assert reader.catch_up(LOBBY, 0) == CatchUp(0, recovered=True, missed=Events([], more=False))


@pytest.mark.clause("H3")
def test_history_goes_back_page_by_page(log: MessageLog, reader: Reader) -> None:
    for _ in range(7):
        log.append(said())

    pages = read_back(reader, limit=3)

    assert [seqs(page.events) for page in pages] == [[1], [2, 3, 4], [5, 6, 7]]
    assert [page.more for page in pages] == [False, True, True]


@pytest.mark.clause("C1")
@pytest.mark.parametrize(("after", "found"), [(0, [1, 2, 3]), (2, [3]), (3, [])])
def test_what_was_missed_comes_with_the_rooms_end(
    after: int, found: list[int], log: MessageLog, reader: Reader
) -> None:
    for _ in range(3):
        log.append(said())

    caught_up = reader.catch_up(LOBBY, after)

    assert (caught_up.seq, caught_up.recovered, caught_up.missed.more) == (3, True, False)
    assert seqs(caught_up.missed.events) == found


@pytest.mark.clause("C1")
def test_who_missed_more_than_a_page_is_told_so(log: MessageLog, reader: Reader) -> None:
    for _ in range(102):
        log.append(said())

    caught_up = reader.catch_up(LOBBY, 1)
    rest = reader.catch_up(LOBBY, 101)

    assert (caught_up.seq, caught_up.recovered, caught_up.missed.more) == (102, True, True)
    assert seqs(caught_up.missed.events) == list(range(2, 102))
    assert (seqs(rest.missed.events), rest.missed.more) == ([102], False)


@pytest.mark.clause("C1")
def test_exactly_a_page_is_not_more(log: MessageLog, reader: Reader) -> None:
    for _ in range(100):
        log.append(said())

    assert reader.catch_up(LOBBY, 0).missed.more is False
    assert reader.history(LOBBY, before=None, limit=100).more is False


@pytest.mark.clause("C2")
@pytest.mark.parametrize("after", [4, 2**53])
def test_who_is_ahead_of_the_log_gets_the_newest(
    after: int, log: MessageLog, reader: Reader
) -> None:
    for _ in range(3):
        log.append(said())

    caught_up = reader.catch_up(LOBBY, after)

    assert (caught_up.seq, caught_up.recovered, caught_up.missed.more) == (3, False, False)
    assert seqs(caught_up.missed.events) == [1, 2, 3]


@pytest.mark.clause("C2")
def test_the_newest_are_as_many_as_a_page_holds_and_nothing_is_beyond(
    log: MessageLog, reader: Reader
) -> None:
    for _ in range(103):
        log.append(said())

    caught_up = reader.catch_up(LOBBY, 104)

    assert (caught_up.seq, caught_up.missed.more) == (103, False)
    assert seqs(caught_up.missed.events) == list(range(4, 104))


@pytest.mark.clause("C2", "L9")
@pytest.mark.parametrize("collected", [True, False])
def test_where_everything_has_expired_nothing_is_recovered_but_the_end(
    collected: bool,  # noqa: FBT001
    new_log: LogFactory,
    clock: Clock,
    dynamodb: Faulty,
) -> None:
    log = new_log(retention=60)
    for _ in range(3):
        log.append(said())
    clock.now += 60
    if collected:
        collect_expired(dynamodb, MESSAGES_TABLE, ("room", "seq"), clock.now)

    answers = [Reader(log).catch_up(LOBBY, after) for after in range(5)]

    assert [answer.recovered for answer in answers] == [False, False, False, True, False]
    assert all(answer.seq == 3 for answer in answers)
    assert all(answer.missed == Events([], more=False) for answer in answers)


@pytest.mark.clause("C2", "L9")
def test_where_some_have_expired_the_newest_are_told(new_log: LogFactory, clock: Clock) -> None:
    log = new_log(retention=60)
    for _ in range(4):
        log.append(said())
        clock.now += 20

    caught_up = Reader(log).catch_up(LOBBY, 0)

    assert (caught_up.seq, caught_up.recovered) == (4, False)
    assert seqs(caught_up.missed.events) == [3, 4]


@pytest.mark.clause("C2", "H1")
def test_everything_is_told_once_in_frames_of_32_kb(log: MessageLog, reader: Reader) -> None:
    sizes = [1, 9000, 9000, 15_000, 20_000, 20_000, 1, 1, 31_000, 1, 300, 31_900, 31_900]
    for size in sizes:
        log.append(said("x" * size))
    log.append(edited(13, "y" * 32_000))

    back, on = read_back(reader), read_on(reader)

    everything = list(range(1, 15))
    assert [seq for page in back for seq in seqs(page.events)] == everything
    assert [seq for page in on for seq in seqs(page.missed.events)] == everything
    assert all(caught_up.seq == 14 and caught_up.recovered for caught_up in on)
    pages = [page.events for page in back] + [caught_up.missed.events for caught_up in on]
    assert all(longest_answer(page) <= MAX_FRAME_BYTES for page in pages if len(page) > 1)
    assert max(len(page) for page in pages) >= 4


def test_pages_are_as_full_as_they_can_be(log: MessageLog, reader: Reader) -> None:
    for _ in range(100):
        log.append(said("x" * 900))

    pages = read_on(reader)

    sizes = [longest_answer(caught_up.missed.events) for caught_up in pages]
    assert all(MAX_FRAME_BYTES - 1200 < size <= MAX_FRAME_BYTES for size in sizes[:-1])


@pytest.mark.parametrize("padding", range(0, 700, 7))
def test_no_page_is_longer_than_a_frame(padding: int) -> None:
    def entry(seq: int, size: int) -> Entry:
        content = Message(room=LOBBY, user=BOB, text="x" * size)
        return Entry(seq, "2026-01-02T03:04:05.678Z", content)

    events, cut = _fitting([entry(1, 16_000), entry(2, 15_400 + padding), entry(3, 1)])

    assert longest_answer(events) <= MAX_FRAME_BYTES
    assert cut is (len(events) < 3)


@pytest.mark.clause("H4")
def test_an_entry_longer_than_a_frame_comes_alone() -> None:
    people = [UserName(f"{n:032}") for n in range(500)]
    state = State(changed=501, edited="2026-01-02T03:04:05.678Z", reactions={"👍" * 16: people})
    huge = Entry(2, "2026-01-02T03:04:05.678Z", said("x" * 32_000), state)
    small = Entry(1, "2026-01-02T03:04:05.678Z", said())

    alone, cut = _fitting([huge, small])
    without, cut_too = _fitting([small, huge])

    assert (seqs(alone), cut) == ([2], True)
    assert (seqs(without), cut_too) == ([1], True)
    assert MAX_FRAME_BYTES < longest_answer(alone) < 128 * 1024


@pytest.mark.clause("H4")
def test_the_longest_entry_that_can_be_stays_under_128_kb() -> None:
    # A different emoji of 64 bytes for each of the most reactions that a stage may allow.
    emoji = [f"{chr(0x1F300 + n // 50)}{chr(0x1F300 + n % 50)}" + "👍" * 14 for n in range(500)]
    state = State(changed=2**53, reactions={one: [UserName("u" * 32)] for one in emoji})
    longest = Entry(2**53, "2026-01-02T03:04:05.678Z", said("x" * 32_000, cid="🌊" * 64), state)

    alone, _ = _fitting([longest])

    assert longest_answer(alone) < 128 * 1024


def test_large_reactions_count(log: MessageLog, reader: Reader) -> None:
    for target in range(1, 4):
        log.append(said("x" * 100, user=BOB))
        assert log.last(LOBBY).seq == target
    for target in range(1, 4):
        for n in range(12):
            log.append(reacted(target, "👍", user=UserName(f"{n}".rjust(32, "u"))))

    pages = read_back(reader)

    assert [seq for page in pages for seq in seqs(page.events)] == list(range(1, 40))
    assert all(longest_answer(page.events) <= MAX_FRAME_BYTES for page in pages)


@pytest.mark.clause("C1")
def test_a_huge_entry_alone_is_followed_by_the_others(log: MessageLog, reader: Reader) -> None:
    for text in ("a", "x" * 32_000, "b"):
        log.append(said(text))

    back, on = read_back(reader), read_on(reader)

    assert [seqs(page.events) for page in back] == [[1], [2], [3]]
    assert [page.more for page in back] == [False, True, True]
    assert [seqs(caught_up.missed.events) for caught_up in on] == [[1], [2], [3]]
    assert [caught_up.missed.more for caught_up in on] == [True, True, False]


def test_what_was_appended_while_a_page_was_read_is_not_left_out_of_its_end(
    log: MessageLog, reader: Reader, new_log: LogFactory, dynamodb: Faulty
) -> None:
    for _ in range(3):
        log.append(said())

    def append_after(arguments: dict[str, Any]) -> Any:
        answer = dynamodb.client.query(**arguments)
        new_log().append(said("just now"))
        return answer

    dynamodb.plan("query", append_after)

    caught_up = reader.catch_up(LOBBY, 0)

    # What is pushed from now on has a later seq than 3: to promise 4 would lose it.
    assert (caught_up.seq, seqs(caught_up.missed.events)) == (3, [1, 2, 3])
    assert caught_up.missed.more is False


def test_history_has_room_for_the_longest_id() -> None:
    ack = HistoryAck(id=LONGEST_ID, action="history", room=LONGEST_ROOM, events=[], more=False)

    assert len(encode(ack)) < longest_answer([])
