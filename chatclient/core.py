"""The chat client without I/O: inputs go in, effects and updates come out, time is told."""

from collections.abc import Callable
from functools import partial
from typing import Any

from chatclient.admission import Admission
from chatclient.context import Send
from chatclient.frames import encode
from chatclient.listing import Listing
from chatclient.moderation import Moderation
from chatclient.request import Failure
from chatclient.settings import Settings
from chatclient.updates import Done, People


class ChatCore(Admission, Moderation):
    """A client as a state machine; see docs/protocol.md for what it says and why.

    After every call of a method, carry out effects() in order, tell the application updates(), and
    call tick() at next_wake(). It holds no sockets, threads or timers: with the same clock, random
    numbers, cids and inputs it does the same. Nothing that a server sends makes it raise.

    Args:
        clock: The time in seconds, from any start; never backwards.
        random: A number from 0 up to 1.
        cid: A new name for an entry, 1 to 64 printable characters, never the same twice.
        by_ticket: Whether connections need tickets: then authorized() comes before start().
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        cid: Callable[[], str],
        settings: Settings | None = None,
        by_ticket: bool = False,
    ) -> None:
        super().__init__(
            clock=clock, random=random, cid=cid, settings=settings, by_ticket=by_ticket
        )
        self._typed: dict[str, float] = {}

    def send(self, text: str, *, room: str | None = None, to: str | None = None) -> str:
        """Say something in a room, or to a person; returns a token, see Done and Failed."""
        if (room is None) == (to is None):
            raise ValueError("either room or to")
        where = {"room": room} if to is None else {"to": to}
        return self._outbox.add("sendmessage", {**where, "message": text})

    def edit(self, room: str, target: int, text: str) -> str:
        """Replace the text of an own message; returns a token."""
        return self._outbox.add("editmessage", {"room": room, "target": target, "message": text})

    def delete(self, room: str, target: int) -> str:
        """Take an own message back; returns a token."""
        return self._outbox.add("deletemessage", {"room": room, "target": target})

    def react(self, room: str, target: int, emoji: str, *, remove: bool = False) -> str:
        """Put an emoji to a message, or take it away; returns a token."""
        fields = {"room": room, "target": target, "emoji": emoji, "remove": remove}
        return self._outbox.add("react", fields)

    def join(self, room: str) -> str:
        """Follow a room from now on, over all connections; returns a token."""
        token = self._token()
        if self.is_closed:
            self._fail(token, "join", room, Failure("closed", "the client was closed"))
        else:
            self._memberships.join(room, token)
        return token

    def unfollow(self, room: str) -> str:
        """Stop that on this client alone, which is done at once; returns a token.

        The person stays a member of the room, and their other devices in it.
        """
        token = self._token()
        self._memberships.unfollow(room, token)
        return token

    def leave(self, room: str) -> str:
        """Stop being a member of the room, on all devices; returns a token.

        The timeline goes when the server has agreed. It refuses while the room would be without an
        owner (`conflict`), and for direct messages (`bad_request`).
        """
        token = self._token()
        self._memberships.leave(room, token)
        return token

    def load_history(self, room: str) -> str:
        """Read older entries of a room; returns a token."""
        token = self._token()
        if room in self.rooms:
            self._history.load(self.rooms[room], self._context.settings.page, token)
        else:
            nowhere = Failure("not_joined", f"{room} has not been joined")
            self._fail(token, "load_history", room, nowhere)
        return token

    def list_rooms(self) -> str:
        """Ask which rooms the person is in, and what is unread; returns a token."""
        token = self._token()

        def listed(rooms: tuple[Any, ...]) -> None:
            self._memberships.found(rooms)
            self._context.updates.append(Done(token, "list_rooms", "", rooms))

        Listing(self._requests).ask(listed, partial(self._fail, token, "list_rooms", ""))
        return token

    def ask_presence(self, room: str) -> str:
        """Ask who is in a room; returns a token."""
        token = self._token()

        def answered(people: People) -> None:
            self._context.updates.append(Done(token, "ask_presence", room, people))

        self._attendance.ask(room, answered, partial(self._fail, token, "ask_presence", room))
        return token

    def watch(self, room: str, *, on: bool = True) -> None:
        """Keep the people of a joined room right: asked now, at every heartbeat and connection."""
        found = self.rooms.get(room)
        if found is None or found.watched is on:
            return
        found.watched = on
        # Before the subscription is there, the answer would be old when it came.
        if on and self._links.current is not None and not found.catching:
            self._attendance.ask(room, link=self._links.current)

    def mark_read(self, room: str, seq: int | None = None) -> None:
        """Move the read marker to an entry, or to the last that is there; never backwards."""
        found = self.rooms.get(room)
        target = seq if seq is not None or found is None else found.timeline.last
        if found is not None and target:
            self._markers.move(found, target)

    def typing(self, room: str) -> None:
        """Tell the others that the person is writing; rarely, and only while there is a link."""
        link, now = self._links.current, self._context.clock()
        interval = self._context.settings.typing_interval
        text = encode({"action": "typing", "room": room})
        if link is not None and text and now - self._typed.get(room, now - interval) >= interval:
            self._typed[room] = now
            self._context.effects.append(Send(link, text))

    def unread(self, room: str) -> int:
        """Count the messages of others that were not read, as far as the timeline goes back."""
        found = self.rooms.get(room)
        return found.unread(self.user) if found else 0

    def close(self) -> tuple[str, ...]:
        """End for good; returns the tokens of unsettled entries, each of which gets a Failed."""
        unsettled = self._outbox.unsettled()
        if not self.is_closed:
            self._end(Failure("closed", "the client was closed"), 0)
        return unsettled
