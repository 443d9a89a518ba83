"""A few rounds with fixed seeds, and that a seed is all that a round depends on."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.faults import Faults
from tests.chaos.rounds import Result, play
from tests.stores.memory import MemoryClient

ROOT = Path(__file__).parents[2]
# The first two go by way of the queue, and in the first somebody is banned.
STORM, CALM, SMALL = 12, 10, 8


class Forgetful(MemoryClient):
    """A database that loses every cid."""

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        call = super().__getattr__(operation)

        def forget(**request: Any) -> Any:
            if "TransactItems" in request:
                kept = [it for it in request["TransactItems"] if "cid#" not in str(it)]
                request = {"TransactItems": kept}
            return call(**request)

        return forget


def played(seed: int) -> Result:
    return play(seed, Faults(), MemoryClient)


@pytest.mark.parametrize("seed", [STORM, CALM])
def test_what_people_see_is_right_when_the_faults_are_over(seed: int) -> None:
    result = played(seed)

    assert result.trace.findings == [], "\n".join(result.trace.last(60))
    assert result.plan.calm is (seed == CALM)
    assert result.trace.counts["entries"] > 20


def test_a_round_depends_on_nothing_but_its_seed() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--seed", str(CALM), "--rounds", "1"]

    told = subprocess.run(
        command,
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert f"digest {played(CALM).trace.digest()}\n" in told


def test_what_is_wrong_is_found() -> None:
    result = play(SMALL, Faults.only(frame_twice=0.5), Forgetful)

    assert any("times" in finding.what for finding in result.trace.findings)
