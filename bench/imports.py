"""Times what a new function spends before it answers, beside what boto3 alone would take."""

import argparse
import compileall
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.arguments import new_parser, within
from bench.chatroom import message, served
from bench.deployed import assemble, link_runtime
from bench.targets import serving

_DESCRIPTION = """\
Start Python again and again in a copy of what is deployed, and time `import app`, the same and the
first message until it is handled, and boto3 with a client for DynamoDB. The copy has no bytecode
and gets none, as in Lambda, where Chalice packs source and /var/task cannot be written; boto3 has
its own, as in Lambda's runtime. The start of Python itself is not counted. What stands in for AWS
answers at once; loading a package from Lambda's storage is not in it, nor TLS."""
_TIMED = """\
import sys, time
wall, cpu = time.perf_counter(), time.process_time()
{code}
print(time.perf_counter() - wall, time.process_time() - cpu, file=sys.__stderr__)
"""
BOTO3, APP, COMPILED, MESSAGE = (
    "boto3 and a client",
    "import app",
    "import app, chalicelib compiled",
    "import app, first message",
)
_BOTO3 = """\
import boto3
boto3.session.Session().client("dynamodb")"""
_MESSAGE = """\
import app, json
app.websocket_message(json.loads({event!r}), None)"""
_IMPORTED = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)")
_PYTHON = "Python's own"
_DEAREST = 8


@dataclass(frozen=True)
class Row:
    """Medians of some fresh processes, and the best of them, which others disturb the least."""

    runs: int
    wall_ms: float
    cpu_ms: float
    best_cpu_ms: float


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, 1 when a process failed."""
    options = _parser().parse_args(argv)
    try:
        result = _measure(options.runs)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"bench.imports: failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(json.dumps(result) if options.json else report(result))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("bench.imports", _DESCRIPTION)
    add = parser.add_argument
    add("--runs", type=_runs, default=15, metavar="N", help="of each way, in turns")
    add("--json", action="store_true", help="one JSON object instead of the tables")
    return parser


_runs = within(1, 1000, int)


def _measure(runs: int) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory() as place,
        serving(0, b"") as target,
        served([], target, service_s=0) as (_, environ),
    ):
        alone, runtime, source, compiled = (
            Path(place, name) for name in ("alone", "runtime", "source", "compiled")
        )
        for folder in (alone, runtime, source, compiled):
            folder.mkdir()
        for folder in (source, compiled):
            assemble(folder)
        compileall.compile_dir(compiled / "chalicelib", quiet=2)
        link_runtime(runtime)
        environ["PYTHONPATH"] = str(runtime)
        ways = {
            BOTO3: (alone, _BOTO3),
            APP: (source, "import app"),
            COMPILED: (compiled, "import app"),
            MESSAGE: (source, _MESSAGE.format(event=json.dumps(message(1)))),
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        packages: list[Counter[str]] = []
        for turn in range(runs + 1):
            _tell(f"run {turn} of {runs}")
            for name, (folder, code) in ways.items():
                took = _timed(folder, code, environ)
                times[name] += [took] if turn else []  # what is first reads the disk
            packages += [_packages(source, environ)] if turn else []
    print(file=sys.stderr)
    rows = {name: _row(measured) for name, measured in times.items()}
    return {
        "ways": {name: asdict(row) for name, row in rows.items()},
        "ratios": ratios(rows),
        "packages_ms": _dearest(packages),
    }


def _tell(text: str) -> None:
    print(f"\r{text:<20}", end="", file=sys.stderr, flush=True)


def _timed(folder: Path, code: str, environ: Mapping[str, str]) -> tuple[float, float]:
    *_, last = _python(folder, environ, "-c", _TIMED.format(code=code)).splitlines()
    wall, cpu = map(float, last.split())
    return wall, cpu


def _packages(folder: Path, environ: Mapping[str, str]) -> Counter[str]:
    """Return the microseconds that each package's modules took by themselves."""
    spent = Counter[str]()
    for took, name in _IMPORTED.findall(
        _python(folder, environ, "-X", "importtime", "-c", "import app")
    ):
        package = name.partition(".")[0]
        spent[_PYTHON if package in sys.stdlib_module_names else package] += int(took)
    return spent


def _python(folder: Path, environ: Mapping[str, str], *arguments: str) -> str:
    """Return what a fresh Python says on stderr. Raises CalledProcessError."""
    variables = {**environ, "PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-S", *arguments],  # nothing but the copy and the runtime
        cwd=folder,
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    ).stderr


def _row(times: Sequence[tuple[float, float]]) -> Row:
    walls, cpus = ([1000 * value for value in values] for values in zip(*times, strict=True))
    return Row(len(times), round(median(walls), 1), round(median(cpus), 1), round(min(cpus), 1))


def ratios(rows: Mapping[str, Row]) -> dict[str, float]:
    """Return how the ways compare with boto3, and what bytecode saves."""
    found = {
        f"wall, {APP} / {BOTO3}": rows[APP].wall_ms / rows[BOTO3].wall_ms,
        f"CPU, {APP} / {BOTO3}": rows[APP].cpu_ms / rows[BOTO3].cpu_ms,
        f"CPU, {MESSAGE} / {BOTO3}": rows[MESSAGE].cpu_ms / rows[BOTO3].cpu_ms,
        f"CPU, {COMPILED} / {APP}": rows[COMPILED].cpu_ms / rows[APP].cpu_ms,
    }
    return {name: round(ratio, 2) for name, ratio in found.items()}


def _dearest(packages: Sequence[Counter[str]]) -> dict[str, float]:
    names = {name for each in packages for name in each}
    spent = {name: median(each[name] for each in packages) / 1000 for name in names}
    dearest = sorted(spent, key=lambda name: -spent[name])[:_DEAREST]
    return {name: round(spent[name], 1) for name in dearest}


def report(result: Mapping[str, Any]) -> str:
    """Return the tables, in Markdown."""
    lines = [
        "| way | wall ms | CPU ms | best CPU ms |\n|---|---|---|---|",
        *(
            f"| {name} | {row['wall_ms']:,.0f} | {row['cpu_ms']:,.0f} | {row['best_cpu_ms']:,.0f} |"
            for name, row in result["ways"].items()
        ),
        "\n| ratio | |\n|---|---|",
        *(f"| {name} | {ratio:.2f} |" for name, ratio in result["ratios"].items()),
        "\n| package | ms by itself |\n|---|---|",
        *(f"| {name} | {spent:,.0f} |" for name, spent in result["packages_ms"].items()),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
