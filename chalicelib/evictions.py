"""Ending every connection of a person, as logging out does."""

from chalicelib.claims import Claims
from chalicelib.connections import ConnectionRepository
from chalicelib.courier import Courier, Push
from chalicelib.events import ReconnectPush
from chalicelib.identities import Identity
from chalicelib.models import Departure, personal_room
from chalicelib.presence import Presence
from chalicelib.protocol import encode


class Evictions:
    """Takes the sessions away from connections, and leaves it to their clients to close them."""

    def __init__(
        self,
        connections: ConnectionRepository,
        claims: Claims,
        courier: Courier,
        presence: Presence,
    ) -> None:
        self._connections = connections
        self._claims = claims
        self._courier = courier
        self._presence = presence

    def evict(self, identity: Identity) -> None:
        """End all connections of a person; once more ends those that came meanwhile.

        Their clients are told to come again, for which they need a new ticket. Not a guest's whose
        name has passed to another: those are the other's.

        Raises:
            Unavailable: the database did not answer in time.
        """
        if identity.guest and not self._claims.holds(identity):
            return
        devices = self._connections.devices(identity.user)
        frame = encode(ReconnectPush(after_ms=0, reason="logged out"))
        room = personal_room(identity.user)
        self._courier.deliver([Push(room, device, frame) for device in devices])
        departures: list[Departure] = []
        for device in devices:
            departures += self._connections.remove(device.connection_id)
        self._presence.left(list(dict.fromkeys(departures)))
