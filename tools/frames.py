"""One frame or more of every kind, for the documentation of the protocol."""

from chalicelib import commands as c
from chalicelib import events as e
from chalicelib.errors import BadRequest, Unavailable
from chalicelib.models import ConnectionId, RoomName, UserName

_LOBBY, _TEA, _DIRECT = RoomName("lobby"), RoomName("tea"), RoomName("dm:ada:grace")
_ADA, _GRACE = UserName("ada"), UserName("grace")
_AT, _LATER = "2026-01-02T03:04:05.678Z", "2026-01-02T03:05:00.120Z"
_HELLO = e.MessagePush(room=_LOBBY, seq=41, user=_ADA, at=_AT, cid="a1", message="hello, everyone!")
_EDIT = e.EditPush(room=_LOBBY, seq=42, user=_ADA, at=_LATER, target=41, message="hello, all!")
_EDITED = e.MessagePush(
    room=_LOBBY,
    seq=41,
    user=_ADA,
    at=_AT,
    cid="a1",
    message="hello, all!",
    edited=_LATER,
    reactions={"👋": [_GRACE]},
    changed=43,
)
_DELETED = e.MessagePush(
    room=_LOBBY, seq=40, user=_GRACE, at=_AT, message="", deleted=True, changed=44
)
_WAVE = e.ReactionPush(
    room=_LOBBY, seq=43, user=_GRACE, at=_LATER, target=41, emoji="👋", removed=False
)
EXAMPLES: tuple[c.Command | e.Event, ...] = (
    c.Hello(id=1),
    c.Hello(id=1, arrays=True),
    c.Ping(id=2, rooms={_LOBBY: 41, _DIRECT: 0}),
    c.SendMessage(message="hello, everyone!"),
    c.SendMessage(id="m-1", room=_LOBBY, message="hello, everyone!", cid="a1"),
    c.SendMessage(id="m-2", to=_GRACE, message="hello, Grace!", cid="a2"),
    c.EditMessage(id=3, room=_LOBBY, target=41, message="hello, all!", cid="a3"),
    c.DeleteMessage(id=4, room=_LOBBY, target=40, cid="g4"),
    c.React(id=5, room=_LOBBY, target=41, emoji="👋", cid="g5"),
    c.React(id=6, room=_LOBBY, target=41, emoji="👋", remove=True),
    c.Subscribe(id=7, room=_TEA),
    c.Subscribe(id=8, room=_LOBBY, after=40),
    c.Unsubscribe(id=9, room=_TEA),
    c.History(id=10, room=_LOBBY, before=42, limit=2),
    c.Typing(room=_LOBBY),
    c.Presence(id=11, room=_LOBBY),
    c.Read(id=12, room=_LOBBY, seq=41),
    c.Rooms(id=13),
    c.Rooms(id=14, after=_LOBBY),
    c.CreateRoom(id=15, room=_TEA, private=True, slow_mode=10),
    c.Invite(id=16, room=_TEA, user=_GRACE),
    c.Kick(id=17, room=_TEA, user=_GRACE),
    c.Ban(id=18, room=_TEA, user=_GRACE),
    c.Unban(id=19, room=_TEA, user=_GRACE),
    c.SetRole(id=20, room=_TEA, user=_GRACE, role="moderator"),
    c.SlowMode(id=21, room=_TEA, seconds=30),
    c.Leave(id=22, room=_TEA),
    c.Refresh(id=23, token="eyJhbGciOi..."),  # noqa: S106 - an example
    e.Welcome(
        id=1,
        connection_id=ConnectionId("Kq2vN0wXoAMCJ5g="),
        user=_ADA,
        rooms=[_LOBBY],
        server_time=_AT,
        expires_at="2026-01-02T15:04:05.000Z",
        heartbeat_ms=240_000,
        reconnect_after_ms=6_599_000,
    ),
    e.Pong(id=2, rooms={_LOBBY: 41, _DIRECT: 0}),
    e.AppendedAck(id="m-1", action="sendmessage", room=_LOBBY, seq=41, at=_AT, duplicate=False),
    e.AppendedAck(id=6, action="react", room=_LOBBY, seq=43, at=_LATER, duplicate=True),
    e.SubscribedAck(
        id=8,
        action="subscribe",
        room=_LOBBY,
        seq=43,
        recovered=True,
        events=[_EDITED, _EDIT, _WAVE],
        more=False,
    ),
    e.RoomAck(id=9, action="unsubscribe", room=_TEA),
    e.RoomAck(id=15, action="createroom", room=_TEA),
    e.UserAck(id=16, action="invite", room=_TEA, user=_GRACE),
    e.HistoryAck(id=10, action="history", room=_LOBBY, events=[_DELETED, _EDITED], more=True),
    e.PresenceAck(id=11, action="presence", room=_LOBBY, users=[_ADA, _GRACE], guests=[], count=2),
    e.PresenceAck(id=11, action="presence", room=_LOBBY, users=[], guests=[], count=250),
    e.RefreshAck(id=23, action="refresh", expires_at="2026-01-03T03:04:05.000Z"),
    e.ReadAck(id=12, action="read", room=_LOBBY, seq=41),
    e.RoomsAck(
        id=13,
        action="rooms",
        rooms=[
            e.RoomInfo(name=_DIRECT, visibility="direct", role="member", seq=2, unread=1),
            e.RoomInfo(name=_LOBBY, visibility="public", role="member", seq=43, unread=0),
            e.RoomInfo(name=_TEA, visibility="private", role="owner", seq=0, unread=0),
        ],
        more=False,
    ),
    e.Failure.of(BadRequest(field="room", problem=c.RULES["room"])),
    e.Failure.of(Unavailable()),
    _HELLO,
    _EDIT,
    e.DeletePush(room=_LOBBY, seq=44, user=_GRACE, at=_LATER, target=40),
    _WAVE,
    e.TypingPush(room=_LOBBY, user=_GRACE),
    e.TypingPush(room=_LOBBY, user=_ADA, guest=True),
    e.ReconnectPush(after_ms=0, reason="logged out"),
    e.PresencePush(room=_LOBBY, user=_GRACE, status="joined", at=_AT),
    e.ReadPush(room=_LOBBY, user=_ADA, seq=41),
    e.InvitedPush(room=_TEA, user=_ADA),
    e.KickedPush(room=_TEA, by=_ADA, banned=True),
    e.LeftPush(room=_TEA),
)
