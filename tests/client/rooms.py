"""What the server in memory knows of who may be in which room."""

from typing import Any

_OPEN = ("unsubscribe", "createroom", "leave")


class Rooms:
    """Private rooms, roles and bans, as far as a client notices them.

    Attributes:
        roles: The members of rooms that somebody has made, by room and person.
        private, banned: Rooms, and pairs of room and person.
    """

    def __init__(self) -> None:
        self.users: dict[int, str] = {}
        self.subscriptions: dict[int, set[str]] = {}
        self.roles: dict[str, dict[str, str]] = {}
        self.private: set[str] = set()
        self.banned: set[tuple[str, str]] = set()
        self.memberships: set[tuple[str, str]] = set()

    def tell(self, number: int, frame: dict[str, Any]) -> None:
        raise NotImplementedError

    def may(self, room: str, user: str, action: str) -> bool:
        if action in _OPEN or not room:
            return True
        is_member = room not in self.private or user in self.roles[room]
        return is_member and (room, user) not in self.banned

    def role(self, room: str, user: str) -> str:
        return self.roles.get(room, {}).get(user, "member")

    def visibility(self, room: str) -> str:
        return "private" if room in self.private else "public"

    def take_out(self, room: str, user: str, push: dict[str, Any], skip: int = 0) -> None:
        """Remove somebody with all devices, and tell those."""
        self.roles.get(room, {}).pop(user, None)
        for number, name in self.users.items():
            if name == user:
                self.subscriptions[number].discard(room)
            if name == user and number != skip:
                self.tell(number, push)

    def _createroom(self, _number: int, user: str, frame: dict[str, Any]) -> dict[str, Any]:
        room = frame["room"]
        if room in self.roles:
            return {"type": "error", "code": "conflict", "message": "it exists"}
        self.roles[room] = {user: "owner"}
        self.private |= {room} if frame.get("private") else set()
        return {"room": room}

    def _invite(self, _number: int, user: str, frame: dict[str, Any]) -> dict[str, Any]:
        self.roles[frame["room"]][frame["user"]] = "member"
        for number, name in self.users.items():
            if name == frame["user"]:
                self.tell(number, {"type": "invited", "room": frame["room"], "user": user})
        return {"room": frame["room"], "user": frame["user"]}

    def _kick(self, _number: int, user: str, frame: dict[str, Any]) -> dict[str, Any]:
        room, banned = frame["room"], frame["action"] == "ban"
        push = {"type": "kicked", "room": room, "by": user, "banned": banned}
        self.take_out(room, frame["user"], push)
        self.banned |= {(room, frame["user"])} if banned else set()
        return {"room": room, "user": frame["user"]}

    _ban = _kick

    def _unban(self, _number: int, _user: str, frame: dict[str, Any]) -> dict[str, Any]:
        self.banned.discard((frame["room"], frame["user"]))
        return {"room": frame["room"], "user": frame["user"]}

    def _setrole(self, _number: int, _user: str, frame: dict[str, Any]) -> dict[str, Any]:
        self.roles[frame["room"]][frame["user"]] = frame["role"]
        return {"room": frame["room"], "user": frame["user"]}

    def _slowmode(self, _number: int, _user: str, frame: dict[str, Any]) -> dict[str, Any]:
        return {"room": frame["room"]}

    def _leave(self, number: int, user: str, frame: dict[str, Any]) -> dict[str, Any]:
        room = frame["room"]
        others = set(self.roles.get(room, {})) - {user}
        if self.role(room, user) == "owner" and others:
            return {"type": "error", "code": "conflict", "message": "hand it over first"}
        self.take_out(room, user, {"type": "left", "room": room}, skip=number)
        self.memberships.discard((room, user))
        return {"room": room}
