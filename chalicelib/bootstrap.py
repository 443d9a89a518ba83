"""The one place that knows every concrete adapter."""

import random as randomness
import secrets
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

from boto3.session import Session
from botocore.config import Config

from chalicelib.access import Access
from chalicelib.accounts import AccountRepository
from chalicelib.actions import Actions
from chalicelib.arrivals import Arrivals
from chalicelib.authentication import Authenticator, ExternalVerifier
from chalicelib.backoff import Backoff
from chalicelib.broadcaster import Broadcaster
from chalicelib.chat import ChatService
from chalicelib.claims import Claims
from chalicelib.connections import ConnectionRepository
from chalicelib.courier import Courier
from chalicelib.crt import CrtGateway
from chalicelib.database import Database
from chalicelib.deliveries import Deliveries
from chalicelib.directory import Directory
from chalicelib.doorkeeper import Doorkeeper
from chalicelib.doors import Doors
from chalicelib.downloads import download
from chalicelib.entrance import Entrance
from chalicelib.evictions import Evictions
from chalicelib.gateway import ConnectionsGateway
from chalicelib.keys import Keyring, RandomKeys, SecretKeys
from chalicelib.limiter import Limiter
from chalicelib.logins import Logins
from chalicelib.memberships import MembershipRepository
from chalicelib.messages import MessageLog
from chalicelib.models import RoomName, UserName
from chalicelib.moderation import Moderation
from chalicelib.notifications import Notifications
from chalicelib.oidc import OidcVerifier
from chalicelib.passwords import Argon2Hasher, Hasher, Passwords
from chalicelib.perimeter import Perimeter
from chalicelib.presence import Presence
from chalicelib.publisher import Publisher
from chalicelib.queues import DeliveryQueue, SqsQueue
from chalicelib.redrive import Redrive
from chalicelib.rooms import RoomRepository
from chalicelib.settings import Settings
from chalicelib.slowmode import SlowMode
from chalicelib.sqs import Sqs
from chalicelib.standings import Standings
from chalicelib.telemetry import Silence, Telemetry
from chalicelib.tokens import Tokens
from chalicelib.warmer import Warmer
from chalicelib.warmups import Warmups, deployed_name

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
_SQS = Config(
    connect_timeout=1,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 2},
    tcp_keepalive=True,
)
# A function answers a warm-up when it is warm: for one that is new that takes seconds.
_LAMBDA = Config(
    connect_timeout=2,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 1},
    max_pool_connections=200,
)
_NO_ROOM = RoomName("")  # no name of a room is empty
_ID_BYTES = 16
# Made when it may not be needed, as two of a laptop's threads could each make one when it is.
_LAPTOP_KEY = RandomKeys(secrets.token_bytes)


