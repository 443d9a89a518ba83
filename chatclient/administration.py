"""The commands about rooms and who may be in them."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, get_args

from chatclient.client import Client
from chatclient.moderation import Role


class Mistake(Exception):  # noqa: N818 - the person's, told in a line
    """What was typed cannot be done."""


class Place(Protocol):
    """Where the person is."""

    room: str

    async def go_to(self, room: str) -> None:
        """Join a room, and show it."""


class Administration:
    """Does what the owner of a room types, about the room on show."""

    def __init__(self, client: Client, place: Place) -> None:
        self._client = client
        self._place = place

    def commands(self) -> dict[str, Callable[[str], Awaitable[None]]]:
        """Return what there is, by what is typed after the /."""
        about = {
            "invite": self._client.invite,
            "kick": self._client.kick,
            "ban": self._client.ban,
            "unban": self._client.unban,
        }
        people = {name: partial(self._about, name, action) for name, action in about.items()}
        return {**people, "create": self._create, "role": self._role, "slow": self._slow}

    async def _about(
        self, name: str, action: Callable[[str, str], Awaitable[None]], rest: str
    ) -> None:
        user = rest.removeprefix("@")
        if not user or " " in user:
            raise Mistake(f"/{name} USER")
        await action(self._room(), user)

    async def _create(self, rest: str) -> None:
        kind, _, room = rest.rpartition(" ")
        if not room or kind.strip() not in ("", "private"):
            raise Mistake("/create ROOM, or /create private ROOM")
        await self._client.create_room(room, private=bool(kind))
        await self._place.go_to(room)

    async def _role(self, rest: str) -> None:
        user, _, wanted = rest.partition(" ")
        roles: tuple[Role, ...] = get_args(Role)
        role = next((role for role in roles if role == wanted.strip()), None)
        if role is None:
            raise Mistake(f"/role USER {'|'.join(roles)}")
        await self._client.set_role(self._room(), user.removeprefix("@"), role)

    async def _slow(self, rest: str) -> None:
        if not (rest.isascii() and rest.isdecimal()):
            raise Mistake("/slow SECONDS")
        await self._client.slow_mode(self._room(), int(rest))

    def _room(self) -> str:
        if not self._place.room:
            raise Mistake("join a room first: /join ROOM")
        return self._place.room
