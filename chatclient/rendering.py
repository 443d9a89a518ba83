"""What others wrote, as lines that are safe to print."""

import unicodedata
from datetime import datetime

from chatclient.entries import Entry, Message
from chatclient.rooms import other_of

_NEWLINE = "\N{RETURN SYMBOL}"
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
# What emoji and the scripts of India and Persia are joined with; it moves nothing on the screen.
_JOINERS = "\u200c\u200d"


def clean(text: str) -> str:
    """Return a text on one line, without anything that a terminal would obey.

    Escape sequences could clear the screen, change the title or type for the user; directional
    overrides could make a text read as another.
    """
    return "".join(map(_shown, text.replace("\r\n", "\n")))


def person(user: str, *, guest: bool) -> str:
    """Return what to call somebody; names of guests are not theirs for ever, which shows."""
    return f"{clean(user)} (guest)" if guest else clean(user)


def line_of(entry: Entry) -> str:
    """Return an entry as a line: what happened, as it was when it was read."""
    user = person(entry.user, guest=entry.guest)
    match entry.kind:
        case "message":
            return f"#{entry.seq} {message_line(entry.state)}"
        case "edit":
            return f"#{entry.seq} {user} edited #{entry.target}: {clean(entry.text)}"
        case "delete":
            return f"#{entry.seq} {user} deleted #{entry.target}"
        case "reaction":
            sign = "-" if entry.removed else "+"
            return f"#{entry.seq} {user} reacted to #{entry.target}: {sign}{clean(entry.emoji)}"
    return f"#{entry.seq} (something that this version does not know)"


def message_line(message: Message | None) -> str:
    """Return who said what, and what became of it."""
    if message is None:
        return ""
    if message.deleted:
        return f"{person(message.user, guest=message.guest)} deleted this message"
    mark = " (edited)" if message.edited else ""
    reactions = (f"{clean(emoji)} {len(users)}" for emoji, users in message.reactions.items())
    counts = " ".join(reactions)
    author = person(message.user, guest=message.guest)
    return f"{author}: {clean(message.text)}{mark}{f' [{counts}]' if counts else ''}"


def room_label(room: str, user: str) -> str:
    """Return what to call a room: direct messages by the other person."""
    other = other_of(room, user)
    return clean(room if other is None else f"@{other}")


def clock_of(at: str) -> str:
    """Return the local time of day of an ISO time."""
    try:
        return datetime.fromisoformat(at).astimezone().strftime("%H:%M")
    except (ValueError, OverflowError, OSError):
        return "--:--"


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if character == "\n" or category in ("Zl", "Zp"):
        return _NEWLINE
    if character == "\t":
        return " "
    if category == "Cf":
        return character if character in _JOINERS else ""
    # Unassigned characters (Cn) may be emoji that are newer than this Python.
    return _UNKNOWN if category in ("Cc", "Cs") else character
