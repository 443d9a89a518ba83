"""A log whose entries expire against a model of it, whatever happens in which order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.backoff import Backoff
from chalicelib.database import Database
from chalicelib.drafts import Content, Deletion, Edit, Message, Reaction
from chalicelib.errors import ChatError
from chalicelib.messages import MessageLog
from chalicelib.models import UserName
from chalicelib.positions import Position
from tests.stores.memory import MemoryClient
from tests.unit.fakes import ALICE, BOB, LOBBY, MESSAGES_TABLE, Clock

RETENTION, IDEMPOTENCY, MAX_REACTIONS = 100, 150, 2
Answer: TypeAlias = tuple[int, bool] | str  # a seq and whether it is a duplicate, or an error

# Few of everything, so that they meet.
COMMON = {
    "room": st.just(LOBBY),
    "user": st.sampled_from([ALICE, BOB]),
    "cid": st.sampled_from([None, None, "c1", "c2"]),
}
TARGET, TEXT = st.integers(1, 8), st.sampled_from(["a", "b", "c"])
EMOJI = st.sampled_from(["👍", "👎", "1️⃣"])
CONTENT: st.SearchStrategy[Content] = st.one_of(
    st.builds(Message, **COMMON, text=TEXT),
    st.builds(Message, **COMMON, text=TEXT),
    st.builds(Edit, **COMMON, target=TARGET, text=TEXT),
    st.builds(Deletion, **COMMON, target=TARGET),
    st.builds(Reaction, **COMMON, target=TARGET, emoji=EMOJI, removed=st.booleans()),
)
FUNCTION = st.integers(0, 2)


@dataclass(frozen=True)
class Wait:
    """Time passes."""

    seconds: int


@dataclass(frozen=True)
class Collect:
    """The table's time to live takes every nth of what has expired."""

    every: int


Step: TypeAlias = tuple[Content, int] | Wait | Collect
STEP: st.SearchStrategy[Step] = st.one_of(
    st.tuples(CONTENT, FUNCTION),
    st.tuples(CONTENT, FUNCTION),
    st.builds(Wait, st.sampled_from([1, 40, 100])),
    st.builds(Collect, st.sampled_from([1, 1, 2])),
)


@dataclass
class Line:
    """An entry of the model, and, of a message, what became of it."""

    content: Content
    expires: float
    text: str = ""
    changed: int = 0
    deleted: bool = False
    reactions: list[tuple[str, UserName]] = field(default_factory=list)


class Model:
    """A room in plain Python: a list from which nothing is ever taken."""

    def __init__(self, clock: Clock) -> None:
        self.lines: list[Line] = []
        self._cids: dict[tuple[UserName, str], tuple[int, float]] = {}
        self._clock = clock

    def append(self, content: Content) -> Answer:
        seq, expires = self._cids.get((content.user, content.cid or ""), (0, 0.0))
        if expires > self._clock():
            return seq, True
        if not isinstance(content, Message):
            answer = self._refusal(content)
            if answer is not None:
                if content.cid and isinstance(answer, tuple):  # a duplicate is remembered as one
                    self._remember(content, answer[0])
                return answer
        return self._added(content), False

    def kept(self, seq: int) -> bool:
        return 1 <= seq <= len(self.lines) and self.lines[seq - 1].expires > self._clock()

    def shown(self, seq: int) -> tuple[object, ...]:
        """Return an entry as `shown` returns what the log says."""
        line = self.lines[seq - 1]
        if isinstance(line.content, Edit):
            target = line.content.target
            text = self.lines[target - 1].text if self.kept(target) else ""
            return seq, Edit, text, 0, False, {}
        reactions: dict[str, list[UserName]] = {}
        for emoji, user in line.reactions:
            reactions.setdefault(emoji, []).append(user)
        return seq, type(line.content), line.text, line.changed, line.deleted, reactions

    def _refusal(self, change: Edit | Deletion | Reaction) -> Answer | None:
        target = self.lines[change.target - 1] if self.kept(change.target) else None
        if target is None or not isinstance(target.content, Message):
            return "not_found"
        if not isinstance(change, Reaction) and change.user != target.content.user:
            return "forbidden"
        if target.deleted and not isinstance(change, Deletion):
            return "conflict"
        if _changes_nothing(change, target):
            return target.changed or change.target, True
        is_full = len(target.reactions) >= MAX_REACTIONS
        if isinstance(change, Reaction) and not change.removed and is_full:
            return "conflict"
        return None

    def _remember(self, content: Content, seq: int) -> None:
        if content.cid is not None:
            self._cids[content.user, content.cid] = seq, int(self._clock()) + IDEMPOTENCY

    def _added(self, content: Content) -> int:
        seq = len(self.lines) + 1
        self.lines.append(Line(content, int(self._clock()) + RETENTION))
        self._remember(content, seq)
        if isinstance(content, Message):
            self.lines[-1].text = content.text
        else:
            _change(self.lines[content.target - 1], content, seq)
        return seq


