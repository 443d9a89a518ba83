"""How far the person has read, told to the server and learnt from it."""

from functools import partial

from chatclient.context import Context
from chatclient.frames import Frame, seq_of, text_of
from chatclient.request import Failure, Request
from chatclient.requests import Requests
from chatclient.rooms import Room
from chatclient.updates import Read


class Markers:
    """Moves read markers (clause M1), one request at a time for each room, the newest wins."""

    def __init__(self, context: Context, requests: Requests, rooms: dict[str, Room]) -> None:
        self._context = context
        self._requests = requests
        self._rooms = rooms

    def move(self, room: Room, seq: int) -> None:
        """Move the marker to an entry; backwards does nothing."""
        if seq <= max(room.marked, room.marking):
            return
        is_moving = room.marking > 0
        room.marking = seq
        if not is_moving:
            self._ask(room)

    def pushed(self, frame: Frame, user: str) -> None:
        """Take a push: another device of the person has read a room."""
        room, seq = self._rooms.get(text_of(frame, "room")), seq_of(frame)
        if room is not None and seq is not None and text_of(frame, "user") == user:
            self._moved(room, seq)

    def _ask(self, room: Room) -> None:
        seq = room.marking
        request = Request(
            action="read",
            fields={"room": room.name, "seq": seq},
            answered=partial(self._answered, room, seq),
            failed=partial(self._failed, room),
        )
        self._requests.ask(request)

    def _answered(self, room: Room, asked: int, frame: Frame) -> None:
        if self._rooms.get(room.name) is not room:  # it was left meanwhile
            return
        self._moved(room, seq_of(frame) or asked)
        if room.marking > max(room.marked, asked):
            self._ask(room)
        else:
            room.marking = 0

    def _failed(self, room: Room, _failure: Failure) -> None:
        room.marking = 0

    def _moved(self, room: Room, seq: int) -> None:
        room.marked = max(room.marked, seq)
        if seq > room.read:
            room.read, room.listed = seq, 0
            self._context.updates.append(Read(room.name, seq))
