"""A room of several hundred real sockets, through the queue of localgateway: bench.large_room."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# More than twice what is posted to directly, which is 250.
SOCKETS = 600
# Ten seconds of handlers of $connect would show nothing of the queue.
ARGUMENTS = ("--sockets", str(SOCKETS), "--registered", "--json")
# Seconds; without a message it would wait for an hour.
DUE = ("--timeout", "240")


def test_all_of_a_large_room_get_a_message_once_in_as_many_jobs_as_predicted() -> None:
    run = subprocess.run(
        [*(sys.executable, "-m", "bench.large_room"), *ARGUMENTS, *DUE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert (result["heard_once"], result["missing"], result["repeated"]) == (SOCKETS - 1, 0, 0)
    assert (result["jobs"], result["sends"]) == (3, 1)
    assert result["ack_ms"] < result["first_ms"]
