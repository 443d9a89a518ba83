"""The model under bench.append: DynamoDB's answers, in a time of its own."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bench.append import Plan, arrive, contend
from bench.model import ModelEngine, VirtualTime
from bench.plot import chart
from chalicelib.appends import Append
from chalicelib.drafts import Message
from chalicelib.models import RoomName, UserName
from chalicelib.positions import Position
from tests.stores.tables import MESSAGES_TABLE


class Writes:
    """The writes of appends, as MessageLog makes them."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self, seq: int, cid: str | None) -> list[Any]:
        append = Append(
            table=MESSAGES_TABLE,
            content=Message(room=RoomName("r"), user=UserName("ada"), text="hi", cid=cid),
            position=Position(seq, seq),
            time=self.now,
            idempotency_ttl=30,
            retention=0,
            max_reactions=500,
        )
        return list(append.writes().values())


NEWEST: dict[str, Any] = {
    "TableName": MESSAGES_TABLE,
    "KeyConditionExpression": "room = :room",
    "ExpressionAttributeValues": {":room": {"S": "r"}},
    "Limit": 2,
    "ConsistentRead": True,
    "ScanIndexForward": False,
    "ProjectionExpression": "seq, messages, last_seq",
}


def answer_of(call: Callable[[], Any]) -> Any:
    """Return what a call answers, or why it was cancelled, in words that engines share."""
    try:
        return call().get("Items")
    except ClientError as error:
        reasons = error.response["CancellationReasons"]
        return [(reason["Code"], reason.get("Item")) for reason in reasons]


@pytest.mark.parametrize("seed", range(3))
def test_the_model_answers_as_moto_does(seed: int, tables: Any) -> None:
    chance, writes = random.Random(seed), Writes()  # noqa: S311 - not a secret
    model = ModelEngine(lambda _: None, latency=0)
    seen = set()

    for _ in range(60):
        writes.now += chance.choice([1, 1, 20])
        items = writes(chance.randint(1, 9), chance.choice([None, "c1", "c2"]))
        theirs = answer_of(partial(tables.transact_write_items, TransactItems=items))
        ours = answer_of(partial(model.transact_write_items, TransactItems=items))
        assert ours == theirs
        assert model.query(**NEWEST)["Items"] == tables.query(**NEWEST)["Items"]
        seen.add(str(theirs)[:60])

    assert len(seen) == 5  # written, or refused for the number, the cid, or both


def test_a_transaction_under_way_has_its_items_and_shows_nothing_of_them() -> None:
    now, writes = VirtualTime(), Writes()
    model = ModelEngine(now.sleep, latency=4.0)  # prepared after 1 s, committed after 3
    answers = {}

    def transact(name: str, start: float, seq: int) -> None:
        now.sleep(start)
        put = writes(seq, None)
        answers[name] = answer_of(lambda: model.transact_write_items(TransactItems=put)), now()

    def look(name: str, start: float) -> None:
        now.sleep(start)
        items = model.query(**NEWEST)["Items"]
        answers[name] = [int(item["seq"]["N"]) for item in items], now()

    now.run(
        [
            lambda: transact("first", 0, 1),
            lambda: transact("in its way", 1.5, 1),
            lambda: transact("beside it", 1.5, 2),
            lambda: transact("after it", 2.5, 1),
            lambda: look("early", 0.5),
            lambda: look("late", 1.5),
        ]
    )

    assert answers == {
        "first": (None, 4),
        "in its way": ([("TransactionConflict", None)], 5.5),
        "beside it": (None, 5.5),
        "after it": ([("ConditionalCheckFailed", None)], 6.5),
        "early": ([], 4.5),
        "late": ([1], 5.5),
    }


@pytest.mark.parametrize("run", [contend, arrive])
def test_the_model_gives_the_same_figures_in_every_run(run: Callable[..., Any]) -> None:
    plan = Plan(seconds=0.5)

    first, second, other = run(plan, 8), run(plan, 8), run(Plan(seconds=0.5, seed=2), 8)

    assert first == second != other


def test_a_writer_who_is_alone_waits_for_nobody() -> None:
    figures = contend(Plan(seconds=1, latency=0.005, pause=0.015), 1)

    assert figures.acknowledged_per_second == 50
    assert (figures.cancelled_per_message, figures.p50_ms, figures.unavailable) == (0, 5.0, 0)


def test_what_an_actor_raises_ends_the_run() -> None:
    now = VirtualTime()

    def fail() -> None:
        now.sleep(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        now.run([fail, lambda: now.sleep(2)])


def test_a_chart_shows_every_line_and_stays_inside() -> None:
    drawn = chart({"a < b": [(1, 10), (100, 5000)]}, across="x", up="y")

    assert "a &lt; b" in drawn
    assert 'points="70.2,312.0 688.0,' in drawn
