"""How long the person may be here: tokens renewed in time, and the sessions of links with them."""

from collections.abc import Callable, Iterator
from functools import partial

from chatclient.context import Context, Renew
from chatclient.frames import Frame, text_of
from chatclient.link import Link, Phase, Welcome, epoch_of
from chatclient.links import Links
from chatclient.request import Failure, Request
from chatclient.requests import Requests

# Two times of expiry that are closer than this are taken for the same.
_SAME = 5.0
# Seconds: what renews is tried again after this time at the earliest.
_RETRY = 5.0
# Towards the end of a log-in, nothing that is renewed lasts longer. Then this is left to itself.
_REMAINDER = 20.0


class Sessions:
    """Renews the token when two thirds of its time are over, and refreshes links with it.

    Args:
        missed: Called with a link that has its session back after it was over: what was pushed
            meanwhile did not come.
    """

    def __init__(
        self, context: Context, requests: Requests, links: Links, *, missed: Callable[[int], None]
    ) -> None:
        self._context = context
        self._requests = requests
        self._links = links
        self._missed = missed
        self._token = ""
        self._expires_at = 0.0
        self._renew_at: float | None = None
        self._renewing = False
        self._failures = 0

    def authorized(self, token: str, expires_in: float) -> None:
        """Take a token that is good for so many seconds; links whose sessions end before go on."""
        expires_at = self._context.later(expires_in)
        self._renew_at = self._ahead(expires_at, self._expires_at)
        self._token, self._expires_at = token, expires_at
        self._renewing, self._failures = False, 0
        for link in list(self._links.usable()):
            if link.is_over or self._is_behind(link):
                self._refresh(link)

    def not_renewed(self, wait: float | None) -> None:
        """Learn that there is no newer token yet; the server may have said when to try again."""
        pause = self._context.pause(self._failures) if wait is None else wait
        self._renewing = False
        self._failures += 1
        self._renew_at = self._context.later(max(_RETRY, pause))

    def greeted(self, link: Link, welcome: Welcome) -> None:
        """Learn from a link's welcome until when it may do something."""
        if not self._token or welcome.expires_at is None:
            return
        link.offset = welcome.server_time - self._context.clock()
        self._set_expiry(link, welcome.expires_at)
        if self._is_behind(link):
            self._refresh(link)

    def over(self, number: int) -> None:
        """Learn that a link may do nothing any more: get its session back, or another link."""
        link = self._links.find(number)
        if link is None or link.is_over:
            return
        is_usable = link.phase in (Phase.LIVE, Phase.RESUMING)
        if not self._token or not is_usable or self._was_refreshed(link):
            self._links.drop(number, "the session is over")
            return
        link.is_over, link.expires_at, link.renew_at = True, None, None
        link.deadline = self._context.later(self._context.settings.answer_timeout)
        self._requests.suspend(number)
        self._freshen(link)

    def doubtful(self, number: int) -> None:
        """Learn the same from an error that does not say what it answers, and may be old."""
        link = self._links.find(number)
        if link is not None and not self._was_refreshed(link):
            self.over(number)

    def tick(self) -> None:
        """Do what is due."""
        now = self._context.clock()
        if self._renew_at is not None and self._renew_at <= now:
            self._renew()
        for link in list(self._links.usable()):
            if link.expires_at is not None and link.expires_at <= now:
                self.over(link.number)
            elif link.renew_at is not None and link.renew_at <= now:
                link.renew_at = None
                self._freshen(link)

    def wakes(self) -> Iterator[float]:
        """Yield when tick() has something to do."""
        times = [self._renew_at]
        for link in self._links.usable():
            times += [link.expires_at, link.renew_at]
        return (at for at in times if at is not None)

    def _freshen(self, link: Link) -> None:
        if self._is_behind(link):
            self._refresh(link)
        else:
            self._renew()

    def _is_behind(self, link: Link) -> bool:
        at = link.session_end
        return at is not None and at + _SAME < self._expires_at

    def _renew(self) -> None:
        self._renew_at = None
        if not self._renewing:
            self._renewing = True
            self._context.effects.append(Renew())

    def _refresh(self, link: Link) -> None:
        request = Request(
            action="refresh",
            fields={"token": self._token},
            link=link.number,
            attempts=3,
            renewing=True,
            answered=partial(self._refreshed, link),
            failed=partial(self._not_refreshed, link),
        )
        self._requests.ask(request)

    def _refreshed(self, link: Link, frame: Frame) -> None:
        link.refreshed_at = self._context.clock()
        self._set_expiry(link, epoch_of(text_of(frame, "expires_at")))
        if not link.is_over:
            return
        link.is_over, link.deadline = False, None
        if link.phase is Phase.LIVE:
            self._missed(link.number)
        else:
            link.deadline = self._context.later(self._context.settings.drain_timeout)
        self._requests.resume(link.number)

    def _not_refreshed(self, link: Link, failure: Failure) -> None:
        if failure.retryable and not link.is_over:
            link.renew_at = self._context.around(2 * _RETRY)
        else:
            self._links.drop(link.number, "the session could not be renewed")

    def _set_expiry(self, link: Link, epoch: float | None) -> None:
        """Note the end of a session, which the server tells by its own clock."""
        before = link.session_end or 0.0
        link.session_end = link.expires_at = None if epoch is None else epoch - link.offset
        end = link.session_end
        link.renew_at = None if end is None else self._ahead(end, before)

    def _ahead(self, end: float, before: float) -> float | None:
        """Return when to see to what ends then, and was to end before; not all clients at once."""
        rest = max(0.0, end - self._context.clock())
        if rest < _REMAINDER and end < before + _SAME:
            return None
        return self._context.later(rest * (0.6 + 0.1 * self._context.random()))

    def _was_refreshed(self, link: Link) -> bool:
        at = link.refreshed_at
        return at is not None and self._context.clock() - at < self._context.settings.stable_after
