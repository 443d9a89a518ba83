"""Requests on their way: sent, sent again, answered; those of one lane one after the other."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from chatclient.context import Context, Send
from chatclient.frames import Frame, encode, seconds_of, text_of


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request failed for good; the code is the server's, or `timeout` and the like."""

    code: str
    message: str
    retryable: bool = False


def _ignore(_failure: Failure) -> None:
    pass


@dataclass(slots=True, eq=False, kw_only=True)
class Request:
    """Something that is asked of the server until it answers.

    Attributes:
        answered, failed: One of them is called, once, unless the request is dropped.
        link: The only link it is for, with which it vanishes; None: whichever is current.
        lane: Of the requests of a lane only the first is on its way, the others wait in order.
        attempts: It fails when so many were in vain; None: it never gives up.
        first_sent: When it was first handed to a link, None if never.
    """

    action: str
    fields: Mapping[str, Any]
    answered: Callable[[Frame], None]
    failed: Callable[[Failure], None] = _ignore
    link: int | None = None
    lane: str | None = None
    attempts: int | None = None
    first_sent: float | None = None
    carrier: int | None = None  # the link that it is under way on
    due: float | None = None  # when it is sent again
    tries: int = 0
    is_over: bool = False
    ids: list[int] = field(default_factory=list)
    problem: Failure = field(default=Failure("timeout", "no answer in time", retryable=True))


class Requests:
    """All that has not been answered.

    A request is sent again, under a new id and otherwise as it was, after the timeout, after a
    retryable error, and on the next link when its link was lost. An answer to any of its ids
    settles it.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._current: int | None = None
        self._active: dict[Request, None] = {}  # in the order in which they were made
        self._lanes: dict[str, deque[Request]] = {}
        self._ids: dict[int, Request] = {}
        self._next_id = count(1)
        self._closed: Failure | None = None

    def ask(self, request: Request) -> None:
        """Send a request as soon as there is a link and its lane is free."""
        if self._closed is not None:
            request.failed(self._closed)
            return
        if request.lane is not None:
            lane = self._lanes.setdefault(request.lane, deque())
            lane.append(request)
            if len(lane) > 1:
                return
        self._activate(request)

    def route(self, link: int | None) -> None:
        """Use this link from now on; what waits for one goes out."""
        self._current = link
        for request in list(self._active):
            if request in self._active and request.carrier is None and request.due is None:
                self._dispatch(request)

    def answered(self, frame: Frame) -> None:
        """Take an answer; one to nothing that was asked is ignored."""
        number = frame.get("id")
        request = self._ids.get(number) if type(number) is int else None
        if request is None:
            return
        if frame.get("type") != "error":
            self._finish(request, lambda: request.answered(frame))
        elif frame.get("retryable") is True:
            wait = seconds_of(frame, "retry_after_ms", least=0.0, most=60.0)
            self._postpone(request, _failure(frame), wait)
        else:
            self.fail(request, _failure(frame))

    def fault(self, link: int) -> None:
        """Take API Gateway's own error, which does not say what it is about: all may have failed.

        Sending again is harmless: entries have a cid, and the others change nothing twice.
        """
        problem = Failure("internal", "API Gateway: Internal server error", retryable=True)
        for request in list(self._active):
            if request.carrier == link:
                self._postpone(request, problem, None)

    def lost(self, link: int) -> None:
        """Give up a link: what was only for it vanishes, the rest goes to the current one."""
        for request in list(self._active):
            if request.link == link:
                self._forget(request)
            elif request.carrier == link:
                request.carrier = request.due = None
                self._dispatch(request)

    def fail(self, request: Request, failure: Failure) -> None:
        """Give up a request, sent or waiting in its lane."""
        if request.is_over:
            return
        self._finish(request, lambda: request.failed(failure))

    def close(self, failure: Failure) -> None:
        """Give up all requests, and all later ones."""
        self._closed = failure
        for request in [*self._active, *(r for lane in self._lanes.values() for r in lane)]:
            if request.link is None:
                self.fail(request, failure)

    def busy(self, link: int) -> bool:
        """Tell whether an answer is expected on a link."""
        return any(request.carrier == link for request in self._active)

    def tick(self) -> None:
        """Do what is due."""
        now = self._context.clock()
        for request in list(self._active):
            if request in self._active and request.due is not None and request.due <= now:
                self._again(request)

    def wakes(self) -> Iterator[float]:
        """Yield when tick() has something to do."""
        return (request.due for request in self._active if request.due is not None)

    def _activate(self, request: Request) -> None:
        self._active[request] = None
        self._dispatch(request)

    def _dispatch(self, request: Request) -> None:
        link = self._current if request.link is None else request.link
        request.carrier = request.due = None
        if link is None:
            return
        number = next(self._next_id)
        text = encode({"action": request.action, "id": number, **request.fields})
        if text is None:
            self.fail(request, Failure("too_large", "the frame would be over 32 KB, or no text"))
            return
        settings, now = self._context.settings, self._context.clock()
        if request.first_sent is not None and now - request.first_sent > settings.resend_within:
            self.fail(request, Failure("expired", "unanswered for too long to be sent again"))
            return
        request.first_sent = now if request.first_sent is None else request.first_sent
        request.tries += 1
        request.ids.append(number)
        self._ids[number] = request
        request.carrier, request.due = link, now + settings.answer_timeout
        self._context.effects.append(Send(link, text))

    def _postpone(self, request: Request, problem: Failure, wait: float | None) -> None:
        request.problem = problem
        request.carrier = None
        pause = self._context.pause(request.tries - 1) if wait is None else wait
        request.due = self._context.later(pause)

    def _again(self, request: Request) -> None:
        if request.carrier is not None:
            request.problem = Failure("timeout", "no answer in time", retryable=True)
        if request.attempts is not None and request.tries >= request.attempts:
            self.fail(request, request.problem)
        else:
            self._dispatch(request)

    def _finish(self, request: Request, tell: Callable[[], None]) -> None:
        self._forget(request)
        tell()
        lane = self._lanes.get(request.lane or "")
        if not lane:
            return
        was_first = lane[0] is request
        lane.remove(request)
        if not lane:
            del self._lanes[request.lane or ""]
        elif was_first:
            self._activate(lane[0])

    def _forget(self, request: Request) -> None:
        request.is_over = True
        self._active.pop(request, None)
        for number in request.ids:
            self._ids.pop(number, None)


def _failure(frame: Frame) -> Failure:
    return Failure(
        text_of(frame, "code", "error"),
        text_of(frame, "message", "the request failed"),
        retryable=frame.get("retryable") is True,
    )
