"""A conversation in lines: what a person types, done with the client, and what there is to read."""

import asyncio
from collections.abc import Awaitable, Callable

from chatclient.administration import Administration, Mistake
from chatclient.client import Client
from chatclient.entries import Message
from chatclient.errors import ChatError
from chatclient.rendering import clean, clock_of, message_line, person, room_label
from chatclient.rooms import DIRECT_PREFIX

HELP = """\
text                  say it in the room (a first / is doubled)
/join ROOM            go to a room, or to @USER
/leave [ROOM]         leave it, on all your devices
/create ROOM          make a room of your own; /create private ROOM: by invitation
/invite USER          make somebody a member of the room
/kick USER            take somebody out; /ban USER: for good; /unban USER
/role USER ROLE       make somebody owner, moderator or member
/slow SECONDS         let time pass between two messages of one person; 0 ends that
/rooms                list your rooms
/msg USER TEXT        say something to one person
/history              show older messages
/edit [#SEQ] TEXT     change your last message, or the one given
/delete [#SEQ]        take it back
/react [#SEQ] EMOJI   react to the last message of others, or the one given
/unreact [#SEQ] EMOJI take that away
/who                  list the people in the room
/help                 show this
/quit                 leave"""


class Conversation:
    """One person's view of the chat.

    Attributes:
        room: What is said goes here; "" before any room was joined.
        failed: Whether something could not be sent.

    Args:
        show: Prints a line.
        complain: Prints a line about what went wrong.
    """

    def __init__(
        self,
        client: Client,
        room: str,
        *,
        show: Callable[[str], None],
        complain: Callable[[str], None],
    ) -> None:
        self._client = client
        self._show = show
        self._complain = complain
        self._sending: set[asyncio.Task[None]] = set()
        self.room = room
        self.failed = False
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            **Administration(client, self).commands(),
            "join": self._join,
            "leave": self._leave,
            "rooms": self._rooms,
            "msg": self._msg,
            "history": self._history,
            "edit": self._edit,
            "delete": self._delete,
            "react": self._react,
            "unreact": self._unreact,
            "who": self._who,
            "help": self._help,
        }

    async def take(self, line: str) -> bool:
        """Do what a line says; False when it says to quit. Messages are sent in the background."""
        line = line.strip()
        if not line:
            return True
        if not line.startswith("/") or line.startswith("//"):
            self._say(line.removeprefix("/") if line.startswith("//") else line)
            return True
        name, _, rest = line[1:].partition(" ")
        if name == "quit":
            return False
        await self._attempt(self._run(name, rest.strip()))
        return True

    async def settled(self) -> None:
        """Wait until everything that was said is acknowledged or has failed."""
        while self._sending:
            await asyncio.wait(self._sending)

    async def go_to(self, room: str) -> None:
        """Join a room, and show it."""
        await self._client.join(room)
        self._client.watch(room)
        if self.room != room:
            self.room = room
            self.show_messages(20)
        self._client.mark_read(room)

    def lost(self, room: str) -> None:
        """Go somewhere else when a room is no longer there."""
        if room == self.room:
            self.room = next(iter(self._client.rooms), "")

    def show_messages(self, count: int) -> None:
        """Print the newest messages of the room."""
        timeline = self._client.timeline(self.room)
        for message in (timeline.snapshot() if timeline else ())[-count:] if count else ():
            self._show_message(message)

    async def _run(self, name: str, rest: str) -> None:
        if name not in self._commands:
            raise Mistake(f"there is no /{clean(name)}; /help lists what there is")
        if name != "msg":
            await self.settled()
        await self._commands[name](rest)

    async def _attempt(self, doing: Awaitable[object]) -> None:
        try:
            await doing
        except Mistake as mistake:
            self._complain(str(mistake))
            self.failed = True
        except ChatError as error:
            self._complain(f"that failed: {clean(error.message)} ({clean(error.code)})")
            self.failed = True

    def _say(self, text: str) -> None:
        if self.room:
            self._start(self._client.send(text, room=self.room))
        else:
            self._complain("join a room first: /join ROOM")
            self.failed = True

    def _start(self, sending: Awaitable[object]) -> None:
        task = asyncio.ensure_future(self._attempt(sending))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _join(self, rest: str) -> None:
        if not rest:
            raise Mistake("/join ROOM")
        room = rest
        if rest.startswith("@"):
            room = DIRECT_PREFIX + ":".join(sorted((self._client.user, rest[1:])))
        await self.go_to(room)

    async def _leave(self, rest: str) -> None:
        room = rest or self.room
        if not room:
            raise Mistake("/leave ROOM")
        if room.startswith(DIRECT_PREFIX):
            await self._client.unfollow(room)  # nobody can leave what another person writes
        else:
            await self._client.leave(room)
        self.lost(room)

    async def _rooms(self, _rest: str) -> None:
        for info in await self._client.list_rooms():
            unread = f", {info.unread} unread" if info.unread else ""
            self._show(f"{room_label(info.name, self._client.user)}{unread}")

    async def _msg(self, rest: str) -> None:
        user, _, text = rest.partition(" ")
        if not user or not text.strip():
            raise Mistake("/msg USER TEXT")
        self._start(self._client.send(text.strip(), to=user.removeprefix("@")))

    async def _history(self, _rest: str) -> None:
        timeline = self._client.timeline(self.room)
        known = timeline.base if timeline else None
        loaded = await self._client.load_history(self.room)
        if timeline is None or not loaded.added:
            self._show("-- nothing older --")
            return
        self._show("-- older --")
        for message in timeline.snapshot():
            if known is not None and message.seq <= known:
                self._show_message(message)
        self._show("-- newer --")

    async def _edit(self, rest: str) -> None:
        target, text = self._target(rest, mine=True)
        if not text:
            raise Mistake("/edit [#SEQ] TEXT")
        await self._client.edit(self.room, target, text)

    async def _delete(self, rest: str) -> None:
        target, _ = self._target(rest, mine=True)
        await self._client.delete(self.room, target)

    async def _react(self, rest: str) -> None:
        target, emoji = self._target(rest, mine=False)
        if not emoji:
            raise Mistake("/react [#SEQ] EMOJI")
        await self._client.react(self.room, target, emoji)

    async def _unreact(self, rest: str) -> None:
        target, emoji = self._target(rest, mine=False)
        if not emoji:
            raise Mistake("/unreact [#SEQ] EMOJI")
        await self._client.react(self.room, target, emoji, remove=True)

    async def _who(self, _rest: str) -> None:
        people = await self._client.presence(self.room)
        marked = (person(user, guest=user in people.guests) for user in people.users)
        names = ", ".join(marked) or "too many to list"
        self._show(f"{people.count} in {clean(self.room)}: {names}")

    async def _help(self, _rest: str) -> None:
        self._show(HELP)

    def _target(self, rest: str, *, mine: bool) -> tuple[int, str]:
        first, _, others = rest.partition(" ")
        if first.startswith("#") and first[1:].isdecimal():
            return int(first[1:]), others.strip()
        timeline, user = self._client.timeline(self.room), self._client.user
        for message in reversed(timeline.snapshot() if timeline else ()):
            if (message.user == user) is mine and not message.deleted:
                return message.seq, rest
        whose = "of yours" if mine else "of others"
        raise Mistake(f"there is no message {whose} here; give its number, as #12")

    def _show_message(self, message: Message) -> None:
        self._show(f"{clock_of(message.at)} #{message.seq} {message_line(message)}")
