"""Rooms with owners: made, and who may be in them."""

from functools import partial
from typing import Any, Literal, TypeAlias

from chatclient.frames import Frame
from chatclient.machine import Machine
from chatclient.request import Failure, Request
from chatclient.updates import Done

Role: TypeAlias = Literal["owner", "moderator", "member"]


class Moderation(Machine):
    """What only some may do to a room; the server knows whom it lets.

    Each method returns a token, see Done and Failed. What is asked of one room is asked in order,
    beside what is said there. A request whose answer was lost is repeated: if it then fails,
    perhaps because it had been carried out the first time, its Failed is uncertain.
    """

    def create_room(self, room: str, *, private: bool = False, slow_mode: int = 0) -> str:
        """Make a room that the person owns, with so many seconds between two messages of one.

        It does not join the room. `conflict`: it exists.
        """
        more = {"slow_mode": slow_mode} if slow_mode else {}
        return self._rule("createroom", room, private=private, **more)

    def invite(self, room: str, user: str) -> str:
        """Make somebody a member; only accounts can be."""
        return self._rule("invite", room, user=user)

    def kick(self, room: str, user: str) -> str:
        """Take somebody out; into a public room they may come back."""
        return self._rule("kick", room, user=user)

    def ban(self, room: str, user: str) -> str:
        """Take somebody out, and keep them out."""
        return self._rule("ban", room, user=user)

    def unban(self, room: str, user: str) -> str:
        """Lift a ban; into a private room they have to be invited again."""
        return self._rule("unban", room, user=user)

    def set_role(self, room: str, user: str, role: Role) -> str:
        """Give a member another role; to make somebody the owner is to hand the room over."""
        return self._rule("setrole", room, user=user, role=role)

    def slow_mode(self, room: str, seconds: int) -> str:
        """Let so many seconds lie between two messages of one person; 0 ends that."""
        return self._rule("slowmode", room, seconds=seconds)

    def _rule(self, action: str, room: str, **fields: Any) -> str:
        token = self._token()
        request = Request(
            action=action,
            fields={"room": room, **fields},
            # Of their own: what waits to be said in slow mode must not hold them up.
            lane=("moderation", room),
            answered=partial(self._ruled, token, action, room),
        )
        request.failed = partial(self._not_ruled, token, request)
        self._requests.ask(request)
        return token

    def _ruled(self, token: str, action: str, room: str, _frame: Frame) -> None:
        self._context.updates.append(Done(token, action, room))

    def _not_ruled(self, token: str, request: Request, failure: Failure) -> None:
        told = failure.told(
            token, request.action, request.fields["room"], uncertain=request.unanswered
        )
        self._context.updates.append(told)
