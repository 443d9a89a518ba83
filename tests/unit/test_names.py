"""Names that look alike have one skeleton, others have two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.models import USER_PATTERN
from chalicelib.names import skeleton

NAMES = st.from_regex(USER_PATTERN)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bob", "b0b"),
        ("bob", "b.o_b"),
        ("ali", "a1i"),
        ("alice", "aiice"),
        ("alice", "al-ice"),
        ("mia", "rnia"),
        ("mia", "r.nia"),
        ("will", "vvill"),
        ("vw", "wv"),
        ("dora", "clora"),
        ("dora", "c1ora"),
    ],
)
def test_names_that_look_alike_share_a_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("bob", "rob"), ("paris5", "pariss"), ("anna", "ana"), ("ada", "adam"), ("b8", "bb")],
)
def test_names_that_differ_to_the_eye_do_not(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


@given(NAMES)
def test_a_skeleton_is_its_own(name: str) -> None:
    assert skeleton(skeleton(name)) == skeleton(name) != ""


@given(NAMES, st.integers(0, 31), st.sampled_from(".-_"))
def test_a_separator_makes_no_difference(name: str, place: int, separator: str) -> None:
    assert skeleton(name[:place] + separator + name[place:]) == skeleton(name)


@given(NAMES, NAMES)
def test_what_is_put_together_looks_like_its_parts(one: str, other: str) -> None:
    assert skeleton(one + other) == skeleton(one) + skeleton(other)
