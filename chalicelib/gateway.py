"""The port to the connections: how frames reach clients, whatever carries them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from chalicelib.models import ConnectionId


class Outcome(Enum):
    """What became of one post."""

    DELIVERED = "delivered"  # accepted by API Gateway, which does not mean read by a person
    GONE = "gone"  # the connection is over for good, or its $connect has not finished yet
    RETRYABLE = "retryable"  # throttled, a fault of the service, or out of time
    REFUSED = "refused"  # this frame will never be accepted: too large, forbidden, malformed


@dataclass(frozen=True, slots=True)
class Post:
    """One frame for one connection; `endpoint` is the base URL of its API and stage."""

    endpoint: str
    connection_id: ConnectionId
    frame: bytes


class ConnectionsGateway(Protocol):
    """Posts frames to connections.

    See https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
    """

    def post(self, posts: Sequence[Post]) -> list[Outcome]:
        """Post every frame, many at the same time, and tell the outcome of each, in order.

        One recipient never delays or fails another. A recipient's fault is an outcome and never
        an exception. Returns within the gateway's deadline; what is not done by then is RETRYABLE.
        Frames in one call for the same connection may arrive in any order.
        """
        ...
