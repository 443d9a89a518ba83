"""The targets of the fuzzer, on inputs that would take long to find: none is slow, none raises."""

import json
import sys
from pathlib import Path

import pytest

from tests.fuzz.decoders import main
from tests.fuzz.targets import LARGEST, TARGETS, SlowError, attempt, seeds
from tests.unit.issuers import segment

HALF = "\\ud800"
HUGE = {
    "open brackets": "[" * LARGEST,
    "nested lists": "[" * (LARGEST // 2) + "]" * (LARGEST // 2),
    "nested objects": '{"a":' * (LARGEST // 5),
    "nested as deep as is read": '{"a":' * 900 + "1" + "}" * 900,
    "a long number": "9" * LARGEST,
    "a long number with a point": "0." + "9" * LARGEST,
    "many numbers": f"[{'9' * 400},{'1,' * (LARGEST // 2)}1]",
    "a long string": json.dumps({"action": "x" * LARGEST}),
    "escapes": f'{{"message":"{HALF * (LARGEST // 6)}"}}',
    "quotes": '"\\"' * (LARGEST // 3),
    "backslashes": '{"a":"' + "\\" * LARGEST,
    "spaces": " " * LARGEST,
    "one name again and again": "{" + '"a":1,' * (LARGEST // 6) + '"a":1}',
    "pairs of names": "{" + ",".join(f'"{n // 2}":1' for n in range(LARGEST // 10)) + "}",
    "half characters for names": "{" + ",".join(f'"{HALF}{n}":1' for n in range(4000)) + "}",
    "half characters in all fields": "{" + ",".join(f'"{n}":"{HALF}"' for n in range(4000)) + "}",
    "infinite numbers": f"[{'1e999,' * (LARGEST // 6)}1]",
    "not a number": f"[{'NaN,' * (LARGEST // 4)}1]",
    "accents": "é" * (LARGEST // 2),
    "dots": "." * LARGEST,
    "a long token": ".".join([segment({"alg": "RS256", "kid": "x" * 8000}), "A" * 2000, "A" * 999]),
    "a deep header": ".".join([segment(b'{"a":' * 2000), "A" * 99, "A" * 99]),
    "many keys": json.dumps({"keys": [{"kty": "RSA", "n": "A" * 342, "e": "AQAB"}] * 150}),
    "a long key": json.dumps({"keys": [{"kty": "RSA", "n": "_" * 60_000, "e": "AQAB"}]}),
    "a long exponent": json.dumps({"keys": [{"kty": "RSA", "n": "_" * 342, "e": "_" * 60_000}]}),
}


@pytest.mark.parametrize("target", range(len(TARGETS)))
@pytest.mark.parametrize("name", HUGE)
def test_no_size_is_slow(target: int, name: str) -> None:
    attempt(bytes([target]) + HUGE[name].encode())


def test_every_target_takes_what_it_starts_from() -> None:
    assert {seed[0] for seed in seeds()} == set(range(len(TARGETS)))

    for seed in seeds():
        attempt(seed)
    attempt(b"")


def test_what_is_slow_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.targets.TARGETS", (lambda _: sum(range(10**7)),))
    monkeypatch.setattr("tests.fuzz.targets._CPU_SECONDS", 0.001)

    with pytest.raises(SlowError, match="3 bytes took"):
        attempt(b"\x00ab")


def test_without_the_fuzzer_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)

    status = main(["--seconds", "1"])

    assert status == 2
    assert capsys.readouterr().err == "atheris is not installed: see requirements-fuzz.txt\n"


def test_an_input_that_was_found_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tmp_path / "crash"
    found.write_bytes(b"\x00found")
    tried: list[bytes] = []
    monkeypatch.setattr("tests.fuzz.targets.attempt", tried.append)

    assert main(["--replay", str(found)]) == 0
    assert tried == [b"\x00found"]
