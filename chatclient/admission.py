"""How a person is let in, or not: what comes of tickets, tokens and handshakes."""

from chatclient.machine import Machine
from chatclient.request import Failure

# A handshake or a request for a ticket that is answered so will be answered so again ...
_FINAL_STATUSES = (400, 401, 403, 404, 409)
_UNAUTHORIZED = 401
# ... but that a ticket can be used up, or too old, by the time that it arrives.
_TICKETS_IN_VAIN = 5


class Admission(Machine):
    """Takes the answers to what was asked outside; see Ask, Renew and Open."""

    def authorized(self, token: str, expires_in: float) -> None:
        """Take the token that the person's right to be here rests on, and each newer one.

        It is told to the server to prolong the sessions of open connections, and to nobody else.
        """
        if not self.is_closed:
            self._sessions.authorized(token, expires_in)

    def not_renewed(self, status: int, reason: str, *, wait: float | None = None) -> None:
        """Learn that no newer token was to be had; 401: the log-in is over."""
        if self.is_closed:
            return
        if status == _UNAUTHORIZED:
            self._log_out(reason)
        else:
            self._sessions.not_renewed(wait)

    def ticketed(self, link: int, ticket: str, url: str = "") -> None:
        """Take the ticket for a connection, and where the server says that it is good."""
        self._links.ticketed(link, ticket, url)
        self.tick()

    def denied(self, link: int, status: int, reason: str, *, wait: float | None = None) -> None:
        """Learn that there was no ticket; status 0: there was no answer that made sense."""
        if status not in _FINAL_STATUSES:
            self._links.lost(link, reason, wait=wait or 0.0)
            self.tick()
        elif self._links.knows(link) and status == _UNAUTHORIZED:
            self._log_out(reason)
        elif self._links.knows(link):
            self._end(Failure("refused", reason), status)

    def refused(self, link: int, status: int) -> None:
        """Learn that a handshake was answered with another status than 101."""
        about_ticket = self._by_ticket and status == _UNAUTHORIZED
        self._in_vain += about_ticket
        if status not in _FINAL_STATUSES or (about_ticket and self._in_vain < _TICKETS_IN_VAIN):
            self.lost(link, f"HTTP status {status}")
        elif self._links.knows(link):
            self._end(Failure("refused", f"HTTP status {status}"), status)

    def _log_out(self, reason: str) -> None:
        self._end(Failure("logged_out", reason), _UNAUTHORIZED)
