"""What the client knows of one room."""

from dataclasses import dataclass, field

from chatclient.frames import Frame
from chatclient.presence import Presence
from chatclient.timeline import Timeline

DIRECT_PREFIX = "dm:"


@dataclass(slots=True, eq=False, kw_only=True)
class Room:
    """One room that was joined, or one person's direct messages.

    Attributes:
        subscribed: Whether a subscription was ever answered.
        joining: The tokens of join() that wait for that.
        catching: The links on which an answer to `subscribe` is awaited.
        during: What was pushed meanwhile: if the log began anew, only this is of the new one.
        hole_at: When a hole is asked for.
        repairs: How often that was in vain.
        repairing: The link on which a hole is being read.
        loading: Whether older history is being read.
        history: The tokens of load_history() that wait for that.
        read, marking: The read marker, and where it is being moved to.
        marked: Where the server has confirmed the marker; `read` may be only assumed.
        listed: How many messages the server counts as unread, until the marker's place is known.
        watched: Whether the application shows who is there.
    """

    timeline: Timeline
    direct: bool
    subscribed: bool = False
    joining: list[str] = field(default_factory=list)
    catching: set[int] = field(default_factory=set)
    during: list[Frame] = field(default_factory=list)
    hole_at: float | None = None
    repairs: int = 0
    repairing: int | None = None
    loading: bool = False
    history: list[str] = field(default_factory=list)
    read: int = 0
    marking: int = 0
    marked: int = 0
    listed: int = 0
    watched: bool = False
    people: Presence = field(default_factory=Presence)

    @property
    def name(self) -> str:
        """What the server calls the room."""
        return self.timeline.room

    def place_marker(self) -> None:
        """Find the read marker from the count that the server has told, once there is history."""
        if self.listed:
            seqs = [message.seq for message in self.timeline.snapshot()]
            known = len(seqs) > self.listed
            self.read = seqs[-self.listed - 1] if known else self.timeline.base or 0
            self.listed = 0

    def unread(self, user: str) -> int:
        """Count the messages of others after the read marker, as far as the timeline goes back."""
        return sum(
            message.seq > self.read and message.user != user and not message.deleted
            for message in self.timeline.snapshot()
        )


def other_of(room: str, user: str) -> str | None:
    """Return with whom `user` talks in a direct room, None for any other room."""
    if not room.startswith(DIRECT_PREFIX):
        return None
    one, _, other = room.removeprefix(DIRECT_PREFIX).partition(":")
    if user not in (one, other):
        return None
    return other if user == one else one
