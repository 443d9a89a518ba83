"""The rooms that a person has joined, and what is unread in each."""

import pytest

from chalicelib.access import Access
from chalicelib.directory import Directory
from chalicelib.errors import NotFound
from chalicelib.events import RoomInfo
from chalicelib.memberships import MembershipRepository
from chalicelib.messages import MessageLog
from chalicelib.models import RoomName, Session, direct_room
from chalicelib.positions import Position
from tests.unit.fakes import (
    ALICE,
    BOB,
    GAMES,
    LOBBY,
    Clock,
    Faulty,
    LogFactory,
    deleted,
    edited,
    joined,
    new_session,
    reacted,
    said,
)

DIRECT = direct_room(ALICE, BOB)


@pytest.fixture
def directory(memberships: MembershipRepository, log: MessageLog) -> Directory:
    return Directory(memberships, log, Access(memberships), lobby="lobby", page=3)


def join(directory: Directory, who: Session, room: RoomName) -> None:
    """Make somebody a member with nothing unread."""
    end = directory._log.last(room)
    joined(directory._memberships, room, who.user, end, guest=who.guest)


def session(*rooms: str, guest: bool = False) -> Session:
    return new_session("c1", "alice", *rooms, now=0, guest=guest)


def info(name: str, *, seq: int = 0, unread: int = 0) -> RoomInfo:
    return RoomInfo(
        name=RoomName(name),
        visibility="direct" if name.startswith("dm:") else "public",
        role="member",
        seq=seq,
        unread=unread,
    )


def all_rooms(directory: Directory, who: Session) -> list[list[str]]:
    """Read page by page, as docs/protocol.md says."""
    pages: list[list[str]] = []
    after, more = None, True
    while more:
        rooms, more = directory.rooms(who, after)
        assert rooms or not more, "a page that is followed by others has a last room"
        pages.append([room.name for room in rooms])
        after = rooms[-1].name if rooms else after
    return pages


@pytest.mark.clause("M2")
def test_who_joins_a_room_starts_with_nothing_unread(directory: Directory, log: MessageLog) -> None:
    for content in (said(), said(), reacted(1)):
        log.append(content)

    join(directory, session(), LOBBY)

    assert directory.rooms(session(), None) == ([info("lobby", seq=3)], False)


@pytest.mark.clause("M2")
def test_only_messages_are_unread(directory: Directory, log: MessageLog) -> None:
    log.append(said())
    join(directory, session(), LOBBY)
    for content in (said(), edited(1), reacted(1), said(), deleted(1)):
        log.append(content)

    rooms, _ = directory.rooms(session(), None)

    assert rooms == [info("lobby", seq=6, unread=2)]


@pytest.mark.clause("M1", "M2")
@pytest.mark.parametrize(("seq", "unread"), [(1, 2), (2, 2), (3, 1), (4, 0)])
def test_what_comes_after_the_marker_is_unread(
    seq: int, unread: int, directory: Directory, log: MessageLog
) -> None:
    for content in (said(), reacted(1), said(), said()):
        log.append(content)

    moved = directory.read(session(), LOBBY, seq)

    assert moved == (seq, True)
    assert directory.rooms(session(), None)[0] == [info("lobby", seq=4, unread=unread)]


@pytest.mark.clause("M1")
@pytest.mark.parametrize("seq", [2, 2**53])
def test_what_is_not_in_the_log_cannot_be_read(
    seq: int, directory: Directory, log: MessageLog
) -> None:
    log.append(said())

    with pytest.raises(NotFound, match=f"seq {seq} is not in the log of lobby"):
        directory.read(session(), LOBBY, seq)

    assert directory.rooms(session(), None) == ([], False)


@pytest.mark.clause("M1", "M2")
def test_a_marker_does_not_move_back(directory: Directory, log: MessageLog) -> None:
    for _ in range(3):
        log.append(said())
    directory.read(session(), LOBBY, 2)

    again = directory.read(session(), LOBBY, 1)

    assert again == (2, False)
    assert directory.rooms(session(), None)[0][0].unread == 1


def test_to_join_again_keeps_what_is_unread(directory: Directory, log: MessageLog) -> None:
    join(directory, session(), LOBBY)
    log.append(said())

    join(directory, session(), LOBBY)

    assert directory.rooms(session(), None)[0] == [info("lobby", seq=1, unread=1)]


@pytest.mark.clause("M2", "M3", "D1")
def test_direct_rooms_are_told_from_public_ones(
    directory: Directory, log: MessageLog, memberships: MembershipRepository
) -> None:
    log.append(said(room=DIRECT, user=BOB), founding=lambda: memberships.founding(DIRECT))
    join(directory, session(), GAMES)

    rooms, _ = directory.rooms(session(), None)

    assert rooms == [info("dm:alice:bob", seq=1, unread=1), info("games")]


