"""What the server sends without being asked: sorted, and given to those whom it concerns."""

from chatclient.attendance import Attendance
from chatclient.catchup import Catchup
from chatclient.context import Context
from chatclient.entries import is_entry
from chatclient.frames import Frame, seq_of, text_of
from chatclient.markers import Markers
from chatclient.memberships import Memberships
from chatclient.rooms import Room
from chatclient.updates import Typing


class Inbound:
    """Takes pushes, and the events that acks stand for."""

    def __init__(
        self,
        context: Context,
        rooms: dict[str, Room],
        *,
        catchup: Catchup,
        memberships: Memberships,
        attendance: Attendance,
        markers: Markers,
    ) -> None:
        self._context = context
        self._rooms = rooms
        self._catchup = catchup
        self._memberships = memberships
        self._attendance = attendance
        self._markers = markers

    def take(self, frame: Frame, user: str) -> None:
        """Take a push; one of an unknown kind is ignored."""
        kind = text_of(frame, "type")
        if is_entry(frame):
            self.entered(frame)
        elif kind == "presence":
            self._attendance.pushed(frame)
        elif kind == "typing":
            self._typing(frame)
        elif kind == "read":
            self._markers.pushed(frame, user)

    def entered(self, event: Frame) -> None:
        """Take an entry of a log."""
        seq = seq_of(event)
        room = self._memberships.of_push(text_of(event, "room"), seq) if seq else None
        if room is not None:
            self._catchup.pushed(room, event)

    def existing(self, name: str, seq: int) -> None:
        """Learn that a log has an entry, but not which: a duplicate's ack tells no more."""
        room = self._memberships.of_push(name, seq)
        if room is not None:
            self._catchup.known_last(room, seq)

    def _typing(self, frame: Frame) -> None:
        room, user = text_of(frame, "room"), text_of(frame, "user")
        if room in self._rooms and user:
            self._context.updates.append(Typing(room, user))
