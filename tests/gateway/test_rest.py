"""REST routes: the events that the app gets, and the answers that a client gets."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chalice import BadRequestError, Chalice, CORSConfig, Response
from chalice.app import AuthResponse, Request
from chalice.config import Config

from localgateway import projects
from localgateway.rest import RestGateway, RestResponse
from localgateway.runtime import Runtime

BINARY = bytes(range(256))


class Site:
    """An app with REST routes, and what its view functions saw."""

    def __init__(self) -> None:
        self.app = Chalice("site")
        self.requests: list[dict[str, Any]] = []
        self.both_in = threading.Barrier(2)
        self._route(self.app)
        self._route_what_fails(self.app)

    def current(self) -> Request:
        request: Request | None = self.app.current_request
        assert request is not None
        return request

    def _route(self, app: Chalice) -> None:
        @app.on_ws_message()
        def message(event: Any) -> None: ...

        @app.route("/", methods=["GET", "POST"], content_types=["text/plain", "application/json"])
        def index() -> dict[str, bool]:
            self.requests.append(self.current().to_original_event())
            return {"ok": True}

        @app.route("/json", methods=["POST"])
        def parsed() -> Any:
            return self.current().json_body

        @app.route("/raw", methods=["POST"], content_types=["application/octet-stream"])
        def raw() -> Response:
            headers: Any = {"Content-Type": "application/octet-stream"}
            return Response(self.current().raw_body[::-1], headers=headers)

        @app.route("/rooms/{room}", cors=CORSConfig(allow_origin="https://a.example"))
        def room(room: str) -> dict[str, str]:
            return {"room": room}

        @app.route("/cookies")
        def cookies() -> Response:
            several: Any = {"Set-Cookie": ["a=1", "b=2"], "X-One": "1"}
            return Response("", status_code=204, headers=several)

        @app.route("/together")
        def together() -> Any:
            query = self.current().query_params
            self.both_in.wait(10)
            assert self.current().query_params == query
            return query

        @app.authorizer()
        def authorize(request: Any) -> AuthResponse:
            return AuthResponse(["*"] if request.token == "yes" else [], "alice")

        @app.route("/private", authorizer=authorize)
        def private() -> Any:
            return self.current().context["authorizer"]["principalId"]

    def _route_what_fails(self, app: Chalice) -> None:
        @app.route("/crash")
        def crash() -> None:
            raise ValueError("secret")

        @app.route("/bad")
        def bad() -> None:
            raise BadRequestError("no")

    def serve(self, **function: Any) -> RestGateway:
        config = Config("dev", config_from_disk={"app_name": "site", "api_gateway_stage": "v1"})
        project = projects.adopt(self.app, config, Path())
        changed = replace(project.functions["api_handler"], **function)
        functions = {**project.functions, "api_handler": changed}
        return RestGateway(project, Runtime(functions))


def get(rest: RestGateway, path: str, *headers: tuple[str, str]) -> RestResponse:
    return rest.respond("GET", path, list(headers), b"", "192.0.2.7")


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def rest(site: Site) -> RestGateway:
    return site.serve()


def test_an_event_holds_what_a_view_may_look_at(site: Site, rest: RestGateway) -> None:
    headers = [("Host", "chat.example"), ("User-Agent", "curl"), ("Content-Type", "text/plain")]

    rest.respond("POST", "/?a=1&a=2&b=", headers, b"h\xc3\xa9", "192.0.2.7")

    (event,) = site.requests
    context = event.pop("requestContext")
    assert event == {
        "path": "/",
        "headers": {"host": "chat.example", "user-agent": "curl", "content-type": "text/plain"},
        "pathParameters": {},
        "stageVariables": {},
        "multiValueQueryStringParameters": {"a": ["1", "2"], "b": [""]},
        "body": "h\u00e9",
        "isBase64Encoded": False,
    }
    assert len(context.pop("requestId")) == 36
    assert isinstance(context.pop("requestTimeEpoch"), int)
    assert context == {
        "httpMethod": "POST",
        "resourcePath": "/",
        "path": "/",
        "stage": "v1",
        "domainName": "chat.example",
        "identity": {"sourceIp": "192.0.2.7", "userAgent": "curl"},
    }


def test_without_body_and_query_there_is_none(site: Site, rest: RestGateway) -> None:
    get(rest, "/")

    (event,) = site.requests
    assert (event["body"], event["multiValueQueryStringParameters"]) == (None, None)


def test_a_dictionary_is_answered_as_json(rest: RestGateway) -> None:
    answer = get(rest, "/")

    assert answer.status == 200
    assert dict(answer.headers)["Content-Type"] == "application/json"
    assert json.loads(answer.body) == {"ok": True}


def test_a_json_body_is_parsed(rest: RestGateway) -> None:
    headers = [("content-type", "application/json")]

    answer = rest.respond("POST", "/json", headers, b'{"a": "\xc3\xa9"}', "127.0.0.1")

    assert json.loads(answer.body) == {"a": "\u00e9"}


def test_a_binary_body_goes_in_and_out_unchanged(rest: RestGateway) -> None:
    headers = [
        ("Content-Type", "application/octet-stream"),
        ("Accept", "application/octet-stream"),
    ]

    answer = rest.respond("POST", "/raw", headers, BINARY, "127.0.0.1")

    assert (answer.status, answer.body) == (200, BINARY[::-1])


def test_a_text_body_that_is_not_utf_8_still_arrives(site: Site, rest: RestGateway) -> None:
    headers = [("content-type", "text/plain")]

    rest.respond("POST", "/", headers, b"\xff", "127.0.0.1")

    assert site.requests[0]["body"] == "\ufffd"


def test_a_parameter_of_the_path_is_captured(rest: RestGateway) -> None:
    assert json.loads(get(rest, "/rooms/lobby?x=1").body) == {"room": "lobby"}


def test_a_header_may_come_more_than_once(rest: RestGateway) -> None:
    answer = get(rest, "/cookies")

    assert answer == RestResponse(
        204,
        [
            ("X-One", "1"),
            ("Content-Type", "application/json"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
        ],
        b"",
    )


@pytest.mark.parametrize("path", ["/unknown", "/rooms", "/rooms/a/b"])
def test_an_unknown_route_is_403_as_on_aws(rest: RestGateway, path: str) -> None:
    answer = get(rest, path)

    assert (answer.status, answer.body) == (403, b'{"message": "Missing Authentication Token"}')


def test_an_error_of_a_view_is_chalice_s_500(rest: RestGateway) -> None:
    answer = get(rest, "/crash")

    assert (answer.status, json.loads(answer.body)) == (
        500,
        {"Code": "InternalServerError", "Message": "An internal server error occurred."},
    )


def test_an_error_that_a_view_means_has_chalice_s_shape(rest: RestGateway) -> None:
    answer = get(rest, "/bad")

    assert (answer.status, json.loads(answer.body)) == (
        400,
        {"Code": "BadRequestError", "Message": "no"},
    )


def fail(_event: Any, _context: Any) -> None:
    raise ValueError("secret")


@pytest.mark.parametrize("options", [{"handler": fail}, {"reserved_concurrency": 0}])
def test_a_function_that_fails_as_a_whole_is_502(site: Site, options: dict[str, Any]) -> None:
    answer = get(site.serve(**options), "/")

    assert (answer.status, answer.body) == (502, b'{"message": "Internal server error"}')
    assert answer.headers == [("Content-Type", "application/json")]


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        ({"body": "text"}, b"text"),
        ({"body": {"a": 1}}, b'{"a": 1}'),
        ({"body": base64.b64encode(BINARY).decode(), "isBase64Encoded": True}, BINARY),
        ({}, b""),
    ],
)
def test_a_body_is_text_json_or_base64(site: Site, answer: dict[str, Any], body: bytes) -> None:
    returned = {"statusCode": 200, "headers": {}, **answer}

    rest = site.serve(handler=lambda _event, _context: returned)

    assert get(rest, "/").body == body


def test_the_current_request_is_each_thread_s_own(rest: RestGateway) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda name: get(rest, f"/together?name={name}"), ["a", "b"]))

    assert [json.loads(answer.body) for answer in answers] == [{"name": "a"}, {"name": "b"}]


def test_a_preflight_is_answered_without_the_app(site: Site) -> None:
    rest = site.serve(handler=fail)

    answer = rest.respond("OPTIONS", "/rooms/lobby", [], b"", "127.0.0.1")

    assert answer.status == 200
    assert dict(answer.headers)["Access-Control-Allow-Origin"] == "https://a.example"


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        ([("Authorization", "yes")], 200, b"alice"),
        ([("Authorization", "no")], 403, b'{"Message": "User is not authorized'),
        ([], 401, b'{"message":"Unauthorized"}'),
    ],
)
def test_chalice_s_authorizers_are_asked(
    rest: RestGateway, headers: list[tuple[str, str]], status: int, body: bytes
) -> None:
    answer = get(rest, "/private", *headers)

    assert answer.status == status
    assert answer.body.startswith(body)


def test_an_authorization_header_that_is_not_ascii_is_403(rest: RestGateway) -> None:
    answer = rest.respond("GET", "/unknown", [("Authorization", "grüße")], b"", "127.0.0.1")

    assert (answer.status, answer.body) == (403, b'{"message": "Forbidden"}')
