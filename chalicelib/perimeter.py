"""Where requests come from: through our own CloudFront or past it, from which address and page."""

import hmac
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network

from chalicelib.errors import Forbidden
from chalicelib.settings import IdentitySettings

_VERIFIED = "x-origin-verify"
_FORWARDED = "x-forwarded-for"
_SITE = 64  # bits
_LONGEST = 64


class Perimeter:
    """What may come in, by the settings ORIGIN_SECRET and ALLOWED_ORIGINS.

    Headers are a mapping of names, in any case, to values.
    """

    def __init__(self, settings: IdentitySettings) -> None:
        self._secrets = tuple(secret.encode() for secret in settings.origin_secrets)
        self._origins = settings.allowed_origins

    def admit(self, headers: Mapping[str, str]) -> None:
        """Let requests pass that came through CloudFront, which adds a secret to them.

        A header of that name that a viewer sends is replaced by CloudFront's.
        https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/add-origin-custom-headers.html

        Raises:
            Forbidden: there are secrets, and the request has none of them.
        """
        shown = _header(headers, _VERIFIED).encode(errors="surrogatepass")
        # All are compared, for the same time whichever it is.
        matches = [hmac.compare_digest(shown, secret) for secret in self._secrets]
        if matches and not any(matches):
            raise Forbidden("this address is not for direct requests")

    def check_origin(self, origin: str | None) -> None:
        """Let pages of the allowed origins pass, and what is no browser and so sends no origin.

        https://owasp.org/www-community/attacks/Cross-Site_WebSocket_Hijacking

        Raises:
            Forbidden: the page is of another origin.
        """
        if origin is not None and self._origins and origin not in self._origins:
            raise Forbidden("pages of this origin may not connect")

    def address(self, headers: Mapping[str, str], source_ip: str) -> str:
        """Return under which name the requests of one caller are counted.

        Args:
            headers: Of a request that has been admitted.
            source_ip: Who has connected to API Gateway.

        An IPv4 address; of an IPv6 address the first 64 bits, as one household has all the others
        (https://www.rfc-editor.org/rfc/rfc6177). Behind CloudFront it is the viewer's: each hop
        adds whom it was called by at the right end of X-Forwarded-For. A regional API adds
        CloudFront, which is `source_ip`, and CloudFront before it the viewer. What is further left,
        anyone could have sent.
        """
        viewer = _viewer(_header(headers, _FORWARDED), source_ip) if self._secrets else source_ip
        return _site(viewer)


def _header(headers: Mapping[str, str], wanted: str) -> str:
    return next((value for name, value in headers.items() if name.lower() == wanted), "")


def _viewer(forwarded: str, source_ip: str) -> str:
    hops = [hop.strip() for hop in forwarded.split(",")]
    if hops[-1] == source_ip:
        hops.pop()
    # Of an edge-optimized API this is a hop that many share: counted too strictly, but not forged.
    return hops[-1] if hops and hops[-1] else source_ip


def _site(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address[:_LONGEST]
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, _SITE), strict=False))
