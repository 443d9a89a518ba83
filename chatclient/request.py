"""One thing that is asked of the server, and why it may fail."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from chatclient.frames import Frame, seconds_of, text_of
from chatclient.updates import Failed

_LONGEST_LIMIT = 86_400.0  # seconds


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request failed for good; the code is the server's, or `timeout` and the like.

    `retry_after` is in seconds, 0 where the server did not say.
    """

    code: str
    message: str
    retryable: bool = False
    retry_after: float = 0.0

    @classmethod
    def read(cls, frame: Frame) -> Self:
        """Read an error frame."""
        return cls(
            text_of(frame, "code", "error"),
            text_of(frame, "message", "the request failed"),
            retryable=frame.get("retryable") is True,
            retry_after=seconds_of(frame, "retry_after_ms", least=0.0, most=_LONGEST_LIMIT) or 0.0,
        )

    def told(self, token: str, action: str, room: str, *, uncertain: bool = False) -> Failed:
        """Return what the application is told of it."""
        return Failed(
            token,
            action,
            room,
            self.code,
            self.message,
            self.retryable,
            uncertain=uncertain,
            retry_after=self.retry_after,
        )


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
        renewing: Whether it is to renew its link's session, and goes out where others must wait.
        first_sent: When it was first handed to a link, None if never.
        limited: When the server first refused it as too much, None if never.
        unanswered: Whether a try may have been carried out without an answer.
    """

    action: str
    fields: Mapping[str, Any]
    answered: Callable[[Frame], None]
    failed: Callable[[Failure], None] = _ignore
    link: int | None = None
    lane: Hashable | None = None
    attempts: int | None = None
    renewing: bool = False
    first_sent: float | None = None
    limited: float | None = None
    unanswered: bool = False
    carrier: int | None = None  # the link that it is under way on
    due: float | None = None  # when it is sent again
    tries: int = 0
    is_over: bool = False
    ids: list[int] = field(default_factory=list)
    problem: Failure = field(default=Failure("timeout", "no answer in time", retryable=True))

    @property
    def place(self) -> str:
        """Where it leads: a room, or a person with an @; "" for neither."""
        person = f"@{self.fields['to']}" if "to" in self.fields else ""
        return str(self.fields.get("room") or person)
