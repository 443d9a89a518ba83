"""The port to the connections: how frames reach clients, who is still there, and who must go."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from chalicelib.models import ConnectionId


class Outcome(Enum):
    """What became of one post, or what one probe found; the last two tell a probe nothing."""

    DELIVERED = "delivered"  # accepted by API Gateway, not read by a person; to a probe: open
    GONE = "gone"  # the connection is over for good, or its $connect has not finished yet
    RETRYABLE = "retryable"  # throttled, a fault of the service, or out of time
    REFUSED = "refused"  # will never be accepted: too large, forbidden, malformed


@dataclass(frozen=True, slots=True)
class Post:
    """One frame for one connection; `endpoint` is the base URL of its API and stage."""

    endpoint: str
    connection_id: ConnectionId
    frame: bytes


@dataclass(frozen=True, slots=True)
class Recipient:
    """One connection; `endpoint` is as in Post."""

    endpoint: str
    connection_id: ConnectionId


class ConnectionsGateway(Protocol):
    """Posts frames to connections, asks for them, and ends them.

    See https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
    """

    def post(self, posts: Sequence[Post], *, within: float | None = None) -> list[Outcome]:
        """Post every frame, many at the same time, and tell the outcome of each, in order.

        One recipient never delays or fails another. A recipient's fault is an outcome and never
        an exception. What may succeed later is tried again, with pauses, as long as there is time:
        `within` seconds, or the gateway's own limit if that is None. What is not done by then is
        RETRYABLE, and may have arrived all the same; what is tried again may arrive twice. Frames
        in one call for the same connection may arrive in any order.
        """
        ...

    def check(self, probes: Sequence[Recipient]) -> list[Outcome]:
        """Ask for each connection whether it is open, many at the same time; answer in order.

        DELIVERED: open. GONE: over for good, or its $connect has not finished yet. RETRYABLE and
        REFUSED: not known. The guarantees are those of `post`. No frame is sent: the
        client sees nothing of it, and API Gateway's idle timeout is not put off.
        """
        ...

    def disconnect(self, recipients: Sequence[Recipient]) -> list[Outcome]:
        """End each connection, many at the same time; answer in order.

        DELIVERED: it ends, and its $disconnect is on the way. GONE: it had ended before. The
        guarantees are those of `post`.
        """
        ...
