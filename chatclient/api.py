"""The chat's HTTP routes for accounts, asked one at a time."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar

from chatclient.errors import ChatError, Rejected, Unreachable
from chatclient.frames import Frame, decode, seconds_of, text_of

_TIMEOUT = 10.0  # seconds, for all of one exchange
_MAX_ANSWER_BYTES = 64 * 1024
_LONGEST_WAIT = 3600.0


class Api:
    """Posts JSON to the routes of docs/protocol.md; keeps no connections, cookies or secrets.

    aiohttp, because it can be cancelled, has one timeout for everything, and is what a laptop's
    gateway runs on already; http.client in a thread could not be stopped, and urllib follows
    redirects with the token in its hands. A redirect is an answer like any other here. Proxies are
    those of the environment, as for WebSockets, and never ~/.netrc (which trust_env would bring).

    Args:
        base: http:// or https://, with the stage where there is one.

    Raises:
        ValueError: The base is none.
    """

    def __init__(self, base: str) -> None:
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{base!r} is no http:// or https:// URL")
        self.is_encrypted = parts.scheme == "https"
        self._base = base.rstrip("/")
        self._proxy = None if proxy_bypass(parts.hostname) else getproxies().get(parts.scheme)

    async def post(self, route: str, fields: Mapping[str, Any], token: str = "") -> Frame:
        """Return the answer to a POST.

        Raises:
            Rejected: It has another status than 200.
            Unreachable: There was no answer within ten seconds.
            ChatError: It makes no sense (`bad_answer`).
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            status, told, text = await self._exchange(route, fields, headers)
        except (ClientError, OSError, TimeoutError, ValueError) as error:
            # Of a timeout or a closed connection there is nothing to read but its class.
            reason = str(error) or f"no answer to POST {route}: {type(error).__name__}"
            raise Unreachable(reason) from error
        answer = decode(text)
        if status != 200:  # noqa: PLR2004 - what these routes answer
            raise _rejected(status, told, answer or {})
        if answer is None:
            problem = f"the answer to POST {route} makes no sense"
            raise ChatError("bad_answer", problem, retryable=True)
        return answer

    async def _exchange(
        self, route: str, fields: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[int, str, str]:
        timeout = ClientTimeout(total=_TIMEOUT)
        async with (
            ClientSession(timeout=timeout, cookie_jar=DummyCookieJar()) as session,
            session.post(
                self._base + route,
                json=fields,
                headers=headers,
                proxy=self._proxy,
                allow_redirects=False,
            ) as response,
        ):
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > _MAX_ANSWER_BYTES:
                    raise ValueError(f"the answer to POST {route} is too long")
            told = response.headers.get("Retry-After", "")
            return response.status, told, body.decode(errors="replace")


def _rejected(status: int, told: str, answer: Frame) -> Rejected:
    wait = seconds_of(answer, "retry_after_ms", least=0.0, most=_LONGEST_WAIT)
    # The header may be a date as well, which nobody here sends.
    if wait is None and told.isascii() and told.isdecimal():
        wait = min(float(told), _LONGEST_WAIT)
    message = text_of(answer, "Message", f"HTTP status {status}")
    return Rejected(status, text_of(answer, "Code", "error"), message, retry_after=wait)
