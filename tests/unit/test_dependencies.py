"""The direction of the imports, as docs/design.md draws it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = {path.stem: path for path in (ROOT / "chalicelib").glob("*.py")}

# Each module may import those on the lines above its own.
LAYERS = [
    {
        "__init__",
        "models",
        "errors",
        "backoff",
        "correlation",
        "pacing",
        "signatures",
        "streams",
        "telemetry",
        "times",
    },
    {
        "attempts",
        "drafts",
        "emf",
        "identities",
        "loglines",
        "names",
        "rates",
        "roles",
        "sqs",
        "strictjson",
        "positions",
        "variables",
        "warmups",
    },
    {"downloads", "jwks", "settings", "warmer"},
    {"commands", "events", "forms", "keys", "logs", "oidc", "passwords", "perimeter", "replies"},
    {"jobs", "protocol", "database", "gateway", "guests", "origins", "pages", "tokens"},
    {"doorkeeper", "entries", "records", "exchanges", "limiter", "places"},
    {"accounts", "notifications", "pools", "queues", "redrive"},
    {"authentication", "changes", "claims", "logins", "memberships", "rooms", "standings", "crt"},
    {"appends", "access", "connections", "slowmode"},
    {"messages"},
    {"reader", "directory", "doors", "courier"},
    {"presence"},
    {"arrivals", "broadcaster", "deliveries", "evictions"},
    {"publisher", "moderation"},
    {"actions"},
    {"chat", "entrance"},
    {"bootstrap"},
]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            if node.module == "chalicelib":
                yield from (f"chalicelib.{name.name}" for name in node.names)


def importers(package: str) -> set[str]:
    return {
        name
        for name, path in MODULES.items()
        if any(found.split(".")[0] == package for found in imports(path))
    }


def test_every_module_has_its_layer() -> None:
    assert set().union(*LAYERS) == set(MODULES)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_from_the_layers_below(module: str) -> None:
    depth = next(n for n, layer in enumerate(LAYERS) if module in layer)
    below = set().union(*LAYERS[:depth])

    ours = {
        name.removeprefix("chalicelib.")
        for name in imports(MODULES[module])
        if name.startswith("chalicelib.")
    }

    assert ours <= below


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("chalice", set()),
        ("boto3", {"bootstrap"}),
        ("botocore", {"bootstrap", "database", "keys", "queues", "redrive", "warmer"}),
        ("argon2", {"passwords"}),
        ("_awscrt", {"streams"}),
        ("aws_lambda_powertools", {"emf", "loglines"}),
        ("awscrt", {"crt", "exchanges", "signatures", "streams"}),
        ("jwt", {"oidc", "tokens"}),
        ("msgspec", {"commands", "events", "forms", "jobs", "protocol", "redrive", "tokens"}),
        ("os", set()),
        ("localgateway", set()),
        ("tests", set()),
        ("bench", set()),
    ],
)
def test_a_package_is_known_in_one_place(package: str, allowed: set[str]) -> None:
    assert importers(package) <= allowed


@pytest.mark.parametrize("package", ["random", "time"])
def test_time_and_chance_come_in_from_bootstrap(package: str) -> None:
    assert importers(package) <= {"bootstrap", "crt"}


def test_only_app_py_knows_chalice() -> None:
    assert "chalice" in set(imports(ROOT / "app.py"))
