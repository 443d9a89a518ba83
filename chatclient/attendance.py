"""Who is in the rooms that the application shows."""

from collections.abc import Callable
from functools import partial

from chatclient.context import Context
from chatclient.frames import Frame, seq_of, text_of, texts_of
from chatclient.request import Failure, Request
from chatclient.requests import Requests
from chatclient.rooms import Room
from chatclient.updates import People


class Attendance:
    """Asks for presence and follows the pushes."""

    def __init__(self, context: Context, requests: Requests, rooms: dict[str, Room]) -> None:
        self._context = context
        self._requests = requests
        self._rooms = rooms

    def ask(
        self,
        name: str,
        answered: Callable[[People], None] = lambda _people: None,
        failed: Callable[[Failure], None] = lambda _failure: None,
        *,
        link: int | None = None,
    ) -> None:
        """Ask who is in a room, on one link only or on whichever is current."""
        room = self._rooms.get(name)
        if room is not None:
            room.people.asked()
        request = Request(
            action="presence",
            fields={"room": name},
            link=link,
            attempts=3,
            answered=partial(self._answered, name, answered),
            failed=failed,
        )
        self._requests.ask(request)

    def subscribed(self, room: Room, link: int) -> None:
        """Ask for a room that is on show, now that all who come and go are pushed."""
        if room.watched:
            self.ask(room.name, link=link)

    def ask_all(self, link: int) -> None:
        """Ask for all rooms on show: pushes may have been missed."""
        for room in list(self._rooms.values()):
            if room.watched:
                self.ask(room.name, link=link)

    def pushed(self, frame: Frame) -> None:
        """Take a presence push; the newest `at` of a person counts."""
        room, status = self._rooms.get(text_of(frame, "room")), text_of(frame, "status")
        user, at = text_of(frame, "user"), text_of(frame, "at")
        if room is None or not user or not at or status not in ("joined", "left"):
            return
        guest = frame.get("guest") is True
        if room.people.pushed(user, status, at, guest=guest):
            told = room.people.people(room.name, user=user, status=status, guest=guest)
            self._context.updates.append(told)

    def _answered(self, name: str, answered: Callable[[People], None], frame: Frame) -> None:
        users, count = texts_of(frame, "users"), seq_of(frame, "count") or 0
        guests = texts_of(frame, "guests")
        room = self._rooms.get(name)
        if room is None:
            told = People(name, tuple(sorted(users)), count, guests=tuple(sorted(guests)))
            answered(told)
            return
        room.people.answered(users, count, guests)
        people = room.people.people(name)
        self._context.updates.append(people)
        answered(people)
