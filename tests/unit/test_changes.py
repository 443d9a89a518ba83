"""Changing what was said: what each change does to its message, and when it is refused."""

from collections.abc import Callable

import pytest

from chalicelib.changes import refusal
from chalicelib.drafts import Appended, Change, Content, Entry, State
from chalicelib.entries import Kept, entry_item
from chalicelib.errors import ChatError, Conflict, Forbidden, NotFound
from chalicelib.messages import MessageLog
from chalicelib.models import LARGEST_INTEGER, RoomName
from tests.unit.fakes import (
    ALICE,
    BOB,
    CAROL,
    GAMES,
    LOBBY,
    MESSAGES_TABLE,
    Clock,
    Faulty,
    LogFactory,
    cancelled,
    deleted,
    edited,
    reacted,
    said,
    stored,
)

THEN, LATER, LAST = (f"2026-01-02T03:04:{second}.678Z" for second in ("05", "06", "07"))
FAMILY, SCOTLAND = "👨\u200d👩\u200d👧\u200d👦", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"


def message_of(log: MessageLog, seq: int = 1) -> Entry:
    entry = log.entry(LOBBY, seq)
    assert entry is not None
    return entry


def append_each(log: MessageLog, *contents: Content) -> list[Appended]:
    return [log.append(content) for content in contents]


@pytest.mark.clause("H1")
def test_an_edit_replaces_the_text_of_its_message(log: MessageLog, clock: Clock) -> None:
    log.append(said("helo", cid="c1"))
    clock.now += 1

    appended = log.append(edited(1, "hello", cid="c2"))

    assert appended == Appended(LOBBY, 2, LATER)
    assert message_of(log) == Entry(
        1, THEN, said("hello", cid="c1"), State(changed=2, edited=LATER)
    )
    assert message_of(log, 2) == Entry(2, LATER, edited(1, "hello", cid="c2"))


@pytest.mark.clause("H1")
def test_every_edit_shows_the_newest_text(log: MessageLog, clock: Clock) -> None:
    append_each(log, said("a"), edited(1, "b"))
    clock.now += 1
    log.append(edited(1, "c"))

    entries = [message_of(log, seq) for seq in (1, 2, 3)]

    assert [entry.content for entry in entries] == [said("c"), edited(1, "c"), edited(1, "c")]
    assert entries[0].state == State(changed=3, edited=LATER)


@pytest.mark.clause("L7", "H1")
def test_a_deletion_erases_the_text_and_keeps_what_else_happened(
    log: MessageLog, clock: Clock
) -> None:
    append_each(log, said("secret"), reacted(1, user=BOB), edited(1, "private"))
    clock.now += 1

    log.append(deleted(1))

    state = State(changed=4, edited=THEN, deleted=True, reactions={"👍": [BOB]})
    assert message_of(log) == Entry(1, THEN, said(""), state)
    assert message_of(log, 3) == Entry(3, THEN, edited(1, ""))
    assert message_of(log, 4) == Entry(4, LATER, deleted(1))


@pytest.mark.clause("L7")
def test_after_a_deletion_no_item_of_the_table_holds_any_of_the_texts(
    log: MessageLog, dynamodb: Faulty
) -> None:
    append_each(log, said("secret", cid="c1"), edited(1, "private", cid="c2"), edited(1, "hidden"))

    log.append(deleted(1, cid="c3"))

    rooms = ("lobby", "cid#alice#c1", "cid#alice#c2", "cid#alice#c3")
    raw = str([stored(dynamodb, room) for room in rooms])
    assert not [text for text in ("secret", "private", "hidden") if text in raw]
    assert len(stored(dynamodb, "lobby")) == 4


@pytest.mark.clause("L7")
def test_an_earlier_text_is_gone_as_soon_as_it_is_replaced(
    log: MessageLog, dynamodb: Faulty
) -> None:
    append_each(log, said("secret"), edited(1, "public"))

    raw = str(stored(dynamodb, "lobby"))

    assert "secret" not in raw
    assert raw.count("public") == 1


