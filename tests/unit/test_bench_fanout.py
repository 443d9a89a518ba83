"""The fan-out benchmark: its floor signs as botocore does, and it counts what it says it counts."""

import datetime as dt
import json
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench.bare import Signer
from bench.comparison import (
    BARE,
    FAULTS,
    GATEWAY,
    SEQUENCE,
    THREADS,
    Row,
    Sample,
    p99,
    ratios,
    summary,
)
from bench.fanout import sprinkle
from tests.unit.commands import run_module

ROOT = Path(__file__).parents[2]
FRAME = '{"text":"grüße"}'.encode()


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_module("bench.fanout", *arguments)


@pytest.mark.parametrize("connection_id", ["abc", "L0SM9cOFvHcCIhw=", "a~b", "a+b/c"])
def test_the_floor_signs_as_botocore_does(connection_id: str) -> None:
    at = dt.datetime(2026, 11, 21, 14, 0, tzinfo=dt.UTC)
    signer = Signer("http://localhost:8000/api", FRAME, region="eu-west-1", key="K", secret="S")

    [request] = signer.requests([connection_id], at.timestamp())

    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    sent = dict(line.split(": ", 1) for line in lines)
    target = first.split(" ")[1]
    assert body == FRAME
    assert int(sent["content-length"]) == len(FRAME)
    assert sent["authorization"].rpartition("=")[2] == expected(target, sent["x-amz-date"])


def expected(target: str, date: str) -> str:
    """Return botocore's signature of a request as it came over the wire."""
    signer = SigV4Auth(Credentials("K", "S"), "execute-api", "eu-west-1")
    url = f"http://localhost:8000{target}"
    request = AWSRequest("POST", url, headers={"X-Amz-Date": date}, data=FRAME)
    request.context["timestamp"] = date
    assert urlsplit(url).path == target
    canonical = signer.canonical_request(request)
    signature: str = signer.signature(signer.string_to_sign(request, canonical), request)
    return signature


def test_nine_tenths_and_nine_of_a_hundred_are_answered_by_the_p99() -> None:
    answers = {f"c-{number}": number / 1000 for number in range(1, 1001)}

    assert p99(answers) == 0.99
    assert p99({"c": 0.5}) == 0.5


def test_faulty_recipients_do_not_count_in_the_p99_of_the_others() -> None:
    assert p99({"c": 0.5} | dict.fromkeys(FAULTS, 9.0)) == 0.5


def test_a_summary_has_the_medians_and_all_the_outcomes() -> None:
    runs = [
        Sample(
            wall,
            wall / 10,
            30.0 + wall,
            {"delivered": 8, "gone": 1},
            wall / 4,
            {"c": wall},
            {"hang": end},
        )
        for wall, end in ((1.0, "retryable"), (4.0, "gone"), (2.0, "retryable"))
    ]

    assert summary(runs) == Row(
        runs=3,
        wall_ms=2000.0,
        best_ms=1000.0,
        cpu_us_per_post=20_000.0,
        p99_ms=2000.0,
        peak_mb=34.0,
        endpoint_busy=0.25,
        outcomes={"delivered": 24, "gone": 3},
        faulty={"hang": {"gone": 1, "retryable": 2}},
    )


def test_ratios_are_above_one_where_the_gateway_is_better_than_boto3() -> None:
    walls = {SEQUENCE: 9000.0, THREADS: 800.0, GATEWAY: 160.0, BARE: 128.0}
    rows = {name: Row(1, wall, wall, wall, wall, None, 0.0, {}, {}) for name, wall in walls.items()}

    found = ratios(rows)

    assert found["wall, gateway / bare sockets"] == 1.25
    assert found["wall, 32 threads / gateway"] == 5.0
    assert found["CPU, sequence / gateway"] == 56.25


def test_the_faulty_are_among_the_others() -> None:
    mixed = sprinkle([f"c-{number}" for number in range(97)])

    places = [mixed.index(fault) for fault in FAULTS]
    assert len(mixed) == 100
    assert 0 < min(places) < max(places) < 99


@pytest.mark.parametrize("tls", [[], ["--tls"]])
def test_all_four_ways_deliver(tls: list[str]) -> None:
    done = bench("--recipients=10", "--latency-ms=1", "--repetitions=1", "--json", *tls)

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    outcomes = {name: row["outcomes"] for name, row in result["ways"].items()}
    assert outcomes == {key: {"delivered": 10} for key in [SEQUENCE, THREADS, GATEWAY, BARE]}
    assert result["endpoint"]["posts_per_s"] > 0


def test_faults_are_counted_and_the_others_all_served() -> None:
    done = bench("--recipients=20", "--latency-ms=1", "--repetitions=1", "--faults", "--json")

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["ways"]["without faults"]["faulty"] == {}
    with_them = result["ways"]["with them"]
    assert with_them["outcomes"] == {"delivered": 17}
    assert {name: with_them["faulty"][name] for name in ("dead", "hang")} == {
        "dead": {"retryable": 1},
        "hang": {"retryable": 1},
    }
    assert sum(with_them["faulty"]["throttled"].values()) == 1
    assert list(result["ratios"]) == ["p99 of the others, with / without"]


@pytest.mark.parametrize("wrong", ["--recipients=1", "--latency-ms=-1", "--repetitions=x"])
def test_a_mistake_is_told_in_the_terms_of_the_command(wrong: str) -> None:
    done = bench(wrong)

    assert done.returncode == 2
    assert wrong.partition("=")[0] in done.stderr
