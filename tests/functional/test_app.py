"""app.py as Chalice runs it: events in, through the decorated handlers, to frames and tables."""

import json
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
import pytest
from chalice.test import Client
from moto import mock_aws

import app as app_module
from chalicelib import __version__
from chalicelib.bootstrap import Application
from chalicelib.gateway import Outcome, Post, Recipient
from chalicelib.settings import Settings

ROOT = Path(__file__).parents[2]
ENVIRON = {
    "AWS_REGION": "eu-west-1",
    "CONNECTIONS_TABLE": "dynamowave-test-connections",
    "MESSAGES_TABLE": "dynamowave-test-messages",
    "MEMBERSHIPS_TABLE": "dynamowave-test-memberships",
    "ACCOUNTS_TABLE": "dynamowave-test-accounts",
    "DELIVERIES_QUEUE": "dynamowave-test-deliveries",
    "DEAD_LETTER_QUEUE": "dynamowave-test-undelivered",
    "STAGE": "test",
    "GUESTS": "true",
}


class RecordingGateway:
    def __init__(self) -> None:
        self.posts: list[Post] = []

    def post(self, posts: Sequence[Post], *, within: float | None = None) -> list[Outcome]:
        self.posts += posts
        return [Outcome.DELIVERED] * len(posts)

    def check(self, probes: Sequence[Recipient]) -> list[Outcome]:
        return [Outcome.DELIVERED] * len(probes)

    def disconnect(self, recipients: Sequence[Recipient]) -> list[Outcome]:
        return [Outcome.DELIVERED] * len(recipients)

    def take(self) -> list[tuple[str, dict[str, Any]]]:
        """The frames since the last look, each with its recipient."""
        frames: list[tuple[str, dict[str, Any]]] = [
            (post.connection_id, json.loads(post.frame)) for post in self.posts
        ]
        self.posts.clear()
        return frames


@pytest.fixture
def app() -> Any:
    """What pytest-chalice's `client` serves."""
    return app_module.app


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    cached = [app_module.settings, app_module.application]
    yield
    for function in cached:
        function.cache_clear()


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingGateway]:
    """The gateway of a chat over the tables of infra/data.yaml."""
    recording = RecordingGateway()
    with mock_aws():
        boto3.client("cloudformation", region_name="eu-west-1").create_stack(
            StackName="data",
            TemplateBody=(ROOT / "infra" / "data.yaml").read_text(encoding="utf-8"),
            Parameters=[{"ParameterKey": "Stage", "ParameterValue": "test"}],
        )
        application = Application(Settings.from_environ(ENVIRON), gateway=recording)
        monkeypatch.setattr(app_module, "application", lambda: application)
        yield recording


def event(kind: str, connection_id: str, **rest: Any) -> dict[str, Any]:
    """An event as API Gateway sends it to Lambda."""
    return {
        "requestContext": {
            "routeKey": {"CONNECT": "$connect", "DISCONNECT": "$disconnect"}.get(kind, "$default"),
            "eventType": kind,
            "extendedRequestId": "JC1dgFyrIAMFpcQ=",
            "requestTime": "02/Jan/2026:03:04:05 +0000",
            "messageDirection": "IN",
            "stage": "api",
            "connectedAt": 1767323045678,
            "requestTimeEpoch": 1767323045679,
            "identity": {"sourceIp": "192.0.2.1"},
            "requestId": "JC1dgFyrIAMFpcQ=",
            "domainName": "a1b2c3.execute-api.eu-west-1.amazonaws.com",
            "connectionId": connection_id,
            "apiId": "a1b2c3",
        },
        "isBase64Encoded": False,
        **rest,
    }


def connect(connection_id: str, name: str) -> Any:
    query = {"queryStringParameters": {"name": name}}
    return app_module.websocket_connect(event("CONNECT", connection_id, **query), None)


def say(connection_id: str, body: str) -> Any:
    return app_module.websocket_message(event("MESSAGE", connection_id, body=body), None)


def test_two_people_talk(gateway: RecordingGateway) -> None:
    connected = [connect("A=", "alice"), connect("B=", "bob")]
    came = gateway.take()
    answered = say("A=", '{"action":"sendmessage","message":"hello, everyone!"}')
    pushed = gateway.take()
    gone = app_module.websocket_disconnect(event("DISCONNECT", "B="), None)
    left = gateway.take()
    say("A=", '{"action":"presence","room":"lobby"}')

    assert connected == [{"statusCode": 200}] * 2
    assert answered == {"statusCode": 200}
    assert [(to, frame["message"]) for to, frame in pushed] == [("B=", "hello, everyone!")]
    assert gone == {"statusCode": 200}
    assert [(to, frame["status"]) for to, frame in came + left] == [
        ("A=", "joined"),
        ("A=", "left"),
    ]
    assert gateway.take()[0][1]["users"] == ["alice"]


