"""DynamoWave Chat: every entry point of the functions, for Chalice.

Handlers stay here: Chalice does not wrap the WebSocket handlers of a blueprint. Their names are
those of the deployed functions, which Chalice cannot change later.
"""

import functools
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from chalice import Chalice, NotFoundError, Rate, Response
from chalice.app import CloudWatchEvent, Request, SNSEvent, SQSEvent, WebsocketEvent

from chalicelib import __version__
from chalicelib.attempts import answered
from chalicelib.bootstrap import Application
from chalicelib.correlation import correlated, request_id
from chalicelib.entrance import Entrance
from chalicelib.errors import ChatError
from chalicelib.forms import HttpRequest
from chalicelib.logs import structure
from chalicelib.pages import INDEX, Page, configuration, page_headers, read_pages
from chalicelib.replies import HEADERS as ANSWER_HEADERS
from chalicelib.replies import Reply, refusal, reply
from chalicelib.settings import Settings
from chalicelib.warmups import is_warmup


class WarmableChalice(Chalice):
    """A Chalice app whose function for HTTP can be warmed up, as those below can."""

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Answer an event of API Gateway, or one of `warm`."""
        if is_warmup(event):
            return _warm_up("api_handler", event)
        return super().__call__(event, context)


app = WarmableChalice(app_name="dynamowave")
app.experimental_feature_flags.update(["WEBSOCKETS"])


# Nothing is built at import: `chalice package` imports this file without an environment.
@functools.cache
def settings() -> Settings:
    """Return the settings of this stage."""
    return Settings.from_environ(os.environ)


@functools.cache
def application() -> Application:
    """Return what does the work, which keeps its connections to AWS between invocations."""
    structure(settings(), [app.log])  # Chalice's logger has a handler of its own
    return Application(settings())


@functools.cache
def pages() -> dict[str, Page]:
    """Return the files of the web page."""
    return read_pages(Path(__file__).parent / "chalicelib" / "web", page_headers(settings()))


def warmable(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a function warm up when `warm` asks for it: before Chalice looks for what is not there.

    Lambda finds the function here; localgateway and Chalice's test client in the handler map.
    """

    def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
        def handle(event: Any, context: Any) -> Any:
            return _warm_up(name, event) if is_warmup(event) else handler(event, context)

        app.handler_map[name] = handle
        return handle

    return decorate


def _warm_up(name: str, event: dict[str, Any]) -> dict[str, Any]:
    return answered(partial(application().warmups.run, name, event))


@warmable("websocket_connect")
@app.on_ws_connect()
def websocket_connect(event: WebsocketEvent) -> dict[str, int]:
    """Let a client in, or not."""
    return application().chat.connect(event.to_dict())


@warmable("websocket_message")
@app.on_ws_message()
def websocket_message(event: WebsocketEvent) -> None:
    """Do what a frame asks for."""
    application().chat.receive(event.to_dict())


@warmable("websocket_disconnect")
@app.on_ws_disconnect()
def websocket_disconnect(event: WebsocketEvent) -> None:
    """Forget a client."""
    application().chat.disconnect(event.to_dict())


@warmable("authorize")
@app.lambda_function(name="authorize")
def authorize(event: Any, _: Any) -> dict[str, Any]:
    """Decide whether $connect runs, where this is wired to it as a Lambda authorizer."""
    return application().chat.authorize(event)


@warmable("publish")
@app.lambda_function(name="publish")
def publish(event: Any, context: Any) -> dict[str, Any]:
    """Publish to a room, by direct invocation."""
    invocation = getattr(context, "aws_request_id", None)
    return application().chat.publish(event, invocation=invocation)


@app.on_sns_message(topic=os.environ.get("EVENTS_TOPIC", "dynamowave-local-events"))
def publish_event(event: SNSEvent) -> dict[str, int]:
    """Publish to rooms what others have left at the topic."""
    return application().notifications.publish(event.to_dict())


