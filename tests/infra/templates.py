"""The templates of infra/, read with their functions as dictionaries, as in JSON."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
STAGES = ("dev", "prod")


def template(name: str) -> dict[str, Any]:
    """Read a template."""
    text = (INFRA / f"{name}.yaml").read_text(encoding="utf-8")
    read: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    return read


def config() -> dict[str, Any]:
    """Read Chalice's configuration."""
    read: dict[str, Any] = json.loads((ROOT / ".chalice" / "config.json").read_text())
    return read


def of_type(declared: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the resources of a type, by their logical ids."""
    resources = declared["Resources"].items()
    return {name: each for name, each in resources if each.get("Type") == kind}


def functions(timeouts: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Tell the name of each function and its timeout in seconds."""
    for name in timeouts["stages"]["prod"]["lambda_functions"]:
        own = timeouts["lambda_functions"].get(name, {})
        yield name, own.get("lambda_timeout", timeouts["lambda_timeout"])


class _Loader(yaml.SafeLoader):
    """Reads !Sub and its like."""


def _function(loader: yaml.SafeLoader, suffix: str, node: Any) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        text = loader.construct_scalar(node)
        return {name: str(text).split(".", 1) if suffix == "GetAtt" else text}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _function)
