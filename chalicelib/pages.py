"""The web page: its files, and what it needs to know of the stage."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from chalicelib.models import LOOPBACK
from chalicelib.settings import Settings

INDEX = "index.html"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Browsers ignore it over http: https://www.rfc-editor.org/rfc/rfc6797#section-8.1
    "Strict-Transport-Security": "max-age=31536000",
    # The files refer to each other and are replaced together: none may be older than another.
    "Cache-Control": "no-cache",
}
_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Page:
    """A file to serve."""

    body: str
    headers: Mapping[str, str]


def read_pages(folder: Path, headers: Mapping[str, str]) -> dict[str, Page]:
    """Read the files of the page by name; only these can be asked for, whatever a URL says.

    Args:
        folder: Where they are.
        headers: What each is served with, beside its type.
    """
    return {
        path.name: Page(
            path.read_text(encoding="utf-8"),
            {**headers, "Content-Type": _CONTENT_TYPES[path.suffix]},
        )
        for path in sorted(folder.iterdir())
        if path.suffix in _CONTENT_TYPES
    }


def page_headers(settings: Settings) -> dict[str, str]:
    """Return what keeps the page safe, beside the type of each file.

    It runs only our scripts and styles, none of them inline, and talks to our server alone: to
    where it came from, with the WebSockets there (https://www.w3.org/TR/CSP3/#match-url-to-source-expression),
    and to where the WebSockets are, if that is elsewhere.
    """
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src {' '.join(_connectable(settings))}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {"Content-Security-Policy": policy, **_HEADERS}


def _connectable(settings: Settings) -> list[str]:
    url = urlsplit(websocket_url(settings, None) or "")
    # An emulator on this machine is where the page comes from, by whatever name.
    local = settings.websocket_url is None and url.hostname in LOOPBACK
    return ["'self'"] if local or not url.netloc else ["'self'", f"{url.scheme}://{url.netloc}"]


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
    local = url.hostname in LOOPBACK and host is not None and _HOST.fullmatch(host)
    scheme = "wss" if url.scheme == "https" else "ws"
    return urlunsplit((scheme, host if local else url.netloc, url.path, "", ""))
