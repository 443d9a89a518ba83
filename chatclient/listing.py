"""The rooms that the server knows the person to be in, read page by page."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from chatclient.frames import Frame, objects_of, seq_of, text_of
from chatclient.request import Failure, Request
from chatclient.requests import Requests
from chatclient.updates import RoomInfo

Listed: TypeAlias = Callable[[tuple[RoomInfo, ...]], None]


class Listing:
    """Asks for `rooms` until there are no more."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def ask(
        self,
        listed: Listed,
        failed: Callable[[Failure], None] = lambda _failure: None,
        *,
        link: int | None = None,
    ) -> None:
        """Read all pages, on one link only or on whichever is current."""
        self._ask((), listed, failed, link)

    def _ask(
        self,
        found: Sequence[RoomInfo],
        listed: Listed,
        failed: Callable[[Failure], None],
        link: int | None,
    ) -> None:
        request = Request(
            action="rooms",
            fields={"after": found[-1].name} if found else {},
            link=link,
            answered=partial(self._answered, found, listed, failed, link),
            failed=failed,
        )
        self._requests.ask(request)

    def _answered(
        self,
        found: Sequence[RoomInfo],
        listed: Listed,
        failed: Callable[[Failure], None],
        link: int | None,
        frame: Frame,
    ) -> None:
        last = found[-1].name if found else ""
        page = [_info(room) for room in objects_of(frame, "rooms")]
        # By name: whatever the server says, this ends.
        new = sorted((info for info in page if info.name > last), key=lambda info: info.name)
        found = (*found, *new)
        if frame.get("more") is True and new:
            self._ask(found, listed, failed, link)
        else:
            listed(found)


def _info(room: Frame) -> RoomInfo:
    return RoomInfo(
        name=text_of(room, "name"),
        visibility=text_of(room, "visibility"),
        role=text_of(room, "role"),
        seq=seq_of(room) or 0,
        unread=seq_of(room, "unread") or 0,
    )