@warmable("deliver")
@app.on_sqs_message(
    queue=os.environ.get("DELIVERIES_QUEUE", "dynamowave-local-deliveries"), batch_size=10
)
def deliver(event: SQSEvent) -> dict[str, Any]:
    """Post what waits in the queue of deliveries."""
    context: Any = event.context
    remaining = context.get_remaining_time_in_millis() / 1000
    return application().deliveries.deliver(event.to_dict(), remaining=remaining)


@app.lambda_function(name="redrive")
def redrive(event: Any, _: Any) -> dict[str, Any]:
    """Look at what could not be delivered, or try it again, by direct invocation."""
    return answered(partial(application().redrive.run, event))


@app.schedule(Rate(5, unit=Rate.MINUTES))
def warm(_: CloudWatchEvent) -> dict[str, Any]:
    """Keep the critical functions warm."""
    return application().warmer.run()


@app.middleware("http")
def guard(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """Turn away what has come past CloudFront, where there is one; no answer is without headers.

    What follows is logged under the id of the request.
    """
    with correlated(request_id({"requestContext": request.context})):
        return _guarded(request, get_response)


def _guarded(request: Request, get_response: Callable[[Request], Response]) -> Response:
    try:
        _admit(request)
    except ChatError as error:
        return _response(refusal(error))
    response = get_response(request)
    response.headers = {**ANSWER_HEADERS, **response.headers}
    return response


def _admit(request: Request) -> None:
    # Route 53 looks after a region at its own address, and can show nothing.
    if request.context.get("resourcePath") != "/health":
        application().perimeter.admit(request.headers)


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
    return Response(configuration(settings(), host), headers={**page_headers(settings())})


@app.route("/health", methods=["GET"])
def health() -> dict[str, str]:
    """Tell that the functions run, and which version."""
    return {"status": "ok", "version": __version__, "stage": settings().stage}


# Bodies are read strictly whatever their type is said to be; no type at all is expected.
@app.route("/register", methods=["POST"], content_types=[])
def register() -> Response:
    """Make an account."""
    return _enter(Entrance.register)


@app.route("/login", methods=["POST"], content_types=[])
def login() -> Response:
    """Trade a password for a token."""
    return _enter(Entrance.login)


@app.route("/guest", methods=["POST"], content_types=[])
def guest() -> Response:
    """Give a guest a name and a token."""
    return _enter(Entrance.guest)


@app.route("/ticket", methods=["POST"], content_types=[])
def ticket() -> Response:
    """Trade a token for a ticket to connect with."""
    return _enter(Entrance.ticket)


@app.route("/token", methods=["POST"], content_types=[])
def token() -> Response:
    """Trade a token for a newer one."""
    return _enter(Entrance.renew)


@app.route("/logout", methods=["POST"], content_types=[])
def logout() -> Response:
    """Log out everywhere."""
    return _enter(Entrance.logout)


@app.route("/password", methods=["POST"], content_types=[])
def password() -> Response:
    """Change a password."""
    return _enter(Entrance.change_password)


def _enter(use_case: Callable[[Entrance, HttpRequest], dict[str, Any]]) -> Response:
    service = application()
    answer = reply(lambda: use_case(service.entrance, _request()), service.telemetry)
    return _response(answer)


def _request() -> HttpRequest:
    request = app.current_request
    if request is None:
        return HttpRequest()
    event = request.to_original_event()
    # raw_body encodes text, and fails at the halves of characters that Lambda hands on.
    body = request.raw_body if event.get("isBase64Encoded") else event.get("body")
    return HttpRequest(
        body=body,
        authorization=request.headers.get("authorization"),
        address=application().perimeter.address(
            request.headers, request.context.get("identity", {}).get("sourceIp", "")
        ),
        host=request.headers.get("host"),
    )


def _response(answer: Reply) -> Response:
    return Response(dict(answer.body), headers=dict(answer.headers), status_code=answer.status)