@pytest.mark.clause("H1")
def test_reactions_stand_in_the_order_in_which_they_were_given(log: MessageLog) -> None:
    log.append(said())
    given = [("👎", CAROL), ("👍", CAROL), ("👍", BOB), ("👍", ALICE), (FAMILY, BOB)]

    append_each(log, *(reacted(1, emoji, user=user) for emoji, user in given))

    reactions = message_of(log).state.reactions
    assert list(reactions.items()) == [
        ("👎", [CAROL]),
        ("👍", [CAROL, BOB, ALICE]),
        (FAMILY, [BOB]),
    ]
    assert message_of(log, 6).content == reacted(1, FAMILY, user=BOB)


@pytest.mark.clause("H1")
def test_reactions_are_in_order_beyond_ten_entries(log: MessageLog) -> None:
    append_each(log, said(), *(reacted(1, user=BOB, removed=n % 2 == 1) for n in range(8)))

    append_each(log, reacted(1, user=BOB), reacted(1, user=ALICE))

    assert message_of(log).state.reactions == {"👍": [BOB, ALICE]}


@pytest.mark.clause("H1")
def test_a_reaction_given_again_stands_at_the_end(log: MessageLog) -> None:
    append_each(log, said(), reacted(1, user=BOB), reacted(1, user=CAROL))

    append_each(log, reacted(1, user=BOB, removed=True), reacted(1, user=BOB))

    assert message_of(log).state == State(changed=5, reactions={"👍": [CAROL, BOB]})


def test_a_reaction_taken_away_leaves_those_of_others(log: MessageLog) -> None:
    append_each(log, said(), reacted(1, user=BOB), reacted(1, "👎", user=BOB), reacted(1))

    log.append(reacted(1, user=BOB, removed=True))

    assert message_of(log).state.reactions == {"👎": [BOB], "👍": [ALICE]}
    assert message_of(log, 5).content == reacted(1, user=BOB, removed=True)


def test_the_last_reaction_taken_away_leaves_none(log: MessageLog) -> None:
    append_each(log, said(), reacted(1))

    log.append(reacted(1, removed=True))

    assert message_of(log).state == State(changed=3)


@pytest.mark.parametrize("emoji", ["1️⃣", "❤️", SCOTLAND, FAMILY, "." * 16, "#", "-"])
def test_any_emoji_is_kept_as_it_came(log: MessageLog, emoji: str) -> None:
    append_each(log, said(), reacted(1, emoji))

    assert message_of(log).state.reactions == {emoji: [ALICE]}


@pytest.mark.clause("L5")
@pytest.mark.parametrize("target", [2, 3, LARGEST_INTEGER])
@pytest.mark.parametrize("make", [edited, deleted, reacted])
def test_what_is_no_message_cannot_be_changed(
    make: Callable[[int], Change], target: int, log: MessageLog, dynamodb: Faulty
) -> None:
    append_each(log, said(), edited(1))

    with pytest.raises(NotFound, match=f"{target} is no message of lobby"):
        log.append(make(target))

    assert len(stored(dynamodb, "lobby")) == 2


@pytest.mark.clause("L5")
def test_a_message_of_another_room_cannot_be_changed(log: MessageLog) -> None:
    append_each(log, said(), said(room=GAMES), said(room=GAMES))

    with pytest.raises(NotFound):
        log.append(edited(2))
    with pytest.raises(NotFound):
        log.append(deleted(1, room=RoomName("empty")))


@pytest.mark.parametrize("make", [edited, deleted, reacted])
def test_what_another_function_appended_this_moment_can_be_changed(
    make: Callable[[int], Change], new_log: LogFactory
) -> None:
    log, other = new_log(), new_log()
    log.append(said())
    append_each(other, said(), said())

    appended = log.append(make(3))

    assert appended == Appended(LOBBY, 4, THEN)
    assert message_of(log, 3).state.changed == 4


