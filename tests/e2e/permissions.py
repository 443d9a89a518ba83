"""Which permission is missed when it is taken away: statement by statement, of every function.

The stage is deployed once. A policy is replaced in the function's role, and the parts of the
scenario that need the function are played until one of them fails, or a function logs that it was
not allowed something.
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.grants import Document, Grant, grants_of, replaced
from tests.e2e.scenario import PARTS
from tests.e2e.worlds import World
from tools.policies import USES

_PATIENCE = 15.0
_REFUSED = " was refused"
_BEGIN, _END = "<!-- permissions: begin -->", "<!-- permissions: end -->"
# Which parts need a function, those that tell soonest in front.
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "api_handler": ("doors", "accounts"),
    "authorize": ("doors",),
    "deliver": ("large room", "dead letters"),
    "publish": ("publish", "large room", "dead letters"),
    "publish_event": ("publish event", "dead letters"),
    "redrive": ("dead letters",),
    "warm": ("warmer",),
    "websocket_connect": ("doors", "catch up"),
    "websocket_disconnect": ("catch up",),
    "websocket_message": ("rooms", "talk", "catch up", "large room", "dead letters"),
}
# What cannot be shown here, and why it is needed all the same.
_UNSEEN = {
    "Log": "Lambda writes the log in the function's name; the emulator does not ask",
    "Traces": "X-Ray's daemon in the function's name; the emulator has none",
    "deliver Source": "Lambda polls the queue in the function's name; the emulator does not ask",
    "deliver Deliveries": "only while API Gateway fails: tests/functional/test_deliveries.py",
    "websocket_connect Keys": "where no authorizer is wired, as until `make deploy` has done it",
    "publish_event Unpublished": "Lambda keeps what failed three times; the emulator does not ask",
    "publish_event Deliveries": "as of publish, whose code it is; its rooms here are small",
}


@dataclass(frozen=True, slots=True)
class Row:
    """What became of the scenario without a statement; `missed` is None if nothing did."""

    function: str
    statement: str
    actions: str
    missed: str | None

    @property
    def name(self) -> str:
        """Function and statement."""
        return f"{self.function} {self.statement}"

    @property
    def outcome(self) -> str:
        """What the table says."""
        return self.missed or self.excuse or "not missed"

    @property
    def excuse(self) -> str | None:
        """Why it cannot be missed here."""
        return _UNSEEN.get(self.name) or _UNSEEN.get(self.statement)


def mutate(new_world: Any, root: Path, only: str | None) -> int:
    """Take each statement away; returns 1 if one is not missed, for no known reason, else 0.

    Args:
        new_world: Makes a World of the deployed stage, as often as it is called.
        root: Where docs/security.md is, whose table is written unless `only` is given.
        only: A part of the names of the statements to try.
    """
    rows = list(_rows(new_world, only))
    if only is None:
        _write(root / "docs" / "security.md", rows)
    kept = [row.name for row in rows if not (row.missed or row.excuse)]
    for name in kept:
        print(f"NOT MISSED: {name}")
    print(f"{len(rows)} statements, {sum(bool(row.missed) for row in rows)} of them missed")
    return 1 if kept else 0


def _rows(new_world: Any, only: str | None) -> Iterator[Row]:
    for function in USES:
        for grant in grants_of(new_world(), function):
            for statement in grant.document["Statement"]:
                if only is None or only in f"{function} {statement['Sid']}":
                    yield _tried(new_world, function, grant, statement)


def _tried(new_world: Any, function: str, grant: Grant, statement: Document) -> Row:
    began = time.monotonic()
    actions = ", ".join(action.partition(":")[2] for action in statement["Action"])
    row = Row(function, statement["Sid"], actions, None)
    missed = None if row.excuse else _missed(new_world, function, grant, statement)
    tried = Row(function, row.statement, actions, missed)
    seconds = time.monotonic() - began
    print(f"  {seconds:6.1f} s  {row.name}: {tried.outcome}", flush=True)
    return tried


def _missed(new_world: Any, function: str, grant: Grant, statement: Document) -> str | None:
    """Return what went wrong; what goes wrong with the statement too does not count."""
    for part, fault in _faults(new_world(), function, grant, statement):
        # Twice, as the function is begun anew after the first try.
        if fault.endswith(_REFUSED) or any(_plays(new_world, part) for _ in range(2)):
            return f"{part}: {fault}"
    return None


def _plays(new_world: Any, part: str) -> bool:
    return _fault(_calmed(new_world()), part) is None


def _faults(
    world: World, function: str, grant: Grant, statement: Document
) -> Iterator[tuple[str, str]]:
    _calmed(world)
    left = [each for each in grant.document["Statement"] if each is not statement]
    for part in _NEEDS[function]:
        with replaced(world, grant, {**grant.document, "Statement": left}):
            world.restart(function)  # keys, once read, are remembered
            fault = _fault(world, part)
        world.restart(function)
        if fault:
            yield part, fault


def _calmed(world: World) -> World:
    """Have nothing of an earlier try in the queues."""
    world.patience = _PATIENCE
    world.purge()
    return world


def _fault(world: World, part: str) -> str | None:
    fault = None
    try:
        PARTS[part](world)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is what was looked for
        fault = re.split(r"[,:] |[{\[]", str(error))[0].strip()[:80] or "it fails"
    finally:
        world.leave()
    denied = world.denied()
    return f"{denied}{_REFUSED}" if denied else fault


def _write(path: Path, rows: list[Row]) -> None:
    text = path.read_text()
    head, found, tail = text.partition(_BEGIN)
    if not found:
        raise SystemExit(f"{path} has no line {_BEGIN}")
    lines = [
        "| function | statement | actions | without it |",
        "|---|---|---|---|",
        *(f"| {row.function} | {row.statement} | {row.actions} | {row.outcome} |" for row in rows),
    ]
    end = tail.partition(_END)[2]
    path.write_text(f"{head}{_BEGIN}\n" + "\n".join(lines) + f"\n{_END}{end}")
