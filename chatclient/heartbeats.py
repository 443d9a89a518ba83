"""Pings: they keep the connection, find out that it is dead, and tell where the rooms end."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice

from chatclient.catchup import Catchup
from chatclient.request import Failure, Request
from chatclient.requests import Requests
from chatclient.rooms import Room

_POSITIONS_IN_A_PING = 10


class Heartbeats:
    """Sends as many pings as the positions of all rooms need (clause C4)."""

    def __init__(self, requests: Requests, rooms: dict[str, Room], catchup: Catchup) -> None:
        self._requests = requests
        self._rooms = rooms
        self._catchup = catchup

    def beat(self, link: int, dead: Callable[[], None]) -> None:
        """Send them; dead() if one is not answered in time."""
        positions = iter([(name, r.timeline.last or 0) for name, r in self._rooms.items()])
        self._ping(link, dict(islice(positions, _POSITIONS_IN_A_PING)), dead)
        while some := dict(islice(positions, _POSITIONS_IN_A_PING)):
            self._ping(link, some, dead)

    def _ping(self, link: int, positions: Mapping[str, int], dead: Callable[[], None]) -> None:
        def failed(failure: Failure) -> None:
            if failure.code == "timeout":
                dead()
            elif failure.code == "forbidden":
                self._ask_each(link, positions)

        request = Request(
            action="ping",
            fields={"rooms": positions} if positions else {},
            link=link,
            attempts=1,
            answered=partial(self._catchup.positions, link, positions),
            failed=failed,
        )
        self._requests.ask(request)

    def _ask_each(self, link: int, positions: Mapping[str, int]) -> None:
        """Find out which of the rooms it is that the person may not be in any more."""
        for name in positions:
            room = self._rooms.get(name)
            if room is not None:
                self._catchup.subscribe(room, link, lambda: None)
