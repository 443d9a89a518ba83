"""The chat client for asyncio."""

from collections.abc import Callable
from typing import Any

from chatclient.listeners import Updates
from chatclient.moderation import Role
from chatclient.shell import Shell
from chatclient.timeline import Timeline
from chatclient.updates import (
    Loaded,
    People,
    RoomInfo,
    Sent,
)


class Client(Shell):
    """A person's connection to the chat, which reconnects, catches up and sends again by itself.

        async with Client("ws://127.0.0.1:8000/api", name="ada", rooms=["tea"]) as chat:
            await chat.send("hello", room="tea")
            async for update in chat.updates():
                ...

    With an account (see Account) every connection has its own ticket, and the session is prolonged
    as long as the log-in lasts; when it is over, the client ends: the last Connection has the code
    `logged_out`, and what was not acknowledged fails with it.

    What is sent while there is no connection waits for one. Cancelling a method, also by a
    timeout, stops the waiting and not the sending. All methods that wait raise ChatError.

    Args:
        url: ws:// or wss://, with the stage. With an account it may be left out: the server tells.
        account: Who to be; without one, a guest.
        name: What a guest wants to be called; the server may choose another, see `user`.
        key: By which the server knows a guest again: 16 to 64 characters of A-Z, a-z, 0-9, _ and -,
            random and secret. Several clients with the same name and key are one person. If none
            is given one is made, see the attribute `key`, to be kept with the name.
        rooms: What to join at the start, beside the rooms that the server joins by itself.
        patience: For how many seconds start() goes on trying to reach the server; 0: once.
        backlog: How many updates wait for an application that is slow.

    Raises:
        ValueError: The URL is none, or there is neither URL nor account, or an account and a name.
    """

    @property
    def user(self) -> str:
        """The name that the server gave this client."""
        return self._core.user

    @property
    def is_online(self) -> bool:
        """Whether there is a connection right now."""
        return self._core.is_online

    @property
    def rooms(self) -> tuple[str, ...]:
        """The rooms that have a timeline: those that were joined, and direct messages."""
        return tuple(self._core.rooms)

    def timeline(self, room: str) -> Timeline | None:
        """Return the log of a room, always up to date; only to be read. None: not joined."""
        return self._core.timeline(room)

    def unread(self, room: str) -> int:
        """Count the messages of others after the read marker, as far as the timeline goes."""
        return self._core.unread(room)

    def updates(self) -> Updates:
        """Return an iterator over all updates from now on, also of before start()."""
        listener = Updates(self._backlog)
        self._listeners.add(listener)
        if self._core.is_closed:
            listener.end()
        return listener

    async def send(self, text: str, *, room: str | None = None, to: str | None = None) -> Sent:
        """Say something in a room, or to a person; returns when it is durable and in order.

        Messages of one room arrive in the order of the calls.
        """
        return await self._sent(self._core.send, text, room=room, to=to)

    async def edit(self, room: str, target: int, text: str) -> Sent:
        """Replace the text of an own message, given by its seq."""
        return await self._sent(self._core.edit, room, target, text)

    async def delete(self, room: str, target: int) -> Sent:
        """Take an own message back."""
        return await self._sent(self._core.delete, room, target)

    async def react(self, room: str, target: int, emoji: str, *, remove: bool = False) -> Sent:
        """Put an emoji to a message, or take it away."""
        return await self._sent(self._core.react, room, target, emoji, remove=remove)

    async def join(self, room: str) -> None:
        """Follow a room; returns when its newest entries are there, and all later ones will be."""
        await self._ask(self._core.join, room)

    async def unfollow(self, room: str) -> None:
        """Stop following a room with this client alone; its timeline goes at once.

        The person stays a member, and their other devices go on.
        """
        await self._ask(self._core.unfollow, room)

    async def leave(self, room: str) -> None:
        """Stop being a member of a room, on all devices; its timeline goes with that.

        Raises:
            ChatError: `conflict`: the owner has to hand the room over first. `bad_request`: direct
                messages cannot be left; see unfollow().
        """
        await self._ask(self._core.leave, room)

    async def create_room(self, room: str, *, private: bool = False, slow_mode: int = 0) -> None:
        """Make a room that the person owns; join() goes there.

        Into a private one people come by invite(). `slow_mode` is in seconds, see slow_mode().

        Raises:
            ChatError: `conflict`: the room exists (if `uncertain`, perhaps since this call).
                `forbidden`: guests own no rooms. `rate_limited`: too many new rooms.
        """
        await self._ask(self._core.create_room, room, private=private, slow_mode=slow_mode)

    async def invite(self, room: str, user: str) -> None:
        """Make somebody who has an account a member of a room."""
        await self._ask(self._core.invite, room, user)

    async def kick(self, room: str, user: str) -> None:
        """Take somebody out of a room; into a public one they may come back."""
        await self._ask(self._core.kick, room, user)

    async def ban(self, room: str, user: str) -> None:
        """Take somebody out of a room, and keep them out."""
        await self._ask(self._core.ban, room, user)

    async def unban(self, room: str, user: str) -> None:
        """Lift a ban; into a private room they have to be invited again."""
        await self._ask(self._core.unban, room, user)

    async def set_role(self, room: str, user: str, role: Role) -> None:
        """Give a member another role; making somebody the owner hands the room over."""
        await self._ask(self._core.set_role, room, user, role)

    async def slow_mode(self, room: str, seconds: int) -> None:
        """Let so many seconds lie between two messages of one person; 0 ends that."""
        await self._ask(self._core.slow_mode, room, seconds)

    async def load_history(self, room: str) -> Loaded:
        """Add older entries to the timeline of a joined room."""
        loaded: Loaded = await self._ask(self._core.load_history, room)
        return loaded

    async def list_rooms(self) -> tuple[RoomInfo, ...]:
        """Ask which rooms the person is in, on all devices the same, and what is unread."""
        rooms: tuple[RoomInfo, ...] = await self._ask(self._core.list_rooms)
        return rooms

    async def presence(self, room: str) -> People:
        """Ask who is in a room."""
        people: People = await self._ask(self._core.ask_presence, room)
        return people

    def watch(self, room: str, *, on: bool = True) -> None:
        """Keep the people of a joined room up to date; each change is a People."""
        self._tell(self._core.watch, room, on=on)

    def mark_read(self, room: str, seq: int | None = None) -> None:
        """Move the read marker, to the end of the timeline if no seq is given."""
        self._tell(self._core.mark_read, room, seq)

    def typing(self, room: str) -> None:
        """Tell the others that the person is writing; call it as often as keys are pressed."""
        self._tell(self._core.typing, room)

    async def _sent(self, operation: Callable[..., str], *arguments: Any, **named: Any) -> Sent:
        sent: Sent = await self._ask(operation, *arguments, **named)
        return sent
