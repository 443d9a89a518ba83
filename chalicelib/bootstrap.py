"""The one place that knows every concrete adapter."""

import random as randomness
import secrets
import time
from collections.abc import Callable
from typing import Any

from boto3.session import Session
from botocore.config import Config

from chalicelib.accounts import AccountRepository
from chalicelib.actions import Actions
from chalicelib.authentication import Authenticator, ExternalVerifier
from chalicelib.backoff import Backoff
from chalicelib.broadcaster import Broadcaster
from chalicelib.chat import ChatService
from chalicelib.connections import ConnectionRepository
from chalicelib.courier import Courier
from chalicelib.crt import CrtGateway
from chalicelib.database import Database
from chalicelib.directory import Directory
from chalicelib.entrance import Entrance
from chalicelib.errors import NotFound
from chalicelib.gateway import ConnectionsGateway
from chalicelib.identities import Identity
from chalicelib.keys import Keyring, RandomKeys, SecretKeys
from chalicelib.limiter import Limiter
from chalicelib.logins import Logins
from chalicelib.memberships import MembershipRepository
from chalicelib.messages import MessageLog
from chalicelib.models import UserName
from chalicelib.passwords import Argon2Hasher, Hasher, Passwords
from chalicelib.presence import Presence
from chalicelib.publisher import Publisher
from chalicelib.settings import Settings
from chalicelib.tokens import Tokens

# DynamoDB answers in milliseconds. Three attempts stay well inside the 29 s of a WebSocket route.
_DYNAMODB = Config(
    connect_timeout=1,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=50,  # in Lambda one is used; local handlers run in threads
    tcp_keepalive=True,
)
# A login waits for it when a function is new; the keys are remembered then.
_SECRETS = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 3},
)
_ID_BYTES = 16


def build(
    settings: Settings,
    *,
    gateway: ConnectionsGateway | None = None,
    dynamodb: Any = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], object] = time.sleep,
    random: Callable[[], float] = randomness.random,
) -> ChatService:
    """Wire the chat; what is not given is the real thing. Makes no call to AWS."""
    gateway = gateway or CrtGateway(
        region=settings.region,
        concurrency=settings.post_concurrency,
        timeout=settings.post_timeout,
    )
    database = _database(settings, dynamodb, Backoff(clock=clock, sleep=sleep, random=random))
    connections = ConnectionRepository(
        database,
        table=settings.connections_table,
        clock=clock,
        max_subscriptions=settings.max_subscriptions,
    )
    log = MessageLog(
        database,
        table=settings.messages_table,
        clock=clock,
        idempotency_ttl=settings.idempotency_ttl,
        retention=settings.retention,
        max_reactions=settings.max_reactions,
    )
    memberships = MembershipRepository(
        database,
        table=settings.memberships_table,
        clock=clock,
        guest_ttl=settings.guest_membership_ttl,
    )
    courier = Courier(connections, gateway)
    presence = Presence(
        connections,
        courier,
        gateway,
        clock=clock,
        limit=settings.presence_list_limit,
        lease=settings.lease,
    )
    broadcaster = Broadcaster(connections, courier, presence)
    publisher = Publisher(log, memberships, broadcaster, max_length=settings.max_message_length)
    actions = Actions(
        settings=settings,
        connections=connections,
        log=log,
        publisher=publisher,
        broadcaster=broadcaster,
        presence=presence,
        directory=Directory(memberships, log),
        clock=clock,
    )
    return ChatService(
        settings=settings,
        connections=connections,
        actions=actions,
        presence=presence,
        publisher=publisher,
        gateway=gateway,
        clock=clock,
        random=random,
    )


def no_guests(_: UserName | None) -> Identity:
    """Stand in for what claims the names of guests, which is yet to be wired."""
    raise NotFound("guests are not let in here")


def nothing_to_end(_: UserName) -> None:
    """Stand in for what ends the connections of a person, which is yet to be wired."""


def build_tokens(
    settings: Settings,
    *,
    secretsmanager: Any = None,
    clock: Callable[[], float] = time.time,
) -> Tokens:
    """Wire what makes and checks tokens. Without TOKEN_SECRET_ARN, one for the whole process."""
    secret = settings.identity.token_secret
    keys: Keyring = RandomKeys(secrets.token_bytes)
    if secret is not None:
        client = secretsmanager or _client("secretsmanager", settings, _SECRETS)
        keys = SecretKeys(client, secret, clock)
    return Tokens(
        keys, clock, settings.identity, settings.stage, lambda: secrets.token_urlsafe(_ID_BYTES)
    )


def build_entrance(
    settings: Settings,
    *,
    tokens: Tokens,
    dynamodb: Any = None,
    hasher: Hasher | None = None,
    external: ExternalVerifier | None = None,
    new_guest: Callable[[UserName | None], Identity] = no_guests,
    end_sessions: Callable[[UserName], None] = nothing_to_end,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], object] = time.sleep,
    random: Callable[[], float] = randomness.random,
) -> Entrance:
    """Wire the HTTP routes; what is not given is the real thing. Makes no call to AWS."""
    database = _database(settings, dynamodb, Backoff(clock=clock, sleep=sleep, random=random))
    memberships = MembershipRepository(
        database,
        table=settings.memberships_table,
        clock=clock,
        guest_ttl=settings.guest_membership_ttl,
    )
    accounts = AccountRepository(
        database,
        table=settings.accounts_table,
        connections_table=settings.connections_table,
        clock=clock,
        has_memberships=lambda user: bool(memberships.of(user, after=None, limit=1)[0]),
        admins=settings.identity.admins,
    )
    passwords = Passwords(
        hasher
        or Argon2Hasher(
            memory=settings.identity.password_memory, passes=settings.identity.password_passes
        )
    )
    limiter = Limiter(database, table=settings.connections_table, clock=clock)
    return Entrance(
        settings=settings,
        accounts=accounts,
        tokens=tokens,
        passwords=passwords,
        logins=Logins(accounts, passwords, limiter, settings.fairness),
        authenticator=Authenticator(settings.identity, tokens, accounts, external, clock),
        limiter=limiter,
        clock=clock,
        new_guest=new_guest,
        end_sessions=end_sessions,
    )


def _database(settings: Settings, dynamodb: Any, backoff: Backoff) -> Database:
    return Database(dynamodb or _client("dynamodb", settings, _DYNAMODB), backoff)


def _client(service: str, settings: Settings, config: Config) -> Any:
    # A session of its own: boto3's default one must not be used by several threads at a time.
    return Session().client(service, region_name=settings.region, config=config)
