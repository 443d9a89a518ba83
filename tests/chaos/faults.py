"""What can go wrong, how often, and how often it did."""

from dataclasses import dataclass, fields, replace
from typing import Self

from tests.chaos.chance import Chance
from tests.chaos.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The probability of each fault.

    Attributes:
        kill: an invocation dies at one of its pauses, its instance with it.
        dumb: ... and API Gateway does not tell the client.
        recycle: an instance is replaced by one that remembers nothing.
        throttled: a call to the database is refused.
        conflict: a write is refused because of another transaction.
        broken: a call is answered 500 and was not carried out.
        lost_call: a call times out and was not carried out.
        lost_answer: a call times out although it was carried out.
        unprocessed: part of a batch is left for later.
        short_page: a page of a query ends early, as after 1 MB.
        slow: a call takes up to a second.
        post_throttled, post_broken: a post is refused with 429, with 500.
        post_lost, post_unsure: a post times out, without or with delivery.
        outage: a post finds that none gets through, for everybody, for up to 20 seconds.
        check_unsure: the question whether a connection is open gets no answer.
        queue_broken, queue_unheard: a request to SQS fails, without or with being carried out.
        entry_failed: one entry of such a request fails.
        job_late, job_twice: a job is received seconds late, or by two workers.
        job_again: a job that was done is not deleted, and comes again.
        push_twice, push_late: a frame arrives at the client twice, or seconds later.
        frame_twice, frame_late: a client's frame is handled twice, or seconds later.
        no_entry: a handshake fails before it reaches the chat.
        kick: a connection ends, in any one second.
        unheard: ... and its $disconnect never comes.
        late_end: ... or comes late.
        logout: a person is logged out, in any one second of any of their devices.
        delete_lost: a connection that was to be closed stays open.
        restart: ... and the client forgets all that it had.
    """

    kill: float = 0.03
    dumb: float = 0.3
    recycle: float = 0.01
    throttled: float = 0.01
    conflict: float = 0.02
    broken: float = 0.004
    lost_call: float = 0.004
    lost_answer: float = 0.008
    unprocessed: float = 0.03
    short_page: float = 0.03
    slow: float = 0.01
    post_throttled: float = 0.01
    post_broken: float = 0.01
    post_lost: float = 0.01
    post_unsure: float = 0.01
    outage: float = 0.0005
    check_unsure: float = 0.05
    queue_broken: float = 0.02
    queue_unheard: float = 0.02
    entry_failed: float = 0.03
    job_late: float = 0.05
    job_twice: float = 0.03
    job_again: float = 0.02
    push_twice: float = 0.03
    push_late: float = 0.04
    frame_twice: float = 0.02
    frame_late: float = 0.02
    no_entry: float = 0.1
    kick: float = 0.03
    unheard: float = 0.3
    late_end: float = 0.3
    logout: float = 0.004
    delete_lost: float = 0.1
    restart: float = 0.2

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of all faults."""
        return [field.name for field in fields(cls)]

    @classmethod
    def only(cls, **probabilities: float) -> Self:
        """Return faults of which all others never happen."""
        return cls(**(dict.fromkeys(cls.names(), 0.0) | probabilities))

    def scaled(self, factor: float) -> Self:
        """Return the same, more or less often."""
        scaled = {name: min(0.9, getattr(self, name) * factor) for name in self.names()}
        return replace(self, **scaled)


class Misfortune:
    """Decides, fault by fault, and counts."""

    def __init__(self, faults: Faults, chance: Chance, trace: Trace) -> None:
        self._faults = faults
        self._trace = trace
        self._until: dict[str, float] = {}
        self.chance = chance

    def strikes(self, fault: str) -> bool:
        """Tell whether a fault happens now."""
        struck = self.chance.happens(getattr(self._faults, fault))
        self._trace.counts[f"fault {fault}"] += struck
        return struck

    def first_of(self, *faults: str) -> str:
        """Return the first of several faults that happens, "" if none does."""
        return next((fault for fault in faults if self.strikes(fault)), "")

    def lasts(self, fault: str, now: float, longest: float) -> bool:
        """Tell whether a fault that began here or earlier goes on."""
        if self.strikes(fault):
            self._until[fault] = now + self.chance.between(0, longest)
        return now < self._until.get(fault, 0.0)

    def end(self) -> None:
        """Let nothing go wrong from now on."""
        self._faults = Faults.only()
        self._until.clear()
