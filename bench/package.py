"""Weighs the package that Chalice makes of the functions, in all and by what is in it."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from bench.machine import SKIPPED

_ROOT = Path(__file__).resolve().parent.parent
_IGNORED = shutil.ignore_patterns("__pycache__", "deployments", "deployed")
_DESCRIPTION = """\
Run `chalice package --stage dev` on a copy of the project, and weigh the zip. pip fetches the
wheels for Lambda, so this needs the network; without it, nothing is weighed and the exit code is
3. Nothing is deployed."""
_ARCHIVE = "deployment.zip"
_CHALICE = "from chalice.cli import main; main()"
_TIMEOUT = 300
_LARGEST = 8


class PackageError(Exception):
    """There is no package."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, 3 when no package could be made."""
    parser = argparse.ArgumentParser(prog="python -m bench.package", description=_DESCRIPTION)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    options = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory() as place:
            result = weigh(_packed(Path(place)))
    except PackageError as error:
        print(f"bench.package: skipped, as chalice package failed: {error}", file=sys.stderr)
        return SKIPPED
    print(json.dumps(result) if options.json else report(result))
    return 0


def _packed(place: Path) -> Path:
    """Let Chalice make a package, of a copy, as it leaves things behind."""
    project, out = place / "project", place / "out"
    shutil.copytree(_ROOT / "chalicelib", project / "chalicelib", ignore=_IGNORED)
    shutil.copytree(_ROOT / ".chalice", project / ".chalice", ignore=_IGNORED)
    for name in ("app.py", "requirements.txt"):
        shutil.copy(_ROOT / name, project)
    command = [sys.executable, "-c", _CHALICE, "package", "--stage", "dev", str(out)]
    nobody = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    variables = {**os.environ, "AWS_DEFAULT_REGION": "us-east-1", **nobody}
    try:
        done = subprocess.run(
            command,
            cwd=project,
            env=variables,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PackageError(f"it took {_TIMEOUT} s") from error
    # Chalice prints what is missing, and exits with 0.
    if done.returncode or not (out / _ARCHIVE).exists() or "missing" in done.stdout.lower():
        said = (done.stdout + done.stderr).strip().splitlines()
        raise PackageError(said[-1] if said else f"exit code {done.returncode}")
    return out / _ARCHIVE


def weigh(archive: Path) -> dict[str, Any]:
    """Return the bytes of a zip, and those in it by the first part of a path, largest first."""
    packed, plain = Counter[str](), Counter[str]()
    with ZipFile(archive) as opened:
        for entry in opened.infolist():
            name = entry.filename.partition("/")[0]
            packed[name] += entry.compress_size
            plain[name] += entry.file_size
    largest = [name for name, _ in packed.most_common(_LARGEST)]
    return {
        "bytes": archive.stat().st_size,
        "unpacked_bytes": plain.total(),
        "parts": {name: {"bytes": packed[name], "unpacked": plain[name]} for name in largest},
    }


def report(result: Mapping[str, Any]) -> str:
    """Return the table, in Markdown."""
    rows = {"**the zip**": {"bytes": result["bytes"], "unpacked": result["unpacked_bytes"]}}
    lines = [
        f"| {name} | {_mb(each['bytes'])} | {_mb(each['unpacked'])} |"
        for name, each in (rows | result["parts"]).items()
    ]
    return "\n".join(["| part | compressed MB | unpacked MB |\n|---|---|---|", *lines])


def _mb(size: int) -> str:
    return f"{size / 1e6:.2f}"


if __name__ == "__main__":
    sys.exit(main())
