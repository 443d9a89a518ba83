"""make bench: figures go between their marks, prose stays, and what fails leaves what there was."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.document import Document, DocumentError
from bench.parts import PARTS, Lines, Part, table
from bench.report import BenchmarkError, SkippedError, main, write
from tests.unit.commands import run_module

ROOT = Path(__file__).parents[2]
TODAY = dt.date(2026, 11, 21)
TEXT = """\
# Performance
Prose before.

<!-- fan -->
old figures

<!-- /fan -->

Prose after, about <!-- comments -->.
"""


@pytest.fixture
def document(tmp_path: Path) -> Document:
    path = tmp_path / "performance.md"
    path.write_text(TEXT, encoding="utf-8")
    return Document(path)


def text(document: Document) -> str:
    return (document.folder / "performance.md").read_text(encoding="utf-8")


def part(render_plots: Mapping[str, str] | None = None) -> Part:
    def render(measured: Sequence[Lines]) -> tuple[str, Mapping[str, str]]:
        return table(["ms"], [[lines[0]["ms"]] for lines in measured]), render_plots or {}

    return Part([["fanout"], ["fanout", "--tls"]], render)


def test_figures_take_the_place_of_the_old_ones_and_prose_stays(document: Document) -> None:
    answers = iter([[{"ms": 7}], [{"ms": 8}]])

    written = write(document, "fan", part(), lambda _: next(answers), TODAY)

    before, rest = text(document).split("<!-- fan -->\n")
    content, after = rest.split("<!-- /fan -->")
    assert written
    assert before + after == TEXT.replace("<!-- fan -->\nold figures\n\n<!-- /fan -->", "")
    assert content.startswith("*2026-11-21; ")
    assert "| ms |\n| --- |\n| 7 |\n| 8 |\n\n" in content


def test_plots_are_written_beside_the_document(document: Document) -> None:
    write(document, "fan", part({"fan.svg": "<svg/>"}), lambda _: [{"ms": 7}], TODAY)

    assert (document.folder / "images" / "fan.svg").read_text(encoding="utf-8") == "<svg/>"


def test_the_same_twice_leaves_the_same(document: Document) -> None:
    document.replace("fan", "new")
    once = text(document)
    document.replace("fan", document.part("fan"))

    assert text(document) == once


@pytest.mark.parametrize(
    "failure",
    [BenchmarkError("exit code 1"), KeyError("ms"), ZeroDivisionError(), AttributeError("ms")],
)
def test_a_part_that_fails_keeps_its_old_figures_and_says_so(
    document: Document, capsys: pytest.CaptureFixture[str], failure: Exception
) -> None:
    def fail(_: Sequence[str]) -> Lines:
        raise failure

    written = write(document, "fan", part({"fan.svg": "<svg/>"}), fail, TODAY)

    assert not written
    assert text(document) == TEXT
    assert not (document.folder / "images").exists()
    assert "fan failed, its old figures stay" in capsys.readouterr().err


def test_what_cannot_be_written_leaves_the_document_as_it_was(document: Document) -> None:
    written = write(document, "fan", part(), lambda _: [{"ms": "\ud800"}], TODAY)

    assert not written
    assert text(document) == TEXT
    assert [path.name for path in document.folder.iterdir()] == ["performance.md"]


def test_a_part_that_cannot_be_measured_here_is_skipped_visibly(
    document: Document, capsys: pytest.CaptureFixture[str]
) -> None:
    def skip(_: Sequence[str]) -> Lines:
        raise SkippedError("python -m bench.package")

    written = write(document, "fan", part(), skip, TODAY)

    assert written
    assert text(document) == TEXT
    assert "fan is skipped, its old figures stay: python -m bench.package" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "damaged",
    [
        TEXT.replace("<!-- /fan -->", ""),
        TEXT.replace("<!-- fan -->", ""),
        TEXT + "<!-- fan -->",
        "<!-- /fan -->\n<!-- fan -->\n",
    ],
)
def test_damaged_marks_are_found_before_anything_is_measured(
    document: Document, damaged: str
) -> None:
    (document.folder / "performance.md").write_text(damaged, encoding="utf-8")

    with pytest.raises(DocumentError, match=r"performance\.md"):
        document.part("fan")
    assert not write(document, "fan", part(), lambda _: pytest.fail("measured"), TODAY)


def test_the_document_has_each_part_once() -> None:
    document = Document(ROOT / "docs" / "performance.md")

    assert all(document.part(name) for name in PARTS)


def test_a_real_part_is_measured_and_written(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    path.write_text("<!-- transactions -->\n<!-- /transactions -->\n", encoding="utf-8")

    code = main(["--only", "transactions", "--document", str(path)])

    assert code == 0
    assert "| items in the table | moto | localgateway |" in path.read_text(encoding="utf-8")


def test_a_part_that_is_none_is_told() -> None:
    done = run_module("bench.report", "--only", "fanout,rooms")

    assert done.returncode == 2
    assert "no such part: 'rooms'" in done.stderr


APPEND: dict[str, Any] = {
    "engine": "model",
    "backoff": "5/50",
    "load": 100,
    "acknowledged_per_second": 99.5,
    "cancelled_per_message": 2.0,
    "p50_ms": 23.5,
    "p99_ms": 402.3,
    "unavailable": 0,
}


def test_the_hot_room_is_shown_by_rate_by_backoff_and_as_a_plot() -> None:
    slow = {**APPEND, "backoff": "10/500", "p99_ms": 1557.0}

    content, plots = PARTS["arrivals"].render([[APPEND, slow], [APPEND]])

    assert "| 100 | 99.5 | 2.0 | 23.5 | 402.3 | 0 |" in content
    assert "| 100 | 10/500 | 99.5 | 2.0 | 23.5 | 1557.0 | 0 |" in content
    assert "p99, backoff 10/500 ms" in plots["append.svg"]


def test_what_the_flood_did_is_shown_run_by_run() -> None:
    result = {
        **dict.fromkeys(("calm_p50_ms", "calm_p99_ms", "flood_p50_ms", "flood_p99_ms"), 5.0),
        "ratio_p50": 1.5,
        "errors": 0,
        "flood_frames": 1699,
        "flood_refused": 1565,
    }

    content, _ = PARTS["flood"].render([[result], [result]])

    assert "| 2 | 5.0 ms | 5.0 ms | 5.0 ms | 5.0 ms | 1.50 | 0 | 1,565 of 1,699 |" in content


def test_every_benchmark_has_help() -> None:
    modules = {command[0] for each in PARTS.values() for command in each.commands}

    for module in modules:
        done = run_module(f"bench.{module}", "--help")
        assert done.returncode == 0, done.stderr
        assert "--json" in done.stdout, json.dumps(module)
