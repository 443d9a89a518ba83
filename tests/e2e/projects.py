"""A copy of the project, configured for the emulator: what is deployed is otherwise the same."""

import json
import platform
import shutil
from pathlib import Path
from typing import Any

_PARTS = ("app.py", "requirements.txt", "chalicelib", "infra", ".chalice")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "deployed", "deployments", "venv")
# Lambda functions are processes of this machine here.
_PROCESSORS = {"x86_64": "x86_64", "AMD64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
# Few people make a large room, and one address may do as much as all people of the scenario.
VARIABLES = {
    "DIRECT_FANOUT": "2",
    "VISITS_PER_HOUR": "0",
    "ADDRESS_RATE": "0",
    "REGISTRATIONS_PER_HOUR": "0",
    "NEW_ROOMS_PER_HOUR": "0",
    "LOGIN_ATTEMPTS": "0",
    "LEASE_SECONDS": "60",
    "WARM_AT_ONCE": "1",  # each is a process of this machine
}


def copied(root: Path, folder: Path, cache: Path) -> Path:
    """Copy the project into a folder; zips that Chalice has packed are kept in the cache."""
    copy = folder / "project"
    copy.mkdir()
    for part in _PARTS:
        source = root / part
        if source.is_dir():
            shutil.copytree(source, copy / part, ignore=_LEFT_OUT)
        else:
            shutil.copy(source, copy / part)
    cache.mkdir(parents=True, exist_ok=True)
    (copy / ".chalice" / "deployments").symlink_to(cache.absolute())
    config = copy / ".chalice" / "config.json"
    config.write_text(json.dumps(_adapted(json.loads(config.read_text())), indent=2))
    return copy


def _adapted(config: dict[str, Any]) -> dict[str, Any]:
    processor = _PROCESSORS[platform.machine()]
    for stage in (config, *config["stages"].values()):
        if stage is config or "lambda_architecture" in stage:
            stage["lambda_architecture"] = processor
        if "environment_variables" in stage:
            stage["environment_variables"] |= VARIABLES
    return config
