"""A copy of what is deployed, and of what Lambda's runtime has besides."""

import inspect
import re
import shutil
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import chalice.app

_ROOT = Path(__file__).resolve().parent.parent
_NAME = re.compile(r"[\w.-]+")
_BYTECODE = shutil.ignore_patterns("__pycache__")


def assemble(folder: Path) -> None:
    """Copy it into a new folder, as source without bytecode, which is how Chalice packs it.

    Distributions are taken from this Python, where they have the versions of the package.
    """
    shutil.copytree(_ROOT / "chalicelib", folder / "chalicelib", ignore=_BYTECODE)
    shutil.copy(_ROOT / "app.py", folder)
    _copy_chalice(folder / "chalice")
    lines = (_ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    for distribution in _closure(line for line in lines if line and not line.startswith("#")):
        for file in distribution.files or ():
            if ".." not in file.parts and file.suffix != ".pyc":
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), target)


def link_runtime(folder: Path) -> None:
    """Put boto3 and what it requires into a new folder, with their bytecode."""
    for distribution in _closure(["boto3"]):
        for name in {file.parts[0] for file in distribution.files or ()} - {".."}:
            if not name.startswith("__") and not (folder / name).exists():
                (folder / name).symlink_to(Path(str(distribution.locate_file(name))))


def _copy_chalice(folder: Path) -> None:
    folder.mkdir()
    for module in (chalice, chalice.app):
        shutil.copy(inspect.getfile(module), folder)


def _closure(requirements: Iterable[str]) -> Iterator[metadata.Distribution]:
    """Yield what is required, and what that requires."""
    waiting, seen = list(requirements), set[str]()
    while waiting:
        match = _NAME.match(waiting.pop())
        name = match.group().lower() if match else ""
        if name and name not in seen:
            seen.add(name)
            distribution = metadata.distribution(name)
            yield distribution
            waiting += [each for each in distribution.requires or () if "extra ==" not in each]
