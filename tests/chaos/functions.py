"""Lambda: warm instances of the chat's functions, each with what it remembers and its clock."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from chalicelib.bootstrap import Application
from chalicelib.errors import Unavailable
from chalicelib.gateway import Outcome, Post, Recipient
from chalicelib.settings import Settings
from tests.chaos.audits import Auditor
from tests.chaos.databases import FaultyClient
from tests.chaos.faults import Misfortune
from tests.chaos.plans import ADMIN, Plan
from tests.chaos.queues import Sqs, SqsClient
from tests.chaos.simulation import Simulation
from tests.chaos.trace import Trace
from tests.stores.tables import (
    ACCOUNTS_TABLE,
    CONNECTIONS_TABLE,
    DEAD_LETTER_QUEUE,
    DELIVERIES_QUEUE,
    MEMBERSHIPS_TABLE,
    MESSAGES_TABLE,
)

START = 1_800_000_000.0
TIMEOUT = 29.0  # of an integration of API Gateway, and of the functions
_MOST_PAUSES = 14
_LONGEST_OUTAGE = 20.0
T = TypeVar("T", Post, Recipient)
Posting = Callable[[str, bytes], Outcome]
Asking = Callable[[str], Outcome]


class Functions:
    """Runs invocations on instances, of which there are as many as it takes.

    An instance handles one event at a time, as in Lambda, or, where the plan says so, several, as
    the local gateway has it.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        simulation: Simulation,
        store: Any,
        misfortune: Misfortune,
        trace: Trace,
        audit: Auditor,
        sqs: Sqs,
    ) -> None:
        self._plan = plan
        self._simulation = simulation
        self._store = store
        self._misfortune = misfortune
        self._trace = trace
        self._audit = audit
        self._sqs = sqs
        sqs.invoke = self.invoke
        self._warm: list[_Instance] = []
        self._made = 0
        self._newest = START
        self._are_right = False
        self._began: dict[str, float] = {}
        self.post: Posting = lambda _connection, _frame: Outcome.GONE
        self.check: Asking = lambda _connection: Outcome.GONE
        self.close: Asking = lambda _connection: Outcome.GONE

    def invoke(
        self,
        kind: str,
        event: Any,
        ended: Callable[[Any, bool], object],
        *,
        dies_at: int | None = None,
    ) -> None:
        """Let an instance handle an event; ended() gets its result, and whether it was killed."""
        instance = self._instance()
        results: list[Any] = []

        def work() -> None:
            results.append(instance.handle(kind, event))

        def over(killed: bool) -> None:  # noqa: FBT001 - what a process calls
            instance.busy -= 1
            self._began.pop(name, None)
            if killed:
                self._trace.note(instance.name, f"killed in {kind}")
                self._warm = [one for one in self._warm if one is not instance]
            elif self._plan.exclusive:
                self._warm.append(instance)
            ended(results[0] if results else None, killed)

        chance = self._misfortune.chance
        if self._misfortune.strikes("kill"):
            dies_at = chance.below(_MOST_PAUSES)
        name = f"{instance.name} {kind} {_about(event)}"
        self._began.setdefault(name, self._simulation.now)
        process = self._simulation.start(name, work, over, dies_at=dies_at)
        self._simulation.after(TIMEOUT, process.kill)
        self._trace.counts["invocations"] += 1

    def began(self, who: str) -> float:
        """Return when an invocation began; 0.0 where that is not known for sure."""
        return self._began.get(who, 0.0)

    def set_clocks(self) -> None:
        """Let all clocks be right from now on."""
        self._are_right = True

    def clock(self, skew: float) -> float:
        """Return the time of an instance; without skew, no moment comes twice."""
        if self._are_right:
            skew = 0.0
        now = round(START + self._simulation.now + skew, 3)
        if self._plan.skew:
            return now
        self._newest = max(now, round(self._newest + 0.001, 3))
        return self._newest

    def _instance(self) -> "_Instance":
        chance = self._misfortune.chance
        if not self._plan.exclusive and len(self._warm) < self._plan.instances:
            self._warm.append(self._new())
        if not self._warm:
            instance = self._new()
        elif self._plan.exclusive:
            instance = self._warm.pop(chance.below(len(self._warm)))
            if self._misfortune.strikes("recycle"):
                instance = self._new()
        else:
            place = chance.below(len(self._warm))
            if self._misfortune.strikes("recycle"):
                self._warm[place] = self._new()
            instance = self._warm[place]
        instance.busy += 1
        return instance

    def _new(self) -> "_Instance":
        self._made += 1
        skew = self._misfortune.chance.between(-self._plan.skew, self._plan.skew)
        client = FaultyClient(self._store, self._simulation, self._misfortune, self._audit)
        application = Application(
            _settings(self._plan),
            gateway=_Gateway(self, self._simulation, self._misfortune),
            dynamodb=client,
            sqs=SqsClient(self._sqs, self._simulation, self._misfortune),
            clock=lambda: self.clock(skew),
            sleep=self._simulation.pause,
            random=self._misfortune.chance.random,
        )
        return _Instance(f"f{self._made}", application)


