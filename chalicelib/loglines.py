"""A line of the log as an object in JSON, with what ties it to others and no word of a user."""

import logging
import traceback
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TypeAlias

from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from chalicelib.correlation import correlation_id
from chalicelib.errors import Internal, Unavailable

# Their texts are ours, and hold nothing that was asked for.
_WORDLESS = (Internal, Unavailable)
_LED_TO = "\nWhich led to:\n\n"

_Raised: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class LogLines(LambdaPowertoolsFormatter):
    """Formats records as objects with level, location, message, timestamp, stage.

    And, where there is one, with correlation_id, and with exception: see wordless. Safe to be used
    by several threads.
    """

    def __init__(self, stage: str) -> None:
        super().__init__(
            location="%(name)s.%(funcName)s:%(lineno)d",
            utc=True,
            use_rfc3339=True,
            serialize_stacktrace=False,  # says what `exception` says
            stage=stage,
            exception_notes=None,  # which are texts as well
        )

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        record.correlation_id = correlation_id()
        return super().format(record)

    def formatException(self, ei: _Raised) -> str:  # noqa: N802 - the name is logging's
        """Return the traceback without texts."""
        return wordless(ei[1]) if ei[1] else ""


def wordless(error: BaseException) -> str:
    """Return the traceback of an error, and of those that led to it, without what they say.

    The text of an error may quote what it is about, as botocore's do the parameters of a call: a
    message of somebody, or a token. What remains are types and lines of code, and the code with
    which an AWS service has answered.
    """
    return _LED_TO.join(map(_told, _chain(error)))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        context = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or context
    return reversed(chain)


def _told(error: BaseException) -> str:
    lines = traceback.format_tb(error.__traceback__)
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    text = str(error) if isinstance(error, _WORDLESS) else _code(error)
    return "".join([*lines, f"{name}: {text}" if text else name, "\n"])


def _code(error: BaseException) -> str:
    response = getattr(error, "response", None)  # botocore's ClientError, by its shape
    answer = response.get("Error") if isinstance(response, Mapping) else None
    code = answer.get("Code") if isinstance(answer, Mapping) else None
    return code if isinstance(code, str) else ""
