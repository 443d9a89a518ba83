"""What the person has said and the server has not yet acknowledged, in written order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from chatclient.context import Context
from chatclient.frames import Frame, seq_of, text_of
from chatclient.request import Failure, Request
from chatclient.requests import Requests
from chatclient.rooms import other_of
from chatclient.updates import Done, Sent

# What the client itself decides, whatever has become of the request.
_OWN_CODES = (
    "identity_changed",
    "closed",
    "refused",
    "logged_out",
    "kicked",
    "expired",
    "bad_answer",
)
# What the server calls the entry that an action makes.
_KINDS = {
    "sendmessage": "message",
    "editmessage": "edit",
    "deletemessage": "delete",
    "react": "reaction",
}


@dataclass(slots=True, eq=False)
class Item:
    """One entry to be; `user` is the name under which it is sent."""

    cid: str
    request: Request
    user: str


class Outbox:
    """Sends each entry until it is settled; of one room's only one is on its way (clause L8).

    Args:
        posted: Called with the event that an ack stands for (L4) ...
        existing: ... or with the room and the seq that a duplicate's ack tells.
    """

    def __init__(
        self,
        context: Context,
        requests: Requests,
        *,
        cid: Callable[[], str],
        posted: Callable[[Frame], None],
        existing: Callable[[str, int], None],
    ) -> None:
        self._context = context
        self._requests = requests
        self._cid = cid
        self._posted = posted
        self._existing = existing
        self._user = ""
        self._guest = False
        self._items: dict[str, Item] = {}

    def add(self, action: str, fields: Mapping[str, Any]) -> str:
        """Queue an entry; returns its cid, under which Done or Failed will tell."""
        cid = self._cid()
        request = Request(
            action=action,
            fields={**fields, "cid": cid},
            lane=self._lane(fields),
            answered=partial(self._acked, cid),
            failed=partial(self._failed, cid),
        )
        self._items[cid] = Item(cid, request, self._user)
        self._requests.ask(request)
        return cid

    def identified(self, user: str, *, guest: bool) -> None:
        """Learn who this client is now.

        A cid protects only within one name: what was sent under another could be said twice, and
        fails as uncertain. What was never sent goes out under the new name.
        """
        self._user, self._guest = user, guest
        changed = Failure("identity_changed", f"the server knows this client as {user} now")
        for item in list(self._items.values()):
            if item.request.first_sent is None:
                item.user = user
            elif item.user != user:
                self._requests.fail(item.request, changed)

    def unsettled(self) -> tuple[str, ...]:
        """Return the cids of what has not been settled, in written order."""
        return tuple(self._items)

    def abandon(self, failure: Failure) -> None:
        """Give up all that is not settled."""
        self._requests.route(None)  # or the next of each lane would still be sent
        for item in list(self._items.values()):
            self._requests.fail(item.request, failure)

    def taken(self, room: str, failure: Failure) -> None:
        """Give up what was to be said in a room that the person was taken out of."""
        self._requests.clear(room, failure)

    def _acked(self, cid: str, frame: Frame) -> None:
        room, seq = text_of(frame, "room"), seq_of(frame)
        if not room or not seq:
            self._failed(cid, Failure("bad_answer", "the server's answer makes no sense"))
            return
        item = self._items.pop(cid)
        sent = Sent(room, seq, text_of(frame, "at"), frame.get("duplicate") is True)
        self._context.updates.append(Done(cid, item.request.action, room, sent))
        if sent.duplicate:
            self._existing(room, seq)
        else:
            self._posted(_event(item, sent, guest=self._guest))

    def _failed(self, cid: str, failure: Failure) -> None:
        item = self._items.pop(cid)
        request = item.request
        by_client = request.first_sent is not None and failure.code in _OWN_CODES
        # Who was banned after the first try is refused before the server looks for its cid.
        by_later = failure.retryable or failure.code == "forbidden"
        uncertain = by_client or (by_later and request.unanswered)
        told = failure.told(cid, request.action, request.place, uncertain=uncertain)
        self._context.updates.append(told)

    def _lane(self, fields: Mapping[str, Any]) -> str:
        if "to" in fields:
            return f"@{fields['to']}"
        room = str(fields.get("room") or "")
        other = other_of(room, self._user)
        return room if other is None else f"@{other}"


def _event(item: Item, sent: Sent, *, guest: bool) -> Frame:
    given = {k: v for k, v in item.request.fields.items() if k not in ("to", "remove")}
    return {
        **given,
        "type": _KINDS[item.request.action],
        "room": sent.room,
        "seq": sent.seq,
        "at": sent.at,
        "user": item.user,
        "guest": guest,
        "removed": item.request.fields.get("remove", False),
    }
