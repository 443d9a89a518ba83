"""Runs the benchmarks and writes what they measure into docs/performance.md."""

import argparse
import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import machine
from bench.document import Document
from bench.parts import PARTS, Lines, Part

_ROOT = Path(__file__).resolve().parent.parent
_DESCRIPTION = """\
Run each benchmark, and put its figures in place of the old ones in docs/performance.md, with its
plots in docs/images. A part that fails keeps its old figures. All parts together take about ten
minutes; let nothing else run meanwhile."""
_TIMEOUT = 900.0


class BenchmarkError(Exception):
    """A benchmark has no figures."""


class SkippedError(BenchmarkError):
    """It cannot have any here."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, or 1 when a part has kept its old figures because it failed."""
    options = _parser().parse_args(argv)
    document = Document(options.document)
    today = dt.datetime.now(dt.UTC).date()
    try:
        outcomes = [write(document, name, PARTS[name], run, today) for name in options.only]
    except KeyboardInterrupt:
        return 130
    return 0 if all(outcomes) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.report",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--only",
        type=_names,
        default=list(PARTS),
        metavar="PART,PART",
        help=f"of {', '.join(PARTS)} (default: all)",
    )
    add(
        "--document",
        type=Path,
        default=_ROOT / "docs" / "performance.md",
        help="another file to write, with its plots in the folder images beside it",
    )
    return parser


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"no such part: {unknown[0]!r}; see --help")
    return names


def write(
    document: Document,
    name: str,
    part: Part,
    run_command: Callable[[Sequence[str]], Lines],
    today: dt.date,
) -> bool:
    """Measure a part and write it; return False when it failed, and its old figures stay."""
    _tell(f"{name} ...")
    began, load = time.monotonic(), machine.load()
    try:
        document.part(name)
        measured = [run_command(command) for command in part.commands]
        content, plots = part.render(measured)
        for file, plot in plots.items():
            (document.folder / "images").mkdir(exist_ok=True)
            (document.folder / "images" / file).write_text(plot, encoding="utf-8")
        where = f"*{today}; {machine.description()}; load {load:.1f} before it began.*"
        document.replace(name, f"{where}\n\n{content}")
    except SkippedError as error:
        _tell(f"{name} is skipped, its old figures stay: {error}")
        return True
    except Exception as error:  # noqa: BLE001 - whatever it trips over, the other parts go on
        _tell(f"{name} failed, its old figures stay: {type(error).__name__}: {error}")
        return False
    _tell(f"{name}: {time.monotonic() - began:.0f} s")
    return True


def run(command: Sequence[str]) -> Lines:
    """Run a benchmark; return the objects that it printed, one a line.

    Raises:
        SkippedError: it cannot be run here.
        BenchmarkError: it failed, took 15 minutes, or printed something else.
    """
    words = [sys.executable, "-m", f"bench.{command[0]}", *command[1:], "--json"]
    said = " ".join(words[1:])
    try:
        done = subprocess.run(
            words, cwd=_ROOT, stdout=subprocess.PIPE, text=True, timeout=_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"python {said} took {_TIMEOUT:g} s") from error
    if done.returncode == machine.SKIPPED:
        raise SkippedError(f"python {said}")
    if done.returncode:
        raise BenchmarkError(f"python {said} ended with exit code {done.returncode}")
    try:
        return [json.loads(line) for line in done.stdout.splitlines() if line]
    except ValueError as error:
        raise BenchmarkError(f"python {said} printed no JSON") from error


def _tell(text: str) -> None:
    print(f"bench.report: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