def _changes_nothing(change: Edit | Deletion | Reaction, target: Line) -> bool:
    if isinstance(change, Edit):
        return change.text == target.text
    if isinstance(change, Deletion):
        return target.deleted
    return ((change.emoji, change.user) in target.reactions) is not change.removed


def _change(target: Line, change: Edit | Deletion | Reaction, seq: int) -> None:
    target.changed = seq
    if isinstance(change, Edit):
        target.text = change.text
    elif isinstance(change, Deletion):
        target.text, target.deleted = "", True
    elif change.removed:
        target.reactions.remove((change.emoji, change.user))
    else:
        target.reactions.append((change.emoji, change.user))


def told(log: MessageLog, content: Content) -> Answer:
    try:
        appended = log.append(content)
    except ChatError as error:
        return error.code
    return appended.seq, appended.duplicate


def shown(log: MessageLog, seq: int) -> tuple[object, ...] | None:
    entry = log.entry(LOBBY, seq)
    if entry is None:
        return None
    state, text = entry.state, getattr(entry.content, "text", "")
    reactions = dict(state.reactions)
    return seq, type(entry.content), text, state.changed, state.deleted, reactions


def collect(client: MemoryClient, now: float, every: int) -> None:
    items = client.scan(TableName=MESSAGES_TABLE)["Items"]
    expired = [item for item in items if float(item.get("expires_at", {"N": "inf"})["N"]) <= now]
    for item in expired[::every]:
        key = {"room": item["room"], "seq": item["seq"]}
        client.delete_item(TableName=MESSAGES_TABLE, Key=key, ReturnValues="ALL_OLD")


def check_pages(log: MessageLog, model: Model) -> None:
    last = len(model.lines)
    for seq in range(last + 3):
        ahead = range(seq + 1, min(seq + 3, last) + 1)
        whole = seq <= last and all(map(model.kept, ahead))
        page = log.after(LOBBY, seq, limit=3)
        assert (page and [entry.seq for entry in page.entries]) == (list(ahead) if whole else None)
        assert page is None or page.more is (seq + 3 < last)

        newest = min(seq, last)
        behind = [n for n in range(newest - 2, newest + 1) if model.kept(n)]
        back = log.before(LOBBY, seq + 1, limit=3)
        assert [entry.seq for entry in back.entries] == behind
        assert back.more or not behind or not model.kept(behind[0] - 1)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=30))
def test_a_log_that_forgets_does_what_the_model_says(steps: Sequence[Step]) -> None:
    clock, client = Clock(1_000_000.5), MemoryClient()
    database = Database(client, Backoff(clock=clock, sleep=lambda _: None, random=lambda: 0.5))
    logs = [
        MessageLog(
            database,
            table=MESSAGES_TABLE,
            clock=clock,
            idempotency_ttl=IDEMPOTENCY,
            retention=RETENTION,
            max_reactions=MAX_REACTIONS,
        )
        for _ in range(3)
    ]
    model = Model(clock)

    for step in steps:
        if isinstance(step, Wait):
            clock.now += step.seconds
        elif isinstance(step, Collect):
            collect(client, clock(), step.every)
        else:
            content, function = step
            assert told(logs[function], content) == model.append(content)

    seqs = range(1, len(model.lines) + 2)
    expected = [model.shown(seq) if model.kept(seq) else None for seq in seqs]
    messages = sum(isinstance(line.content, Message) for line in model.lines)
    assert [shown(logs[0], seq) for seq in seqs] == expected
    assert logs[0].last(LOBBY) == Position(len(model.lines), messages)
    check_pages(logs[0], model)
