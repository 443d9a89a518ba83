"""Where an event of API Gateway comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from chalicelib.models import ConnectionId
from chalicelib.settings import Settings


@dataclass(frozen=True, slots=True)
class Origin:
    """A connection, and the base URL at which frames for it are posted."""

    connection_id: ConnectionId
    endpoint: str

    @classmethod
    def of(cls, event: Mapping[str, Any], settings: Settings) -> Self:
        """Read the origin of a WebSocket event.

        Built from apiId and never from domainName: behind a custom domain that is the custom host,
        which does not serve @connections under the real stage.
        https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
        """
        context = event["requestContext"]
        endpoint = settings.management_endpoint or _execute_api(context, settings.region)
        return cls(ConnectionId(context["connectionId"]), endpoint)


def _execute_api(context: Mapping[str, Any], region: str) -> str:
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://{context['apiId']}.execute-api.{region}.{suffix}/{context['stage']}"
