"""Who somebody is, as tokens, tickets and the authorizer carry it."""

from dataclasses import dataclass

from chalicelib.models import UserName


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A person whose word about who they are has been verified.

    Attributes:
        user: Their name.
        guest: Whether they have no account.
        version: The version of the account's tokens that this was made for; logging out everywhere
            raises the account's, and what has another one is worth nothing. 0 for guests.
        key_digest: The digest by which a guest is known again, None for accounts.
    """

    user: UserName
    guest: bool = False
    version: int = 0
    key_digest: str | None = None
