"""The emulator: an app with its engine, resources, event sources and environment, end to end."""

import os
import resource
import socket
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from websockets.sync.client import ClientConnection, connect

from localgateway import emulator, schedules
from localgateway.engine import MotoEngine
from localgateway.errors import PortError
from localgateway.events import Api
from tests.gateway.servers import APPS, MEMORY, PATIENCE, command, eventually, process_kept

API = Api(domain_name="127.0.0.1:8000", region="eu-west-3")
# What a shell that is used for real work may hold.
REAL: dict[str, str] = {
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_SECRET_ACCESS_KEY": "real secret",
    "AWS_SESSION_TOKEN": "real token",
    "AWS_PROFILE": "production",
    "AWS_DEFAULT_PROFILE": "production",
    "AWS_REGION": "eu-west-3",
    "AWS_DEFAULT_REGION": "eu-west-3",
    "AWS_CONFIG_FILE": "/home/somebody/.aws/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/home/somebody/.aws/credentials",
    "AWS_ENDPOINT_URL_DYNAMODB": "https://dynamodb.eu-west-3.amazonaws.com",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_ROLE_ARN": "arn:aws:iam::111111111111:role/admin",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/credentials",
    "HOME": "/home/somebody",
}
FORGOTTEN = set(REAL) - {
    "HOME",
    *("AWS_REGION", "AWS_DEFAULT_REGION"),
    # With other values than those of the shell.
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    *("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"),
}


@pytest.fixture(scope="module")
def engine() -> Iterator[MotoEngine]:
    with MotoEngine.start() as engine:
        yield engine


@pytest.fixture(autouse=True)
def own_process() -> Iterator[None]:
    with process_kept():
        yield


def chat(port: int) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{port}/api", proxy=None)


def arguments(app: str, engine: MotoEngine) -> list[str]:
    directory = APPS / app
    template = str(directory / "template.yaml")
    return [
        *("--app", str(directory), "--port", "0", "--engine", engine.url),
        *("--template", template, "--quiet"),
    ]


def test_a_foreign_app_runs_unchanged_with_its_table(engine: MotoEngine) -> None:
    heard: dict[str, Any] = {}

    def scenario(port: int) -> None:
        with chat(port) as alice, chat(port) as bob:
            alice.send("hello")
            heard["both"] = [alice.recv(PATIENCE), bob.recv(PATIENCE)]
            for frame in ("/greeting", "/boto3", "/info"):
                alice.send(frame)
                heard[frame] = alice.recv(PATIENCE)

    code, output = command(arguments("tutorial", engine), scenario)
    left = engine.client("dynamodb").scan(TableName="tutorial-connections")["Items"]

    assert code == 0
    assert heard == {
        "both": ["hello", "hello"],
        "/greeting": "hello from the message function",
        "/boto3": "through boto3",
        "/info": heard["/info"],
    }
    assert "ConnectedAt" in heard["/info"]
    assert f"engine     {engine.url}\n" in output
    assert left == []


def test_without_events_what_is_queued_is_left_to_another_gateway(engine: MotoEngine) -> None:
    left: list[int] = []

    def scenario(port: int) -> None:
        with chat(port) as client:
            client.send("/enqueue")
            eventually(lambda: _waiting(engine))
            with pytest.raises(TimeoutError):
                client.recv(0.5)
            left.append(_waiting(engine))

    code, output = command([*arguments("sources", engine), "--no-events"], scenario)

    assert code == 0
    assert left == [1]
    assert "\n  events     none run here\n" in output


def _waiting(engine: MotoEngine) -> int:
    sqs = engine.client("sqs")
    url, name = (
        sqs.get_queue_url(QueueName="sources-jobs")["QueueUrl"],
        "ApproximateNumberOfMessages",
    )
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return int(answer["Attributes"][name])


