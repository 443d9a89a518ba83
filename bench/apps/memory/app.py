# ruff: noqa: INP001 - a Chalice project is a directory, not a package
"""A Chalice app that remembers its connections in memory and posts each frame to all of them.

BENCH_POST chooses how: app (Chalice's own client), crt (CrtGateway) or boto3 (32 threads).
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import boto3
from botocore.config import Config
from chalice import Chalice, WebsocketDisconnectedError
from chalice.app import WebsocketEvent

from chalicelib.crt import CrtGateway
from chalicelib.gateway import Outcome, Post
from chalicelib.models import ConnectionId

THREADS = 32

app = Chalice(app_name="bench-memory")
app.websocket_api.session = boto3.session.Session()
app.experimental_feature_flags.update(["WEBSOCKETS"])

connections: set[str] = set()


@app.on_ws_connect()
def connect(event: WebsocketEvent) -> None:
    """Remember a connection."""
    connections.add(event.connection_id)


@app.on_ws_message()
def message(event: WebsocketEvent) -> None:
    """Post the frame to everybody, and forget who has left."""
    gone = _posters()[os.environ.get("BENCH_POST", "crt")](sorted(connections), event.body)
    connections.difference_update(gone)


@app.on_ws_disconnect()
def disconnect(event: WebsocketEvent) -> None:
    """Forget a connection."""
    connections.discard(event.connection_id)


@cache
def _posters() -> dict[str, Callable[[list[str], str], list[str]]]:
    return {"app": _post_through_app, "crt": _post_through_crt, "boto3": _post_through_boto3}


def _post_through_app(ids: list[str], frame: str) -> list[str]:
    gone = []
    for each in ids:
        try:
            app.websocket_api.send(each, frame)
        except WebsocketDisconnectedError:
            gone.append(each)
    return gone


def _post_through_crt(ids: list[str], frame: str) -> list[str]:
    posts = [Post(_endpoint(), ConnectionId(each), frame.encode()) for each in ids]
    outcomes = _crt().post(posts)
    return [each for each, outcome in zip(ids, outcomes, strict=True) if outcome is Outcome.GONE]


def _post_through_boto3(ids: list[str], frame: str) -> list[str]:
    client, threads = _boto3()
    gone = threads.map(partial(_post_one, client, frame.encode()), ids)
    return [each for each, is_gone in zip(ids, gone, strict=True) if is_gone]


def _post_one(client: Any, frame: bytes, connection_id: str) -> bool:
    try:
        client.post_to_connection(ConnectionId=connection_id, Data=frame)
    except client.exceptions.GoneException:
        return True
    return False


def _endpoint() -> str:
    return os.environ["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"]


@cache
def _crt() -> CrtGateway:
    return CrtGateway(region=os.environ.get("AWS_REGION", "us-east-1"), timeout=30.0)


@cache
def _boto3() -> tuple[Any, ThreadPoolExecutor]:
    client = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=_endpoint(),
        config=Config(max_pool_connections=THREADS),
    )
    return client, ThreadPoolExecutor(THREADS)
