"""The web page: its files, and what it needs to know of the stage."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from chalicelib.settings import Settings

INDEX = "index.html"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self' ws: wss:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # The files refer to each other and are replaced together: none may be older than another.
    "Cache-Control": "no-cache",
}
_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Page:
    """A file to serve."""

    body: str
    headers: Mapping[str, str]


def read_pages(folder: Path) -> dict[str, Page]:
    """Read the files of the page by name; only these can be asked for, whatever a URL says."""
    return {
        path.name: Page(
            path.read_text(encoding="utf-8"),
            {**HEADERS, "Content-Type": _CONTENT_TYPES[path.suffix]},
        )
        for path in sorted(folder.iterdir())
        if path.suffix in _CONTENT_TYPES
    }


def configuration(settings: Settings, host: str | None) -> dict[str, Any]:
    """Return what the page needs to know; `host` is the Host header of its request."""
    return {
        "websocket_url": websocket_url(settings, host),
        "guests": settings.identity.guests,
        "registration": settings.identity.registration,
        "external": settings.identity.oidc_issuer is not None,
        "lobby": settings.lobby,
        "limits": {
            "message": settings.max_message_length,
            "subscriptions": settings.max_subscriptions,
            "presence": settings.presence_list_limit,
        },
    }


def websocket_url(settings: Settings, host: str | None) -> str | None:
    """Return where to connect to, None if that is not known.

    Args:
        settings: WEBSOCKET_URL is the answer; without it, an emulator is where it is posted to.
        host: The Host header of the request.
    """
    return settings.websocket_url or _local_url(settings.management_endpoint, host)


def _local_url(endpoint: str | None, host: str | None) -> str | None:
    """Where an emulator is posted to is where its WebSockets are."""
    if endpoint is None:
        return None
    url = urlsplit(endpoint)
    # From a phone on the same network, the laptop is what the page came from, and not itself.
    local = url.hostname in _LOOPBACK and host is not None and _HOST.fullmatch(host)
    scheme = "wss" if url.scheme == "https" else "ws"
    return urlunsplit((scheme, host if local else url.netloc, url.path, "", ""))
