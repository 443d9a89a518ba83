"""What can go wrong for those who use the client.

ChatError
+-- Refused       the server does not let this client in
+-- Unreachable   nobody answered
"""


class ChatError(Exception):
    """A request failed.

    Attributes:
        code: The server's (see docs/protocol.md), or one of the client's own:
            `timeout`: no answer in time. `closed`: the client was closed first.
            `identity_changed`: the server knows this client under another name now, and what was
            sent under the old one may have been carried out. `expired`: unanswered for so long
            that sending it again could say it twice. `bad_answer`: the server's answer made no
            sense. `not_joined`, `left`: the room is not one of the client's. `refused`,
            `unreachable`: see the subclasses.
        message: For people.
        retryable: Whether the same request may succeed later.
        uncertain: Whether the request may have been carried out all the same.
    """

    def __init__(
        self, code: str, message: str, *, retryable: bool = False, uncertain: bool = False
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.uncertain = uncertain


class Refused(ChatError):  # noqa: N818 - what happened, as in ConnectionRefused
    """The handshake was answered with a status that trying again will not change."""

    def __init__(self, status: int) -> None:
        reasons = {400: "the name is not allowed", 401: "it lets no guests in", 403: "forbidden"}
        reason = reasons.get(status, f"HTTP status {status}")
        super().__init__("refused", f"the server refuses the connection: {reason}")
        self.status = status


class Unreachable(ChatError):  # noqa: N818 - as above
    """The server could not be reached when the client was started."""

    def __init__(self, reason: str) -> None:
        super().__init__("unreachable", reason, retryable=True)
