"""Who somebody is, as tokens, tickets and the authorizer carry it."""

from dataclasses import dataclass, field

from chalicelib.models import UserName

# Characters of a token of any issuer; ours are shorter.
MAX_TOKEN_LENGTH = 16_384


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalIdentity:
    """A person for whom an external issuer of tokens speaks.

    Attributes:
        user: Their name here, as the issuer gives it now; it may be given to somebody else later.
        issuer, subject: Who they are for good. At most 255 characters of subject.
        expires_at: Until when the token is good, epoch seconds.
    """

    user: UserName
    issuer: str
    subject: str
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A token or ticket as its holder gets it; whoever has the text is its holder."""

    text: str = field(repr=False)
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a good token says; both times are epoch seconds.

    Attributes:
        identity: Whose it is.
        expires_at: Until when it is good.
        logged_in_at: When its holder last proved who they are by more than a token.
    """

    identity: Identity
    expires_at: int
    logged_in_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a good ticket says; times are epoch seconds.

    Attributes:
        identity: Whose it is.
        id: At random, so that its use can be noted and the second one refused.
        expires_at: Until when it can be used.
        session_expires_at: Until when the connection may act that it opens.
    """

    identity: Identity
    id: str
    expires_at: int
    session_expires_at: int
