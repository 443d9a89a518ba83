"""docs/security.md and the attacks refer to each other: none without a row, no row without one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ROW = re.compile(
    r"^\| ([a-z]+(?:-[a-z]+)*) \|.*\| \[(\w+)\]\(\.\./tests/security/(\w+\.py)\) \|$", re.MULTILINE
)


def told() -> dict[str, set[tuple[str, str]]]:
    """Return the files and tests that the table names for each attack."""
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    found: dict[str, set[tuple[str, str]]] = {}
    for attack, test, file in _ROW.findall(text):
        found.setdefault(attack, set()).add((file, test))
    return found


def carried_out() -> dict[str, set[tuple[str, str]]]:
    """Return the files and tests that are marked with each attack."""
    found: dict[str, set[tuple[str, str]]] = {}
    for path in (ROOT / "tests" / "security").glob("test_*.py"):
        for attack, test in marked(path):
            found.setdefault(attack, set()).add((path.name, test))
    return found


def marked(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each mark of a file, and the test that it is on."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for mark in getattr(node, "decorator_list", []):
            call = re.fullmatch(r"pytest\.mark\.attack\('(.+)'\)", ast.unparse(mark))
            if call and isinstance(node, ast.FunctionDef):
                yield call[1], node.name


def test_every_attack_has_a_row_and_every_row_an_attack() -> None:
    assert set(told()) == set(carried_out())


def test_every_test_that_a_row_names_exists_and_is_of_that_attack() -> None:
    attacks = carried_out()

    assert {attack: tests - attacks[attack] for attack, tests in told().items()} == {
        attack: set() for attack in attacks
    }


def test_the_rows_are_found_at_all() -> None:
    assert {"token-forged", "ticket-race", "kicked-goes-on", "frames-flooded"} <= set(told())
