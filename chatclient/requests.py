"""Requests on their way: sent, sent again, answered; those of one lane one after the other."""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from itertools import count

from chatclient.context import Context, Send
from chatclient.frames import Frame, encode, seconds_of, text_of
from chatclient.pace import Pace
from chatclient.request import Failure, Request
from chatclient.updates import Limited

_LIMITED = "rate_limited"
_LONGEST_WAIT = 60.0  # seconds, that a server in trouble may ask for


class Requests:
    """All that has not been answered.

    A request is sent again, under a new id and otherwise as it was, after the timeout, after a
    retryable error, and on the next link when its link was lost. An answer to any of its ids
    settles it. One that was refused as too much keeps its lane, so that nothing overtakes it.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._current: int | None = None
        self._active: dict[Request, None] = {}  # in the order in which they were made
        self._lanes: dict[Hashable, deque[Request]] = {}
        self._ids: dict[int, Request] = {}
        self._next_id = count(1)
        self._closed: Failure | None = None
        self._suspended: set[int] = set()
        self._pace = Pace(context)

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
        self._dispatch_waiting()

    def suspend(self, link: int) -> None:
        """Send nothing on a link until resume(), but what renews its session."""
        self._suspended.add(link)
        for request in self._active:
            if request.carrier == link and not request.renewing:
                request.carrier = request.due = None
                request.unanswered = True

    def resume(self, link: int) -> None:
        """Send what has waited; nothing that was under way is taken for answered."""
        self._suspended.discard(link)
        self._dispatch_waiting()

    def asked(self, frame: Frame) -> Request | None:
        """Return the request whose newest try a frame answers."""
        number = frame.get("id")
        request = self._ids.get(number) if type(number) is int else None
        return request if request is not None and request.ids[-1] == number else None

    def supersede(self, lane: Hashable, action: str, failure: Failure) -> None:
        """Give up an action in a lane; what is under way stays there until it is answered."""
        for request in list(self._lanes.get(lane, ())):
            if request.action == action and request.first_sent is None:
                self.fail(request, failure)
            elif request.action == action:
                request.attempts = request.tries

    def clear(self, lane: Hashable, failure: Failure) -> None:
        """Give up all that is in a lane, in order."""
        for request in self._lanes.pop(lane, ()):
            self._forget(request)
            request.failed(failure)

    def answered(self, frame: Frame) -> None:
        """Take an answer; one to nothing that was asked is ignored."""
        number = frame.get("id")
        request = self._ids.get(number) if type(number) is int else None
        if request is None:
            return
        if frame.get("type") != "error":
            self._finish(request, lambda: request.answered(frame))
        elif frame.get("retryable") is True:
            self._retry(request, frame)
        else:
            self.fail(request, Failure.read(frame))

    def fault(self, link: int) -> None:
        """Take API Gateway's own error, which does not say what it is about: all may have failed.

        Sending again is harmless: entries have a cid, and the others change nothing twice.
        """
        problem = Failure("internal", "API Gateway: Internal server error", retryable=True)
        for request in list(self._active):
            if request.carrier == link:
                request.unanswered = True
                self._postpone(request, problem, None)

    def lost(self, link: int) -> None:
        """Give up a link: what was only for it vanishes, the rest goes to the current one."""
        self._pace.lost(link)
        self._suspended.discard(link)
        # A lane is a link's own, or nobody's.
        for name in [name for name, lane in self._lanes.items() if lane[0].link == link]:
            for request in self._lanes.pop(name):
                self._forget(request)
        for request in list(self._active):
            if request.link == link:
                self._forget(request)
            elif request.carrier == link:
                request.carrier = request.due = None
                request.unanswered = True
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

    def _dispatch_waiting(self) -> None:
        for request in list(self._active):
            if request in self._active and request.carrier is None and request.due is None:
                self._dispatch(request)

    def _activate(self, request: Request) -> None:
        self._active[request] = None
        self._dispatch(request)

    def _dispatch(self, request: Request) -> None:
        link = self._current if request.link is None else request.link
        request.carrier = request.due = None
        if link is None or (link in self._suspended and not request.renewing):
            return
        wait = self._pace.wait(link)
        if wait:
            request.due = self._context.later(wait)
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

    def _retry(self, request: Request, frame: Frame) -> None:
        failure = Failure.read(frame)
        if failure.code == _LIMITED:
            self._slow_down(request, failure)
            return
        request.unanswered = True  # which it may be all the same (clause E1)
        told = seconds_of(frame, "retry_after_ms", least=0.0, most=_LONGEST_WAIT)
        self._postpone(request, failure, told)

    def _slow_down(self, request: Request, failure: Failure) -> None:
        now, settings = self._context.clock(), self._context.settings
        request.limited = now if request.limited is None else request.limited
        # A little later than told, and not all at once.
        pause = failure.retry_after or self._context.pause(request.tries - 1)
        wait = pause * (1 + 0.25 * self._context.random())
        if now + wait > request.limited + settings.limited_within:
            self.fail(request, failure)
            return
        self._postpone(request, failure, wait)
        told = Limited(
            text_of(request.fields, "cid"),
            request.action,
            request.place,
            wait,
            failure.message,
        )
        self._context.updates.append(told)

    def _postpone(self, request: Request, problem: Failure, wait: float | None) -> None:
        request.problem = problem
        request.carrier = None
        pause = self._context.pause(request.tries - 1) if wait is None else wait
        request.due = self._context.later(pause)

    def _again(self, request: Request) -> None:
        if request.carrier is not None:
            request.unanswered = True
            request.problem = Failure("timeout", "no answer in time", retryable=True)
        if request.attempts is not None and request.tries >= request.attempts:
            self.fail(request, request.problem)
        else:
            self._dispatch(request)

    def _finish(self, request: Request, tell: Callable[[], None]) -> None:
        self._forget(request)
        tell()
        lane = self._lanes.get(request.lane)
        if not lane:
            return
        was_first = lane[0] is request
        lane.remove(request)
        if not lane:
            del self._lanes[request.lane]
        elif was_first:
            self._activate(lane[0])

    def _forget(self, request: Request) -> None:
        request.is_over = True
        self._active.pop(request, None)
        for number in request.ids:
            self._ids.pop(number, None)
