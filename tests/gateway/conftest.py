"""Shared fixtures: time, sockets, a gateway that serves Chalice's three routes, and projects."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localgateway.connections import Connection
from localgateway.events import Api, Handshake
from localgateway.functions import Invocation
from localgateway.gateway import Gateway
from localgateway.handshakes import Refusal
from localgateway.routing import CONNECT, DEFAULT, DISCONNECT
from tests.gateway.fakes import CountingEntropy, ManualClock, RecordingSocket

CHALICE_ROUTES = frozenset({CONNECT, DEFAULT, DISCONNECT})

Opened = tuple[Connection, RecordingSocket]
MakeGateway = Callable[..., Gateway]
Open = Callable[..., Opened]
MakeProject = Callable[..., Path]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def entropy() -> CountingEntropy:
    return CountingEntropy()


@pytest.fixture
def make_gateway(clock: ManualClock) -> MakeGateway:
    def make(**options: Any) -> Gateway:
        options = {"routes": CHALICE_ROUTES, "clock": clock, **options}
        return Gateway(Api(domain_name="chat.example"), **options)

    return make


@pytest.fixture
def gateway(make_gateway: MakeGateway) -> Gateway:
    return make_gateway()


@pytest.fixture
def connect() -> Open:
    def connect(gateway: Gateway, **handshake: Any) -> Opened:
        started = gateway.connecting(Handshake(**handshake))
        assert not isinstance(started, Refusal)
        connection, task = started
        outcome = Invocation(payload={"statusCode": 200}) if task else None
        assert not isinstance(gateway.connected(connection, outcome), Refusal)
        socket = RecordingSocket()
        gateway.opened(connection, socket)
        return connection, socket

    return connect


@pytest.fixture
def make_project(tmp_path: Path) -> MakeProject:
    def make(source: str | None, config: Any = None) -> Path:
        if source is not None:
            (tmp_path / "app.py").write_text(source)
        if config is not None:
            (tmp_path / ".chalice").mkdir()
            text = config if isinstance(config, str) else json.dumps(config)
            (tmp_path / ".chalice" / "config.json").write_text(text)
        return tmp_path

    return make


@pytest.fixture
def imports() -> Iterator[None]:
    """Forget an `app` that a test imports: every Chalice project has a module of that name."""
    path, before = list(sys.path), sys.modules.pop("app", None)
    yield
    sys.path[:] = path
    sys.modules.pop("app", None)
    if before is not None:
        sys.modules["app"] = before
