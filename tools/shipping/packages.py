"""What Chalice packs: the zip of the functions and the template, both checked.

Chalice prints "Could not install dependencies", goes on, exits with 0, and the next time takes the
incomplete zip from its cache without a word. So the zip is looked into, whatever was printed.
"""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from tools.shipping.errors import ShippingError
from tools.shipping.projects import Stage
from tools.shipping.templates import Template, read_template

_CHALICE = "import sys; from chalice.cli import main; sys.argv[0] = 'chalice'; sys.exit(main())"
_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, unpacked
_UNPACKED_LIMIT = 250 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Package:
    """What is deployed: the zip of the functions, and their template.

    `digest` names the contents of the zip, whenever and in whatever order it was written.
    """

    template: Template
    zipped: Path
    digest: str


def pack(stage: Stage, folder: Path, region: str) -> Package:
    """Let Chalice pack a stage into a folder, merged with infra/service.yaml.

    Raises:
        ShippingError: Chalice fails, or has not packed everything that is required.
    """
    service = stage.root / "infra" / "service.yaml"
    merge = ["--merge-template", str(service)] if service.exists() else []
    options = ["--stage", stage.name, "--template-format", "yaml", *merge]
    run_chalice(["package", *options, str(folder)], stage, region)
    zipped = folder / "deployment.zip"
    check(zipped, stage)
    return Package(read_template(folder / "sam.yaml"), zipped, _digest(zipped))


def run_chalice(
    arguments: list[str],
    stage: Stage,
    region: str,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Run a command of Chalice in the project, and tell what it prints, line by line.

    Raises:
        ShippingError: it fails, with the last line that it has printed.
    """
    command = [sys.executable, "-c", _CHALICE, *arguments]
    environ = {**os.environ, "AWS_DEFAULT_REGION": region, "PYTHONUNBUFFERED": "1"}
    last = "it says nothing"
    with subprocess.Popen(
        command,
        cwd=stage.root,
        env=environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        for line in process.stdout or ():
            if line.strip():
                last = line.strip()
                say(f"  {last}")
    if process.returncode:
        raise ShippingError(f"chalice {arguments[0]} failed: {last}")


def check(zipped: Path, stage: Stage) -> None:
    """See that every requirement is in the zip, for the right processor, and none too many.

    Raises:
        ShippingError: it is not so. The zip is taken out of Chalice's cache.
    """
    try:
        with ZipFile(zipped) as archive:
            fault = next(_faults(archive, stage), None)
    except (OSError, BadZipFile) as error:
        raise ShippingError(f"Chalice has left no zip to deploy: {error}") from error
    if fault:
        _forget(stage)
        raise ShippingError(fault)


def _digest(zipped: Path) -> str:
    with ZipFile(zipped) as archive:
        lines = sorted(f"{i.filename} {i.CRC} {i.file_size}" for i in archive.infolist())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def _faults(archive: ZipFile, stage: Stage) -> Iterator[str]:
    found = _distributions(archive)
    missing = [f"{n}=={v}" for n, v in _requirements(stage.root) if found.get(n) != v]
    if missing:
        yield (
            f"Chalice could not pack {', '.join(missing)}: see that pip can download wheels of"
            " requirements.txt for Linux, then repeat"
        )
    machine = _MACHINES[str(stage.config.get("lambda_architecture", "x86_64"))]
    wrong = sorted(_other_machines(archive, machine))
    if wrong:
        yield f"{', '.join(wrong)} were packed for another processor than {machine}: repeat"
    size = sum(item.file_size for item in archive.infolist())
    if size > _UNPACKED_LIMIT:
        yield f"the functions are {size >> 20} MB unpacked: Lambda takes {_UNPACKED_LIMIT >> 20}"


def _requirements(root: Path) -> Iterator[tuple[str, str]]:
    for line in (root / "requirements.txt").read_text().splitlines():
        name, equals, version = line.partition("#")[0].strip().partition("==")
        if equals:
            yield _plain(name), version


def _distributions(archive: ZipFile) -> dict[str, str]:
    paths = (name.split("/")[0] for name in archive.namelist())
    found = (path.removesuffix(".dist-info").split("-") for path in paths if "dist-info" in path)
    return {_plain(name): version for name, version, *_ in found}


def _other_machines(archive: ZipFile, machine: str) -> Iterator[str]:
    for path in archive.namelist():
        if path.endswith(".dist-info/WHEEL"):
            tags = re.findall(r"^Tag: \S+-(\S+)$", archive.read(path).decode(), re.MULTILINE)
            if not any(tag == "any" or tag.endswith(machine) for tag in tags):
                yield path.split("-")[0]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _forget(stage: Stage) -> None:
    for cached in (stage.root / ".chalice" / "deployments").glob("*.zip"):
        cached.unlink()
