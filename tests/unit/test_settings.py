"""The environment and what it may hold."""

from dataclasses import fields
from pathlib import Path

import pytest

from chalicelib.settings import Settings, SettingsError

TABLES = {"CONNECTIONS_TABLE": "c", "MESSAGES_TABLE": "m", "MEMBERSHIPS_TABLE": "s"}


def test_only_the_tables_are_required() -> None:
    settings = Settings.from_environ(TABLES)

    assert settings == Settings(connections_table="c", messages_table="m", memberships_table="s")
    assert settings.guests is False
    assert settings.lobby == "lobby"
    assert settings.max_message_length == 8000


def test_every_variable_is_read() -> None:
    settings = Settings.from_environ(
        {
            **TABLES,
            "STAGE": "prod",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "us-west-2",
            "GUESTS": "True",
            "LOBBY": "hall",
            "WEBSOCKET_URL": "wss://chat.example/",
            "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": "http://127.0.0.1:8000/api/",
            "MAX_MESSAGE_LENGTH": "1",
            "MAX_SUBSCRIPTIONS": "2",
            "PRESENCE_LIST_LIMIT": "3",
            "CONNECTION_TTL_SECONDS": "60",
            "LEASE_SECONDS": "61",
            "IDEMPOTENCY_TTL_SECONDS": "5",
            "RETENTION_SECONDS": "10",
            "MAX_REACTIONS": "11",
            "GUEST_MEMBERSHIP_SECONDS": "62",
            "HEARTBEAT_MS": "6000",
            "RECONNECT_AFTER_MS": "7000",
            "POST_CONCURRENCY": "8",
            "POST_TIMEOUT_SECONDS": "9",
        }
    )

    assert settings == Settings(
        connections_table="c",
        messages_table="m",
        memberships_table="s",
        stage="prod",
        region="eu-west-1",
        guests=True,
        lobby="hall",
        websocket_url="wss://chat.example",
        management_endpoint="http://127.0.0.1:8000/api",
        max_message_length=1,
        max_subscriptions=2,
        presence_list_limit=3,
        connection_ttl=60,
        lease=61,
        idempotency_ttl=5,
        retention=10,
        max_reactions=11,
        guest_membership_ttl=62,
        heartbeat_ms=6000,
        reconnect_after_ms=7000,
        post_concurrency=8,
        post_timeout=9,
    )


def test_every_setting_has_been_read_in_these_tests() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    for field in fields(Settings):
        assert f"        {field.name}=" in source


def test_what_is_not_set_is_as_the_protocol_says() -> None:
    settings = Settings.from_environ(TABLES)

    assert settings.retention == 0
    assert settings.max_reactions == 500
    assert settings.lease == 600
    assert settings.idempotency_ttl == 24 * 60 * 60
    assert settings.guest_membership_ttl == 7 * 24 * 60 * 60


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("MAX_MESSAGE_LENGTH", 1, 32_000),
        ("MAX_SUBSCRIPTIONS", 1, 400),
        ("PRESENCE_LIST_LIMIT", 0, 800),
        ("CONNECTION_TTL_SECONDS", 60, 86_400),
        ("LEASE_SECONDS", 60, 7800),
        ("IDEMPOTENCY_TTL_SECONDS", 1, 31_536_000),
        ("RETENTION_SECONDS", 0, 3_153_600_000),
        ("MAX_REACTIONS", 0, 800),
        ("GUEST_MEMBERSHIP_SECONDS", 60, 31_536_000),
        ("HEARTBEAT_MS", 1000, 600_000),
        ("RECONNECT_AFTER_MS", 1000, 7_200_000),
        ("POST_CONCURRENCY", 1, 1000),
        ("POST_TIMEOUT_SECONDS", 1, 25),
    ],
)
def test_a_number_has_its_bounds(name: str, low: int, high: int) -> None:
    for value in (low, high):
        Settings.from_environ({**TABLES, name: str(value)})

    for value in (low - 1, high + 1):
        with pytest.raises(SettingsError, match=f"{name} is .* an integer from {low} to {high}"):
            Settings.from_environ({**TABLES, name: str(value)})


def test_the_default_region_of_the_sdks_is_second_choice() -> None:
    settings = Settings.from_environ({**TABLES, "AWS_DEFAULT_REGION": "us-west-2"})

    assert settings.region == "us-west-2"


def test_an_empty_lobby_is_no_lobby() -> None:
    assert Settings.from_environ({**TABLES, "LOBBY": ""}).lobby == ""


@pytest.mark.parametrize("missing", sorted(TABLES))
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_table_is_named(missing: str, value: str | None) -> None:
    environ = {name: table for name, table in TABLES.items() if name != missing}
    if value is not None:
        environ[missing] = value

    with pytest.raises(SettingsError, match=f"{missing} is not set"):
        Settings.from_environ(environ)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("GUESTS", "yes", "true or false"),
        ("GUESTS", "", "true or false"),
        ("LOBBY", "The Lobby", "1 to 64 characters"),
        ("WEBSOCKET_URL", "https://chat.example", "ws:// or wss://"),
        ("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "127.0.0.1", "http:// or https://"),
        ("MAX_MESSAGE_LENGTH", "", "an integer from 1 to 32000"),
        ("MAX_MESSAGE_LENGTH", "0", "an integer from 1 to 32000"),
        ("MAX_MESSAGE_LENGTH", "-1", "an integer from 1 to 32000"),
        ("MAX_MESSAGE_LENGTH", "8k", "an integer from 1 to 32000"),
        ("MAX_MESSAGE_LENGTH", "٣", "an integer from 1 to 32000"),
        ("MAX_MESSAGE_LENGTH", "1" * 5000, "an integer from 1 to 32000"),
        ("MAX_SUBSCRIPTIONS", "401", "an integer from 1 to 400"),
        ("POST_CONCURRENCY", "0", "an integer from 1 to 1000"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({**TABLES, name: value})

    assert str(caught.value).startswith(f"{name} is ")
    assert allowed in str(caught.value)
