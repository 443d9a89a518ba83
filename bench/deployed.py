"""A copy of what is deployed: app.py, chalicelib, and what requirements.txt asks for."""

import inspect
import re
import shutil
from collections.abc import Iterator
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
    for distribution in _required():
        for file in distribution.files or ():
            if ".." not in file.parts and file.suffix != ".pyc":
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), target)


def _copy_chalice(folder: Path) -> None:
    folder.mkdir()
    for module in (chalice, chalice.app):
        shutil.copy(inspect.getfile(module), folder)


def _required() -> Iterator[metadata.Distribution]:
    lines = (_ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    waiting = [line for line in lines if line and not line.startswith("#")]
    seen = set[str]()
    while waiting:
        match = _NAME.match(waiting.pop())
        name = match.group().lower() if match else ""
        if name and name not in seen:
            seen.add(name)
            distribution = metadata.distribution(name)
            yield distribution
            waiting += [each for each in distribution.requires or () if "extra ==" not in each]
