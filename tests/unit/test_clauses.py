"""docs/protocol.md and the tests refer to each other: no clause without a test, none invented."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def stated() -> set[str]:
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    return set(re.findall(r"^- \*\*([A-Z][0-9]+)\.\*\*", text, re.MULTILINE))


def claimed() -> set[str]:
    named: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for marker in re.findall(r"mark\.clause\(([^)]*)\)", path.read_text(encoding="utf-8")):
            named.update(re.findall(r'"([^"]+)"', marker))
    return named


def test_every_clause_of_the_protocol_has_a_test_that_names_it() -> None:
    assert stated() - claimed() == set()


def test_no_test_names_a_clause_that_does_not_exist() -> None:
    assert claimed() - stated() == set()


def test_the_clauses_are_found_at_all() -> None:
    assert {"R1", "L1", "H1", "C1", "D1", "M1", "P1", "E1"} <= stated()