class _Instance:
    def __init__(self, name: str, application: Application) -> None:
        self.name = name
        self._application = application
        self.busy = 0

    def handle(self, kind: str, event: Any) -> Any:
        if kind == "deliver":
            return self._application.deliveries.deliver(event, remaining=TIMEOUT)
        if kind == "evict":
            with suppress(Unavailable):  # some may be left
                self._application.evictions.evict(event["identity"])
            return None
        return getattr(self._application.chat, kind)(event)


class _Gateway:
    """How a function reaches @connections: each post at a time of its own, in any order."""

    def __init__(
        self, functions: Functions, simulation: Simulation, misfortune: Misfortune
    ) -> None:
        self._functions = functions
        self._simulation = simulation
        self._misfortune = misfortune

    def post(self, posts: Sequence[Post], *, within: float | None = None) -> list[Outcome]:
        return self._each(posts, self._post)

    def check(self, probes: Sequence[Recipient]) -> list[Outcome]:
        return self._each(probes, self._check)

    def disconnect(self, recipients: Sequence[Recipient]) -> list[Outcome]:
        return self._each(recipients, self._close)

    def _each(self, them: Sequence[T], ask: Callable[[T], Outcome]) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        for place in self._misfortune.chance.shuffled(range(len(them))):
            self._simulation.pause(self._misfortune.chance.between(0, 0.003))
            outcomes[place] = ask(them[place])
        return [outcomes[place] for place in range(len(them))]

    def _post(self, post: Post) -> Outcome:
        fault = self._misfortune.first_of("post_throttled", "post_broken", "post_lost")
        if fault or self._misfortune.lasts("outage", self._simulation.now, _LONGEST_OUTAGE):
            return Outcome.RETRYABLE
        outcome = self._functions.post(post.connection_id, post.frame)
        return Outcome.RETRYABLE if self._misfortune.strikes("post_unsure") else outcome

    def _close(self, recipient: Recipient) -> Outcome:
        if self._misfortune.strikes("delete_lost"):
            return Outcome.RETRYABLE
        return self._functions.close(recipient.connection_id)

    def _check(self, probe: Recipient) -> Outcome:
        if self._misfortune.strikes("check_unsure"):
            return Outcome.RETRYABLE
        return self._functions.check(probe.connection_id)


def _about(event: Any) -> str:
    if "Records" in event:
        return " ".join(record["messageId"] for record in event["Records"])
    if "identity" in event:
        return str(event["identity"].user)
    return str(event["requestContext"]["connectionId"])


def _settings(plan: Plan) -> Settings:
    return Settings.from_environ(
        {
            "CONNECTIONS_TABLE": CONNECTIONS_TABLE,
            "MESSAGES_TABLE": MESSAGES_TABLE,
            "MEMBERSHIPS_TABLE": MEMBERSHIPS_TABLE,
            "ACCOUNTS_TABLE": ACCOUNTS_TABLE,
            "DELIVERIES_QUEUE": DELIVERIES_QUEUE,
            "DEAD_LETTER_QUEUE": DEAD_LETTER_QUEUE,
            "VISITS_PER_HOUR": "0",
            "FRAME_RATE": "0",
            "GUESTS": "true",
            "ADMINS": ADMIN,
            "METRICS": "false",
            "LOBBY": "lobby",
            "LEASE_SECONDS": str(plan.lease),
            "HEARTBEAT_MS": str(plan.heartbeat * 1000),
            "RECONNECT_AFTER_MS": str(plan.lifetime * 1000),
            "PRESENCE_LIST_LIMIT": str(plan.presence_limit),
            "DIRECT_FANOUT": str(plan.direct_fanout),
            "MAX_DELIVERIES": str(plan.max_deliveries),
        }
    )
