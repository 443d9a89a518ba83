"""DynamoWave Chat: every entry point of the functions, for Chalice.

Handlers stay here: Chalice does not wrap the WebSocket handlers of a blueprint. Their names are
those of the deployed functions, which Chalice cannot change later.
"""

import functools
import os
from pathlib import Path
from typing import Any

from chalice import Chalice, NotFoundError, Response
from chalice.app import WebsocketEvent

from chalicelib import __version__
from chalicelib.bootstrap import build
from chalicelib.chat import ChatService
from chalicelib.pages import HEADERS, INDEX, Page, configuration, read_pages
from chalicelib.settings import Settings

app = Chalice(app_name="dynamowave")
app.experimental_feature_flags.update(["WEBSOCKETS"])


# Nothing is built at import: `chalice package` imports this file without an environment.
@functools.cache
def settings() -> Settings:
    """Return the settings of this stage."""
    return Settings.from_environ(os.environ)


@functools.cache
def service() -> ChatService:
    """Return the chat, which keeps its connections to AWS between invocations."""
    return build(settings())


@functools.cache
def pages() -> dict[str, Page]:
    """Return the files of the web page."""
    return read_pages(Path(__file__).parent / "chalicelib" / "web")


@app.on_ws_connect()
def websocket_connect(event: WebsocketEvent) -> dict[str, int]:
    """Let a client in, or not."""
    return service().connect(event.to_dict())


@app.on_ws_message()
def websocket_message(event: WebsocketEvent) -> None:
    """Do what a frame asks for."""
    service().receive(event.to_dict())


@app.on_ws_disconnect()
def websocket_disconnect(event: WebsocketEvent) -> None:
    """Forget a client."""
    service().disconnect(event.to_dict())


@app.lambda_function(name="publish")
def publish(event: Any, _: Any) -> dict[str, Any]:
    """Publish to a room, by direct invocation."""
    return service().publish(event)


@app.route("/", methods=["GET"])
def index() -> Response:
    """Serve the page, which refers to its files relatively: on AWS it lies under the stage."""
    request = app.current_request
    path = request.context.get("path", "/") if request else "/"
    return _file(INDEX) if path.endswith("/") else _redirect(path.rpartition("/")[2] + "/")


@app.route("/static/{file}", methods=["GET"])
def static(file: str) -> Response:
    """Serve a file of the page."""
    return _file(file)


def _redirect(location: str) -> Response:
    return Response("", headers={"Location": location}, status_code=302)


def _file(name: str) -> Response:
    page = pages().get(name)
    if page is None:
        raise NotFoundError("no such file")
    return Response(page.body, headers=dict(page.headers))


@app.route("/config", methods=["GET"])
def config() -> Response:
    """Tell the page where to connect and what the limits are."""
    request = app.current_request
    host = request.headers.get("host") if request else None
    return Response(configuration(settings(), host), headers=dict(HEADERS))


@app.route("/health", methods=["GET"])
def health() -> dict[str, str]:
    """Tell that the functions run, and which version."""
    return {"status": "ok", "version": __version__, "stage": settings().stage}
