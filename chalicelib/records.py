"""The items of the connections table: their keys, and their attributes as values."""

from typing import TypeAlias

from chalicelib.database import Item, number, string, strings
from chalicelib.models import ConnectionId, Member, RoomName, Session, UserName
from chalicelib.names import skeleton

Key: TypeAlias = tuple[str, str]  # pk and sk


def connection_key(connection_id: ConnectionId) -> Key:
    """Where a connection is."""
    return f"conn#{connection_id}", "conn"


def subscription_key(room: RoomName, connection_id: ConnectionId) -> Key:
    """Where a subscription is."""
    return f"room#{room}", connection_id


def subscription_keys(session: Session) -> list[Key]:
    """Where all subscriptions of a connection are."""
    return [subscription_key(room, session.connection_id) for room in session.rooms]


def claim_key(user: UserName) -> Key:
    """Where a guest's claim is to a name, and to all that look like it."""
    return f"user#{skeleton(user)}", "guest"


def item_key(key: Key) -> Item:
    """Return a key as DynamoDB takes it."""
    return {"pk": string(key[0]), "sk": string(key[1])}


def connection_item(session: Session) -> Item:
    """Return the item of a connection, which was last heard of when it came."""
    return {
        **item_key(connection_key(session.connection_id)),
        "user": string(session.user),
        "endpoint": string(session.endpoint),
        "connected_at": number(session.connected_at),
        "seen_at": number(session.connected_at),
        "expires_at": number(session.expires_at),
        "session_expires_at": number(session.session_expires_at),
        "rooms": strings(session.rooms),
        "guest": {"BOOL": session.guest},
        **_arrays(session),
    }


def subscription_item(session: Session, room: RoomName, joined_at: float) -> Item:
    """Return the item of a subscription, with all that fan-out and presence need."""
    return {
        **item_key(subscription_key(room, session.connection_id)),
        "user": string(session.user),
        "endpoint": string(session.endpoint),
        "joined_at": number(joined_at),
        "guest": {"BOOL": session.guest},
        "pushed_until": number(session.pushed_until),
        "expires_at": number(session.expires_at),
        **_arrays(session),
    }


def session_of(item: Item) -> Session:
    """Read the item of a connection."""
    return Session(
        connection_id=ConnectionId(item["pk"]["S"].removeprefix("conn#")),
        user=UserName(item["user"]["S"]),
        endpoint=item["endpoint"]["S"],
        connected_at=float(item["connected_at"]["N"]),
        expires_at=int(item["expires_at"]["N"]),
        session_expires_at=int(item["session_expires_at"]["N"]),
        rooms=frozenset(RoomName(room) for room in item["rooms"]["SS"]),
        guest=item["guest"]["BOOL"],
        arrays="arrays" in item,
    )


def member_of(row: Item) -> Member:
    """Read the item of a subscription."""
    return Member(
        connection_id=ConnectionId(row["sk"]["S"]),
        user=UserName(row["user"]["S"]),
        endpoint=row["endpoint"]["S"],
        joined_at=float(row["joined_at"]["N"]),
        guest=row["guest"]["BOOL"],
        arrays="arrays" in row,
    )


def _arrays(session: Session) -> Item:
    # Nothing where it is not so: every byte of a subscription is read at every fan-out.
    return {"arrays": {"BOOL": True}} if session.arrays else {}
