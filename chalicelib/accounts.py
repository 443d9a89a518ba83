"""Who has registered."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Self

from chalicelib.database import (
    ConditionError,
    Database,
    Item,
    check_write,
    number,
    put_write,
    string,
)
from chalicelib.errors import Conflict, Unauthorized
from chalicelib.identities import Identity
from chalicelib.models import SYSTEM_USER, UserName
from chalicelib.names import skeleton
from chalicelib.records import claim_key, item_key

# Names that others would trust for what they seem to be, and so all that look like one.
TITLES = frozenset(
    {
        SYSTEM_USER,
        *("admin", "administrator", "root", "superuser", "sysadmin", "webmaster", "postmaster"),
        *("moderator", "owner", "operator", "staff", "official", "dynamowave"),
        *("support", "helpdesk", "security", "abuse", "billing", "server"),
    }
)
# Words that are no names. What looks like one may be one: Ali is no "all".
WORDS = frozenset(
    {"all", "everyone", "here", "nobody", "null", "undefined", "me", "mod", "bot", "team", "help"}
)
_TAKEN = "the name is taken, or looks like one that is"
_FIRST_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is known of a person.

    Attributes:
        user: Their name.
        token_version: What their tokens have to say, too; see Identity.
        password_hash: None for those for whom another issuer vouches.
        external: That issuer and its name for them, apart by a blank; else None.
    """

    user: UserName
    token_version: int
    password_hash: str | None = field(default=None, repr=False)
    external: str | None = None

    @classmethod
    def of(cls, item: Item) -> Self:
        """Read an item."""
        return cls(
            user=UserName(item["username"]["S"]),
            token_version=int(item["token_version"]["N"]),
            password_hash=item.get("password_hash", {}).get("S"),
            external=item.get("external", {}).get("S"),
        )

    @property
    def identity(self) -> Identity:
        """Who they are, as new tokens say it."""
        return Identity(user=self.user, version=self.token_version)


