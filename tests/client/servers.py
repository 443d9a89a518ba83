"""A chat server in memory, written from docs/protocol.md, with faults that tests ask for."""

import json
from collections import deque
from datetime import UTC, datetime
from typing import Any, TypeAlias

from tests.client.rooms import Rooms

Frame: TypeAlias = dict[str, Any]

_KINDS = {
    "sendmessage": "message",
    "editmessage": "edit",
    "deletemessage": "delete",
    "react": "reaction",
}
AWS_FAULT = {"message": "Internal server error", "connectionId": "c=", "requestId": "r="}


class Server(Rooms):
    """Answers frames; what it sends waits in `out` as (connection, text).

    Attributes:
        silent: Actions that are carried out and not answered.
        deaf: Actions that are ignored.
        replies: By action, frames that are the next answers; the action is not carried out.
        losing: Whether pushes get lost.
        arrays: The connections that take several pushes in one frame.
        page: How many entries a page has at most.
        kept: How many entries of a room are kept; older ones have expired.
        now: The server's clock, in epoch seconds; some hours off from the clients'.
        sessions: Until when connections may do something, where that ends.
        tokens: Until when those that were issued are good; one that was revoked is not there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.out: deque[tuple[int, str]] = deque()
        self.users: dict[int, str] = {}
        self.subscriptions: dict[int, set[str]] = {}
        self.logs: dict[str, list[Frame]] = {}
        self.cids: dict[tuple[str, str], Frame] = {}
        self.markers: dict[tuple[str, str], int] = {}
        self.received: list[Frame] = []
        self.silent: set[str] = set()
        self.deaf: set[str] = set()
        self.replies: dict[str, deque[Frame]] = {}
        self.losing = False
        self.arrays: set[int] = set()
        self.unique_names = False
        self.lobby: list[str] = []
        self.page = 50
        self.kept = 10**6
        self.heartbeat_ms = 240_000
        self.reconnect_after_ms = 6_600_000
        self.now = 1_767_322_800.0
        self.sessions: dict[int, float] = {}
        self.tokens: dict[str, float] = {}
        self._connections = 0

    def connect(self, name: str, *, until: float | None = None) -> int:
        self._connections += 1
        number = self._connections
        taken = self.unique_names and name in self.users.values()
        self.users[number] = f"{name}-{number}" if taken else name
        self.subscriptions[number] = set(self.lobby)
        if until is not None:
            self.sessions[number] = until
        return number

    def disconnect(self, number: int) -> None:
        self.users.pop(number, None)
        self.subscriptions.pop(number, None)
        self.sessions.pop(number, None)

    def is_over(self, number: int) -> bool:
        return self.sessions.get(number, self.now + 1) <= self.now

    def receive(self, number: int, text: str) -> None:
        frame = json.loads(text)
        if number not in self.users:
            return
        action = frame["action"]
        self.received.append({**frame, "connection": number})
        if action in self.deaf:
            return
        if self.replies.get(action):
            reply = self.replies[action].popleft()
            self.tell(number, reply if reply is AWS_FAULT else {**reply, "id": frame.get("id")})
            return
        answer = self._carry_out(number, frame)
        if answer is not None and answer.get("type") == "error":
            self.tell(number, {**answer, "id": frame.get("id")})
            return
        if action in self.silent or frame.get("id") is None or answer is None:
            return
        self.tell(number, {"type": "ack", "id": frame["id"], "action": action, **answer})

    def tell(self, number: int, frame: Frame) -> None:
        self.out.append((number, json.dumps(frame)))

    def gather(self) -> None:
        """Make one frame of all that waits for each connection that takes arrays."""
        waiting, self.out = self.out, deque()
        for number in dict.fromkeys(number for number, _ in waiting):
            texts = [text for to, text in waiting if to == number]
            together = [f"[{','.join(texts)}]"] if number in self.arrays else texts
            self.out.extend((number, text) for text in together)

    def fail(self, action: str, code: str, *, retryable: bool = True, **more: Any) -> None:
        error = {"type": "error", "code": code, "message": code, "retryable": retryable, **more}
        self.replies.setdefault(action, deque()).append(error)

    def add(self, user: str, room: str, action: str = "sendmessage", **fields: Any) -> Frame:
        """Carry out what somebody else does."""
        return self._write(0, user, {"action": action, "room": room, **fields})

    def say(self, user: str, room: str, *texts: str) -> None:
        for text in texts:
            self.add(user, room, message=text)

    def asked(self, action: str) -> list[Frame]:
        return [frame for frame in self.received if frame["action"] == action]

    def events(self, room: str) -> list[Frame]:
        """Return the log as it is read (H1)."""
        return [self._present(room, event) for event in self.logs.get(room, [])]

    def last(self, room: str) -> int:
        return len(self.logs.get(room, []))

    def _carry_out(self, number: int, frame: Frame) -> Frame | None:
        action, user, room = frame["action"], self.users[number], frame.get("room", "")
        if action != "refresh" and self.is_over(number):
            return {"type": "error", "code": "unauthorized", "message": "over"}
        if not self.may(room, user, action):
            return {"type": "error", "code": "forbidden", "message": "not a member of this room"}
        answer: Frame | None = getattr(self, f"_{action}")(number, user, frame)
        return answer

    def _refresh(self, number: int, _user: str, frame: Frame) -> Frame:
        until = self.tokens.get(frame["token"], 0.0)
        if until <= self.now:
            return {"type": "error", "code": "unauthorized", "message": "not valid"}
        self.sessions[number] = until
        return {"expires_at": _iso(until)}

    def _hello(self, number: int, user: str, frame: Frame) -> Frame:
        if frame.get("arrays") is True:
            self.arrays.add(number)
        return {
            "type": "welcome",
            "connection_id": str(number),
            "user": user,
            "rooms": sorted(self.subscriptions[number]),
            "protocol": 1,
            "server_time": _iso(self.now),
            **({"expires_at": _iso(self.sessions[number])} if number in self.sessions else {}),
            "heartbeat_ms": self.heartbeat_ms,
            "reconnect_after_ms": self.reconnect_after_ms,
        }

    def _ping(self, _number: int, _user: str, frame: Frame) -> Frame:
        return {"type": "pong", "rooms": {r: self.last(r) for r in frame.get("rooms", {})}}

    def _sendmessage(self, number: int, user: str, frame: Frame) -> Frame:
        return self._write(number, user, frame)

    _editmessage = _deletemessage = _react = _sendmessage

    def _subscribe(self, number: int, _user: str, frame: Frame) -> Frame:
        room, after = frame["room"], frame.get("after")
        self.subscriptions[number].add(room)
        answer = {"room": room, "seq": self.last(room), "recovered": True, "more": False}
        events = self.events(room)
        if after is None:
            return {**answer, "events": []}
        if after > len(events) or after < len(events) - self.kept:
            return {**answer, "recovered": False, "events": events[-self.page :]}
        page = events[after : after + self.page]
        return {**answer, "events": page, "more": after + len(page) < len(events)}

    def _unsubscribe(self, number: int, _user: str, frame: Frame) -> Frame:
        self.subscriptions[number].discard(frame["room"])
        return {"room": frame["room"]}

    def _history(self, _number: int, _user: str, frame: Frame) -> Frame:
        events = self.events(frame["room"])
        end = min(frame.get("before", len(events) + 1) - 1, len(events))
        oldest = max(0, len(events) - self.kept)
        start = max(oldest, end - min(frame.get("limit", 50), self.page))
        return {"room": frame["room"], "events": events[start:end], "more": start > oldest}

    def _typing(self, number: int, user: str, frame: Frame) -> None:
        self._push(number, {"type": "typing", "room": frame["room"], "user": user})

    def _presence(self, _number: int, _user: str, frame: Frame) -> Frame:
        room = frame["room"]
        there = {self.users[n] for n, rooms in self.subscriptions.items() if room in rooms}
        return {"room": room, "users": sorted(there), "count": len(there)}

    def _read(self, number: int, user: str, frame: Frame) -> Frame:
        key = user, frame["room"]
        self.markers[key] = max(self.markers.get(key, 0), frame["seq"])
        for other, name in self.users.items():
            if name == user and other != number:
                self.tell(other, {"type": "read", "user": user, **_place(frame, self.markers[key])})
        return _place(frame, self.markers[key])

    def _rooms(self, _number: int, user: str, frame: Frame) -> Frame:
        mine = [r for r in sorted(self.logs) if user in r.split(":")[1:] or ":" not in r]
        after = [r for r in mine if r > frame.get("after", "")]
        return {"rooms": [self._info(user, r) for r in after[:2]], "more": len(after) > len("ab")}

    def _info(self, user: str, room: str) -> Frame:
        marker = self.markers.get((user, room), 0)
        unread = [e for e in self.logs[room][marker:] if e["type"] == "message"]
        direct = room.startswith("dm:")
        return {
            "name": room,
            "visibility": "direct" if direct else self.visibility(room),
            "role": self.role(room, user),
            "seq": self.last(room),
            "unread": len(unread),
        }

    def _write(self, number: int, user: str, frame: Frame) -> Frame:
        cid = frame.get("cid")
        if cid is not None and (user, cid) in self.cids:
            known = self.cids[user, cid]
            self._push(number, known)
            return {**_kept(known, "room", "seq", "at"), "duplicate": True}
        room = frame.get("room") or "dm:" + ":".join(sorted((user, frame["to"])))
        log = self.logs.setdefault(room, [])
        event = {
            "type": _KINDS[frame["action"]],
            "room": room,
            "seq": len(log) + 1,
            "user": user,
            "at": f"2026-01-02T03:04:{len(log) % 60:02}.000Z",
            **_kept(frame, "cid", "message", "target", "emoji"),
        }
        if event["type"] == "reaction":
            event["removed"] = frame.get("remove", False)
        log.append(event)
        if cid is not None:
            self.cids[user, cid] = event
        self._push(number, event)
        return {**_kept(event, "room", "seq", "at"), "duplicate": False}

    def _push(self, author: int, event: Frame) -> None:
        if self.losing:
            return
        room = event["room"]
        for number, rooms in self.subscriptions.items():
            mine = self.users[number] in room.split(":")[1:]
            if number != author and (room in rooms or mine) and not self.is_over(number):
                self.tell(number, event)

    def _present(self, room: str, event: Frame) -> Frame:
        if event["type"] == "edit":
            message = self._present(room, self.logs[room][event["target"] - 1])
            return {**event, "message": message["message"]}
        if event["type"] != "message":
            return event
        state = dict(event)
        reactions: list[tuple[str, str]] = []
        for change in self.logs[room]:
            if change.get("target") != event["seq"]:
                continue
            state["changed"] = change["seq"]
            if change["type"] == "edit":
                state |= {"message": change["message"], "edited": change["at"]}
            elif change["type"] == "delete":
                state |= {"message": "", "deleted": True}
            else:
                given = change["emoji"], change["user"]
                reactions = [r for r in reactions if r != given]
                reactions += [] if change["removed"] else [given]
        if reactions:
            people: dict[str, list[str]] = {}
            for emoji, user in reactions:
                people.setdefault(emoji, []).append(user)
            state["reactions"] = people
        return state


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds")


def _kept(frame: Frame, *names: str) -> Frame:
    return {name: frame[name] for name in names if name in frame}


def _place(frame: Frame, seq: int) -> Frame:
    return {"room": frame["room"], "seq": seq}
