"""What people do: they join, write, change, react, read and leave, each at their own pace."""

from collections.abc import Callable, Sequence
from typing import Any

from chatclient.entries import Message
from chatclient.rooms import DIRECT_PREFIX
from tests.chaos.chance import Chance
from tests.chaos.devices import Device
from tests.chaos.plans import LOBBY, Plan

_WEIGHTS = {
    "say": 30.0,
    "chatter": 3.0,
    "write": 8.0,
    "edit": 7.0,
    "delete": 3.0,
    "react": 10.0,
    "unreact": 4.0,
    "meddle": 1.0,
    "read": 8.0,
    "join": 4.0,
    "leave": 2.0,
    "scroll": 4.0,
    "look": 1.0,
    "ask": 2.0,
    "type": 2.0,
}
_EMOJIS = ("👍", "❤️", "🎉")


class Load:
    """Makes one device do things at random."""

    def __init__(self, device: Device, plan: Plan, chance: Chance) -> None:
        self._device = device
        self._plan = plan
        self._chance = chance
        self._said = 0
        self._actions: dict[str, Callable[[str], None]] = {
            "say": self._say,
            "chatter": self._chatter,
            "write": self._write,
            "edit": self._edit,
            "delete": self._delete,
            "react": self._react,
            "unreact": self._unreact,
            "meddle": self._meddle,
            "read": self._read,
            "join": self._join,
            "leave": self._leave,
            "scroll": self._scroll,
            "look": self._look,
            "ask": self._ask,
            "type": self._type,
        }

    def begin(self) -> None:
        """Join some rooms, and connect."""
        core = self._device.core
        for room, likely in self._plan.rooms.items():
            if room == LOBBY or self._chance.happens(likely):
                core.join(room)
                core.watch(room)
        self._device.do(core.start)

    def act(self) -> None:
        """Do one thing in one room."""
        rooms = sorted(self._device.core.rooms)
        if not rooms:
            return
        action = self._actions[self._chance.weighted(_WEIGHTS)]
        room = self._chance.pick(rooms)
        self._device.do(lambda: action(room))

    def say(self, room: str) -> None:
        """Say something that nobody has said before."""
        self._device.do(lambda: self._say(room))

    def _say(self, room: str) -> None:
        text, core = self._text(), self._device.core
        if not room.startswith(DIRECT_PREFIX):
            self._intend("message", room, {"text": text}, core.send(text, room=room))

    def _chatter(self, room: str) -> None:
        for _ in range(2 + self._chance.below(4)):
            self._say(room)

    def _write(self, _room: str) -> None:
        other, text = self._chance.pick(list(self._plan.people)), self._text()
        one, two = sorted((other, self._device.person))
        token = self._device.core.send(text, to=other)
        self._intend("message", f"{DIRECT_PREFIX}{one}:{two}", {"text": text}, token)

    def _edit(self, room: str) -> None:
        for message in self._some(self._mine(room)):
            text = self._text()
            token = self._device.core.edit(room, message.seq, text)
            self._intend("edit", room, {"target": message.seq, "text": text}, token)

    def _delete(self, room: str) -> None:
        for message in self._some(self._mine(room)):
            token = self._device.core.delete(room, message.seq)
            self._intend("delete", room, {"target": message.seq}, token)

    def _react(self, room: str) -> None:
        self._feel(room, remove=False)

    def _unreact(self, room: str) -> None:
        self._feel(room, remove=True)

    def _feel(self, room: str, *, remove: bool) -> None:
        for message in self._some(self._messages(room)[-8:]):
            emoji = self._chance.pick(_EMOJIS)
            token = self._device.core.react(room, message.seq, emoji, remove=remove)
            fields = {"target": message.seq, "emoji": emoji, "removed": remove}
            self._intend("reaction", room, fields, token)

    def _meddle(self, room: str) -> None:
        """Try what the server must refuse."""
        theirs = [it for it in self._messages(room) if it.user != self._device.person]
        for message in self._some(theirs):
            token = self._device.core.delete(room, message.seq)
            self._intend("delete", room, {"target": message.seq}, token)

    def _read(self, room: str) -> None:
        core = self._device.core
        messages = self._messages(room)
        if messages:
            seq = self._chance.pick(messages[-5:]).seq
            self._device.marks[room] = max(seq, self._device.marks.get(room, 0))
            core.mark_read(room, seq)

    def _join(self, _room: str) -> None:
        room = self._chance.pick(list(self._plan.rooms))
        self._device.core.join(room)
        self._device.core.watch(room)

    def _leave(self, room: str) -> None:
        if not room.startswith(DIRECT_PREFIX):
            self._device.marks.pop(room, None)  # what was not told yet is not told any more
            self._device.core.unfollow(room)

    def _scroll(self, room: str) -> None:
        self._device.core.load_history(room)

    def _look(self, _room: str) -> None:
        self._device.core.list_rooms()

    def _ask(self, room: str) -> None:
        self._device.core.ask_presence(room)

    def _type(self, room: str) -> None:
        self._device.core.typing(room)

    def _messages(self, room: str) -> Sequence[Message]:
        timeline = self._device.core.timeline(room)
        return [it for it in timeline.snapshot() if not it.deleted] if timeline else []

    def _mine(self, room: str) -> Sequence[Message]:
        return [it for it in self._messages(room) if it.user == self._device.person][-6:]

    def _some(self, messages: Sequence[Message]) -> list[Message]:
        return [self._chance.pick(messages)] if messages else []

    def _text(self) -> str:
        self._said += 1
        long = "~" * 6000 if self._chance.happens(0.03) else ""
        return f"{self._device.label} says {self._said}{long}"

    def _intend(self, action: str, room: str, fields: dict[str, Any], token: str) -> None:
        self._device.intend(action, room, fields, token)