class AccountRepository:
    """The accounts table (see infra/data.yaml).

    Items, by `username`:

    - `<user>`: an account.
    - `external#<digest of issuer and subject>`: whose account it is for whom another issuer
      vouches. Written with the account.
    - `look#<skeleton>`: that an account has a name of this look (see names.py). Written with the
      account, and never without.

    No two accounts look alike, and no account looks like a guest who is there. Names that pretend
    (TITLES and what looks like one, WORDS) nobody gets, nor those in ADMINS: whoever registered one
    first would have its rights. So an administrator registers first and is named there afterwards.

    Reads are strongly consistent. Every method raises Unavailable when the database does not do
    its part.

    Args:
        database: Where the tables are.
        table: The accounts.
        connections_table: Where the claims of guests are, see Claims.
        clock: Epoch seconds.
        has_messages: Tells whether anybody of this name has sent or got direct messages. A guest
            may have left some, which belong to the name: whoever registered it would read them.
        admins: More names that nobody gets.
    """

    def __init__(
        self,
        database: Database,
        *,
        table: str,
        connections_table: str,
        clock: Callable[[], float],
        has_messages: Callable[[UserName], bool],
        admins: Iterable[UserName] = (),
    ) -> None:
        self._database = database
        self._table = table
        self._connections_table = connections_table
        self._clock = clock
        self._has_messages = has_messages
        self._reserved = frozenset(map(skeleton, {*TITLES, *admins}))

    def create(self, user: UserName, password_hash: str) -> Account:
        """Make an account with a password.

        Raises:
            Conflict: nobody gets the name, or somebody has it or one that looks like it. The
                error is the same, so that it says nothing about guests. After an answer that was
                lost, it may be the caller's own account: logging in tells.
        """
        return self._create(user, {"password_hash": string(password_hash)})

    def find(self, user: UserName) -> Account | None:
        """Return the account of a person, or None if they have none."""
        item = self._database.get(self._table, _key(user))
        return None if item is None else Account.of(item)

    def claim(self, user: UserName, issuer: str, subject: str) -> Account:
        """Return the account of somebody for whom another issuer vouches; make it if need be.

        The name belongs to that subject of that issuer from then on, and is theirs here whatever
        the issuer calls them later.

        Raises:
            Conflict: it is somebody else's, or see `create`.
        """
        external = f"{issuer} {subject}"
        return _theirs(self._known(user, external) or self._claimed(user, external), external)

    def recall(self, user: UserName, issuer: str, subject: str) -> Account:
        """Return the account that `claim` has made for somebody.

        Raises:
            Unauthorized: it has made none.
            Conflict: see `claim`.
        """
        external = f"{issuer} {subject}"
        account = self._known(user, external)
        if account is None:
            raise Unauthorized(reason="there is no account yet: ask for a ticket first")
        return _theirs(account, external)

    def set_password_hash(self, user: UserName, old_hash: str, new_hash: str) -> None:
        """Store the same password in another way, unless it has been changed meanwhile."""
        try:
            self._replace(user, old_hash, new_hash, raising=0)
        except ConditionError:
            return

    def change_password(self, user: UserName, old_hash: str, new_hash: str) -> Account:
        """Store a new password; no token of before is good any more.

        Raises:
            Conflict: the old one is not the present one any more.
        """
        try:
            return self._replace(user, old_hash, new_hash, raising=1)
        except ConditionError as error:
            account = self.find(user)
            # A salt makes the hash unique: then it was this call, whose first answer was lost.
            if account is None or account.password_hash != new_hash:
                raise Conflict("the password has been changed meanwhile") from error
            return account

    def raise_version(self, user: UserName) -> int:
        """Make all tokens of a person worthless; return what new ones have to say.

        Raises:
            Unauthorized: there is no such account.
        """
        try:
            item = self._database.update(
                self._table,
                _key(user),
                UpdateExpression="SET token_version = token_version + :one",
                ConditionExpression="attribute_exists(username)",
                ExpressionAttributeValues={":one": number(1)},
            )
        except ConditionError as error:
            raise Unauthorized(reason="there is no such account any more") from error
        return Account.of(item).token_version

    def is_reserved(self, user: UserName) -> bool:
        """Tell whether nobody may have a name, because it pretends to be somebody's."""
        return user in WORDS or skeleton(user) in self._reserved

    def looks_taken(self, user: UserName) -> bool:
        """Tell whether no guest may have this name: an account looks like it, or it pretends."""
        look = _look_key(skeleton(user))
        return self.is_reserved(user) or self._database.get(self._table, look) is not None

    def looks_taken_write(self, user: UserName) -> dict[str, Any]:
        """Return the part of a transaction that fails when an account looks like this name.

        It does not know of names that pretend: see `is_reserved`.
        """
        key = _look_key(skeleton(user))
        return check_write(self._table, key, ConditionExpression="attribute_not_exists(username)")

    def check_version_write(self, identity: Identity) -> dict[str, Any]:
        """Return the part of a transaction that fails when this identity is worth nothing any more.

        For accounts only: guests have no version.
        """
        return check_write(
            self._table,
            _key(identity.user),
            ConditionExpression="token_version = :version",
            ExpressionAttributeValues={":version": number(identity.version)},
        )

    def _create(self, user: UserName, proof: Item) -> Account:
        if self.is_reserved(user) or self._has_messages(user):
            raise Conflict(_TAKEN)
        item = {
            **_key(user),
            **proof,
            "token_version": number(_FIRST_VERSION),
            "created_at": number(self._clock()),
        }
        look = {**_look_key(skeleton(user)), "user": string(user)}
        absent = {"ConditionExpression": "attribute_not_exists(username)"}
        items = [item, look]
        if "external" in proof:
            items.append({**_external_key(proof["external"]["S"]), "user": string(user)})
        writes = [put_write(self._table, new, **absent) for new in items]
        try:
            self._database.transact_until_done([*writes, self._no_guest(user)])
        except ConditionError as error:
            raise Conflict(_TAKEN) from error
        return Account.of(item)

    def _known(self, user: UserName, external: str) -> Account | None:
        known = self._database.get(self._table, _external_key(external))
        return self.find(user if known is None else UserName(known["user"]["S"]))

    def _claimed(self, user: UserName, external: str) -> Account:
        try:
            return self._create(user, {"external": string(external)})
        except Conflict:
            # Two tabs may have come with the first token at the same time.
            if account := self.find(user):
                return account
            raise

    def _no_guest(self, user: UserName) -> dict[str, Any]:
        return check_write(
            self._connections_table,
            item_key(claim_key(user)),
            ConditionExpression="attribute_not_exists(pk) OR expires_at <= :now",
            ExpressionAttributeValues={":now": number(self._clock())},
        )

    def _replace(self, user: UserName, old_hash: str, new_hash: str, *, raising: int) -> Account:
        item = self._database.update(
            self._table,
            _key(user),
            UpdateExpression="SET password_hash = :new, token_version = token_version + :raising",
            ConditionExpression="password_hash = :old",
            ExpressionAttributeValues={
                ":new": string(new_hash),
                ":old": string(old_hash),
                ":raising": number(raising),
            },
        )
        return Account.of(item)


def _theirs(account: Account, external: str) -> Account:
    if account.external != external:
        raise Conflict(_TAKEN)
    return account


def _key(user: UserName) -> Item:
    return {"username": string(user)}


def _external_key(external: str) -> Item:
    # A digest, as a key has room for 2,048 bytes and a subject need not be ASCII.
    return {"username": string(f"external#{sha256(external.encode()).hexdigest()}")}


def _look_key(look: str) -> Item:
    return {"username": string(f"look#{look}")}