@pytest.mark.clause("M2")
def test_the_room_that_everyone_is_in_by_connecting_is_joined_when_it_is_listed(
    directory: Directory, log: MessageLog
) -> None:
    log.append(said())

    rooms, _ = directory.rooms(session("lobby"), None)
    log.append(said())

    assert rooms == [info("lobby", seq=1)]
    assert directory.rooms(session(), None)[0] == [info("lobby", seq=2, unread=1)]


def test_what_a_guest_joins_by_listing_expires(directory: Directory, clock: Clock) -> None:
    directory.rooms(session("lobby", guest=True), None)
    before = directory.rooms(session(), None)[0]

    clock.now += 604_800

    assert before == [info("lobby")]
    assert directory.rooms(session(), None)[0] == []


def test_what_a_person_joins_by_listing_lasts(directory: Directory, clock: Clock) -> None:
    directory.rooms(session("lobby"), None)

    clock.now += 604_800

    assert directory.rooms(session(), None)[0] == [info("lobby")]


@pytest.mark.clause("M2")
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7])
def test_pages_hold_every_room_once(directory: Directory, count: int) -> None:
    names = [f"r{n}" for n in range(count)]
    for name in names:
        join(directory, session(), RoomName(name))

    pages = all_rooms(directory, session())

    assert [name for page in pages for name in page] == names
    assert all(len(page) == 3 for page in pages[:-1])


@pytest.mark.clause("M2")
@pytest.mark.parametrize(
    ("joined", "subscribed"),
    [
        ("abcdefg", "abcdefg"),
        ("abcd", "efgh"),
        ("efgh", "abcd"),
        ("acegi", "bdfh"),
        ("bdfh", "acegi"),
        ("", "abcdefg"),
        ("abc", "d"),
        ("d", "abc"),
        ("abc", "abc"),
        ("dfz", "abcegy"),
    ],
)
def test_pages_hold_joined_and_subscribed_rooms_once(
    directory: Directory, joined: str, subscribed: str
) -> None:
    for name in joined:
        join(directory, session(), RoomName(name))

    pages = all_rooms(directory, session(*subscribed))

    assert [name for page in pages for name in page] == sorted({*joined, *subscribed})
    assert all(len(page) <= 3 for page in pages)


@pytest.mark.clause("M2")
def test_more_than_fifty_rooms_come_in_pages(
    memberships: MembershipRepository, log: MessageLog
) -> None:
    directory = Directory(memberships, log, Access(memberships), lobby="lobby")
    names = [f"r{n:03}" for n in range(120)]
    for name in names[::2]:
        joined(memberships, RoomName(name), ALICE, Position(), guest=False)

    pages = all_rooms(directory, session(*names[1::2]))

    assert [len(page) for page in pages] == [50, 50, 20]
    assert [name for page in pages for name in page] == names


@pytest.mark.clause("M2", "M3")
def test_forgotten_rooms_do_not_stop_the_list(directory: Directory, clock: Clock) -> None:
    guest = session("c", guest=True)
    for name in "abcde":
        join(directory, guest, RoomName(name))
    clock.now += 604_800
    for name in "fghi":
        join(directory, guest, RoomName(name))

    pages = all_rooms(directory, guest)

    assert pages == [["c", "f", "g"], ["h", "i"]]


@pytest.mark.clause("L9", "M2")
def test_what_has_expired_is_still_counted(
    memberships: MembershipRepository, new_log: LogFactory, clock: Clock
) -> None:
    log = new_log(retention=60)
    directory = Directory(memberships, log, Access(memberships), lobby="lobby")
    join(directory, session(), LOBBY)
    log.append(said())
    clock.now += 60

    rooms, _ = directory.rooms(session(), None)

    assert rooms == [info("lobby", seq=1, unread=1)]


def test_a_membership_ahead_of_the_log_has_nothing_unread(
    directory: Directory, memberships: MembershipRepository
) -> None:
    joined(memberships, LOBBY, ALICE, Position(9, messages=9), guest=False)

    assert directory.rooms(session(), None)[0] == [info("lobby")]


def test_a_page_costs_one_read_for_each_room_and_one_for_all(
    directory: Directory, dynamodb: Faulty
) -> None:
    for name in "abcde":
        join(directory, session(), RoomName(name))
    dynamodb.calls.clear()

    directory.rooms(session(), None)

    assert [operation for operation, _ in dynamodb.calls] == [
        "query",
        "batch_get_item",
        *["query"] * 3,
    ]


def test_a_room_that_is_being_left_is_not_joined_by_listing_it(
    directory: Directory, memberships: MembershipRepository
) -> None:
    # The connection was still subscribed when its frame was let in.
    assert directory.rooms(session("tea"), None)[0] == [info("tea")]

    assert memberships.of(session().user, after=None, limit=9) == ([], False)
