"""Fakes for passwords and keys, and the entrance over a database in memory."""

import json
import secrets
from typing import Any

from chalicelib.accounts import AccountRepository
from chalicelib.authentication import Authenticator
from chalicelib.backoff import Backoff
from chalicelib.database import Database
from chalicelib.entrance import Entrance
from chalicelib.errors import Unauthorized
from chalicelib.forms import HttpRequest
from chalicelib.identities import ExternalIdentity, Identity
from chalicelib.keys import RandomKeys
from chalicelib.limiter import Limiter
from chalicelib.logins import Logins
from chalicelib.memberships import MembershipRepository
from chalicelib.models import UserName
from chalicelib.passwords import BrokenHashError, Passwords
from chalicelib.settings import Settings
from chalicelib.tokens import Tokens
from tests.stores.memory import MemoryClient
from tests.unit.fakes import ACCOUNTS_TABLE, CONNECTIONS_TABLE, ENVIRON, Clock, Faulty

PASSWORD = "correct horse battery"
ISSUER = "https://issuer.example"


class FakeHasher:
    """Hashes in no time, and counts what it was asked to do."""

    def __init__(self, version: str = "v1") -> None:
        self.version = version
        self.decoy = f"{version}!no password at all"
        self.hashed: list[str] = []
        self.checked: list[str] = []

    def hash(self, password: str) -> str:
        self.hashed.append(password)
        return f"{self.version}!{len(self.hashed)}!{password}"

    def matches(self, stored: str, password: str) -> bool:
        self.checked.append(stored)
        if "!" not in stored:
            raise BrokenHashError
        return stored.endswith(f"!{password}")

    def is_outdated(self, stored: str) -> bool:
        return not stored.startswith(self.version)


class FakeIssuer:
    """Vouches for the tokens that it knows."""

    def __init__(self) -> None:
        self.people: dict[str, ExternalIdentity] = {}

    def __call__(self, token: str) -> ExternalIdentity:
        if token not in self.people:
            raise Unauthorized(reason="the token is not valid")
        return self.people[token]


class People:
    """The entrance, whoever comes to it, and what it does elsewhere."""

    def __init__(self, clock: Clock, *, external: FakeIssuer | None = None, **environ: str) -> None:
        self.clock = clock
        self.dynamodb = Faulty(MemoryClient())
        self.hasher = FakeHasher()
        self.issuer = external
        self.ended: list[UserName] = []
        self.revoked: list[UserName] = []
        self.guests: list[UserName | None] = []
        self.failure: Exception | None = None
        self.settings = Settings.from_environ({**ENVIRON, "STAGE": "test", **environ})
        self.tokens = Tokens(
            RandomKeys(secrets.token_bytes),
            clock,
            self.settings.identity,
            self.settings.stage,
            lambda: secrets.token_urlsafe(16),
        )
        self.entrance = self.rebuilt()

    def rebuilt(self) -> Entrance:
        """Return the entrance as another function sees it, which remembers nothing."""
        identity, tables, clock = self.settings.identity, self.settings, self.clock
        memberships = MembershipRepository(
            self._database, table=tables.memberships_table, clock=clock, guest_ttl=1
        )
        accounts = AccountRepository(
            self._database,
            table=tables.accounts_table,
            connections_table=tables.connections_table,
            clock=clock,
            has_messages=memberships.has_direct,
            admins=identity.admins,
        )
        passwords = Passwords(self.hasher)
        limiter = self.limiter
        authenticator = Authenticator(
            identity,
            self.tokens,
            accounts,
            self.issuer,
            clock,
            is_revoked=lambda guest: guest.user in self.revoked,
        )
        self.authenticate = authenticator.authenticate
        return Entrance(
            settings=self.settings,
            accounts=accounts,
            tokens=self.tokens,
            passwords=passwords,
            logins=Logins(accounts, passwords, limiter, self.settings.fairness),
            authenticator=authenticator,
            limiter=limiter,
            clock=clock,
            new_guest=self._new_guest,
            revoke_guest=lambda guest, _: self.revoked.append(guest.user),
            end_sessions=self._end_sessions,
        )

    @property
    def limiter(self) -> Limiter:
        return Limiter(self._database, table=CONNECTIONS_TABLE, clock=self.clock)

    @property
    def _database(self) -> Database:
        backoff = Backoff(clock=self.clock, sleep=self.clock.sleep, random=lambda: 0.5)
        return Database(self.dynamodb, backoff)

    def register(self, user: str = "ada", password: str = PASSWORD, **request: Any) -> str:
        """Register somebody and return their token."""
        answer = self.entrance.register(said(username=user, password=password, **request))
        return str(answer["token"])

    def account(self, user: str = "ada") -> dict[str, Any]:
        """Return what is stored of somebody."""
        key = {"username": {"S": user}}
        item = self.dynamodb.client.get_item(TableName=ACCOUNTS_TABLE, Key=key)["Item"]
        return {name: next(iter(value.values())) for name, value in item.items()}

    def _new_guest(self, wanted: UserName | None) -> Identity:
        self.guests.append(wanted)
        return Identity(user=wanted or UserName("guest-2345"), guest=True, key_digest="d" * 64)

    def _end_sessions(self, identity: Identity) -> None:
        if self.failure is not None:
            raise self.failure
        self.ended.append(identity.user)


def said(*, token: str | None = None, address: str = "192.0.2.1", **fields: Any) -> HttpRequest:
    """Return a request with these fields in its body."""
    authorization = None if token is None else f"Bearer {token}"
    return HttpRequest(body=json.dumps(fields), authorization=authorization, address=address)
