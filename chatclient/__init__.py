"""A client for the chat: a core without I/O, an asyncio shell around it, and a terminal."""

from chatclient.account import Account
from chatclient.client import Client
from chatclient.entries import Entry, Message
from chatclient.errors import ChatError, LoggedOut, Refused, Rejected, Unreachable
from chatclient.settings import Settings
from chatclient.timeline import Timeline
from chatclient.updates import (
    Changed,
    Connection,
    Done,
    Failed,
    Invited,
    Kicked,
    Left,
    Limited,
    Missed,
    Moving,
    People,
    Read,
    RoomInfo,
    RoomLost,
    State,
    Typing,
    Update,
)

__all__ = [
    "Account",
    "Changed",
    "ChatError",
    "Client",
    "Connection",
    "Done",
    "Entry",
    "Failed",
    "Invited",
    "Kicked",
    "Left",
    "Limited",
    "LoggedOut",
    "Message",
    "Missed",
    "Moving",
    "People",
    "Read",
    "Refused",
    "Rejected",
    "RoomInfo",
    "RoomLost",
    "Settings",
    "State",
    "Timeline",
    "Typing",
    "Unreachable",
    "Update",
]