def test_a_client_that_is_refused_gets_the_status(gateway: RecordingGateway) -> None:
    assert connect("A=", "not a name") == {"statusCode": 400}
    assert gateway.take() == []


def test_an_empty_frame_is_answered(gateway: RecordingGateway) -> None:
    connect("A=", "alice")

    app_module.websocket_message(event("MESSAGE", "A="), None)

    assert gateway.take()[0][1]["code"] == "bad_request"


def test_a_back_end_publishes_by_direct_invocation(gateway: RecordingGateway) -> None:
    connect("A=", "alice")

    answer = app_module.publish({"room": "lobby", "message": "deploy done"}, None)

    assert (answer["seq"], answer["delivered"]) == (1, 1)
    assert gateway.take()[0][1]["user"] == "system"


def test_the_service_is_built_from_the_environment_once() -> None:
    assert app_module.application() is app_module.application()


def test_the_entry_points_have_the_names_that_are_pinned(app: Any) -> None:
    assert set(app.websocket_handlers) == {"$connect", "$default", "$disconnect"}
    assert {handler.handler_string for handler in app.websocket_handlers.values()} == {
        "app.websocket_connect",
        "app.websocket_message",
        "app.websocket_disconnect",
    }
    names = {"authorize", "publish", "redrive"}
    assert {function.name for function in app.pure_lambda_functions} == names
    assert {source.name for source in app.event_sources} == {"deliver", "publish_event", "warm"}


def test_every_stage_is_configured() -> None:
    config = json.loads((ROOT / ".chalice" / "config.json").read_text(encoding="utf-8"))

    guests = {}
    for stage, settings in config["stages"].items():
        environ = settings["environment_variables"]
        assert environ["CONNECTIONS_TABLE"] == f"dynamowave-{stage}-connections"
        assert environ["MESSAGES_TABLE"] == f"dynamowave-{stage}-messages"
        assert environ["MEMBERSHIPS_TABLE"] == f"dynamowave-{stage}-memberships"
        assert environ["ACCOUNTS_TABLE"] == f"dynamowave-{stage}-accounts"
        assert environ["DELIVERIES_QUEUE"] == f"dynamowave-{stage}-deliveries"
        assert environ["DEAD_LETTER_QUEUE"] == f"dynamowave-{stage}-undelivered"
        assert environ["EVENTS_TOPIC"] == f"dynamowave-{stage}-events"
        assert environ["STAGE"] == stage
        guests[stage] = Settings.from_environ(environ).identity.guests
    assert guests == {"local": True, "dev": True, "prod": False}


# REST


def get(client: Client, path: str, **headers: str) -> Any:
    return client.http.get(path, headers=headers)


@pytest.fixture
def http(app: Any) -> Iterator[Client]:
    with Client(app, stage_name="local", project_dir=str(ROOT)) as client:
        yield client


def test_the_page_is_served_with_the_headers_that_keep_it_safe(http: Client) -> None:
    response = get(http, "/")

    assert response.status_code == HTTPStatus.OK
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert b"<html" in response.body


def test_the_page_without_its_slash_leads_to_the_one_with_it() -> None:
    context = {"httpMethod": "GET", "resourcePath": "/", "path": "/api"}
    event = {
        "requestContext": context,
        "headers": {},
        "pathParameters": None,
        "multiValueQueryStringParameters": None,
        "stageVariables": None,
        "body": None,
    }

    answer = app_module.app(event, None)

    assert answer["statusCode"] == HTTPStatus.FOUND
    assert answer["headers"]["Location"] == "api/"


def test_what_the_page_refers_to_is_there(http: Client) -> None:
    script = get(http, "/static/app.js")

    assert script.status_code == HTTPStatus.OK
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(
    "name", ["missing.js", "..%2F__init__.py", "%2e%2e%2fapp.py", "..\\settings.py", "app.js%00"]
)
def test_nothing_else_is_served(http: Client, name: str) -> None:
    response = get(http, f"/static/{name}")

    assert response.status_code == HTTPStatus.NOT_FOUND
    assert response.json_body == {"Code": "NotFoundError", "Message": "no such file"}


def test_the_page_learns_where_to_connect(http: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = "http://127.0.0.1:8000/api"
    monkeypatch.setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", endpoint)

    response = get(http, "/config", Host="192.168.1.7:8000")

    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.json_body == {
        "websocket_url": "ws://192.168.1.7:8000/api",
        "guests": True,
        "registration": True,
        "external": False,
        "lobby": "lobby",
        "limits": {"message": 8000, "subscriptions": 100, "presence": 100},
    }


def test_health_tells_version_and_stage(http: Client) -> None:
    response = get(http, "/health")

    assert response.status_code == HTTPStatus.OK
    assert response.json_body == {"status": "ok", "version": __version__, "stage": "local"}
