"""Who is in a room, from answers that tell all and pushes that tell one and may be late; pure."""

from collections.abc import Sequence

from chatclient.updates import People

# How many of those who left are remembered, for pushes that overtook each other.
_REMEMBERED = 500


class Presence:
    """The people of a room (clauses P1 and P2)."""

    def __init__(self) -> None:
        self._there: set[str] = set()
        self._guests: set[str] = set()
        self._newest: dict[str, str] = {}  # the `at` of the last push that counted, by person
        self._count = 0
        self._large = False
        self._asked = False
        self._meanwhile: list[tuple[str, str, str, bool]] = []

    def asked(self) -> None:
        """Learn that the room's list was asked for: it may not show the pushes until it comes."""
        self._asked = True
        self._meanwhile.clear()

    def answered(self, users: Sequence[str], count: int, guests: Sequence[str] = ()) -> None:
        """Take the list of all people; it is empty where there are too many to list."""
        self._large = not users and count > 0
        self._there = set(users)
        self._guests = self._there & set(guests)
        self._count = count
        meanwhile, self._meanwhile = self._meanwhile, []
        self._asked = False
        for user, status, at, guest in meanwhile:
            if self._newest.get(user) == at:
                self._apply(user, status, guest=guest)

    def pushed(self, user: str, status: str, at: str, *, guest: bool = False) -> bool:
        """Take a push; False for one that is older than what is known of the person."""
        if at < self._newest.get(user, ""):
            return False
        self._newest.pop(user, None)
        self._newest[user] = at
        if len(self._newest) > _REMEMBERED + len(self._there):
            del self._newest[next(iter(self._newest))]
        if self._asked and len(self._meanwhile) < _REMEMBERED:
            self._meanwhile.append((user, status, at, guest))
        self._apply(user, status, guest=guest)
        return True

    def people(self, room: str, *, user: str = "", status: str = "", guest: bool = False) -> People:
        """Return who is there now, and who has just come or gone."""
        guests = self._guests | ({user} if guest else set())
        there = tuple(sorted(self._there))
        return People(room, there, self._size, user, status, tuple(sorted(guests)))

    @property
    def _size(self) -> int:
        return self._count if self._large else len(self._there)

    def _apply(self, user: str, status: str, *, guest: bool) -> None:
        self._guests.discard(user)
        if self._large:
            self._count = max(0, self._count + (1 if status == "joined" else -1))
        elif status == "joined":
            self._there.add(user)
            self._guests |= {user} if guest else set()
        else:
            self._there.discard(user)
