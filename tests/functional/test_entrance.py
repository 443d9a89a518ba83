"""Accounts over HTTP, as Chalice serves them: strict bodies, clean errors, and no way around."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

import app as app_module
from chalicelib.perimeter import Perimeter
from chalicelib.settings import Settings
from chalicelib.telemetry import Silence
from localgateway.testing import TestClient
from tests.stores.tables import (
    ACCOUNTS_TABLE,
    CONNECTIONS_TABLE,
    DEAD_LETTER_QUEUE,
    DELIVERIES_QUEUE,
    MEMBERSHIPS_TABLE,
    MESSAGES_TABLE,
    create_tables,
)
from tests.unit.fakes import Clock
from tests.unit.people import PASSWORD, People

ROOT = Path(__file__).parents[2]
START = 1_800_000_000.0
ROUTES = ["/register", "/login", "/guest", "/ticket", "/token", "/logout", "/password"]
ADA = {"username": "ada", "password": PASSWORD}


class Site:
    """The routes of app.py over a database in memory."""

    def __init__(self, people: People, client: TestClient) -> None:
        self.people = people
        self._client = client

    def ask(
        self, path: str, body: Any = b"", *, method: str = "POST", **headers: str
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Send a request; return status, body and headers of the answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self._client.request(method, path, headers=names, body=raw)
        return answer.status, json.loads(answer.body), dict(answer.headers)

    def token(self, name: str = "ada") -> str:
        """Register somebody and return the header with their token."""
        _, body, _ = self.ask("/register", {**ADA, "username": name})
        return f"Bearer {body['token']}"


Open = Callable[..., Site]


@pytest.fixture
def open_site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    clients = ExitStack()

    def start(**environ: str) -> Site:
        people = People(Clock(START), external=None, **environ)
        client = TestClient(app_module.app, stage_name="local", project_dir=ROOT)
        clients.enter_context(client)
        application = SimpleNamespace(
            entrance=people.entrance,
            perimeter=Perimeter(people.settings.identity),
            telemetry=Silence(),
        )
        monkeypatch.setattr(app_module, "application", lambda: application)
        return Site(people, client)

    with clients:
        yield start


@pytest.fixture
def site(open_site: Open) -> Site:
    return open_site(ADDRESS_RATE="0")


def test_somebody_registers_logs_in_and_gets_a_ticket(site: Site) -> None:
    status, registered, headers = site.ask("/register", ADA)
    assert (status, registered["user"], registered["expires_in"]) == (200, "ada", 43_200)
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Type"] == "application/json"

    _, logged_in, _ = site.ask("/login", ADA)
    _, renewed, _ = site.ask("/token", authorization=f"Bearer {logged_in['token']}")
    status, ticket, _ = site.ask("/ticket", authorization=f"Bearer {renewed['token']}")

    assert status == 200
    assert site.people.tokens.verify_ticket(ticket["ticket"]).identity.user == "ada"


def test_a_password_is_changed_and_everybody_logged_out(site: Site) -> None:
    token = site.token()

    changed = site.ask(
        "/password", {"password": PASSWORD, "new_password": "another one"}, authorization=token
    )
    assert changed[0] == 200
    status, body, headers = site.ask("/ticket", authorization=token)
    assert (status, body["Code"]) == (401, "unauthorized")
    assert headers["WWW-Authenticate"] == "Bearer"

    fresh = f"Bearer {changed[1]['token']}"
    assert site.ask("/logout", authorization=fresh)[:2] == (200, {})
    assert site.ask("/ticket", authorization=fresh)[0] == 401


def test_a_guest_is_let_in_where_guests_are(open_site: Open) -> None:
    assert open_site().ask("/guest")[1]["user"] == "guest-2345"
    assert open_site(GUESTS="false").ask("/guest")[0] == 404


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("/login", b"", 400, "bad_request: the body is not JSON"),
        ("/login", b"\xff\xfe", 400, "bad_request: the body is not JSON"),
        ("/login", {"username": "ada"}, 400, "bad_request: password is missing"),
        ("/register", {**ADA, "password": "short"}, 400, "bad_request: password must be 8 to"),
        ("/register", {**ADA, "username": "admin"}, 409, "conflict: the name is taken, or"),
        ("/login", b"x" * 4097, 413, "too_large: the body must be at most 4096 bytes"),
        ("/login", ADA, 401, "unauthorized: user name or password is wrong"),
        ("/ticket", {}, 401, "unauthorized: there is no token"),
    ],
)
def test_an_error_has_the_shape_of_chalices_own(
    site: Site, path: str, body: Any, status: int, told: str
) -> None:
    answered, error, headers = site.ask(path, body)

    assert answered == status
    assert f"{error['Code']}: {error['Message']}".startswith(told)
    assert error["retryable"] is False
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_who_asks_too_often_is_told_when_to_come_back(open_site: Open) -> None:
    site = open_site(ADDRESS_RATE="1", ADDRESS_BURST="1")
    site.ask("/login", ADA)

    status, body, headers = site.ask("/login", ADA)
    assert (status, body["Code"], headers["Retry-After"]) == (429, "rate_limited", "1")
    assert 0 < body["retry_after_ms"] <= 1000


@pytest.mark.parametrize(
    "kind",
    [
        *("application/json", "text/plain", "application/x-www-form-urlencoded", "x", "", "é"),
        *("application/octet-stream", "image/png", "*/*", "application/json; charset=utf-16"),
    ],
)
def test_the_type_of_a_body_makes_no_difference(site: Site, kind: str) -> None:
    assert site.ask("/register", ADA, content_type=kind)[0] == 200


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(site: Site, path: str, method: str) -> None:
    status, _, headers = site.ask(path, method=method)

    assert status == 405
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ROUTES)
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    body=st.binary(max_size=80)
    | st.dictionaries(
        st.sampled_from(["username", "password", "new_password"]),
        st.text(max_size=12) | st.none() | st.integers() | st.lists(st.text(max_size=3)),
    ),
    authorization=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40),
)
def test_whatever_is_sent_is_answered_without_a_fault(
    site: Site, path: str, body: Any, authorization: str
) -> None:
    status, answer, _ = site.ask(path, body, authorization=authorization)

    assert status < 500
    assert status == 200 or answer["Message"]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.usefixtures("site")
def test_half_a_character_in_lambdas_own_json_is_no_fault(path: str) -> None:
    context = {"httpMethod": "POST", "resourcePath": path, "identity": {"sourceIp": "192.0.2.1"}}
    event = {
        "requestContext": context,
        "headers": {"authorization": "Bearer \ud800"},
        "pathParameters": None,
        "multiValueQueryStringParameters": None,
        "stageVariables": None,
        "body": '{"username": "\ud800"}',
    }

    assert app_module.app(event, None)["statusCode"] in {400, 401}


def test_a_fault_tells_no_detail(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        perimeter = Perimeter(site.people.settings.identity)
        telemetry = Silence()

        @property
        def entrance(self) -> Any:
            raise LookupError("s3cret")

    monkeypatch.setattr(app_module, "application", Broken)
    status, body, headers = site.ask("/login", ADA)

    assert (status, body["Code"]) == (500, "internal")
    assert "s3cret" not in str(body)
    assert "s3cret" in caplog.text
    assert headers["Cache-Control"] == "no-store"


def test_app_py_wires_it_to_the_tables_and_to_a_key_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables = {"CONNECTIONS_TABLE": CONNECTIONS_TABLE, "ACCOUNTS_TABLE": ACCOUNTS_TABLE}
    others = {"MESSAGES_TABLE": MESSAGES_TABLE, "MEMBERSHIPS_TABLE": MEMBERSHIPS_TABLE}
    queues = {"DELIVERIES_QUEUE": DELIVERIES_QUEUE, "DEAD_LETTER_QUEUE": DEAD_LETTER_QUEUE}
    environ = {**tables, **others, **queues, "STAGE": "test", "PASSWORD_MEMORY_KIB": "64"}
    monkeypatch.setattr(app_module, "settings", lambda: Settings.from_environ(environ))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")

    with mock_aws(), TestClient(app_module.app, stage_name="local", project_dir=ROOT) as client:
        create_tables(boto3.client("dynamodb", region_name="us-east-1"))
        app_module.application.cache_clear()
        site = Site(People(Clock(START)), client)
        token = site.token()
        answers = [site.ask("/login", ADA), site.ask("/ticket", authorization=token)]
        refused = site.ask("/login", {**ADA, "password": "wrong wrong"})

    app_module.application.cache_clear()
    assert [status for status, _, _ in answers] == [200, 200]
    assert refused[0] == 401


# Behind CloudFront

SECRET = "s" * 32
EDGE = "127.0.0.1"  # who connects to the test client's gateway


@pytest.mark.parametrize("path", ["/", "/config", "/static/app.js", "/login"])
def test_what_comes_past_cloudfront_gets_nothing(open_site: Open, path: str) -> None:
    site = open_site(ORIGIN_SECRET=SECRET)
    method = "POST" if path == "/login" else "GET"

    for secret in ({}, {"x_origin_verify": "x" * 32}):
        status, body, _ = site.ask(path, method=method, **secret)
        assert (status, body["Code"]) == (403, "forbidden")


def test_what_comes_through_it_is_served(open_site: Open) -> None:
    site = open_site(ORIGIN_SECRET=f"{'n' * 32},{SECRET}")

    for secret in (SECRET, "n" * 32):
        assert site.ask("/health", method="GET", x_origin_verify=secret)[0] == 200


def test_limits_are_the_viewers_and_nobody_elses(open_site: Open) -> None:
    site = open_site(ORIGIN_SECRET=SECRET, ADDRESS_RATE="1", ADDRESS_BURST="1")

    def status(forwarded: str) -> int:
        return site.ask("/login", ADA, x_origin_verify=SECRET, x_forwarded_for=forwarded)[0]

    assert status(f"192.0.2.1, {EDGE}") == 401
    assert status(f"192.0.2.2, {EDGE}") == 401
    for made_up in ("10.0.0.1", EDGE, "192.0.2.9, 10.0.0.2"):
        assert status(f"{made_up}, 192.0.2.1, {EDGE}") == 429


def test_every_route_that_takes_a_body_reads_it_itself() -> None:
    source = (ROOT / "app.py").read_text(encoding="utf-8")

    assert "json_body" not in source
    posts = re.findall(r'methods=\["POST"\](.*)\)', source)
    assert posts == [", content_types=[]"] * len(ROUTES)
