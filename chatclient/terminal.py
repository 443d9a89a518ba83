"""The command: the chat in a terminal, or line by line where there is none."""

import argparse
import asyncio
import contextlib
import io
import os
import sys
import threading
from collections.abc import AsyncIterator, Sequence

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout

from chatclient.administration import Mistake
from chatclient.client import Client
from chatclient.conversation import HELP, Conversation
from chatclient.errors import ChatError
from chatclient.login import account_of, add_options
from chatclient.rendering import clean, room_label
from chatclient.screen import Screen

_HISTORY = 20
_REFRESH = 1.0  # seconds, of the status line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, 1 if something could not be done, 2 if there was no way in."""
    options = _parser().parse_args(arguments)
    plain = not (sys.stdin.isatty() and sys.stdout.isatty())
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        return asyncio.run(_chat(options, plain=plain))
    except (ChatError, Mistake, ValueError) as error:
        reason = error.message if isinstance(error, ChatError) else str(error)
        _complain(f"chatclient: cannot chat at {options.api or options.url}: {clean(reason)}")
        return 2
    except BrokenPipeError:
        # Nobody reads any more; what is left in the buffer must not be tried at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chatclient",
        description="Chat. Without a terminal each line of standard input is a message or a "
        "command, and each event a line of standard output.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.add_argument("--room", help="what to join (default: the server's lobby)")
    parser.add_argument(
        "--history",
        type=int,
        metavar="N",
        help=f"how many messages to show at first (default: {_HISTORY} in a terminal, else none)",
    )
    return parser


async def _chat(options: argparse.Namespace, *, plain: bool) -> int:
    account = await account_of(options)
    url = options.url if account is None or not options.api else None
    rooms = [options.room] if options.room else []
    client = Client(url, account=account, name=options.name, rooms=rooms)
    async with client:
        if not options.room and client.rooms:
            await client.join(client.rooms[0])
        room = options.room or next(iter(client.rooms), "")
        talk = Conversation(client, room, show=_show, complain=_complain)
        screen = Screen(client, talk, plain=plain, show=_show, complain=_complain)
        updates = client.updates()
        client.watch(room)
        default = 0 if plain else _HISTORY
        talk.show_messages(default if options.history is None else max(0, options.history))
        following = asyncio.create_task(screen.follow(updates))
        typing = asyncio.create_task(_pipe(talk) if plain else _prompt(client, talk, screen))
        await asyncio.wait({following, typing}, return_when=asyncio.FIRST_COMPLETED)
        typing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await typing
    await following
    return 2 if screen.was_refused else int(plain and talk.failed)


async def _pipe(talk: Conversation) -> None:
    async for line in _lines():
        if not await talk.take(line):
            break
    await talk.settled()


async def _prompt(client: Client, talk: Conversation, screen: Screen) -> None:
    session: PromptSession[str] = PromptSession(
        message=lambda: f"{room_label(talk.room, client.user)}> ",
        bottom_toolbar=screen.status,
        refresh_interval=_REFRESH,
        erase_when_done=True,
    )
    session.default_buffer.on_text_changed += lambda buffer: _type(client, talk, buffer.text)
    with patch_stdout(), contextlib.suppress(EOFError, KeyboardInterrupt):
        while await talk.take(await session.prompt_async()):
            pass


def _type(client: Client, talk: Conversation, text: str) -> None:
    if text and not text.startswith("/") and talk.room:
        client.typing(talk.room)


async def _lines() -> AsyncIterator[str]:
    """Yield the lines of standard input, which asyncio cannot wait for if it is a file."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def put(line: str | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(lines.put_nowait, line)

    def read() -> None:
        for line in sys.stdin:
            put(line)
        put(None)

    # A daemon: nothing else ends a thread that waits for input.
    threading.Thread(target=read, daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line


def _show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _complain(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
