"""What can go wrong for those who use the client.

ChatError
+-- Refused         the server does not let this client in
|   +-- LoggedOut   nor will it before somebody logs in again
+-- Rejected        a request over HTTP was answered with an error
+-- Unreachable     nobody answered
"""


class ChatError(Exception):
    """A request failed.

    Attributes:
        code: The server's (see docs/protocol.md), or one of the client's own:
            `timeout`: no answer in time. `closed`: the client was closed first.
            `identity_changed`: the server knows this client under another name now, and what was
            sent under the old one may have been carried out. `expired`: unanswered for so long
            that sending it again could say it twice. `bad_answer`: the server's answer made no
            sense. `not_joined`, `left`, `kicked`: the room is not one of the client's, or not any
            more. `refused`, `logged_out`, `unreachable`: see the subclasses.
        message: For people.
        retryable: Whether the same request may succeed later.
        uncertain: Whether the request may have been carried out all the same.
        retry_after: In how many seconds, where the server said; otherwise 0.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        uncertain: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.uncertain = uncertain
        self.retry_after = retry_after


class Refused(ChatError):  # noqa: N818 - what happened, as in ConnectionRefused
    """A handshake was answered with a status that trying again will not change.

    Attributes:
        status: Of HTTP; also of the request for a ticket, if that was refused.
    """

    def __init__(self, status: int) -> None:
        reasons = {
            400: "the name is not allowed",
            401: "it lets no guests in, or the ticket is not valid",
            403: "forbidden",
            409: "the guest's name is somebody else's by now",
        }
        reason = reasons.get(status, f"HTTP status {status}")
        super().__init__("refused", f"the server refuses the connection: {reason}")
        self.status = status


class LoggedOut(Refused):
    """The token is not valid any more: it has expired, or the person has logged out everywhere.

    `reason` is the server's word, for people.
    """

    def __init__(self, reason: str, *, uncertain: bool = False) -> None:
        super().__init__(401)
        ChatError.__init__(self, "logged_out", reason, uncertain=uncertain)


class Rejected(ChatError):  # noqa: N818 - what happened, as above
    """An HTTP route answered with an error; 429 and 5xx may be tried again.

    Attributes:
        status: Of HTTP.
    """

    def __init__(
        self, status: int, code: str, message: str, *, retry_after: float | None = None
    ) -> None:
        retryable = status in (408, 425, 429) or status >= 500  # noqa: PLR2004 - server errors
        super().__init__(code, message, retryable=retryable, retry_after=retry_after or 0.0)
        self.status = status


class Unreachable(ChatError):  # noqa: N818 - as above
    """The server could not be reached when the client was started."""

    def __init__(self, reason: str) -> None:
        super().__init__("unreachable", reason, retryable=True)
