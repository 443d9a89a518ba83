"""Fixtures: what `chalice package` makes of the app, with infra/service.yaml merged in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.templates import INFRA, ROOT, STAGES


@pytest.fixture(scope="session", params=STAGES)
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The merged template of each stage that is deployed.

    The app is packaged without what it requires: that takes a network, and changes no template.
    """
    project = tmp_path_factory.mktemp(request.param)
    for name in ("chalicelib", ".chalice"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("deployed"))
    shutil.copy(ROOT / "app.py", project)
    (project / "requirements.txt").touch()
    _chalice(project, "package", "--stage", request.param, "out")
    return project / "out" / "sam.yaml"


@pytest.fixture(scope="session")
def merged(package: Path) -> dict[str, Any]:
    """The same, read."""
    read: dict[str, Any] = yaml.safe_load(package.read_text(encoding="utf-8"))
    return read


def _chalice(project: Path, *arguments: str) -> None:
    merging = ["--merge-template", str(INFRA / "service.yaml"), "--template-format", "yaml"]
    command = [sys.executable, "-c", "from chalice.cli import main; main()"]
    done = subprocess.run(
        [*command, *arguments[:-1], *merging, arguments[-1]],
        cwd=project,
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
