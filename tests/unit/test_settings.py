"""The environment and what it may hold."""

from dataclasses import fields
from pathlib import Path

import pytest

from chalicelib.models import UserName
from chalicelib.rates import Rate
from chalicelib.settings import FairnessSettings, IdentitySettings, Settings, WarmerSettings
from chalicelib.variables import SettingsError

TABLES = {
    "CONNECTIONS_TABLE": "c",
    "MESSAGES_TABLE": "m",
    "MEMBERSHIPS_TABLE": "s",
    "ACCOUNTS_TABLE": "a",
    "DELIVERIES_QUEUE": "d",
    "DEAD_LETTER_QUEUE": "u",
}


def test_only_the_tables_and_queues_are_required() -> None:
    settings = Settings.from_environ(TABLES)

    assert settings == Settings(
        connections_table="c",
        messages_table="m",
        memberships_table="s",
        accounts_table="a",
        deliveries_queue="d",
        dead_letter_queue="u",
    )
    assert settings.identity.guests is False
    assert settings.lobby == "lobby"
    assert settings.max_message_length == 8000


def test_every_variable_is_read() -> None:
    settings = Settings.from_environ(
        {
            **TABLES,
            "STAGE": "prod",
            "LOG_LEVEL": "warning",
            "METRICS": "false",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "us-west-2",
            "GUESTS": "True",
            "REGISTRATION": "false",
            "ADMINS": "ada, bo",
            "TOKEN_SECRET_ARN": "arn:aws:secretsmanager:eu-west-1:1:secret:s",
            "TOKEN_TTL_SECONDS": "61",
            "LOGIN_TTL_SECONDS": "62",
            "TICKET_TTL_SECONDS": "5",
            "PASSWORD_MEMORY_KIB": "8",
            "PASSWORD_PASSES": "1",
            "OIDC_ISSUER": "https://issuer.example/",
            "OIDC_AUDIENCE": "chat",
            "OIDC_USERNAME_CLAIM": "nickname",
            "OIDC_JWKS_URL": "http://127.0.0.1:1/jwks",
            "ALLOWED_ORIGINS": "https://chat.example,http://localhost:8000",
            "ORIGIN_SECRET": f"{'x' * 32},{'y' * 32}",
            "FRAME_RATE": "2",
            "FRAME_BURST": "3",
            "MAX_CONNECTIONS": "4",
            "NEW_ROOMS_PER_HOUR": "5",
            "SLOW_MODE_SECONDS": "6",
            "INVITATIONS_PER_HOUR": "60",
            "VISITS_PER_HOUR": "36",
            "ADDRESS_RATE": "4",
            "ADDRESS_BURST": "8",
            "REGISTRATIONS_PER_HOUR": "9",
            "LOGIN_ATTEMPTS": "10",
            "LOGIN_WINDOW_SECONDS": "100",
            "MAX_FRAME_BYTES": "1000",
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
            "DIRECT_FANOUT": "10",
            "MAX_DELIVERIES": "11",
            "REDELIVERY_SECONDS": "7",
            "WARM_FUNCTIONS": "publish, deliver publish",
            "WARM_AT_ONCE": "12",
            "WARM_HOLD_MS": "13",
        }
    )

    assert settings == Settings(
        connections_table="c",
        messages_table="m",
        memberships_table="s",
        accounts_table="a",
        deliveries_queue="d",
        dead_letter_queue="u",
        identity=IdentitySettings(
            guests=True,
            registration=False,
            admins=frozenset({UserName("ada"), UserName("bo")}),
            token_secret="arn:aws:secretsmanager:eu-west-1:1:secret:s",
            token_ttl=61,
            login_ttl=62,
            ticket_ttl=5,
            password_memory=8,
            password_passes=1,
            oidc_issuer="https://issuer.example/",
            oidc_audience="chat",
            oidc_username_claim="nickname",
            oidc_jwks_url="http://127.0.0.1:1/jwks",
            allowed_origins=frozenset({"https://chat.example", "http://localhost:8000"}),
            origin_secrets=("x" * 32, "y" * 32),
        ),
        warmer=WarmerSettings(
            functions=("publish", "deliver"),
            at_once=12,
            hold_ms=13,
        ),
        fairness=FairnessSettings(
            frames=Rate(0.5, 3),
            connections=4,
            new_rooms=Rate(720, 5),
            slow_mode=6,
            invitations=Rate(60, 60),
            visits=Rate(100, 36),
            requests=Rate(0.25, 8),
            registrations=Rate(400, 9),
            account_logins=Rate(10, 10),
            address_logins=Rate(100 / 30, 30),
        ),
        stage="prod",
        log_level="WARNING",
        metrics=False,
        region="eu-west-1",
        lobby="hall",
        websocket_url="wss://chat.example",
        management_endpoint="http://127.0.0.1:8000/api",
        max_frame_bytes=1000,
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
        direct_fanout=10,
        max_deliveries=11,
        redelivery=7,
    )