@pytest.mark.clause("L5")
@pytest.mark.parametrize("change", [edited(1, user=BOB), deleted(1, user=BOB)])
def test_somebody_elses_message_can_neither_be_edited_nor_deleted(
    log: MessageLog, change: Content, dynamodb: Faulty
) -> None:
    log.append(said("mine"))

    with pytest.raises(Forbidden, match="message 1 of lobby is somebody else's"):
        log.append(change)

    assert message_of(log) == Entry(1, THEN, said("mine"))
    assert len(stored(dynamodb, "lobby")) == 1


@pytest.mark.clause("L5")
@pytest.mark.parametrize("change", [edited(1, user=BOB), deleted(1, user=BOB)])
def test_somebody_elses_deleted_message_is_still_somebody_elses(
    log: MessageLog, change: Content
) -> None:
    append_each(log, said(), deleted(1))

    with pytest.raises(Forbidden):
        log.append(change)


@pytest.mark.clause("L5")
@pytest.mark.parametrize(
    "change",
    [edited(1, "x"), edited(1, ""), reacted(1, user=BOB), reacted(1, removed=True)],
)
def test_a_deleted_message_can_not_be_changed(log: MessageLog, change: Content) -> None:
    append_each(log, said(), reacted(1), deleted(1))

    with pytest.raises(Conflict, match="message 1 of lobby has been deleted"):
        log.append(change)

    assert log.last(LOBBY).seq == 3


@pytest.mark.clause("L5", "L6")
def test_to_delete_again_is_a_duplicate(log: MessageLog, clock: Clock) -> None:
    append_each(log, said(), deleted(1), said())
    clock.now += 1

    again = log.append(deleted(1, cid="c9"))

    assert again == Appended(LOBBY, 2, THEN, duplicate=True)
    assert log.last(LOBBY).seq == 3


@pytest.mark.clause("L6")
@pytest.mark.parametrize(
    ("change", "last"),
    [
        (edited(1, "same"), 1),
        (edited(2, "new"), 5),
        (reacted(2), 5),
        (reacted(1, removed=True), 1),
        (reacted(2, "👎", removed=True), 5),
        (reacted(2, user=BOB, removed=True), 5),
    ],
)
def test_a_change_that_changes_nothing_answers_the_last_one(
    change: Content, last: int, log: MessageLog, clock: Clock
) -> None:
    append_each(log, said("same"), said("old"), reacted(2))
    clock.now += 1
    append_each(log, said(), edited(2, "new"))
    clock.now += 1

    again = log.append(change)

    assert again == Appended(LOBBY, last, THEN if last == 1 else LATER, duplicate=True)
    assert log.last(LOBBY).seq == 5


@pytest.mark.clause("L6")
@pytest.mark.clause("L3", "L6")
def test_the_cid_of_a_change_that_changes_nothing_is_remembered_as_well(
    log: MessageLog, dynamodb: Faulty
) -> None:
    log.append(said("same"))
    log.append(edited(1, "same", cid="c1"))

    appended = log.append(said("another", cid="c1"))

    assert appended == Appended(LOBBY, 1, THEN, duplicate=True)
    assert len(stored(dynamodb, "cid#alice#c1")) == 1


@pytest.mark.clause("H4")
def test_a_message_takes_so_many_reactions_and_no_more(new_log: LogFactory) -> None:
    log = new_log(max_reactions=2)
    append_each(log, said(), reacted(1), reacted(1, "👎"))

    with pytest.raises(Conflict, match="has 2 reactions, as many as it may have"):
        log.append(reacted(1, user=BOB))

    assert log.last(LOBBY).seq == 3


@pytest.mark.clause("H4", "L6")
def test_of_a_full_message_reactions_can_be_repeated_and_taken_away(new_log: LogFactory) -> None:
    log = new_log(max_reactions=1)
    append_each(log, said(), reacted(1))

    again = log.append(reacted(1))
    append_each(log, reacted(1, removed=True), reacted(1, user=BOB))

    assert again == Appended(LOBBY, 2, THEN, duplicate=True)
    assert message_of(log).state.reactions == {"👍": [BOB]}