def test_queue_stream_topic_and_schedule_handlers_reach_the_sockets(
    engine: MotoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(schedules._UNITS, "minute", 1)
    wanted = {
        "queue a job",
        "stream MODIFY thing",
        "schedule Scheduled Event",
        "topic a notification",
    }
    heard: set[str] = set()

    def scenario(port: int) -> None:
        with chat(port) as client:
            client.send("/enqueue")
            ends = time.monotonic() + PATIENCE
            while not wanted <= heard:
                assert time.monotonic() < ends, f"heard only {heard}"
                # A stream is read from the latest record on: what is written before is missed. So
                # is what is published before there is a subscription.
                client.send("/write")
                client.send("/publish")
                heard.add(str(client.recv(PATIENCE)))

    code, output = command(arguments("sources", engine), scenario)

    assert code == 0
    assert wanted <= heard
    assert "not emulated: on_upload (S3 bucket uploads)\n" in output


def test_handlers_see_the_engine_and_nothing_of_the_real_account(
    engine: MotoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in REAL.items():
        monkeypatch.setenv(name, value)
    heard: list[str] = []

    def scenario(port: int) -> None:
        with chat(port) as client:
            client.send("/environment")
            heard.extend(str(client.recv(PATIENCE)).split())

    command(arguments("sources", engine), scenario)

    assert "AWS_ENDPOINT_URL" in heard
    assert {"AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION"} <= set(heard)
    assert not set(heard) & FORGOTTEN


def test_without_an_engine_the_app_is_served_and_calls_of_aws_go_nowhere() -> None:
    seen: dict[str, Any] = {}

    def scenario(port: int) -> None:
        with chat(port) as client:
            client.send("/env AWS_ENDPOINT_URL")
            seen["endpoint"] = client.recv(PATIENCE)

    code, output = command(["--app", str(MEMORY), "--port", "0", "--engine", "none"], scenario)

    assert code == 0
    assert seen["endpoint"] == "http://127.0.0.1:9"
    assert "engine     none\n" in output


def test_as_many_sockets_are_allowed_as_the_system_has() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))

    command(["--app", str(MEMORY), "--port", "0", "--engine", "none"], lambda _port: None)

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)


# -- isolation -----------------------------------------------------------------------------------


def test_with_a_local_engine_no_credentials_profiles_or_endpoints_remain() -> None:
    environ = dict(REAL)

    emulator.isolate(environ, "http://127.0.0.1:5000", API)

    assert environ == {
        "HOME": "/home/somebody",
        "NO_PROXY": "127.0.0.1,127.0.0.1",
        "no_proxy": "127.0.0.1,127.0.0.1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": "eu-west-3",
        "AWS_DEFAULT_REGION": "eu-west-3",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:5000",
        "AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:8000",
        "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": "http://127.0.0.1:8000/api",
    }


def test_an_engine_on_another_machine_gets_the_credentials_of_the_shell_and_no_more() -> None:
    environ = dict(REAL)

    emulator.isolate(environ, "http://emulator.example:4566", API)

    assert environ["AWS_ACCESS_KEY_ID"] == "AKIAREAL"
    assert environ["AWS_SECRET_ACCESS_KEY"] == "real secret"
    assert environ["AWS_SESSION_TOKEN"] == "real token"
    assert environ["AWS_ENDPOINT_URL"] == "http://emulator.example:4566"
    assert not {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL_DYNAMODB"} & set(environ)


def test_half_of_the_credentials_of_a_shell_is_not_mixed_with_ours() -> None:
    environ = {"AWS_SESSION_TOKEN": "real token", "AWS_ACCESS_KEY_ID": "AKIAREAL"}

    emulator.isolate(environ, "http://emulator.example:4566", API)

    credentials = {name: v for name, v in environ.items() if "KEY" in name or "TOKEN" in name}
    assert credentials == {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


def test_a_client_of_any_service_goes_to_the_engine_with_dummy_credentials(
    engine: MotoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in REAL.items():
        monkeypatch.setenv(name, value)

    emulator.isolate(os.environ, engine.url, API)
    session = boto3.Session()
    client = session.client("dynamodb")

    assert session.get_credentials().access_key == "local"
    assert client.meta.endpoint_url == engine.url
    assert client.list_tables()["TableNames"] is not None
    assert session.client("lambda").meta.endpoint_url == "http://127.0.0.1:8000"


def test_a_proxy_of_the_shell_is_not_asked_for_the_engine(
    engine: MotoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "intranet.example")
    monkeypatch.delenv("NO_PROXY", raising=False)

    emulator.isolate(os.environ, engine.url, API)

    assert boto3.Session().client("sqs").list_queues()
    assert os.environ["no_proxy"].startswith("intranet.example,")


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("::", "127.0.0.1"),
        ("::1", "[::1]"),
        ("192.0.2.7", "192.0.2.7"),
    ],
)
def test_the_announced_address_is_one_that_clients_can_connect_to(host: str, domain: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        api = emulator._api(host, listener, "api")

    assert (api.domain_name, api.stage) == (f"{domain}:{port}", "api")


def test_a_port_that_is_taken_is_noticed_before_the_engine_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[str] = []
    monkeypatch.setattr(emulator, "start_engine", started.append)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = emulator.Options(app=MEMORY, port=taken.getsockname()[1])
        before = time.monotonic()

        with pytest.raises(PortError, match="Address already in use"):
            emulator.run(options)

    assert started == []
    assert time.monotonic() - before < 5
