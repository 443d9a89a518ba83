"""bench.large_room: what it predicts, and what it calls a problem."""

import math
from dataclasses import replace

import pytest

from bench.large_room import main, sizes
from bench.room_report import Result, jobs_of

RIGHT = Result(
    sockets=20_000,
    gateways=2,
    connect_s=200.0,
    connects_per_s=100.0,
    refused=0,
    ack_ms=5.0,
    first_ms=50.0,
    last_ms=9000.0,
    deliveries_per_s=2200.0,
    heard_once=19_999,
    missing=0,
    repeated=0,
    closed=0,
    jobs=80,
    predicted_jobs=80,
    sends=8,
    predicted_sends=8,
    invocations=9,
    least_invocations=8,
    received_jobs=80,
    load=1.0,
    cores=2,
    cpu="a CPU",
    python="3.11",
)


@pytest.mark.parametrize(
    ("recipients", "jobs"),
    [([250], 0), ([251], 2), ([599], 3), ([9_999, 10_000], 80), ([126, 125], 2), ([250, 250], 2)],
)
def test_jobs_are_chunks_of_250_for_each_endpoint_beyond_250_in_all(
    recipients: list[int], jobs: int
) -> None:
    assert jobs_of(recipients) == jobs


@pytest.mark.parametrize(("sockets", "most"), [(20_000, 10_000), (7, 3), (600, 10_000), (5, 5)])
def test_gateways_get_about_as_many_sockets_each_and_none_too_many(sockets: int, most: int) -> None:
    found = sizes(sockets, most)

    assert sum(found) == sockets
    assert max(found) <= most
    assert max(found) - min(found) <= 1


def test_a_run_in_which_all_is_as_it_has_to_be_has_no_problems() -> None:
    assert RIGHT.problems == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"missing": 2}, "2 did not get the message"),
        ({"repeated": 1}, "1 frames came again"),
        ({"closed": 3}, "3 sockets were closed"),
        ({"ack_ms": 51.0}, "the ack came after a delivery"),
        ({"ack_ms": math.inf}, "the ack came after a delivery"),
        ({"jobs": 81, "received_jobs": 81}, "81 jobs, not 80"),
        ({"sends": 9}, "9 sends, not 8"),
        ({"received_jobs": 90}, "90 jobs were received, not 80"),
        ({"invocations": 7}, "only 7 invocations"),
    ],
)
def test_what_is_not_as_it_has_to_be_is_named(change: dict[str, float], problem: str) -> None:
    assert replace(RIGHT, **change).problems == [problem]  # type: ignore[arg-type]


def test_help_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    assert ended.value.code == 0
    assert "once" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--sockets", "1"], ["--sockets", "100001"], ["--timeout", "0"]]
)
def test_what_is_out_of_bounds_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert "expected" in capsys.readouterr().err
