"""What each action costs: as documented, and however much goes on elsewhere."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from bench.requests import PEOPLE, SCENARIOS, Cost, database, measure, row
from chalicelib.commands import Command

DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"
HEADER = "| action | DynamoDB requests | WCU | RCU | posts |"
SAY = "sendmessage"

MeasuredCost = Callable[..., Cost]


@pytest.fixture(scope="module")
def cost() -> Iterator[MeasuredCost]:
    with database() as client:

        @cache
        def measured(name: str, people: int = PEOPLE, strangers: int = 0) -> Cost:
            return measure(client, name, people=people, strangers=strangers)

        yield measured


def documented() -> dict[str, str]:
    """Return the rows of the table, by their first cell."""
    _, _, after = DOCUMENT.read_text(encoding="utf-8").partition(HEADER)
    rows = after.partition("\n\n")[0].splitlines()[2:]
    return {line.split(" | ")[0].removeprefix("| "): line for line in rows}


def test_every_action_is_measured_and_documented() -> None:
    actions = {str(it.__struct_config__.tag) for it in Command.__subclasses__()}
    measured = {re.split(r"[ ,]", name)[0] for name in SCENARIOS}

    assert measured == actions | {"connect", "disconnect", "publish", "POST"}
    assert list(documented()) == list(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_action_costs_what_the_documentation_says(name: str, cost: MeasuredCost) -> None:
    assert row(name, cost(name)) == documented()[name]


@pytest.mark.parametrize("name", [SAY, f"{SAY} with cid", "editmessage", "deletemessage", "react"])
def test_a_warm_function_adds_to_a_room_in_four_requests_or_fewer(
    name: str, cost: MeasuredCost
) -> None:
    assert cost(name).requests <= 4


@pytest.mark.parametrize("name", ["connect", SAY, "history, 50 messages", "rooms, 1 room"])
def test_what_goes_on_elsewhere_costs_nothing(name: str, cost: MeasuredCost) -> None:
    assert cost(name, strangers=300) == cost(name)


@pytest.mark.parametrize("people", [1, 50])
def test_the_number_of_recipients_changes_the_posts_and_not_the_requests(
    people: int, cost: MeasuredCost
) -> None:
    crowd = cost(SAY, people)

    assert crowd.requests == cost(SAY).requests
    assert crowd.posts == people
    assert crowd.wcu == cost(SAY).wcu
