"""What the client may import: whoever copies the folder has all that it needs."""

import ast
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "chatclient"
SHELLS = {"sockets", "address", "tickets"}
HTTP = {"api"}
TERMINAL = {"terminal"}


def imported(path: Path) -> set[str]:
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names: set[str] = set()
    for node in tree:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_only_the_shells_know_a_library(path: Path) -> None:
    allowed = {"chatclient"}
    allowed |= {"websockets"} if path.stem in SHELLS else set()
    allowed |= {"aiohttp"} if path.stem in HTTP else set()
    allowed |= {"prompt_toolkit"} if path.stem in TERMINAL else set()

    foreign = imported(path) - sys.stdlib_module_names

    assert foreign <= allowed


def test_the_core_knows_neither_time_nor_chance_nor_asyncio() -> None:
    outside = {"client", "shell", "sockets", "listeners", "account", "tickets"}
    outside |= {"administration", "conversation", "screen", "terminal", "login"}

    core = {path for path in FOLDER.glob("*.py") if path.stem not in outside}

    for path in core:
        assert not imported(path) & {"asyncio", "time", "random", "uuid", "secrets", "threading"}
