"""The benchmarks of start-up and size: what is measured is what is deployed."""

import json
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from bench.deployed import assemble, link_runtime
from bench.imports import APP, BOTO3, COMPILED, MESSAGE, Row, ratios
from bench.package import main as weigh_package
from bench.package import report, weigh
from bench.plot import bars, chart
from tests.unit.commands import run_module

ROOT = Path(__file__).parents[2]


def test_the_copy_has_what_is_required_and_no_bytecode(tmp_path: Path) -> None:
    folder = tmp_path / "deployed"
    folder.mkdir()

    assemble(folder)

    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"app.py", "chalicelib/chat.py", "chalice/app.py", "awscrt/auth.py"} <= files
    assert any(name.startswith("msgspec/_core") for name in files)
    assert not any(name.endswith(".pyc") for name in files)
    assert not any(name.startswith(("boto3/", "moto/", "chalice/deploy/")) for name in files)


def test_the_runtime_has_boto3_and_nothing_of_ours(tmp_path: Path) -> None:
    link_runtime(tmp_path)

    names = {path.name for path in tmp_path.iterdir()}
    assert {"boto3", "botocore", "urllib3", "dateutil"} <= names
    assert not names & {"chalice", "awscrt", "cryptography"}
    assert (tmp_path / "boto3" / "session.py").exists()


def test_each_way_is_timed_up_to_the_first_message() -> None:
    done = run_module("bench.imports", "--runs=1", "--json", timeout=120)

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert list(result["ways"]) == [BOTO3, APP, COMPILED, MESSAGE]
    assert all(row["runs"] == 1 and row["cpu_ms"] > 10 for row in result["ways"].values())
    assert "chalicelib" in result["packages_ms"]


def test_ratios_are_to_boto3_alone() -> None:
    spent = {BOTO3: 100.0, APP: 200.0, COMPILED: 150.0, MESSAGE: 300.0}

    found = ratios({name: Row(1, cpu, cpu, cpu) for name, cpu in spent.items()})

    assert found[f"CPU, {APP} / {BOTO3}"] == 2.0
    assert found[f"CPU, {COMPILED} / {APP}"] == 0.75


def test_a_zip_is_weighed_by_what_is_in_it(tmp_path: Path) -> None:
    archive = tmp_path / "deployment.zip"
    with ZipFile(archive, "w", ZIP_DEFLATED) as opened:
        opened.writestr("app.py", "x" * 1000)
        opened.writestr("big/one", bytes(range(256)) * 40)
        opened.writestr("big/two", "y" * 1000)

    result = weigh(archive)

    assert result["bytes"] == archive.stat().st_size
    assert result["unpacked_bytes"] == 12_240
    assert list(result["parts"]) == ["big", "app.py"]
    assert report(result).splitlines()[2].startswith("| **the zip** | 0.00 |")


def test_without_a_package_nothing_is_weighed_and_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.package._CHALICE", "import sys; sys.exit('no network')")

    code = weigh_package([])

    assert code == 3
    assert "bench.package: skipped, as chalice package failed: no network" in (
        capsys.readouterr().err
    )


def test_bars_grow_with_what_is_measured() -> None:
    drawn = bars({"ms": {"slow": 1000.0, "quick": 10.0}})

    assert drawn.count("<rect") == 3
    assert "1,000" in drawn
    assert drawn.startswith("<svg")


def test_a_logarithmic_axis_gives_each_decade_as_much_room() -> None:
    drawn = chart({"a": [(10, 1), (100, 10), (1000, 100)]}, across="x", up="y", logarithmic=True)

    line = drawn.partition('points="')[2].partition('"')[0]
    left, middle, right = (float(point.split(",")[0]) for point in line.split(" "))
    assert middle - left == pytest.approx(right - middle)
