"""What a function remembers of where the logs end."""

from chalicelib.models import RoomName
from chalicelib.positions import Position, Positions

A, B, C = RoomName("a"), RoomName("b"), RoomName("c")


def test_what_is_put_is_got_until_it_is_forgotten() -> None:
    positions = Positions(2)
    positions.written(A, Position(3, messages=2))

    known = positions.get(A)
    positions.forget(A)
    positions.forget(B)

    assert known == Position(3, messages=2)
    assert positions.get(A) is None


def test_an_older_position_does_not_replace_a_newer_one() -> None:
    positions = Positions(2)
    positions.written(A, Position(3, messages=2))

    positions.written(A, Position(2, messages=2))

    assert positions.get(A) == Position(3, messages=2)


def test_the_rooms_written_to_last_are_remembered() -> None:
    positions = Positions(2)
    for room in (A, B, A, C):
        positions.written(room, Position(1))

    assert [positions.get(room) for room in (A, B, C)] == [Position(1), None, Position(1)]
    assert len(positions) == 2


def test_a_room_that_others_write_to_is_not_remembered() -> None:
    positions = Positions(2)
    positions.written(A, Position(3))

    positions.was_stale(A)
    positions.read(A, Position(7))
    positions.written(A, Position(8))

    assert positions.get(A) is None


def test_a_room_that_nobody_else_has_written_to_since_is_remembered_again() -> None:
    positions = Positions(2)
    positions.was_stale(A)
    positions.written(A, Position(8))

    positions.read(A, Position(8))

    assert positions.get(A) == Position(8)


def test_what_is_read_of_a_room_that_was_never_written_to_is_not_remembered() -> None:
    positions = Positions(2)

    positions.read(A, Position(8))
    positions.forget(A)

    assert positions.get(A) is None
    assert len(positions) == 0


def test_positions_compare_by_their_seq() -> None:
    assert max(Position(9, messages=9), Position(10, messages=1)) == Position(10, messages=1)
    assert Position() == (0, 0)
