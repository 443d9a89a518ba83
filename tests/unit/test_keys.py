"""Keys from Secrets Manager: rotated without an end of sessions, and asked for now and then."""

import logging
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from chalicelib.bootstrap import Application
from chalicelib.errors import Unavailable
from chalicelib.identities import Identity
from chalicelib.keys import Key, RandomKeys, SecretKeys
from chalicelib.models import UserName
from chalicelib.settings import Settings
from tests.unit.fakes import ENVIRON, Clock, client_error

OLD, NEW = "o" * 64, "n" * 64


class Secrets:
    """Secrets Manager with one secret, which records what it is asked for."""

    def __init__(self, **values: str) -> None:
        self.values: dict[str, Any] = {
            f"AWS{name.upper()}": value for name, value in values.items()
        }
        self.asked: list[str] = []
        self.failure: Exception | None = None

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, Any]:  # noqa: N803
        assert SecretId == "tokens"
        self.asked.append(VersionStage)
        if self.failure is not None:
            raise self.failure
        if VersionStage not in self.values:
            raise client_error("ResourceNotFoundException")
        return {"SecretString": self.values[VersionStage]}

    def rotate(self, value: str) -> None:
        self.values = {"AWSPREVIOUS": self.values["AWSCURRENT"], "AWSCURRENT": value}

    @property
    def looks(self) -> int:
        return self.asked.count("AWSCURRENT")


@pytest.fixture
def secrets() -> Secrets:
    return Secrets(current=OLD)


@pytest.fixture
def keys(secrets: Secrets, clock: Clock) -> SecretKeys:
    return SecretKeys(secrets, "tokens", clock)


def key_of(text: str) -> Key:
    return Key.of(text.encode())


def test_the_current_value_signs(keys: SecretKeys) -> None:
    assert keys.current() == key_of(OLD)
    assert keys.find(key_of(OLD).id) == key_of(OLD)


def test_the_previous_value_is_still_good(secrets: Secrets, keys: SecretKeys) -> None:
    secrets.rotate(NEW)

    assert keys.current() == key_of(NEW)
    assert keys.find(key_of(OLD).id) == key_of(OLD)


def test_the_name_of_a_key_gives_nothing_of_it_away() -> None:
    key = key_of(OLD)

    assert len(key.id) == 16
    assert key.id not in OLD
    assert OLD not in repr(key)


def test_values_are_kept_for_a_while(secrets: Secrets, keys: SecretKeys, clock: Clock) -> None:
    keys.current()
    clock.now += 299
    keys.current()
    assert secrets.looks == 1

    secrets.rotate(NEW)
    clock.now += 1
    assert keys.current() == key_of(NEW)


def test_a_new_key_is_found_at_once(secrets: Secrets, keys: SecretKeys, clock: Clock) -> None:
    keys.current()
    secrets.rotate(NEW)
    clock.now += 10

    assert keys.find(key_of(NEW).id) == key_of(NEW)


def test_made_up_names_cause_no_flood(secrets: Secrets, keys: SecretKeys, clock: Clock) -> None:
    for number in range(1000):
        assert keys.find(f"{number:016x}") is None
        clock.now += 0.02

    assert secrets.looks == 2


@pytest.mark.parametrize(
    "failure",
    [client_error("ThrottlingException"), EndpointConnectionError(endpoint_url="https://x")],
)
def test_without_secrets_manager_the_old_keys_stay(
    secrets: Secrets,
    keys: SecretKeys,
    clock: Clock,
    failure: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    keys.current()
    secrets.failure = failure
    clock.now += 1000

    assert [keys.current() for _ in range(20)] == [key_of(OLD)] * 20
    assert keys.find("x") is None
    assert secrets.looks == 2, "it is not asked each time"
    assert "the old ones stay" in caplog.text


def test_it_recovers_within_seconds(secrets: Secrets, keys: SecretKeys, clock: Clock) -> None:
    keys.current()
    secrets.failure = client_error("InternalServiceError", status=500)
    clock.now += 300
    keys.current()

    secrets.failure = None
    secrets.rotate(NEW)
    clock.now += 10
    assert keys.current() == key_of(NEW)


def test_without_any_key_nothing_can_be_signed(secrets: Secrets, keys: SecretKeys) -> None:
    secrets.failure = client_error("AccessDeniedException")

    with pytest.raises(Unavailable, match="the key store is busy or unavailable"):
        keys.current()
    secrets.failure = None
    assert keys.current() == key_of(OLD)


@pytest.mark.parametrize("value", ["", "s3cret" * 5])
def test_a_short_secret_is_refused_and_told_of_but_not_told(
    value: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    keys = SecretKeys(Secrets(current=value), "tokens", clock)

    with caplog.at_level(logging.INFO), pytest.raises(Unavailable):
        keys.current()
    assert f"a string of {len(value)} bytes: it must have at least 32" in caplog.text
    assert not value or value not in caplog.text


def test_a_previous_value_that_is_no_key_is_left_out(clock: Clock) -> None:
    keys = SecretKeys(Secrets(current=NEW, previous="short"), "tokens", clock)

    assert keys.current() == key_of(NEW)
    assert keys.find(key_of("short").id) is None


def test_a_failure_on_the_previous_value_is_a_failure(secrets: Secrets, clock: Clock) -> None:
    def get_secret_value(**arguments: Any) -> Any:
        if arguments["VersionStage"] == "AWSPREVIOUS":
            raise client_error("ThrottlingException")
        return Secrets.get_secret_value(secrets, **arguments)

    secrets.get_secret_value = get_secret_value  # type: ignore[method-assign]

    with pytest.raises(Unavailable):
        SecretKeys(secrets, "tokens", clock).current()


def test_a_laptop_has_one_key_of_its_own() -> None:
    one, other = (RandomKeys(fill.__mul__) for fill in (b"1", b"2"))

    assert one.find(one.current().id) == one.current()
    assert one.find(other.current().id) is None
    assert len(one.current().secret) == 32


def test_secrets_manager_answers_as_the_fake_does(clock: Clock) -> None:
    with mock_aws():
        client = boto3.client("secretsmanager", region_name="eu-west-1")
        client.create_secret(Name="tokens", SecretString=OLD)
        keys = SecretKeys(client, "tokens", clock)
        assert keys.current() == key_of(OLD)

        client.put_secret_value(SecretId="tokens", SecretString=NEW)
        clock.now += 300
        assert keys.current() == key_of(NEW)
        assert keys.find(key_of(OLD).id) == key_of(OLD)


def test_a_stage_with_a_secret_signs_with_it(secrets: Secrets, clock: Clock) -> None:
    environ = {**ENVIRON, "STAGE": "prod", "TOKEN_SECRET_ARN": "tokens"}
    settings = Settings.from_environ(environ)
    identity = Identity(user=UserName("ada"), version=1)

    one, other = (
        Application(settings, secretsmanager=secrets, clock=clock).tokens for _ in range(2)
    )
    ticket = one.ticket(identity, int(clock.now) + 60)

    read = other.verify_ticket(ticket.text)
    assert read.identity == identity
    assert len(read.id) >= 22, "128 bits"


def test_to_wire_it_no_call_is_made_to_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    environ = {**ENVIRON, "STAGE": "prod", "TOKEN_SECRET_ARN": "tokens"}

    assert Application(Settings.from_environ(environ)).tokens
