"""Ending every connection of a person, as logging out does."""

from collections.abc import Sequence

from chalicelib.claims import Claims
from chalicelib.connections import ConnectionRepository
from chalicelib.courier import Courier, Push
from chalicelib.events import ReconnectPush
from chalicelib.gateway import Recipient
from chalicelib.identities import Identity
from chalicelib.models import Departure, Member, UserName, personal_room
from chalicelib.presence import Presence
from chalicelib.protocol import encode


class Evictions:
    """Tells connections to come again, takes their sessions away, and closes them."""

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

        Their clients are told to come again, for which they need a new ticket, before the sessions
        go; the sockets are closed last, and a $disconnect that comes then finds nothing to do.
        Closing them never fails: see Courier.close. Not a guest's whose name has passed to another:
        those are the other's.

        Raises:
            Unavailable: the database did not answer in time.
        """
        if identity.guest and not self._claims.holds(identity):
            return
        devices = self._connections.devices(identity.user)
        # Those who turn out to be gone have been removed by it: nothing else would tell they left.
        departures = self._tell(identity.user, devices)
        try:
            for device in devices:
                departures += self._connections.remove(device.connection_id)
        finally:
            # Also those that could not be removed: their $disconnect does it.
            self._courier.close([Recipient(it.endpoint, it.connection_id) for it in devices])
            self._presence.left(list(dict.fromkeys(departures)))

    def _tell(self, user: UserName, devices: Sequence[Member]) -> list[Departure]:
        frame = encode(ReconnectPush(after_ms=0, reason="logged out"))
        room = personal_room(user)
        receipt = self._courier.deliver([Push(room, device, frame) for device in devices])
        return list(receipt.departures)
