"""The environment of the functions, read once into one frozen object."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from chalicelib.models import LOOPBACK, ROOM_RULE, USER_RULE, UserName, is_room, is_user
from chalicelib.rates import Rate
from chalicelib.variables import SettingsError, Variables
from chalicelib.warmups import LONGEST_HOLD, WARMABLE

_LAPTOP = {"local", "test"}  # as in infra/data.yaml
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_SHORTEST_SECRET = 32
_DAY = 86_400

_FRAMES = Rate.per(1, 10, burst=50)
_NEW_ROOMS = Rate.per(3600, 20)
_INVITATIONS = Rate.per(3600, 200)
_VISITS = Rate.per(3600, 200)
_REQUESTS = Rate.per(1, 10, burst=60)
_REGISTRATIONS = Rate.per(3600, 20)
_ACCOUNT_LOGINS = Rate.per(300, 10)
_ADDRESS_LOGINS = Rate.per(300, 30)
_WARM = tuple(function for function in WARMABLE if function != "publish")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings:
    """Who is let in, and how it is known who they are.

    Attributes:
        guests: GUESTS, false. Whether anyone may connect under a name of their choice.
        registration: REGISTRATION, true. Whether anyone may make an account.
        admins: ADMINS, none. Accounts that act as owners in every public room, the lobby too;
            names apart by commas.
        token_secret: TOKEN_SECRET_ARN. The secret in Secrets Manager whose value signs tokens (or,
            in the same account, its name). Without one, only the stages "local" and "test" run,
            with a key of their own that ends with the process.
        token_ttl: TOKEN_TTL_SECONDS, 43200. How long a token is good for.
        login_ttl: LOGIN_TTL_SECONDS, 2592000. How long tokens can be renewed without the
            password.
        ticket_ttl: TICKET_TTL_SECONDS, 30, at most 300. How long a ticket waits to be used.
        password_memory: PASSWORD_MEMORY_KIB, 19456. The memory of Argon2id; see
            https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
        password_passes: PASSWORD_PASSES, 2. Its passes over that memory.
        oidc_issuer: OIDC_ISSUER. The issuer of tokens that are taken beside our own.
        oidc_audience: OIDC_AUDIENCE, required with an issuer. For whom it must have issued them:
            our client id there.
        oidc_username_claim: OIDC_USERNAME_CLAIM, "preferred_username". What is our user name.
        oidc_jwks_url: OIDC_JWKS_URL. Its keys; without it, where its discovery document says.
        allowed_origins: ALLOWED_ORIGINS, none. The origins whose pages may connect, such as
            https://chat.example, apart by commas; none lets all.
        origin_secrets: ORIGIN_SECRET, none. What the header X-Origin-Verify has to hold, which
            CloudFront adds; two, apart by a comma, while it is being changed.
    """

    guests: bool = False
    registration: bool = True
    admins: frozenset[UserName] = frozenset()
    token_secret: str | None = None
    token_ttl: int = 43_200
    login_ttl: int = 2_592_000
    ticket_ttl: int = 30
    password_memory: int = 19_456
    password_passes: int = 2
    oidc_issuer: str | None = None
    oidc_audience: str | None = None
    oidc_username_claim: str = "preferred_username"
    oidc_jwks_url: str | None = None
    allowed_origins: frozenset[str] = frozenset()
    origin_secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def read(cls, variables: Variables, stage: str) -> Self:
        """Read these variables of a stage. Raises SettingsError."""
        secret = variables.text("TOKEN_SECRET_ARN") or None
        if secret is None and stage not in _LAPTOP:
            raise SettingsError(
                "TOKEN_SECRET_ARN is not set: it must name a secret in Secrets Manager"
            )
        issuer = _https(variables, "OIDC_ISSUER")
        audience = variables.text("OIDC_AUDIENCE") or None
        if issuer and not audience:
            raise SettingsError("OIDC_AUDIENCE is not set: OIDC_ISSUER needs it")
        return cls(
            guests=variables.boolean("GUESTS", default=False),
            registration=variables.boolean("REGISTRATION", default=True),
            admins=_admins(variables),
            token_secret=secret,
            token_ttl=variables.integer("TOKEN_TTL_SECONDS", 43_200, 60, 30 * _DAY),
            login_ttl=variables.integer("LOGIN_TTL_SECONDS", 30 * _DAY, 60, 366 * _DAY),
            ticket_ttl=variables.integer("TICKET_TTL_SECONDS", 30, 5, 300),
            password_memory=variables.integer("PASSWORD_MEMORY_KIB", 19_456, 8, 262_144),
            password_passes=variables.integer("PASSWORD_PASSES", 2, 1, 20),
            oidc_issuer=issuer,
            oidc_audience=audience,
            oidc_username_claim=variables.text("OIDC_USERNAME_CLAIM", default="preferred_username"),
            oidc_jwks_url=_https(variables, "OIDC_JWKS_URL"),
            allowed_origins=_origins(variables),
            origin_secrets=_origin_secrets(variables),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessSettings:
    """How much one may ask for, so that something is left for the others; 0 takes a limit away.

    Attributes:
        frames: FRAME_RATE, 10 a second, and FRAME_BURST, 50 at once. Of one connection.
        connections: MAX_CONNECTIONS, 20. Of one person.
        new_rooms: NEW_ROOMS_PER_HOUR, 20. Of one person, rooms made by using them included.
        slow_mode: SLOW_MODE_SECONDS, 0. Between two messages of one person to a room that says
            nothing else.
        invitations: INVITATIONS_PER_HOUR, 200. By one person, those to nobody included.
        visits: VISITS_PER_HOUR, 200. Connections of guests without a ticket, from one address.
        requests: ADDRESS_RATE, 10 a second, and ADDRESS_BURST, 60 at once. HTTP requests that
            cost us something, from one address.
        registrations: REGISTRATIONS_PER_HOUR, 20. New accounts and guest names from one address.
        account_logins: LOGIN_ATTEMPTS, 10, in LOGIN_WINDOW_SECONDS, 300. Failures to log in to one
            account.
        address_logins: Three times as many, from one address.
    """

    frames: Rate = _FRAMES
    connections: int = 20
    new_rooms: Rate = _NEW_ROOMS
    slow_mode: int = 0
    invitations: Rate = _INVITATIONS
    visits: Rate = _VISITS
    requests: Rate = _REQUESTS
    registrations: Rate = _REGISTRATIONS
    account_logins: Rate = _ACCOUNT_LOGINS
    address_logins: Rate = _ADDRESS_LOGINS

    @classmethod
    def read(cls, variables: Variables) -> Self:
        """Read these variables. Raises SettingsError."""
        attempts = variables.integer("LOGIN_ATTEMPTS", 10, 0, 1_000_000)
        window = variables.integer("LOGIN_WINDOW_SECONDS", 300, 1, _DAY)
        return cls(
            frames=Rate.per(
                1,
                variables.integer("FRAME_RATE", 10, 0, 10_000),
                burst=variables.integer("FRAME_BURST", 50, 1, 100_000),
            ),
            connections=variables.integer("MAX_CONNECTIONS", 20, 0, 1000),
            new_rooms=Rate.per(3600, variables.integer("NEW_ROOMS_PER_HOUR", 20, 0, 1_000_000)),
            slow_mode=variables.integer("SLOW_MODE_SECONDS", 0, 0, _DAY),
            invitations=Rate.per(
                3600, variables.integer("INVITATIONS_PER_HOUR", 200, 0, 1_000_000)
            ),
            visits=Rate.per(3600, variables.integer("VISITS_PER_HOUR", 200, 0, 1_000_000)),
            requests=Rate.per(
                1,
                variables.integer("ADDRESS_RATE", 10, 0, 10_000),
                burst=variables.integer("ADDRESS_BURST", 60, 1, 100_000),
            ),
            registrations=Rate.per(
                3600, variables.integer("REGISTRATIONS_PER_HOUR", 20, 0, 1_000_000)
            ),
            account_logins=Rate.per(window, attempts),
            address_logins=Rate.per(window, 3 * attempts),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmerSettings:
    """What `warm` keeps warm.

    Attributes:
        functions: WARM_FUNCTIONS, "websocket_connect websocket_message websocket_disconnect
            authorize api_handler deliver"; `publish` can be named too. Their policy is made from
            it: `make policies`.
        at_once: WARM_AT_ONCE, 2, at most 20. How many environments of each; 0 turns it off.
        hold_ms: WARM_HOLD_MS, 300, at most 5000. How long an invocation stays in its environment,
            so that the next one meets another.
    """

    functions: tuple[str, ...] = _WARM
    at_once: int = 2
    hold_ms: int = 300

    @classmethod
    def read(cls, variables: Variables) -> Self:
        """Read these variables. Raises SettingsError."""
        functions = variables.words("WARM_FUNCTIONS")
        if unknown := set(functions) - set(WARMABLE):
            raise SettingsError(
                f"WARM_FUNCTIONS names {min(unknown)!r}: each must be one of {', '.join(WARMABLE)}"
            )
        return cls(
            functions=tuple(dict.fromkeys(functions)) or _WARM,
            at_once=variables.integer("WARM_AT_ONCE", 2, 0, 20),
            hold_ms=variables.integer("WARM_HOLD_MS", 300, 0, LONGEST_HOLD),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that a stage can choose.

    What Chalice has to know of triggers, app.py reads when it is imported: DELIVERIES_QUEUE, and
    EVENTS_TOPIC, the topic of `publish_event`.

    Attributes:
        connections_table: CONNECTIONS_TABLE, required. See infra/data.yaml.
        messages_table: MESSAGES_TABLE, required. See infra/data.yaml.
        memberships_table: MEMBERSHIPS_TABLE, required. See infra/data.yaml.
        accounts_table: ACCOUNTS_TABLE, required. See infra/data.yaml.
        deliveries_queue: DELIVERIES_QUEUE, required. The name of the queue for large rooms and for
            what could not be delivered at once. See infra/data.yaml.
        dead_letter_queue: DEAD_LETTER_QUEUE, required. Where what cannot be delivered ends.
        identity: See IdentitySettings.
        fairness: See FairnessSettings.
        warmer: See WarmerSettings.
        stage: STAGE, "local".
        log_level: LOG_LEVEL, INFO. The least of DEBUG, INFO, WARNING, ERROR and CRITICAL that is
            logged, in deployed stages.
        metrics: METRICS, true. Whether metrics are written to the log, for CloudWatch.
        region: AWS_REGION, else AWS_DEFAULT_REGION, else "us-east-1". Lambda sets the first.
        lobby: LOBBY, "lobby". The room that every connection joins; empty turns it off.
        websocket_url: WEBSOCKET_URL. What the page connects to; unset, it follows
            management_endpoint; without that too, the page says that it is missing.
        management_endpoint: AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI, the variable of the AWS SDKs
            for this service. Where to post to connections instead of execute-api: an emulator.
        max_frame_bytes: MAX_FRAME_BYTES, 32768 and no more, which is API Gateway's limit. The
            largest frame that is read.
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
        direct_fanout: DIRECT_FANOUT, 250, at most 10000. Rooms of more connections are posted to
            by the queue's workers, in chunks of so many.
        max_deliveries: MAX_DELIVERIES, 6, at most 20. How often the delivery of one frame is tried
            by way of the queue until it goes to the dead-letter queue.
        redelivery: REDELIVERY_SECONDS, 2, at most 60. The longest wait before the second of those
            tries; each further one waits four times as long, 15 minutes at most.
    """

    connections_table: str
    messages_table: str
    memberships_table: str
    accounts_table: str
    deliveries_queue: str
    dead_letter_queue: str
    identity: IdentitySettings = IdentitySettings()
    fairness: FairnessSettings = FairnessSettings()
    warmer: WarmerSettings = WarmerSettings()
    stage: str = "local"
    log_level: str = "INFO"
    metrics: bool = True
    region: str = "us-east-1"
    lobby: str = "lobby"
    websocket_url: str | None = None
    management_endpoint: str | None = None
    max_frame_bytes: int = 32_768
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
    direct_fanout: int = 250
    max_deliveries: int = 6
    redelivery: int = 2

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings.

        Raises:
            SettingsError: a variable is missing or has a value that is not allowed.
        """
        variables = Variables(environ)
        integer, stage = variables.integer, variables.text("STAGE", default="local")
        return cls(
            connections_table=variables.table("CONNECTIONS_TABLE"),
            messages_table=variables.table("MESSAGES_TABLE"),
            memberships_table=variables.table("MEMBERSHIPS_TABLE"),
            accounts_table=variables.table("ACCOUNTS_TABLE"),
            deliveries_queue=variables.queue("DELIVERIES_QUEUE"),
            dead_letter_queue=variables.queue("DEAD_LETTER_QUEUE"),
            identity=IdentitySettings.read(variables, stage),
            fairness=FairnessSettings.read(variables),
            warmer=WarmerSettings.read(variables),
            stage=stage,
            log_level=variables.choice("LOG_LEVEL", "INFO", _LEVELS),
            metrics=variables.boolean("METRICS", default=True),
            region=variables.text("AWS_REGION", "AWS_DEFAULT_REGION", default="us-east-1"),
            lobby=_lobby(variables),
            websocket_url=variables.url("WEBSOCKET_URL", "ws", "wss"),
            management_endpoint=variables.url(
                "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "http", "https"
            ),
            max_frame_bytes=integer("MAX_FRAME_BYTES", 32_768, 256, 32_768),
            max_message_length=integer("MAX_MESSAGE_LENGTH", 8000, 1, 32_000),
            max_subscriptions=integer("MAX_SUBSCRIPTIONS", 100, 1, 400),
            presence_list_limit=integer("PRESENCE_LIST_LIMIT", 100, 0, 800),
            connection_ttl=integer("CONNECTION_TTL_SECONDS", 7800, 60, _DAY),
            lease=integer("LEASE_SECONDS", 600, 60, 7800),
            idempotency_ttl=integer("IDEMPOTENCY_TTL_SECONDS", _DAY, 1, 365 * _DAY),
            retention=integer("RETENTION_SECONDS", 0, 0, 3_153_600_000),
            max_reactions=integer("MAX_REACTIONS", 500, 0, 800),
            guest_membership_ttl=integer("GUEST_MEMBERSHIP_SECONDS", 7 * _DAY, 60, 365 * _DAY),
            heartbeat_ms=integer("HEARTBEAT_MS", 240_000, 1000, 600_000),
            reconnect_after_ms=integer("RECONNECT_AFTER_MS", 6_600_000, 1000, 7_200_000),
            post_concurrency=integer("POST_CONCURRENCY", 64, 1, 1000),
            post_timeout=integer("POST_TIMEOUT_SECONDS", 5, 1, 25),
            direct_fanout=integer("DIRECT_FANOUT", 250, 0, 10_000),
            max_deliveries=integer("MAX_DELIVERIES", 6, 1, 20),
            redelivery=integer("REDELIVERY_SECONDS", 2, 1, 60),
        )

    @property
    def is_deployed(self) -> bool:
        """Whether this stage runs on AWS, rather than on a laptop."""
        return self.stage not in _LAPTOP


def _lobby(variables: Variables) -> str:
    value = variables.text("LOBBY") if "LOBBY" in variables else "lobby"
    if value and not is_room(value):
        raise SettingsError(f"LOBBY is {value!r}: it {ROOM_RULE}; empty turns it off")
    return value


def _admins(variables: Variables) -> frozenset[UserName]:
    names = variables.words("ADMINS")
    for name in names:
        if not is_user(name):
            raise SettingsError(f"ADMINS names {name!r}: each {USER_RULE}")
    return frozenset(map(UserName, names))


def _https(variables: Variables, name: str) -> str | None:
    url = variables.text(name)
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in LOOPBACK
    if url and parts.scheme != "https" and not local:
        raise SettingsError(f"{name} is {url!r}: it must be a URL that starts with https://")
    return url or None  # as it is: an issuer may end with a slash, and is compared


def _origins(variables: Variables) -> frozenset[str]:
    origins = variables.words("ALLOWED_ORIGINS")
    for origin in origins:
        url = urlsplit(origin)
        if not url.netloc or origin != f"{url.scheme}://{url.netloc}".lower():
            raise SettingsError(
                f"ALLOWED_ORIGINS holds {origin!r}: each must be an origin in lower case, "
                "such as https://chat.example"
            )
    return frozenset(origins)


def _origin_secrets(variables: Variables) -> tuple[str, ...]:
    secrets = variables.words("ORIGIN_SECRET")
    if any(len(secret) < _SHORTEST_SECRET for secret in secrets):
        raise SettingsError(
            f"ORIGIN_SECRET is too short: it must be at least {_SHORTEST_SECRET} characters"
        )
    return tuple(secrets)
