"""Many writers of one room at the same time, in real threads, on two databases."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from operator import itemgetter
from typing import Any

import pytest

from chalicelib.drafts import Appended, Content, Deletion, Edit, Message, Reaction
from chalicelib.errors import ChatError, Unavailable
from chalicelib.messages import MessageLog
from chalicelib.models import RoomName, UserName
from tests.stores.conftest import LogFactory
from tests.stores.model import Model, without_times
from tests.stores.test_log import read, read_back

WRITERS = 6
EACH = 6


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(WRITERS) as executor:
        yield executor


@pytest.fixture
def room(new_name: Callable[[str], str]) -> RoomName:
    return RoomName(new_name("tea"))


def append(log: MessageLog, content: Content) -> Appended | str:
    """Append as a client does, which is told to try again when the room is too busy."""
    while True:
        try:
            return log.append(content)
        except Unavailable:
            continue
        except ChatError as error:
            return error.code


def at_once(
    threads: ThreadPoolExecutor, logs: Sequence[MessageLog], drafts: Sequence[Sequence[Content]]
) -> list[list[Appended | str]]:
    """Let every writer append its drafts, one after the other, all writers at the same time."""
    barrier = threading.Barrier(len(drafts))

    def write(log: MessageLog, mine: Sequence[Content]) -> list[Appended | str]:
        barrier.wait()
        return [append(log, draft) for draft in mine]

    return list(threads.map(write, logs, drafts))


def added(
    drafts: Sequence[Sequence[Content]], answers: Sequence[Sequence[Appended | str]]
) -> list[tuple[int, Content]]:
    """Return what came into the log, with the seqs that the writers were told."""
    pairs = zip(chain(*drafts), chain(*answers), strict=True)
    return [
        (answer.seq, draft)
        for draft, answer in pairs
        if isinstance(answer, Appended) and not answer.duplicate
    ]


def test_the_numbers_have_no_hole_and_no_duplicate(
    threads: ThreadPoolExecutor, new_log: LogFactory, room: RoomName
) -> None:
    logs = [new_log() for _ in range(WRITERS)]
    drafts = [
        [Message(room=room, user=UserName(f"u{n}"), text=f"{n} {i}") for i in range(EACH)]
        for n in range(WRITERS)
    ]

    answers = at_once(threads, logs, drafts)

    total = WRITERS * EACH
    seqs = [[answer.seq for answer in mine if isinstance(answer, Appended)] for mine in answers]
    assert sorted(seq for mine in seqs for seq in mine) == list(range(1, total + 1))
    assert all(mine == sorted(mine) for mine in seqs)
    entries = read(logs[0], room, limit=7)
    assert [entry.seq for entry in entries] == list(range(1, total + 1))
    for mine, written in zip(seqs, drafts, strict=True):
        assert [entries[seq - 1].content for seq in mine] == written
    assert [logs[0].position(room, seq).messages for seq in (1, total // 2, total)] == [
        1,
        total // 2,
        total,
    ]


def test_a_function_that_runs_several_requests_at_once_leaves_no_hole(
    threads: ThreadPoolExecutor, new_log: LogFactory, room: RoomName
) -> None:
    shared = new_log()
    drafts = [[Message(room=room, user=UserName("ada"), text="x")] * 4 for _ in range(WRITERS)]

    at_once(threads, [shared] * WRITERS, drafts)

    assert shared.last(room) == (WRITERS * 4, WRITERS * 4)
    assert len(read(new_log(), room, limit=100)) == WRITERS * 4


def test_the_same_cid_from_several_threads_is_one_message(
    threads: ThreadPoolExecutor, new_log: LogFactory, room: RoomName, new_name: Callable[[str], str]
) -> None:
    logs = [new_log() for _ in range(WRITERS)]
    ada = UserName(new_name("ada"))
    same = [Message(room=room, user=ada, text="x", cid=f"c{i}") for i in range(5)]

    answers = at_once(threads, logs, [same] * WRITERS)

    assert len(read(logs[0], room, limit=100)) == 5
    for place in range(5):
        found = [mine[place] for mine in answers]
        appended = [answer for answer in found if isinstance(answer, Appended)]
        assert len({(answer.seq, answer.at) for answer in appended}) == 1
        assert Counter(answer.duplicate for answer in appended) == {False: 1, True: WRITERS - 1}


def test_every_reader_sees_the_same_order_while_it_is_written(
    threads: ThreadPoolExecutor, new_log: LogFactory, room: RoomName
) -> None:
    logs = [new_log() for _ in range(3)]
    drafts = [[Message(room=room, user=UserName(f"u{n}"), text="x")] * EACH for n in range(3)]
    written = threading.Event()

    def watch(_: int) -> list[list[Any]]:
        log, looks = new_log(), []
        while not written.is_set():
            looks.append([without_times(entry) for entry in read(log, room, limit=5)])
        return looks

    readers = [threads.submit(watch, number) for number in range(2)]
    with ThreadPoolExecutor(3) as writers:
        at_once(writers, logs, drafts)
    written.set()

    final = [without_times(entry) for entry in read(new_log(), room, limit=100)]
    for reader in readers:
        for look in reader.result():
            assert look == final[: len(look)]


def test_changes_that_race_leave_the_state_that_their_log_tells(
    threads: ThreadPoolExecutor, new_log: LogFactory, room: RoomName
) -> None:
    people = [UserName(f"u{n}") for n in range(3)]
    founding = [Message(room=room, user=person, text="first") for person in people]
    founder, chance = new_log(), random.Random(5)  # noqa: S311 - not a secret
    for message in founding:
        founder.append(message)

    def draft(user: UserName) -> Content:
        said = chance.randint(1, 3)
        drafts: list[Content] = [
            Message(room=room, user=user, text="more"),
            Edit(room=room, user=people[said - 1], target=said, text=f"{chance.random()}"),
            Reaction(room=room, user=user, target=said, emoji="👍", removed=chance.random() < 0.5),
        ]
        if chance.random() < 0.05:
            return Deletion(room=room, user=people[said - 1], target=said)
        return chance.choice(drafts)

    drafts = [[draft(people[n % 3]) for _ in range(EACH)] for n in range(WRITERS)]

    answers = at_once(threads, [new_log() for _ in drafts], drafts)

    model = Model()
    for seq, content in sorted(
        [*enumerate(founding, 1), *added(drafts, answers)], key=itemgetter(0)
    ):
        assert model.append(content) == (seq, False)
    entries = read(new_log(), room, limit=6)
    assert [without_times(entry) for entry in entries] == model.entries()
    assert read_back(new_log(), room, limit=4) == entries
