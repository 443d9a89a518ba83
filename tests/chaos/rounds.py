"""One round: a world from a seed, its load and its faults, then peace, then the checks."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from chalicelib.errors import Unavailable
from tests.chaos.audits import Auditor
from tests.chaos.bans import Bans
from tests.chaos.chance import Chance
from tests.chaos.checks import Checks
from tests.chaos.databases import Watched
from tests.chaos.debts import Debts
from tests.chaos.deliveries import Deliveries
from tests.chaos.devices import Device
from tests.chaos.faults import Faults, Misfortune
from tests.chaos.functions import Functions
from tests.chaos.gateways import ApiGateway
from tests.chaos.loads import Load
from tests.chaos.logs import Logs
from tests.chaos.moderators import Moderator
from tests.chaos.plans import MOMENTS, Plan
from tests.chaos.queues import Sqs
from tests.chaos.simulation import Endless, Simulation
from tests.chaos.trace import Trace

# How long it may take until nothing is under way, once there is nothing to do.
_PATIENCE = 60.0
# What has failed several times waits minutes until it is tried again.
_QUEUE_PATIENCE = 1000.0


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a round; the same seed gives the same digest."""

    seed: int
    plan: Plan
    trace: Trace
    seconds: float


def play(seed: int, faults: Faults, new_store: Callable[[], Any], *, show: bool = False) -> Result:
    """Play one round."""
    world = _Round(seed, faults, new_store(), show=show)
    with _logged(world):
        try:
            world.play()
        except Endless as endless:
            world.trace.find(str(endless))
        finally:
            world.simulation.stop()
    return Result(seed, world.plan, world.trace, world.simulation.now)


