"""Quotas of API Gateway WebSocket APIs, and the few behaviours AWS does not document.

Sources: "Quotas for configuring and running a WebSocket API"
(https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html)
and "Protect your WebSocket APIs"
(https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-protect.html).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What API Gateway allows; the defaults are AWS's.

    Attributes:
        frame_bytes: Largest single WebSocket frame from a client; above it, close 1009.
        message_bytes: Largest message (frames reassembled) either way; close 1009, or 413.
        idle_seconds: Without a frame either way for so long, a connection is closed with 1001.
        duration_seconds: No connection lives longer.
        integration_seconds: Longest wait for a handler.
        connects_per_second: New connections a second, account-wide; 0 switches it off.
        requests_per_second: Frames and @connections calls a second, account-wide; 0: off.
        requests_burst: Size of the token bucket behind requests_per_second.
        buffer_bytes: Bytes waiting for one client above which posts answer 429.
    """

    frame_bytes: int = 32 * 1024
    message_bytes: int = 128 * 1024
    idle_seconds: float = 600.0
    duration_seconds: float = 7200.0
    integration_seconds: float = 29.0
    connects_per_second: float = 500.0
    requests_per_second: float = 10_000.0
    requests_burst: float = 5_000.0
    buffer_bytes: int = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Beliefs:
    """Behaviour for which there is no source; the defaults are what is believed.

    Attributes:
        expired_code: Close code at the end of duration_seconds.
        lost_code: disconnectStatusCode when the network went away without a close frame.
        connect_error_status: Handshake status when the $connect handler raises.
        connect_timeout_status: Handshake status when it takes longer than the integration may.
        connect_throttled_status: Handshake status when connects or the function are throttled.
        authorizer_error_status: Handshake status when the authorizer raises anything but
            `Unauthorized`, or answers what cannot be used. REST APIs are documented to say 500:
            https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html.
        authorizer_timeout_status: Handshake status when the authorizer takes too long.
        authorizer_throttled_status: Handshake status when its function is throttled.
        principal_optional: Whether an authorizer may leave out principalId, which AWS documents as
            required.
        ping_resets_idle: Whether a WebSocket ping counts as activity.
        unsigned_callbacks: Whether @connections answers requests without an AWS signature.
    """

    expired_code: int = 1001
    lost_code: int = 1006
    connect_error_status: int = 502
    connect_timeout_status: int = 504
    connect_throttled_status: int = 429
    authorizer_error_status: int = 500
    authorizer_timeout_status: int = 500
    authorizer_throttled_status: int = 500
    principal_optional: bool = False
    ping_resets_idle: bool = False
    unsigned_callbacks: bool = False
