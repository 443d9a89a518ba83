"""The one place that knows every concrete adapter."""

import random as randomness
import time
from collections.abc import Callable
from typing import Any

from boto3.session import Session
from botocore.config import Config

from chalicelib.actions import Actions
from chalicelib.backoff import Backoff
from chalicelib.broadcaster import Broadcaster
from chalicelib.chat import ChatService
from chalicelib.connections import ConnectionRepository
from chalicelib.courier import Courier
from chalicelib.crt import CrtGateway
from chalicelib.database import Database
from chalicelib.directory import Directory
from chalicelib.gateway import ConnectionsGateway
from chalicelib.memberships import MembershipRepository
from chalicelib.messages import MessageLog
from chalicelib.presence import Presence
from chalicelib.publisher import Publisher
from chalicelib.settings import Settings

# DynamoDB answers in milliseconds. Three attempts stay well inside the 29 s of a WebSocket route.
_DYNAMODB = Config(
    connect_timeout=1,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=50,  # in Lambda one is used; local handlers run in threads
    tcp_keepalive=True,
)


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
    # A session of its own: boto3's default one must not be used by several threads at a time.
    client = dynamodb or Session().client("dynamodb", region_name=settings.region, config=_DYNAMODB)
    database = Database(client, Backoff(clock=clock, sleep=sleep, random=random))
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
