"""Fixtures of the client's tests."""

import pytest

from tests.client.worlds import World


@pytest.fixture
def world() -> World:
    return World()
