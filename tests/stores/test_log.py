"""The log of a room against a model of it, on two databases."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.drafts import Content, Deletion, Edit, Entry, Message, Reaction
from chalicelib.errors import ChatError
from chalicelib.messages import MessageLog
from chalicelib.models import RoomName, UserName
from tests.stores.conftest import LogFactory
from tests.stores.model import Answer, Model, without_times

ROOM = RoomName("tea")
MAX_REACTIONS = 3
SOMEBODY = st.sampled_from([UserName("ada"), UserName("bob")])
# Few of everything, so that they meet.
TARGET = st.integers(1, 6)
TEXT = st.sampled_from(["milk", "sugar", "ohne €"])
COMMON = {"room": st.just(ROOM), "user": SOMEBODY, "cid": st.sampled_from([None, None, "c1", "c2"])}
CONTENT: st.SearchStrategy[Content] = st.one_of(
    st.builds(Message, **COMMON, text=TEXT),
    st.builds(Edit, **COMMON, target=TARGET, text=TEXT),
    st.builds(Deletion, **COMMON, target=TARGET),
    st.builds(
        Reaction,
        **COMMON,
        target=TARGET,
        emoji=st.sampled_from(["👍", "👎", "❤️"]),
        removed=st.booleans(),
    ),
)
# Each with the function, of several, that does it.
SCRIPT = st.lists(st.tuples(CONTENT, st.integers(0, 2)), max_size=25)


def told(log: MessageLog, content: Content) -> Answer:
    try:
        appended = log.append(content)
    except ChatError as error:
        return error.code
    return appended.seq, appended.duplicate


def read(log: MessageLog, room: RoomName, *, limit: int) -> list[Entry]:
    """Read a whole log forwards, as one that catches up."""
    entries: list[Entry] = []
    while True:
        page = log.after(room, len(entries), limit=limit)
        assert page is not None
        entries += page.entries
        if not page.more:
            return entries


def read_back(log: MessageLog, room: RoomName, *, limit: int) -> list[Entry]:
    """Read a whole log backwards, as one that scrolls."""
    entries: list[Entry] = []
    while True:
        page = log.before(room, entries[0].seq if entries else None, limit=limit)
        entries = [*page.entries, *entries]
        if not page.more:
            return entries


def moved(content: Content, room: RoomName, name: Callable[[str], str]) -> Content:
    """Return the same content for a room and people of its own."""
    kind = type(content)
    fields = {field: getattr(content, field) for field in content.__dataclass_fields__}
    return kind(**{**fields, "room": room, "user": UserName(name(content.user))})


def check(logs: Sequence[MessageLog], script: Sequence[tuple[Content, int]], suffix: str) -> None:
    """Play a script to the logs and to the model, and compare the answers and what is read."""
    room, model = RoomName(f"tea-{suffix}"), Model(max_reactions=MAX_REACTIONS)
    played = [
        (moved(content, room, lambda user: f"{user}-{suffix}"), place) for content, place in script
    ]

    answers = [told(logs[place], content) for content, place in played]

    assert answers == [model.append(content) for content, _ in played]
    reader = logs[0]
    assert [without_times(entry) for entry in read(reader, room, limit=4)] == model.entries()
    assert read_back(reader, room, limit=3) == read(reader, room, limit=100)
    assert reader.last(room).seq == len(model.contents)
    assert reader.last(room).messages == sum(isinstance(it, Message) for it in model.contents)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=SCRIPT)
def test_the_log_does_what_the_model_says(
    new_log: LogFactory, new_name: Callable[[str], str], script: list[tuple[Content, int]]
) -> None:
    logs = [new_log(max_reactions=MAX_REACTIONS) for _ in range(3)]

    check(logs, script, new_name("r"))


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_the_places_of_entries_are_counted(
    new_log: LogFactory, new_name: Callable[[str], str], limit: int
) -> None:
    log, room, ada = new_log(), RoomName(new_name("tea")), UserName(new_name("ada"))
    log.append(Message(room=room, user=ada, text="milk"))
    log.append(Reaction(room=room, user=ada, target=1, emoji="👍"))
    log.append(Message(room=room, user=ada, text="sugar"))

    places = [log.position(room, seq).messages for seq in (1, 2, 3)]

    assert places == [1, 1, 2]
    assert [entry.seq for entry in read_back(log, room, limit=limit)] == [1, 2, 3]
