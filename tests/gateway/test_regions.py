"""Two regions over one database: each posts to the other's connections, and one can end."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from localgateway.engine import MotoEngine
from tests.gateway.servers import PATIENCE

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def region(engine: MotoEngine) -> Iterator[str]:
    """Serve the chat as `make run` does, over a database that others use too; yields its URL."""
    command = [sys.executable, "-m", "localgateway", "--stage", "local", "--port", "0", "--quiet"]
    command += ["--engine", engine.url, "--template", "infra/data.yaml"]
    command += ["--partial-batch-failures", "deliver", "--authorizer", "authorize"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield _announced(process)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


@pytest.fixture
def engine() -> Iterator[MotoEngine]:
    with MotoEngine.start() as started:
        yield started


def test_people_in_two_regions_chat_with_each_other(engine: MotoEngine) -> None:
    with (
        region(engine) as east,
        region(engine) as west,
        _connected(east, "ada") as ada,
        _connected(west, "bob") as bob,
    ):
        _send(ada, "from the east")
        heard_in_the_west = _message(bob)
        _send(bob, "from the west")
        heard_in_the_east = _message(ada)

    assert east != west
    assert (heard_in_the_west["user"], heard_in_the_west["message"]) == ("ada", "from the east")
    assert (heard_in_the_east["user"], heard_in_the_east["message"]) == ("bob", "from the west")
    assert heard_in_the_east["seq"] == heard_in_the_west["seq"] + 1


def test_who_comes_from_a_region_that_has_ended_misses_nothing(engine: MotoEngine) -> None:
    with region(engine) as west:
        with region(engine) as east, _connected(east, "ada") as ada:
            _send(ada, "before it ended")
            _acknowledged(ada)
        with _connected(west, "bob") as bob:
            _send(bob, "after it ended")
            _acknowledged(bob)

        with _connected(west, "ada") as again:
            again.send(json.dumps({"action": "subscribe", "room": "lobby", "after": 0, "id": 9}))
            events = _of_type(again, "ack")["events"]

    assert [(event["seq"], event["message"]) for event in events] == [
        (1, "before it ended"),
        (2, "after it ended"),
    ]


def _announced(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    for line in process.stdout:
        if found := re.search(r"ws://\S+", line):
            return found[0]
    pytest.fail("the region did not start")


@contextmanager
def _connected(url: str, name: str) -> Iterator[ClientConnection]:
    with connect(f"{url}?name={name}", proxy=None, open_timeout=PATIENCE) as client:
        client.send(json.dumps({"action": "hello", "id": 0}))
        _of_type(client, "welcome")
        yield client


def _send(client: ClientConnection, text: str) -> None:
    client.send(json.dumps({"action": "sendmessage", "message": text, "id": 1}))


def _message(client: ClientConnection) -> dict[str, Any]:
    return _of_type(client, "message")


def _acknowledged(client: ClientConnection) -> dict[str, Any]:
    return _of_type(client, "ack")


def _of_type(client: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        frame: dict[str, Any] = json.loads(client.recv(PATIENCE))
        if frame["type"] == kind:
            return frame
