"""What a connected person can do: one use case for each action of the protocol."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from chalicelib import commands, events
from chalicelib.access import Access
from chalicelib.broadcaster import Broadcaster
from chalicelib.commands import Command
from chalicelib.connections import ConnectionRepository
from chalicelib.directory import Directory
from chalicelib.doors import Doors
from chalicelib.drafts import Appended, Content, Deletion, Edit, Message, Reaction
from chalicelib.errors import BadRequest, Forbidden
from chalicelib.events import Event, given, marked
from chalicelib.gateway import Post
from chalicelib.identities import Claims
from chalicelib.messages import MessageLog
from chalicelib.models import RoomName, Session, UserName, direct_room, personal_room
from chalicelib.moderation import Moderation
from chalicelib.presence import Presence
from chalicelib.protocol import encode
from chalicelib.publisher import Publisher
from chalicelib.reader import CatchUp, Events, Reader
from chalicelib.settings import Settings
from chalicelib.slowmode import SlowMode
from chalicelib.telemetry import Metric, Telemetry
from chalicelib.times import iso

# What lets people into rooms, or rules them, asks by itself what they may do there.
_ASKING = (
    commands.SendMessage,
    commands.Subscribe,
    commands.CreateRoom,
    commands.Invite,
    commands.Kick,
    commands.Ban,
    commands.Unban,
    commands.SetRole,
    commands.Leave,
    commands.SlowMode,
)


class Actions:
    """Performs commands: the rules of docs/protocol.md, on top of the repositories."""

    def __init__(
        self,
        *,
        settings: Settings,
        connections: ConnectionRepository,
        log: MessageLog,
        publisher: Publisher,
        broadcaster: Broadcaster,
        presence: Presence,
        directory: Directory,
        authenticate: Callable[[str], Claims],
        access: Access,
        doors: Doors,
        moderation: Moderation,
        slow_mode: SlowMode,
        telemetry: Telemetry,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._log = log
        self._reader = Reader(log)
        self._publisher = publisher
        self._broadcaster = broadcaster
        self._presence = presence
        self._directory = directory
        self._authenticate = authenticate
        self._access = access
        self._doors = doors
        self._slow_mode = slow_mode
        self._telemetry = telemetry
        self._clock = clock
        self._use_cases: dict[type[Command], Callable[[Session, Any], Event | None]] = {
            commands.Hello: self._hello,
            commands.Ping: self._ping,
            commands.SendMessage: self._send,
            commands.EditMessage: self._edit,
            commands.DeleteMessage: self._delete,
            commands.React: self._react,
            commands.Subscribe: self._subscribe,
            commands.Unsubscribe: self._unsubscribe,
            commands.History: self._history,
            commands.Typing: self._typing,
            commands.Presence: self._who,
            commands.Read: self._read,
            commands.Rooms: self._rooms,
            commands.Refresh: self._refresh,
            commands.CreateRoom: _acknowledged(self._create),
            commands.Invite: _acknowledged(moderation.invite),
            commands.Kick: _acknowledged(moderation.kick),
            commands.Ban: _acknowledged(moderation.ban),
            commands.Unban: _acknowledged(moderation.unban),
            commands.SetRole: _acknowledged(moderation.set_role),
            commands.Leave: _acknowledged(moderation.leave),
            commands.SlowMode: _acknowledged(moderation.slow_mode),
        }

    def perform(self, session: Session, command: Command) -> Event | None:
        """Do what a command asks for; return the answer, if there is one left to give.

        Raises:
            Forbidden: the person may not be in a room that the command names, or not do so there.
            ChatError: as the use case says.
        """
        if not isinstance(command, _ASKING):
            self._access.check(session, _rooms_of(command))
        return self._use_cases[type(command)](session, command)

    def _hello(self, session: Session, command: commands.Hello) -> Event:
        if command.arrays:
            self._connections.take_arrays(session)
        now = self._clock()
        age_ms = round((now - session.connected_at) * 1000)
        return events.Welcome(
            id=given(command.id),
            connection_id=session.connection_id,
            user=session.user,
            guest=marked(session.guest),
            rooms=session.public_rooms,
            server_time=iso(now),
            expires_at=iso(session.session_expires_at),
            heartbeat_ms=self._settings.heartbeat_ms,
            reconnect_after_ms=max(0, self._settings.reconnect_after_ms - age_ms),
        )

    def _ping(self, session: Session, command: commands.Ping) -> Event:
        self._presence.sweep(sorted(command.rooms.keys() & session.rooms))
        rooms = {room: self._log.last(room).seq for room in command.rooms}
        return events.Pong(id=given(command.id), rooms=rooms)

    def _send(self, session: Session, command: commands.SendMessage) -> Event | None:
        room = command.room or RoomName(self._settings.lobby)
        if command.to is not None:
            room = direct_room(session.user, command.to)
        if not room:
            raise BadRequest(field="room", problem="is missing, and there is no lobby")
        self._doors.open(session, room)
        message = Message(
            room=room,
            user=session.user,
            guest=session.guest,
            text=command.message,
            cid=command.cid,
        )
        append = partial(self._publisher.append, message)
        return self._show(session, command, message, self._slow_mode.paced(session, room, append))

    def _edit(self, session: Session, command: commands.EditMessage) -> Event | None:
        edit = Edit(
            room=command.room,
            user=session.user,
            guest=session.guest,
            target=command.target,
            text=command.message,
            cid=command.cid,
        )
        return self._add(session, command, edit)

    def _delete(self, session: Session, command: commands.DeleteMessage) -> Event | None:
        deletion = Deletion(
            room=command.room,
            user=session.user,
            guest=session.guest,
            target=command.target,
            cid=command.cid,
        )
        return self._add(session, command, deletion)

    def _react(self, session: Session, command: commands.React) -> Event | None:
        reaction = Reaction(
            room=command.room,
            user=session.user,
            guest=session.guest,
            target=command.target,
            emoji=command.emoji,
            removed=command.remove,
            cid=command.cid,
        )
        return self._add(session, command, reaction)

    def _add(self, session: Session, command: Command, content: Content) -> Event | None:
        return self._show(session, command, content, self._publisher.append(content))

    def _show(
        self, session: Session, command: Command, content: Content, appended: Appended
    ) -> Event | None:
        if appended.room != content.room:
            # Said before, under this cid, in a room that the person may have been taken out of.
            self._access.check(session, [appended.room])
        ack = _appended(command, appended)
        # In one batch, so that the author does not wait for the room nor the room for the author.
        also = [] if ack is None else [Post(session.endpoint, session.connection_id, encode(ack))]
        self._publisher.push(content, appended, skip=session.connection_id, also=also)
        return None

    def _subscribe(self, session: Session, command: commands.Subscribe) -> Event | None:
        room = command.room
        # All devices get direct messages, and whoever asks for the next page is subscribed.
        if not self._access.is_known(session, room):
            self._doors.enter(session, room)
            self._presence.joined(session, [room])
        # Read after the subscription is written: what is appended later finds it and is pushed.
        return self._catch_up(command)

    def _catch_up(self, command: commands.Subscribe) -> Event | None:
        if command.after is not None:
            caught_up = self._reader.catch_up(command.room, command.after)
            metric = Metric.RECOVERED if caught_up.recovered else Metric.NOT_RECOVERED
            self._telemetry.record({metric: 1})
        elif command.id is None:
            return None
        else:
            last = self._log.last(command.room).seq
            caught_up = CatchUp(last, recovered=True, missed=Events([], more=False))
        return events.SubscribedAck(
            id=given(command.id),
            action=command.action,
            room=command.room,
            seq=caught_up.seq,
            recovered=caught_up.recovered,
            events=caught_up.missed.events,
            more=caught_up.missed.more,
        )

    def _unsubscribe(self, session: Session, command: commands.Unsubscribe) -> Event | None:
        if command.room in session.rooms:
            self._presence.left(self._connections.unsubscribe(session, command.room))
        return _ack(command, command.room)

    def _history(self, _: Session, command: commands.History) -> Event:
        page = self._reader.history(command.room, before=command.before, limit=command.limit)
        return events.HistoryAck(
            id=given(command.id),
            action=command.action,
            room=command.room,
            events=page.events,
            more=page.more,
        )

    def _typing(self, session: Session, command: commands.Typing) -> None:
        self._presence.typing(session, command.room)

    def _who(self, _: Session, command: commands.Presence) -> Event:
        roster = self._presence.roster(command.room)
        return events.PresenceAck(
            id=given(command.id),
            action=command.action,
            room=command.room,
            users=list(roster.users),
            guests=list(roster.guests),
            count=roster.count,
        )

    def _read(self, session: Session, command: commands.Read) -> Event | None:
        seq, moved = self._directory.read(session, command.room, command.seq)
        if moved:
            marker = events.ReadPush(
                room=command.room, user=session.user, guest=marked(session.guest), seq=seq
            )
            devices = personal_room(session.user)
            self._broadcaster.broadcast(devices, encode(marker), skip=session.connection_id)
        if command.id is None:
            return None
        return events.ReadAck(id=command.id, action=command.action, room=command.room, seq=seq)

    def _rooms(self, session: Session, command: commands.Rooms) -> Event:
        rooms, more = self._directory.rooms(session, command.after)
        return events.RoomsAck(id=given(command.id), action=command.action, rooms=rooms, more=more)

    def _refresh(self, session: Session, command: commands.Refresh) -> Event | None:
        claims = self._authenticate(command.token)
        identity = claims.identity
        if (identity.user, identity.guest) != (session.user, session.guest):
            raise Forbidden("the token is somebody else's")
        extended = self._connections.extend(session, claims.expires_at)
        if command.id is None:
            return None
        return events.RefreshAck(
            id=command.id, action=command.action, expires_at=iso(extended.session_expires_at)
        )

    def _create(self, session: Session, command: commands.CreateRoom) -> None:
        room, private, slow_mode = command.room, command.private, command.slow_mode
        self._doors.create(session, room, private=private, slow_mode=slow_mode)


def _rooms_of(command: Command) -> Iterable[RoomName]:
    if isinstance(command, commands.Ping):
        return command.rooms
    room = getattr(command, "room", None)
    return [] if room is None else [room]


def _acknowledged(
    change: Callable[[Session, Any], None],
) -> Callable[[Session, Any], Event | None]:
    """Return the use case that makes a change to a room, or to somebody in it, and says so."""

    def perform(session: Session, command: Any) -> Event | None:
        change(session, command)
        return _ack(command, command.room, getattr(command, "user", None))

    return perform


def _ack(command: Command, room: RoomName, user: UserName | None = None) -> Event | None:
    if command.id is None:
        return None
    if user is None:
        return events.RoomAck(id=command.id, action=command.action, room=room)
    return events.UserAck(id=command.id, action=command.action, room=room, user=user)


def _appended(command: Command, appended: Appended) -> Event | None:
    if command.id is None:
        return None
    return events.AppendedAck(
        id=command.id,
        action=command.action,
        room=appended.room,
        seq=appended.seq,
        at=appended.at,
        duplicate=appended.duplicate,
    )