class _Round:
    def __init__(self, seed: int, faults: Faults, store: Any, *, show: bool) -> None:
        chance = Chance(str(seed))
        self._chance = chance.fork("load")
        self.plan = Plan.draw(chance.fork("plan"), faults)
        self.simulation = Simulation()
        self.trace = Trace(lambda: self.simulation.now, show=show)
        self._store = store
        self._audit = Auditor(store, self.trace)
        self._misfortune = Misfortune(self.plan.faults, chance.fork("faults"), self.trace)
        watched = Watched(store, self.simulation, self.trace)
        self._debts = Debts(lambda: self.simulation.now)
        self._sqs = Sqs(self.simulation, self._misfortune, self.trace, self._debts)
        self._bans = Bans(self._audit, self.trace)
        common = (self.simulation, self._misfortune, self.trace)
        self._functions = Functions(
            self.plan,
            simulation=self.simulation,
            store=watched,
            misfortune=self._misfortune,
            trace=self.trace,
            audit=self._audit,
            sqs=self._sqs,
        )
        self._gateway = ApiGateway(
            self._functions, *common, audit=self._audit, debts=self._debts, bans=self._bans
        )
        self._all: list[Device] = []

    def play(self) -> None:
        self.trace.note("-", f"{self.plan}")
        self._people_come()
        if self.plan.moderated:
            self._moderate()
        self.simulation.run(self.plan.duration)
        self._kick_many()
        # What was under way goes wrong as everything before.
        self.simulation.run(self.simulation.now + 5)
        self._misfortune.end()
        self._functions.set_clocks()
        self.trace.note("-", "no more faults")
        if self.plan.calm:
            self._settle(10)
            self._check()
            for device in self._all:
                if device.repairs:
                    self.trace.find(f"{device.label} had to ask {device.repairs} times")
            return
        self._settle(75)  # API Gateway has noticed all who are gone
        if self.plan.last_words:
            self._say_last_words()
        self._let_one_vanish()
        # The lease, a sweep, a hand-over and two heartbeats.
        handover = min(self.plan.lifetime, MOMENTS)
        self._settle(60 + self.plan.lease + handover + 2 * self.plan.heartbeat)
        self._check()

    def _people_come(self) -> None:
        for person, devices in self.plan.people.items():
            for number in range(1, devices + 1):
                late = self._chance.happens(0.3)
                at = self._chance.between(0, self.plan.duration / 2 if late else 2)
                self.simulation.at(at, partial(self._come, person, f"{person}{number}"))

    def _moderate(self) -> None:
        Moderator(
            self._store,
            self.plan,
            simulation=self.simulation,
            gateway=self._gateway,
            bans=self._bans,
            chance=self._chance.fork("moderator"),
        )

    def _come(self, person: str, label: str) -> None:
        chance = self._chance.fork(label)
        device = Device(
            person,
            label,
            simulation=self.simulation,
            gateway=self._gateway,
            trace=self.trace,
            chance=chance,
            settings=self.plan.client(chance),
        )
        self._all.append(device)
        load = Load(device, self.plan, chance)
        load.begin()
        self._act_later(device, load, chance)
        self._kick_later(device)

    def _act_later(self, device: Device, load: Load, chance: Chance) -> None:
        def act() -> None:
            if not device.retired and self.simulation.now < self.plan.duration:
                load.act()
                self._act_later(device, load, chance)

        self.simulation.after(chance.between(0, 2 * self.plan.busy), act)

    def _kick_later(self, device: Device) -> None:
        def kick() -> None:
            if device.retired or self.simulation.now >= self.plan.duration:
                return
            if self._misfortune.strikes("kick"):
                self._kick(device)
            if self._misfortune.strikes("logout"):
                self._gateway.log_out(device.person)
            self._kick_later(device)

        self.simulation.after(1, kick)

    def _kick(self, device: Device) -> None:
        end = self._gateway.drop if self.plan.calm else self._gateway.kick
        for connection in list(device.links.values()):
            end(connection)
        if self._misfortune.strikes("restart"):
            device.retire()
            again = partial(self._come, device.person, f"{device.label}+")
            self.simulation.after(self._chance.between(0.1, 5), again)

    def _kick_many(self) -> None:
        """Let many go at last, some for good, when nobody will write to their rooms any more."""
        end = self._gateway.drop if self.plan.calm else self._gateway.kick
        for device in self._alive()[1:]:
            for connection in list(device.links.values()):
                if self._chance.happens(0.4):
                    end(connection)
            if self._chance.happens(0.15):
                device.retire()

    def _let_one_vanish(self) -> None:
        """Leave something behind that no push will find, only who looks for it."""
        device = self._chance.pick(self._alive())
        for connection in list(device.links.values()):
            self._gateway.vanish(connection, dies_at=self._chance.pick((None, 1, 2)))

    def _say_last_words(self) -> None:
        for room in self.plan.rooms:
            for device in self._alive():
                if room in device.core.rooms:
                    Load(device, self.plan, self._chance.fork("last words")).say(room)
                    break

    def _settle(self, seconds: float) -> None:
        """Let some time pass, and then a moment come at which nothing is under way."""
        end = self.simulation.now + seconds
        self.simulation.run(end)
        while self._sqs.pending and self.simulation.now < end + _QUEUE_PATIENCE:
            self.simulation.run(self.simulation.now + 1)
        end = max(end, self.simulation.now)
        while self._is_busy() and self.simulation.now < end + _PATIENCE:
            self.simulation.run(self.simulation.now + 0.05)
        if self._is_busy():
            open_ = [f"{it.name} of {it.caller.label}" for it in self._gateway.open]
            at_work = f"{self.simulation.running} functions run, {self._sqs.pending} jobs wait"
            self.trace.find(f"no peace: {at_work}, {open_} are open")

    def _is_busy(self) -> bool:
        links = [len(device.links) for device in self._alive()]
        under_way = self.simulation.running or self._gateway.travelling or self._sqs.pending
        return bool(under_way) or links != [1] * len(links) or not self._are_online()

    def _are_online(self) -> bool:
        return all(it.core.is_online and not it.core.unsettled() for it in self._alive())

    def _alive(self) -> list[Device]:
        return [device for device in self._all if not device.retired]

    def _check(self) -> None:
        logs = Logs(self._store, self.simulation)
        Checks(self._alive(), self._all, logs).run(
            self.plan, self._gateway, self._audit, self.trace
        )
        deliveries = Deliveries(self._debts, self._sqs, self._gateway, logs)
        deliveries.run(self.plan, self.trace)
        self.trace.counts["entries"] += sum(map(len, logs.rooms.values()))
        self.trace.counts["asked for"] += sum(len(device.intents) for device in self._all)
        self.trace.counts["holes asked for"] += sum(device.repairs for device in self._all)


class _Listener(logging.Handler):
    """Takes it as wrong whatever is logged as an error, but what the faults are the cause of."""

    def __init__(self, world: _Round) -> None:
        super().__init__(logging.ERROR)
        self._trace = world.trace
        self._fails_queue = not world.plan.calm

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        is_queue = self._fails_queue and record.name == "chalicelib.queues"
        if not isinstance(error, Unavailable) and not is_queue:
            self._trace.find(f"logged: {record.getMessage()}: {error!r}")


@contextmanager
def _logged(world: _Round) -> Iterator[None]:
    logger, listener = logging.getLogger("chalicelib"), _Listener(world)
    was = logger.propagate
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = was
        logger.removeHandler(listener)
