"""What is added to a log compares by what it says."""

from dataclasses import FrozenInstanceError

import pytest

from chalicelib.drafts import Appended, Content, Entry, Page, State
from tests.unit.fakes import BOB, LOBBY, deleted, edited, reacted, said


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (said("x"), said("y")),
        (said("x"), said("x", cid="c")),
        (said("x"), said("x", user=BOB)),
        (edited(1, "x"), edited(2, "x")),
        (reacted(1), reacted(1, removed=True)),
        (deleted(1), edited(1, "")),
    ],
)
def test_contents_that_say_another_thing_differ(one: Content, other: Content) -> None:
    assert one != other


def test_contents_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        said().text = "y"  # type: ignore[misc]


def test_what_nothing_has_happened_to_is_in_its_first_state() -> None:
    assert Entry(1, "now", said()).state == State(changed=0, edited=None, deleted=False)
    assert State().reactions == {}
    assert Appended(LOBBY, 1, "now").duplicate is False
    assert Page([]).more is False