def test_every_setting_has_been_read_in_these_tests() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    for part in (Settings, IdentitySettings, FairnessSettings, WarmerSettings):
        for field in fields(part):
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
        ("TOKEN_TTL_SECONDS", 60, 2_592_000),
        ("LOGIN_TTL_SECONDS", 60, 31_622_400),
        ("TICKET_TTL_SECONDS", 5, 300),
        ("PASSWORD_MEMORY_KIB", 8, 262_144),
        ("PASSWORD_PASSES", 1, 20),
        ("FRAME_RATE", 0, 10_000),
        ("FRAME_BURST", 1, 100_000),
        ("MAX_CONNECTIONS", 0, 1000),
        ("NEW_ROOMS_PER_HOUR", 0, 1_000_000),
        ("SLOW_MODE_SECONDS", 0, 86_400),
        ("INVITATIONS_PER_HOUR", 0, 1_000_000),
        ("VISITS_PER_HOUR", 0, 1_000_000),
        ("ADDRESS_RATE", 0, 10_000),
        ("ADDRESS_BURST", 1, 100_000),
        ("REGISTRATIONS_PER_HOUR", 0, 1_000_000),
        ("LOGIN_ATTEMPTS", 0, 1_000_000),
        ("LOGIN_WINDOW_SECONDS", 1, 86_400),
        ("MAX_FRAME_BYTES", 256, 32_768),
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
        ("WARM_AT_ONCE", 0, 20),
        ("WARM_HOLD_MS", 0, 5000),
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
        ("LOG_LEVEL", "LOUD", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("LOG_LEVEL", "", "one of DEBUG"),
        ("METRICS", "on", "true or false"),
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
        ("OIDC_ISSUER", "http://issuer.example", "https://"),
        ("OIDC_JWKS_URL", "http://127.0.0.2/keys", "https://"),
        ("OIDC_JWKS_URL", "ftp://localhost/keys", "https://"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({**TABLES, name: value})

    assert str(caught.value).startswith(f"{name} is ")
    assert allowed in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"STAGE": "dev"}, "TOKEN_SECRET_ARN is not set"),
        ({"OIDC_ISSUER": "https://issuer.example"}, "OIDC_AUDIENCE is not set"),
        ({"ADMINS": "Ada"}, "ADMINS names 'Ada'"),
        ({"WARM_FUNCTIONS": "deliver warm"}, "WARM_FUNCTIONS names 'warm': each must be one of"),
        ({"ALLOWED_ORIGINS": "chat.example"}, "ALLOWED_ORIGINS holds 'chat.example'"),
        ({"ALLOWED_ORIGINS": "https://chat.example/"}, "ALLOWED_ORIGINS holds"),
        ({"ALLOWED_ORIGINS": "https://Chat.example"}, "ALLOWED_ORIGINS holds"),
        ({"ORIGIN_SECRET": "short"}, "ORIGIN_SECRET is too short"),
    ],
)
def test_who_is_let_in_is_not_left_to_chance(changed: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Settings.from_environ({**TABLES, **changed})


def test_no_secret_is_shown_where_settings_are() -> None:
    settings = Settings.from_environ({**TABLES, "ORIGIN_SECRET": "s3cret" * 8})

    assert "s3cret" not in repr(settings)


def test_a_limit_of_nothing_is_no_limit() -> None:
    settings = Settings.from_environ({**TABLES, "FRAME_RATE": "0"})

    assert settings.fairness.frames == Rate(0)
