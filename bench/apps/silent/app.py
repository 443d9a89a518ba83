# ruff: noqa: INP001 - a Chalice project is a directory, not a package
"""A Chalice app that lets everybody in and writes down who: ARRIVALS names the file."""

import os
from pathlib import Path

from chalice import Chalice
from chalice.app import WebsocketEvent

app = Chalice(app_name="bench-silent")
app.experimental_feature_flags.update(["WEBSOCKETS"])


@app.on_ws_connect()
def connect(event: WebsocketEvent) -> None:
    """Write down the connection; handlers run in threads, and a short write is one."""
    with Path(os.environ["ARRIVALS"]).open("a") as arrivals:
        arrivals.write(f"{event.connection_id}\n")


@app.on_ws_message()
def message(_event: WebsocketEvent) -> None:
    """Do nothing."""


@app.on_ws_disconnect()
def disconnect(_event: WebsocketEvent) -> None:
    """Do nothing."""