class Application:
    """All that the entry points need, each part made when it is first asked for.

    What is not given is the real thing. Makes no call to AWS by itself.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        gateway: ConnectionsGateway | None = None,
        dynamodb: Any = None,
        secretsmanager: Any = None,
        sqs: Any = None,
        functions: Any = None,
        queue: DeliveryQueue | None = None,
        hasher: Hasher | None = None,
        external: ExternalVerifier | None = None,
        telemetry: Telemetry | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
        random: Callable[[], float] = randomness.random,
    ) -> None:
        self._settings = settings
        self._given_gateway = gateway
        self._dynamodb = dynamodb
        self._secretsmanager = secretsmanager
        self._given_sqs = sqs
        self._functions = functions
        self._given_queue = queue
        self._hasher = hasher
        self._external = external
        self._given_telemetry = telemetry
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._backoff = Backoff(clock=clock, sleep=sleep, random=random)

    @cached_property
    def chat(self) -> ChatService:
        """What API Gateway's WebSocket events and back ends ask for."""
        doorkeeper = Doorkeeper(
            self.perimeter,
            verify_ticket=self.tokens.verify_ticket,
            guests=self._settings.identity.guests,
        )
        return ChatService(
            settings=self._settings,
            doorkeeper=doorkeeper,
            arrivals=self._arrivals,
            connections=self._connections,
            actions=self._actions,
            presence=self._presence,
            publisher=self._publisher,
            courier=self._courier,
            telemetry=self.telemetry,
            clock=self._clock,
            new_id=_new_id,
        )

    @cached_property
    def entrance(self) -> Entrance:
        """What HTTP requests of accounts ask for."""
        passwords = self._passwords
        return Entrance(
            settings=self._settings,
            accounts=self._accounts,
            tokens=self.tokens,
            passwords=passwords,
            logins=Logins(self._accounts, passwords, self._limiter, self._settings.fairness),
            authenticator=self._authenticator,
            limiter=self._limiter,
            clock=self._clock,
            new_guest=self._arrivals.reserve,
            revoke_guest=self._claims.revoke,
            end_sessions=self.evictions.evict,
        )

    @cached_property
    def evictions(self) -> Evictions:
        """What ends the connections of a person."""
        return Evictions(self._connections, self._claims, self._courier, self._presence)

    @cached_property
    def deliveries(self) -> Deliveries:
        """What does the jobs of the queue."""
        return Deliveries(
            connections=self._connections,
            courier=self._courier,
            presence=self._presence,
            queue=self._queue,
            telemetry=self.telemetry,
            clock=self._clock,
            max_deliveries=self._settings.max_deliveries,
        )

    @cached_property
    def redrive(self) -> Redrive:
        """What looks after the dead-letter queue."""
        return Redrive(
            self._sqs,
            queue=self._settings.deliveries_queue,
            dead_letters=self._settings.dead_letter_queue,
            clock=self._clock,
        )

    @cached_property
    def notifications(self) -> Notifications:
        """What publishes what comes from the topic."""
        return Notifications(self._publisher.publish, self.telemetry)

    @cached_property
    def warmer(self) -> Warmer:
        """What keeps other functions warm."""
        wanted, stage = self._settings.warmer, self._settings.stage
        return Warmer(
            lambda: self._functions or self._client("lambda", _LAMBDA),
            functions=[deployed_name(stage, function) for function in wanted.functions],
            at_once=wanted.at_once,
            hold_ms=wanted.hold_ms,
            telemetry=self.telemetry,
        )

    @cached_property
    def warmups(self) -> Warmups:
        """What warms the function that this is."""
        return Warmups(
            sleep=self._sleep,
            environment=_new_id(),
            chat=lambda: self.chat,
            entrance=lambda: self.entrance,
            deliveries=lambda: self.deliveries,
            keys=lambda: self._keys.current(),  # noqa: PLW0108 - only some functions have any
            database=lambda: self._connections.first_members(_NO_ROOM, limit=1),
            queue=lambda: self._sqs.look_up(self._settings.deliveries_queue),
            gateway=self._start_gateway,
        )

    def _start_gateway(self) -> None:
        if self._given_gateway is None:
            self._crt.start()

    @cached_property
    def perimeter(self) -> Perimeter:
        """What tells where requests come from."""
        return Perimeter(self._settings.identity)

    @cached_property
    def telemetry(self) -> Telemetry:
        """Where it is noted how the chat is doing."""
        if self._given_telemetry is not None:
            return self._given_telemetry
        if not self._settings.metrics:
            return Silence()
        from chalicelib.emf import PowertoolsTelemetry  # noqa: PLC0415 - slow to import

        return PowertoolsTelemetry(self._settings.stage)

    @cached_property
    def _actions(self) -> Actions:
        return Actions(
            settings=self._settings,
            connections=self._connections,
            log=self._log,
            publisher=self._publisher,
            broadcaster=self._broadcaster,
            presence=self._presence,
            directory=Directory(
                self._memberships, self._log, self._access, lobby=self._settings.lobby
            ),
            access=self._access,
            doors=self._doors,
            moderation=self._moderation,
            slow_mode=self._slow_mode,
            telemetry=self.telemetry,
            authenticate=self._authenticator.recognise,
            clock=self._clock,
        )

    @cached_property
    def _doors(self) -> Doors:
        return Doors(
            access=self._access,
            rooms=self._rooms,
            memberships=self._memberships,
            connections=self._connections,
            log=self._log,
            limiter=self._limiter,
            new_rooms=self._settings.fairness.new_rooms,
        )

    @cached_property
    def _moderation(self) -> Moderation:
        return Moderation(
            memberships=self._memberships,
            standings=Standings(
                self._database, table=self._settings.memberships_table, clock=self._clock
            ),
            rooms=self._rooms,
            connections=self._connections,
            log=self._log,
            broadcaster=self._broadcaster,
            presence=self._presence,
            limiter=self._limiter,
            invitations=self._settings.fairness.invitations,
            lobby=self._settings.lobby,
            admins=self._settings.identity.admins,
            accounts_exist=self._has_account,
        )

    @cached_property
    def _slow_mode(self) -> SlowMode:
        return SlowMode(
            rooms=self._rooms,
            memberships=self._memberships,
            limiter=self._limiter,
            default=self._settings.fairness.slow_mode,
            admins=self._settings.identity.admins,
        )

    @cached_property
    def _access(self) -> Access:
        return Access(self._memberships)

    @cached_property
    def _arrivals(self) -> Arrivals:
        return Arrivals(
            settings=self._settings,
            connections=self._connections,
            claims=self._claims,
            limiter=self._limiter,
            accounts=self._accounts,
            memberships=self._memberships,
            presence=self._presence,
            clock=self._clock,
            random=self._random,
            new_id=_new_id,
        )

    @cached_property
    def _publisher(self) -> Publisher:
        return Publisher(
            self._log,
            self._memberships,
            self._broadcaster,
            max_length=self._settings.max_message_length,
            is_known=self._is_known,
        )

    @cached_property
    def _broadcaster(self) -> Broadcaster:
        return Broadcaster(
            self._connections,
            self._courier,
            self._presence,
            queue=self._queue,
            telemetry=self.telemetry,
            clock=self._clock,
            direct_fanout=self._settings.direct_fanout,
        )

    @cached_property
    def _queue(self) -> DeliveryQueue:
        return self._given_queue or SqsQueue(
            self._sqs,
            queue=self._settings.deliveries_queue,
            dead_letters=self._settings.dead_letter_queue,
            backoff=self._backoff,
            random=self._random,
            redelivery=self._settings.redelivery,
        )

    @cached_property
    def _sqs(self) -> Sqs:
        return Sqs(lambda: self._given_sqs or self._client("sqs", _SQS))

    @cached_property
    def _presence(self) -> Presence:
        return Presence(
            self._connections,
            self._courier,
            self._gateway,
            clock=self._clock,
            limit=self._settings.presence_list_limit,
            lease=self._settings.lease,
        )

    @cached_property
    def _courier(self) -> Courier:
        return Courier(self._connections, self._gateway)

    @cached_property
    def _gateway(self) -> ConnectionsGateway:
        return self._given_gateway or self._crt

    @cached_property
    def _crt(self) -> CrtGateway:
        return CrtGateway(
            region=self._settings.region,
            concurrency=self._settings.post_concurrency,
            timeout=self._settings.post_timeout,
        )

    @cached_property
    def _authenticator(self) -> Authenticator:
        external = self._external or self._oidc()
        return Authenticator(
            self._settings.identity,
            self.tokens,
            self._accounts,
            external,
            self._clock,
            is_revoked=self._claims.is_revoked,
        )

    @cached_property
    def tokens(self) -> Tokens:
        """What makes and checks tokens and tickets."""
        identity, stage = self._settings.identity, self._settings.stage
        return Tokens(self._keys, self._clock, identity, stage, _new_id)

    @cached_property
    def _passwords(self) -> Passwords:
        identity = self._settings.identity
        return Passwords(
            self._hasher
            or Argon2Hasher(memory=identity.password_memory, passes=identity.password_passes)
        )

    @cached_property
    def _accounts(self) -> AccountRepository:
        return AccountRepository(
            self._database,
            table=self._settings.accounts_table,
            connections_table=self._settings.connections_table,
            clock=self._clock,
            has_messages=self._memberships.has_direct,
            admins=self._settings.identity.admins,
        )

    @cached_property
    def _connections(self) -> ConnectionRepository:
        return ConnectionRepository(
            self._database,
            table=self._settings.connections_table,
            clock=self._clock,
            max_subscriptions=self._settings.max_subscriptions,
            frames=self._settings.fairness.frames,
        )

    @cached_property
    def _claims(self) -> Claims:
        return Claims(self._database, table=self._settings.connections_table, clock=self._clock)

    @cached_property
    def _limiter(self) -> Limiter:
        return Limiter(self._database, table=self._settings.connections_table, clock=self._clock)

    @cached_property
    def _memberships(self) -> MembershipRepository:
        return MembershipRepository(
            self._database,
            table=self._settings.memberships_table,
            clock=self._clock,
            guest_ttl=self._settings.guest_membership_ttl,
            lobby=self._settings.lobby,
        )

    @cached_property
    def _rooms(self) -> RoomRepository:
        return RoomRepository(
            self._database, table=self._settings.memberships_table, clock=self._clock
        )

    @cached_property
    def _log(self) -> MessageLog:
        return MessageLog(
            self._database,
            table=self._settings.messages_table,
            clock=self._clock,
            idempotency_ttl=self._settings.idempotency_ttl,
            retention=self._settings.retention,
            max_reactions=self._settings.max_reactions,
            telemetry=self.telemetry,
        )

    @cached_property
    def _database(self) -> Database:
        client = self._dynamodb or self._client("dynamodb", _DYNAMODB)
        return Database(client, self._backoff)

    def _oidc(self) -> ExternalVerifier | None:
        identity = self._settings.identity
        if identity.oidc_issuer is None or identity.oidc_audience is None:
            return None
        return OidcVerifier(
            identity.oidc_issuer,
            identity.oidc_audience,
            username_claim=identity.oidc_username_claim,
            jwks_url=identity.oidc_jwks_url,
            fetch=download,
            clock=self._clock,
        ).verify

    def _has_account(self, user: UserName) -> bool:
        return self._accounts.find(user) is not None

    def _is_known(self, user: UserName) -> bool:
        return self._has_account(user) or self._claims.is_held(user)

    @cached_property
    def _keys(self) -> Keyring:
        secret = self._settings.identity.token_secret
        if secret is None:
            return _LAPTOP_KEY
        client = self._secretsmanager or self._client("secretsmanager", _SECRETS)
        return SecretKeys(client, secret, self._clock)

    def _client(self, service: str, config: Config) -> Any:
        # A session of its own: boto3's default one must not be used by several threads at a time.
        return Session().client(service, region_name=self._settings.region, config=config)


def _new_id() -> str:
    return secrets.token_urlsafe(_ID_BYTES)
