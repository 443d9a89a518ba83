"""How a person at a terminal comes in: as a guest, or with a password."""

import argparse
import getpass
import sys
from urllib.parse import urlsplit, urlunsplit

from chatclient.account import Account
from chatclient.administration import Mistake

URL = "ws://127.0.0.1:8000/api"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say who to be, and where."""
    who = parser.add_mutually_exclusive_group()
    parser.add_argument("url", nargs="?", default=URL, help=f"where (default: {URL})")
    who.add_argument("--name", help="what to be called as a guest (default: the server chooses)")
    who.add_argument(
        "--user",
        help="log in to an account; asks for the password, or reads it from the first line of "
        "standard input where that is no terminal",
    )
    parser.add_argument("--register", action="store_true", help="make the account of --user first")
    parser.add_argument(
        "--api",
        metavar="URL",
        help="where accounts are, which then tells where the chat is "
        "(default: / on the host of the chat, as on a laptop)",
    )


async def account_of(options: argparse.Namespace) -> Account | None:
    """Log in as the options say; None: as a guest.

    Raises:
        Mistake: They cannot be meant so.
        ChatError: The server does not let the person in.
        ValueError: The URL is none.
    """
    if not options.user:
        if options.register or options.api:
            raise Mistake("--register and --api go with --user")
        return None
    enter = Account.register if options.register else Account.login
    password = _password(again=options.register)
    return await enter(options.api or api_of(options.url), options.user, password)


def api_of(url: str) -> str:
    """Return where the HTTP routes are on a laptop: at the root of the host of the WebSocket."""
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, "/", "", ""))


def _password(*, again: bool) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    try:
        password = getpass.getpass("Password: ")
        repeated = getpass.getpass("Once more: ") if again else password
    except EOFError as error:
        raise Mistake("there is no password") from error
    if repeated != password:
        raise Mistake("these are two passwords")
    return password
