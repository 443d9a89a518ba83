"""The environment of the functions, read once into one frozen object."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from chalicelib.models import ROOM_RULE, is_room

_TRUTH = {"true": True, "false": False}


class SettingsError(ValueError):
    """A variable of the environment is missing or wrong; the text names it and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that a stage can choose.

    Attributes:
        connections_table: CONNECTIONS_TABLE, required. See infra/data.yaml.
        messages_table: MESSAGES_TABLE, required. See infra/data.yaml.
        memberships_table: MEMBERSHIPS_TABLE, required. See infra/data.yaml.
        stage: STAGE, "local". Only shown.
        region: AWS_REGION, else AWS_DEFAULT_REGION, else "us-east-1". Lambda sets the first.
        guests: GUESTS, false. Whether anyone may connect under a name of their choice.
        lobby: LOBBY, "lobby". The room that every connection joins; empty turns it off.
        websocket_url: WEBSOCKET_URL. What the page connects to; unset, it follows
            management_endpoint; without that too, the page says that it is missing.
        management_endpoint: AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI, the variable of the AWS SDKs
            for this service. Where to post to connections instead of execute-api: an emulator.
        max_message_length: MAX_MESSAGE_LENGTH, 8000 characters, at most 32000.
        max_subscriptions: MAX_SUBSCRIPTIONS, 100 rooms a connection, at most 400: a welcome names
            them all in one frame.
        presence_list_limit: PRESENCE_LIST_LIMIT, 100 users, at most 800 for the same reason. Of
            a fuller room only the count is told.
        connection_ttl: CONNECTION_TTL_SECONDS, 7800. API Gateway ends a connection after 2 hours;
            what is left in the table after this many seconds no longer counts.
        lease: LEASE_SECONDS, 600, at least 60. A connection that has been silent for so long is
            checked before it counts as present. Keep it above heartbeat_ms.
        idempotency_ttl: IDEMPOTENCY_TTL_SECONDS, 86400. How long a cid is remembered.
        retention: RETENTION_SECONDS, 0. How long the entries of a room are kept; 0 is for ever.
        max_reactions: MAX_REACTIONS, 500 to one message, at most 800: history shows them all in
            one frame.
        guest_membership_ttl: GUEST_MEMBERSHIP_SECONDS, 604800. How long it is remembered which
            rooms a guest has joined and read.
        heartbeat_ms: HEARTBEAT_MS, 240000. How often clients are asked to ping; API Gateway ends
            a connection after 10 idle minutes.
        reconnect_after_ms: RECONNECT_AFTER_MS, 6600000. The age at which clients are asked to
            move to a new connection, ahead of the 2 hours.
        post_concurrency: POST_CONCURRENCY, 64 posts to connections at the same time.
        post_timeout: POST_TIMEOUT_SECONDS, 5. The most that one batch of posts may take.
    """

    connections_table: str
    messages_table: str
    memberships_table: str
    stage: str = "local"
    region: str = "us-east-1"
    guests: bool = False
    lobby: str = "lobby"
    websocket_url: str | None = None
    management_endpoint: str | None = None
    max_message_length: int = 8000
    max_subscriptions: int = 100
    presence_list_limit: int = 100
    connection_ttl: int = 7800
    lease: int = 600
    idempotency_ttl: int = 86400
    retention: int = 0
    max_reactions: int = 500
    guest_membership_ttl: int = 604_800
    heartbeat_ms: int = 240_000
    reconnect_after_ms: int = 6_600_000
    post_concurrency: int = 64
    post_timeout: int = 5

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings.

        Raises:
            SettingsError: a variable is missing or has a value that is not allowed.
        """
        return cls(
            connections_table=_required(environ, "CONNECTIONS_TABLE"),
            messages_table=_required(environ, "MESSAGES_TABLE"),
            memberships_table=_required(environ, "MEMBERSHIPS_TABLE"),
            stage=environ.get("STAGE") or "local",
            region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1",
            guests=_boolean(environ, "GUESTS", default=False),
            lobby=_lobby(environ),
            websocket_url=_url(environ, "WEBSOCKET_URL", ("ws", "wss")),
            management_endpoint=_url(
                environ, "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", ("http", "https")
            ),
            max_message_length=_integer(environ, "MAX_MESSAGE_LENGTH", 8000, 1, 32_000),
            max_subscriptions=_integer(environ, "MAX_SUBSCRIPTIONS", 100, 1, 400),
            presence_list_limit=_integer(environ, "PRESENCE_LIST_LIMIT", 100, 0, 800),
            connection_ttl=_integer(environ, "CONNECTION_TTL_SECONDS", 7800, 60, 86_400),
            lease=_integer(environ, "LEASE_SECONDS", 600, 60, 7800),
            idempotency_ttl=_integer(environ, "IDEMPOTENCY_TTL_SECONDS", 86_400, 1, 31_536_000),
            retention=_integer(environ, "RETENTION_SECONDS", 0, 0, 3_153_600_000),
            max_reactions=_integer(environ, "MAX_REACTIONS", 500, 0, 800),
            guest_membership_ttl=_integer(
                environ, "GUEST_MEMBERSHIP_SECONDS", 604_800, 60, 31_536_000
            ),
            heartbeat_ms=_integer(environ, "HEARTBEAT_MS", 240_000, 1000, 600_000),
            reconnect_after_ms=_integer(environ, "RECONNECT_AFTER_MS", 6_600_000, 1000, 7_200_000),
            post_concurrency=_integer(environ, "POST_CONCURRENCY", 64, 1, 1000),
            post_timeout=_integer(environ, "POST_TIMEOUT_SECONDS", 5, 1, 25),
        )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise SettingsError(f"{name} is not set: it must name a DynamoDB table")
    return value


def _boolean(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = environ.get(name)
    if value is None:
        return default
    if value.lower() not in _TRUTH:
        raise SettingsError(f"{name} is {value!r}: it must be true or false")
    return _TRUTH[value.lower()]


def _integer(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = environ.get(name)
    if value is None:
        return default
    # Bounded before int(): int() itself refuses very long numbers with an error of its own.
    digits = value.isascii() and value.isdigit() and len(value) <= len(str(high))
    if not digits or not low <= int(value) <= high:
        raise SettingsError(f"{name} is {value!r}: it must be an integer from {low} to {high}")
    return int(value)


def _lobby(environ: Mapping[str, str]) -> str:
    value = environ.get("LOBBY", "lobby")
    if value and not is_room(value):
        raise SettingsError(f"LOBBY is {value!r}: it {ROOM_RULE}; empty turns it off")
    return value


def _url(environ: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str | None:
    value = environ.get(name)
    if not value:
        return None
    if not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        allowed = " or ".join(f"{scheme}://" for scheme in schemes)
        raise SettingsError(f"{name} is {value!r}: it must be a URL that starts with {allowed}")
    return value.rstrip("/")
