"""What the server sends without being asked: sorted, and given to those whom it concerns."""

from collections.abc import Callable

from chatclient.attendance import Attendance
from chatclient.catchup import Catchup
from chatclient.context import Context
from chatclient.entries import is_entry
from chatclient.frames import Frame, seq_of, text_of
from chatclient.markers import Markers
from chatclient.memberships import Memberships
from chatclient.request import Failure
from chatclient.rooms import Room
from chatclient.updates import Invited, Kicked, Left, Typing


class Inbound:
    """Takes pushes, and the events that acks stand for.

    `taken` is called with a room that the person was taken out of, and how.
    """

    def __init__(
        self,
        context: Context,
        rooms: dict[str, Room],
        *,
        catchup: Catchup,
        memberships: Memberships,
        attendance: Attendance,
        markers: Markers,
        taken: Callable[[str, Failure], None],
    ) -> None:
        self._context = context
        self._rooms = rooms
        self._catchup = catchup
        self._memberships = memberships
        self._markers = markers
        self._tell_taken = taken
        self._kinds: dict[str, Callable[[Frame], None]] = {
            "presence": attendance.pushed,
            "typing": self._typing,
            "kicked": self._kicked,
            "invited": self._invited,
            "left": self._left,
        }

    def take(self, frame: Frame, user: str) -> None:
        """Take a push; one of an unknown kind is ignored."""
        kind = text_of(frame, "type")
        if is_entry(frame):
            self.entered(frame)
        elif kind == "read":
            self._markers.pushed(frame, user)
        elif kind in self._kinds:
            self._kinds[kind](frame)

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
            self._context.updates.append(Typing(room, user, frame.get("guest") is True))

    def _kicked(self, frame: Frame) -> None:
        told = Kicked(text_of(frame, "room"), text_of(frame, "by"), frame.get("banned") is True)
        if told.room:
            verb = "banned" if told.banned else "kicked"
            reason = Failure("kicked", f"you were {verb}{f' by {told.by}' if told.by else ''}")
            self._memberships.lose(told.room, reason)
            self._tell_taken(told.room, reason)
            self._context.updates.append(told)

    def _invited(self, frame: Frame) -> None:
        room, user = text_of(frame, "room"), text_of(frame, "user")
        if room:
            self._context.updates.append(Invited(room, user))

    def _left(self, frame: Frame) -> None:
        room = text_of(frame, "room")
        if room:
            self._memberships.left_elsewhere(room)
            self._context.updates.append(Left(room))
