"""Identifiers: the shape that API Gateway gives them."""

import re

import pytest

from localgateway.identifiers import CONNECTION_ID, new_id, new_trace_id


def test_an_id_is_fifteen_base64url_characters_and_an_equals_sign() -> None:
    made = [new_id() for _ in range(200)]

    assert all(re.fullmatch(r"[A-Za-z0-9_-]{15}=", identifier) for identifier in made)
    assert len(set(made)) == 200


def test_an_id_is_made_of_eleven_bytes_of_the_given_entropy() -> None:
    asked: list[int] = []

    def entropy(size: int) -> bytes:
        asked.append(size)
        return b"\xfb\xff" + bytes(size - 2)

    assert (new_id(entropy), asked) == ("-_8AAAAAAAAAAAA=", [11])


@pytest.mark.parametrize("known", ["JC1dgf9yoAMCK-g=", "L0SM9cOFvHcCIhw="])
def test_ids_that_api_gateway_made_are_recognised(known: str) -> None:
    assert CONNECTION_ID.fullmatch(known)


@pytest.mark.parametrize(
    "other", ["", "me", "JC1dgf9yoAMCK-g", "JC1dgf9yoAMCK+g=", "JC1dgf9yoAMCK-g=="]
)
def test_anything_else_is_not(other: str) -> None:
    assert not CONNECTION_ID.fullmatch(other)


def test_a_trace_id_holds_the_time_in_eight_hexadecimal_digits() -> None:
    trace = new_trace_id(1_767_323_045.9, lambda size: b"\xab" * size)

    assert trace == f"Root=1-695735a5-{'ab' * 12}"