# As many emoji as one person may put to a message.
TWENTY = [chr(0x1F600 + n) for n in range(20)]


@pytest.mark.clause("H4")
def test_nobody_uses_up_the_reactions_of_the_others(log: MessageLog) -> None:
    append_each(log, said(), *(reacted(1, emoji) for emoji in TWENTY))

    with pytest.raises(Conflict, match="has 20 reactions of yours, as many as it may have"):
        log.append(reacted(1, "👍"))

    assert log.append(reacted(1, TWENTY[0])).duplicate
    assert log.append(reacted(1, "👍", user=BOB)).seq == 22
    append_each(log, reacted(1, TWENTY[0], removed=True), reacted(1, "👍"))
    assert message_of(log).state.reactions["👍"] == [BOB, ALICE]


@pytest.mark.clause("H4")
def test_who_takes_reactions_back_leaves_nothing_in_the_message(
    log: MessageLog, dynamodb: Faulty
) -> None:
    append_each(log, said(), reacted(1), reacted(1, "👎"))
    append_each(log, reacted(1, removed=True), reacted(1, "👎", removed=True))

    message = stored(dynamodb, LOBBY)[0]
    assert message["reactions"] == {"M": {}}
    assert not [name for name in message if "alice" in name]


@pytest.mark.clause("H4")
def test_reactions_from_before_they_were_counted_can_be_taken_back(
    log: MessageLog, dynamodb: Faulty
) -> None:
    append_each(log, said(), reacted(1))
    dynamodb.client.update_item(
        TableName=MESSAGES_TABLE,
        Key={"room": {"S": "lobby"}, "seq": {"N": "1"}},
        UpdateExpression="REMOVE #own",
        ExpressionAttributeNames={"#own": "emoji of alice"},
    )

    append_each(log, reacted(1, removed=True), reacted(1, "👎"))

    assert message_of(log).state.reactions == {"👎": [ALICE]}


@pytest.mark.clause("H4")
def test_a_stage_may_do_without_reactions(new_log: LogFactory) -> None:
    log = new_log(max_reactions=0)
    log.append(said())

    with pytest.raises(Conflict):
        log.append(reacted(1))


@pytest.mark.clause("L9")
@pytest.mark.parametrize("make", [edited, deleted, reacted])
def test_what_has_expired_cannot_be_changed_although_the_table_still_has_it(
    make: Callable[[int], Change], new_log: LogFactory, clock: Clock
) -> None:
    log = new_log(retention=60)
    log.append(said())
    clock.now += 60
    log.append(said())

    with pytest.raises(NotFound):
        log.append(make(1))


def test_a_change_beaten_by_another_message_is_made_one_later(new_log: LogFactory) -> None:
    log, other = new_log(), new_log()
    log.append(said())
    other.append(said())

    appended = log.append(edited(1))

    assert appended.seq == 3
    assert message_of(log).state.changed == 3


def test_a_change_in_the_way_of_others_is_tried_again(log: MessageLog, dynamodb: Faulty) -> None:
    log.append(said())
    dynamodb.plan("transact_write_items", cancelled("None", "TransactionConflict"), None)

    assert log.append(edited(1)).seq == 2


@pytest.mark.parametrize("target", [None, {}])
def test_a_change_of_nothing_is_not_found(target: dict[str, dict[str, str]] | None) -> None:
    with pytest.raises(NotFound):
        refusal(reacted(1), target, Kept(0, 0))


@pytest.mark.parametrize(
    ("change", "error"),
    [(edited(1, user=BOB), Forbidden), (reacted(1), Conflict)],
)
def test_a_refusal_is_told_by_the_image_of_the_target(
    change: Change, error: type[ChatError]
) -> None:
    target = entry_item(said(), 1, THEN, 1)

    with pytest.raises(error):
        refusal(change, target, Kept(0, 0))
