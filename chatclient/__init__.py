"""A client for the chat: a core without I/O, an asyncio shell around it, and a terminal."""

from chatclient.client import Client
from chatclient.entries import Entry, Message
from chatclient.errors import ChatError, Refused, Unreachable
from chatclient.settings import Settings
from chatclient.timeline import Timeline
from chatclient.updates import (
    Changed,
    Connection,
    Done,
    Failed,
    Missed,
    People,
    Read,
    RoomInfo,
    RoomLost,
    State,
    Typing,
    Update,
)

__all__ = [
    "Changed",
    "ChatError",
    "Client",
    "Connection",
    "Done",
    "Entry",
    "Failed",
    "Message",
    "Missed",
    "People",
    "Read",
    "Refused",
    "RoomInfo",
    "RoomLost",
    "Settings",
    "State",
    "Timeline",
    "Typing",
    "Unreachable",
    "Update",
]
