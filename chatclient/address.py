"""Where to connect to, with what lets one in."""

from urllib.parse import urlencode

from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from chatclient.context import Open


class Address:
    """The address of each connection: with its ticket, or with the name and key of a guest.

    Raises:
        ValueError: The URL is none, or missing, or there are a name or key beside an account.
    """

    def __init__(
        self, url: str | None, *, name: str | None, key: str | None, by_ticket: bool
    ) -> None:
        if by_ticket and (name or key):
            raise ValueError("an account has its own name, and no key")
        if url is None and not by_ticket:
            raise ValueError("a URL or an account")
        if url is not None:
            _check(url)
        self._url = url
        self._name = name
        self._key = key or ""

    def of(self, opening: Open, user: str) -> str:
        """Return the address of a connection; a guest's is under the name that was given first."""
        if opening.ticket and self._url is None:
            return opening.url
        return self._with(ticket=opening.ticket) if opening.ticket else self._guest(user)

    def _guest(self, user: str) -> str:
        name = user or self._name
        return self._with(**({"name": name} if name else {}), key=self._key)

    def _with(self, **query: str) -> str:
        url = self._url or ""
        return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def _check(url: str) -> None:
    try:
        parse_uri(url)
    except InvalidURI as error:
        raise ValueError(str(error)) from error
