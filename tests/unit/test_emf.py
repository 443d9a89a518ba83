"""The lines that CloudWatch reads metrics from."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.correlation import correlated
from chalicelib.emf import PowertoolsTelemetry
from chalicelib.telemetry import Metric


class Lines:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def __call__(self, line: str) -> None:
        self.written.append(line)

    @property
    def objects(self) -> list[dict[str, Any]]:
        assert all(line.endswith("\n") and line.count("\n") == 1 for line in self.written)
        return [json.loads(line) for line in self.written]


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def telemetry(lines: Lines) -> PowertoolsTelemetry:
    return PowertoolsTelemetry("prod", write=lines)


def test_a_record_is_one_line_of_the_embedded_metric_format(
    telemetry: PowertoolsTelemetry, lines: Lines
) -> None:
    telemetry.record({Metric.DELIVERED: 3, Metric.FAN_OUT_TIME: 12.5})

    (line,) = lines.objects
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive == {
        "Namespace": "DynamoWave",
        "Dimensions": [["Stage"]],
        "Metrics": [
            {"Name": "Delivered", "Unit": "Count"},
            {"Name": "FanOutTime", "Unit": "Milliseconds"},
        ],
    }
    assert isinstance(line["_aws"]["Timestamp"], int)
    assert (line["Stage"], line["Delivered"], line["FanOutTime"]) == ("prod", [3.0], [12.5])
    assert "correlation_id" not in line


@pytest.mark.parametrize(
    ("recipients", "band"),
    [
        (0, "0"),
        (1, "1-10"),
        (10, "1-10"),
        (11, "11-100"),
        (100, "11-100"),
        (101, "101-1000"),
        (1000, "101-1000"),
        (1001, "1001-10000"),
        (10_000, "1001-10000"),
        (10_001, ">10000"),
        (1_000_000, ">10000"),
    ],
)
def test_the_size_of_the_room_tells_values_apart_and_leaves_their_sum(
    telemetry: PowertoolsTelemetry, lines: Lines, recipients: int, band: str
) -> None:
    telemetry.record({Metric.GONE: 1}, recipients=recipients)

    (line,) = lines.objects
    assert line["RoomSize"] == band
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Stage"], ["Stage", "RoomSize"]]


def test_a_line_has_the_id_of_what_is_handled(telemetry: PowertoolsTelemetry, lines: Lines) -> None:
    with correlated('JC1"\n'):
        telemetry.record({Metric.LIMITED: 1})

    (line,) = lines.objects
    assert line["correlation_id"] == 'JC1"\n'


def test_nothing_is_said_of_nothing(telemetry: PowertoolsTelemetry, lines: Lines) -> None:
    telemetry.record({})

    assert lines.written == []


def test_no_dimension_comes_from_elsewhere(
    telemetry: PowertoolsTelemetry, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "other")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Other")

    telemetry.record({Metric.LIMITED: 1})

    (directive,) = lines.objects[0]["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("DynamoWave", [["Stage"]])


def test_metrics_that_cannot_be_written_harm_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: str) -> None:
        raise OSError("the pipe is broken")

    PowertoolsTelemetry("prod", write=fail).record({Metric.LIMITED: 1})

    assert [record.message for record in caplog.records] == ["metrics were lost"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "many"])
def test_what_is_no_number_is_not_written(
    telemetry: PowertoolsTelemetry, lines: Lines, caplog: pytest.LogCaptureFixture, value: Any
) -> None:
    caplog.set_level(logging.CRITICAL)

    telemetry.record({Metric.LIMITED: value})

    assert lines.written == []


def test_threads_do_not_mix_their_metrics(telemetry: PowertoolsTelemetry, lines: Lines) -> None:
    def record(number: int) -> None:
        with correlated(str(number)):
            telemetry.record({list(Metric)[number % 7]: number}, recipients=number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(record, range(400)))

    for line in lines.objects:
        number = int(line["correlation_id"])
        (metric,) = line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
        assert metric["Name"] == list(Metric)[number % 7]
        assert line[metric["Name"]] == [number]
    assert len({line["correlation_id"] for line in lines.objects}) == 400


def test_the_lines_go_to_the_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    PowertoolsTelemetry("prod").record({Metric.LIMITED: 1})

    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["Limited"] == [1.0]


@given(
    st.dictionaries(st.sampled_from(Metric), st.integers(0, 2**53) | st.floats(0, 1e9), min_size=1),
    st.none() | st.integers(0, 10**7),
)
def test_every_value_and_every_dimension_that_is_named_is_there(
    values: dict[Metric, float], recipients: int | None
) -> None:
    lines = Lines()

    PowertoolsTelemetry("dev", write=lines).record(values, recipients=recipients)

    (line,) = lines.objects
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert {it["Name"]: line[it["Name"]] for it in directive["Metrics"]} == {
        metric.value: [value] for metric, value in values.items()
    }
    assert all(isinstance(line[name], str) for names in directive["Dimensions"] for name in names)
