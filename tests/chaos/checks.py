"""What must hold when a round is over and everything has calmed down."""

from collections import Counter
from collections.abc import Mapping, Sequence

from chatclient.rooms import DIRECT_PREFIX
from chatclient.updates import Done, Failed
from tests.chaos.audits import Auditor
from tests.chaos.devices import Device, Intent
from tests.chaos.gateways import ApiGateway
from tests.chaos.logs import Logged, Logs
from tests.chaos.plans import MOMENTS, Plan
from tests.chaos.trace import Trace

# What a server may refuse for good, of the things that people try.
_REFUSALS = {"forbidden", "not_found", "conflict", "kicked"}


class Checks:
    """Finds what is wrong with a world; `devices` are those that are alive, `all` all ever."""

    def __init__(self, devices: Sequence[Device], all_: Sequence[Device], logs: Logs) -> None:
        self._devices = devices
        self._all = all_
        self._logs = logs

    def run(self, plan: Plan, gateway: ApiGateway, audit: Auditor, trace: Trace) -> None:
        """Check everything."""
        self._trace = trace
        self.check_logs()
        self.check_cids()
        for device in self._all:
            self.check_intents(device)
            self.check_order(device)
        for device in self._devices:
            self.check_timelines(device, plan)
        self.check_markers(audit)
        self.check_presence(plan, gateway)

    def check_logs(self) -> None:
        """Every log is 1, 2, 3, ... and counts its messages right."""
        for room, entries in self._logs.rooms.items():
            seqs = [entry.seq for entry in entries]
            if seqs != list(range(1, len(seqs) + 1)):
                self._trace.find(f"the log of {room} has the numbers {seqs}", room)
            messages = 0
            for entry in entries:
                messages += entry.kind == "message"
                if entry.messages != messages:
                    self._trace.find(f"{room} {entry.seq} is message {messages}: {entry}", room)

    def check_cids(self) -> None:
        """No cid is there twice, and none that nobody has asked for."""
        known = {token for device in self._all for token in device.intents}
        cids = Counter((it.user, it.cid) for it in self._entries())
        for (user, cid), count in sorted(cids.items(), key=str):
            if count > 1 or cid not in known:
                room = next(it.room for it in self._entries() if it.cid == cid)
                self._trace.find(f"{cid} of {user} is in the log {count} times", room)

    def check_intents(self, device: Device) -> None:
        """All that was asked for has ended, once, as the log has it."""
        entries = {it.cid: it for it in self._entries() if it.user == device.person}
        for intent in device.intents.values():
            if len(intent.ends) != 1:
                self._wrong(device, intent, f"ended {len(intent.ends)} times: {intent.ends}")
                continue
            (end,) = intent.ends
            entry = entries.get(intent.token)
            if isinstance(end, Done):
                self._check_done(device, intent, end, entry)
            else:
                self._check_failed(device, intent, end, entry)
            if entry is not None and not _is_same(intent, entry):
                self._wrong(device, intent, f"became {entry}")

    def check_order(self, device: Device) -> None:
        """What one device said in a room stands there in the order in which it was said (L8)."""
        places = {it.cid: it for it in self._entries() if it.user == device.person}
        last: dict[str, int] = {}
        for token in device.intents:
            entry = places.get(token)
            if entry is None:
                continue
            if entry.seq < last.get(entry.room, 0):
                what = f"{device.label} wrote {token} before what is at {last[entry.room]}: {entry}"
                self._trace.find(what, entry.room)
            last[entry.room] = entry.seq

    def check_timelines(self, device: Device, plan: Plan) -> None:
        """What a client shows is what one reads afresh, for all rooms that it must know."""
        rooms = {room for room in self._logs.rooms if device.person in _people_of(room)}
        if plan.lifetime > MOMENTS:  # it may not have looked for new direct messages since
            rooms = set()
        for room in sorted(rooms | device.core.rooms.keys()):
            self._check_timeline(device, room)

    def check_markers(self, audit: Auditor) -> None:
        """Markers are where the furthest device put them."""
        furthest: dict[tuple[str, str], int] = {}
        for device in self._devices:
            for room, seq in device.marks.items():
                place = room, device.person
                furthest[place] = max(seq, furthest.get(place, 0))
        for (room, person), seq in furthest.items():
            marker = audit.marker(room, person)
            if (room, person) in audit.unmarked:
                continue
            if marker is None or marker < seq:
                self._trace.find(f"the marker of {person} is at {marker}, not {seq}", room)

    def check_presence(self, plan: Plan, gateway: ApiGateway) -> None:
        """Subscriptions, and what clients show of a room's people, are those who are there."""
        there = {connection.name: connection.caller for connection in gateway.open}
        for room in plan.rooms:
            self._check_people(room, plan.presence_limit, there)

    def _check_people(self, room: str, limit: int, there: Mapping[str, object]) -> None:
        following = [it for it in self._devices if room in it.core.rooms]
        people = sorted({it.person for it in following})
        rows = self._logs.members(room)
        expected = {
            name: device.person
            for name, caller in there.items()
            for device in following
            if device is caller
        }
        if not following or len(set(rows.values())) > limit:
            return  # nobody looks; who is in a large room is found out by pushes only
        if rows != expected:
            self._trace.find(f"{room} has subscriptions {rows}, not {expected}", room)
        for device in following:
            if not device.core.rooms[room].watched:  # back after a ban, and not on show
                continue
            shown = device.core.rooms[room].people.people(room)
            if list(shown.users) != people:
                self._trace.find(f"{device.label} shows {shown}, not {people}", room)

    def _check_timeline(self, device: Device, room: str) -> None:
        timeline = device.core.timeline(room)
        end = len(self._logs.rooms.get(room, ()))
        if timeline is None or timeline.base is None:
            self._trace.find(f"{device.label} does not know {room}, which has {end}", room)
            return
        if timeline.hole or timeline.log() != list(range(timeline.base + 1, end + 1)):
            what = f"{timeline.base} to {timeline.last}, hole {timeline.hole}, of {end}"
            self._trace.find(f"{device.label} has {room} from {what}", room)
            return
        fresh = self._logs.fresh(room, timeline.base).snapshot()
        for mine, theirs in zip(timeline.snapshot(), fresh, strict=False):
            if mine != theirs:
                self._trace.find(f"{device.label} shows {mine}, not {theirs}", room)
        if len(fresh) != len(timeline.snapshot()):
            self._trace.find(f"{device.label} does not show {len(fresh)} messages", room)

    def _check_done(self, device: Device, intent: Intent, end: Done, entry: Logged | None) -> None:
        place = end.answer.room, end.answer.seq
        if entry is not None and place != (entry.room, entry.seq):
            self._wrong(device, intent, f"was acknowledged as {place}, and is {entry}")
        is_nothing = intent.action != "message" and end.answer.duplicate
        if entry is None and not is_nothing:
            self._wrong(device, intent, "was acknowledged, and is not there")

    def _check_failed(
        self, device: Device, intent: Intent, end: Failed, entry: Logged | None
    ) -> None:
        if end.code not in _REFUSALS and not device.retired:
            self._wrong(device, intent, f"failed with {end}")
        if entry is not None and not end.uncertain:
            self._wrong(device, intent, f"failed with {end}, and is {entry}")

    def _wrong(self, device: Device, intent: Intent, what: str) -> None:
        named = f"{device.label}'s {intent.action} {intent.token} in {intent.room}"
        self._trace.find(f"{named} {what}", intent.room)

    def _entries(self) -> list[Logged]:
        return [entry for entries in self._logs.rooms.values() for entry in entries]


def _people_of(room: str) -> list[str]:
    return room.removeprefix(DIRECT_PREFIX).split(":") if room.startswith(DIRECT_PREFIX) else []


def _is_same(intent: Intent, entry: Logged) -> bool:
    if (intent.action, intent.room) != (entry.kind, entry.room):
        return False
    wanted, found = dict(intent.fields), entry.fields
    if intent.action == "message" and (found["edited"] or found["deleted"]):
        wanted.pop("text")
    if intent.action == "edit":
        wanted.pop("text")  # which its target holds
    return all(found[name] == value for name, value in wanted.items())
