"""What there is to see while chatting: lines as things happen, and a line of status."""

import time
from collections.abc import Callable

from chatclient.client import Client
from chatclient.conversation import Conversation
from chatclient.listeners import Updates
from chatclient.rendering import clean, clock_of, line_of, person, room_label
from chatclient.rooms import DIRECT_PREFIX
from chatclient.updates import (
    Changed,
    Connection,
    Invited,
    Kicked,
    Left,
    Limited,
    Missed,
    Moving,
    People,
    RoomLost,
    State,
    Typing,
    Update,
)

_TYPING_SHOWN = 5.0  # seconds
_NAMES_SHOWN = 5


class Screen:
    """Follows the updates of a client.

    Args:
        plain: Every event of every room is a line that begins with the room; otherwise only those
            of the room on show are lines, with their times, and the status tells of the others.
        show, complain: Print a line.
    """

    def __init__(
        self,
        client: Client,
        conversation: Conversation,
        *,
        plain: bool,
        show: Callable[[str], None],
        complain: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._conversation = conversation
        self._plain = plain
        self._show = show
        self._complain = complain
        self._clock = clock
        self._state = State.ONLINE
        self._people: dict[str, People] = {}
        self._typing: dict[tuple[str, str], float] = {}
        self.was_refused = False

    async def follow(self, updates: Updates) -> None:
        """Print what happens, until the client has ended."""
        async for update in updates:
            self._take(update)

    def status(self) -> str:
        """Return one line: connection, room, people, what is unread elsewhere, who is writing."""
        room = self._conversation.room
        parts = [self._state.value, self._label(room) or "no room", *self._people_of(room)]
        unread = [
            f"{self._label(name)} {count}"
            for name in self._client.rooms
            if name != room and (count := self._client.unread(name))
        ]
        parts += [f"unread: {', '.join(unread)}"] if unread else []
        now = self._clock()
        writing = [u for (r, u), at in self._typing.items() if r == room and at > now]
        parts += [f"{', '.join(map(clean, writing))} writing"] if writing else []
        return " | ".join(parts)

    def _take(self, update: Update) -> None:
        match update:
            case Changed():
                self._changed(update)
            case People():
                self._came_or_went(update)
            case Typing(room, user):
                self._typing[room, user] = self._clock() + _TYPING_SHOWN
            case Connection():
                self._connected(update)
            case RoomLost(room, _, message):
                self._lost(room, f"{self._label(room)} is closed to you: {clean(message)}")
            case Kicked(room):
                self._lost(room, _kicked(update))
            case Left(room):
                self._lost(room, f"you have left {clean(room)} on another device")
            case _:
                self._notice(update)

    def _notice(self, update: Update) -> None:
        match update:
            case Invited(room, by):
                self._show(f"{clean(by)} invites you; /join {clean(room)} goes there")
            case Limited(token=token, seconds=seconds) if token:
                self._complain(f"not so fast: the server takes it in {seconds:.0f} s")
            case Moving(reason=reason) if reason:
                self._complain(f"connecting again: {clean(reason)}")
            case Missed(count):
                self._complain(f"{count} updates were too fast to show")

    def _lost(self, room: str, line: str) -> None:
        self._complain(line)
        self._conversation.lost(room)

    def _changed(self, update: Changed) -> None:
        is_shown = update.room == self._conversation.room
        if update.kind == "older":
            self._tell_of_unread(update.room)
            return
        if update.kind == "reset" and (is_shown or self._plain):
            self._show(self._prefix(update.room) + "-- what was said before is no longer known --")
        for entry in update.entries:
            self._typing.pop((update.room, entry.user), None)
            if self._plain:
                self._show(self._prefix(update.room) + line_of(entry))
            elif is_shown:
                self._show(f"{clock_of(entry.at)} {line_of(entry)}")
        if is_shown:
            self._client.mark_read(update.room)

    def _tell_of_unread(self, room: str) -> None:
        unread = self._client.unread(room)
        if room != self._conversation.room and room.startswith(DIRECT_PREFIX) and unread:
            label = self._label(room)
            self._show(f"{label}: {unread} unread; /join {label} shows them")

    def _came_or_went(self, update: People) -> None:
        self._people[update.room] = update
        if update.user and (self._plain or update.room == self._conversation.room):
            verb = "came" if update.status == "joined" else "left"
            who = person(update.user, guest=update.user in update.guests)
            self._show(f"{self._prefix(update.room)}* {who} {verb}")

    def _connected(self, update: Connection) -> None:
        was, self._state = self._state, update.state
        if update.status:
            self.was_refused = True
            problem = "the server refuses the connection"
            problem = "you are logged out" if update.code == "logged_out" else problem
            self._complain(f"{problem}: {clean(update.reason)}")
        elif update.state is State.WAITING and was is State.ONLINE:
            self._complain(f"connection lost ({clean(update.reason)}), connecting again")
        elif update.state is State.ONLINE and was is not State.ONLINE:
            self._complain(f"connected as {clean(update.user)}")

    def _prefix(self, room: str) -> str:
        return f"{self._label(room)} " if self._plain else ""

    def _label(self, room: str) -> str:
        return room_label(room, self._client.user)

    def _people_of(self, room: str) -> list[str]:
        people = self._people.get(room)
        if people is None:
            return []
        shown = people.users[:_NAMES_SHOWN]
        names = [person(user, guest=user in people.guests) for user in shown]
        names += ["..."] if len(people.users) > _NAMES_SHOWN else []
        return [f"{people.count} here{': ' if names else ''}{', '.join(names)}"]


def _kicked(update: Kicked) -> str:
    verb = "banned from" if update.banned else "taken out of"
    by = f" by {clean(update.by)}" if update.by else ""
    return f"you were {verb} {clean(update.room)}{by}"
