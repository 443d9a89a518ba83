"""The log of a deployed stage: structured, tied together by ids, and silent about users."""

import logging
from collections.abc import Iterable

from chalicelib.settings import Settings

_OURS = "chalicelib"


def structure(settings: Settings, others: Iterable[logging.Logger] = ()) -> None:
    """Have the handlers of the root logger write JSON, one object a line; see loglines.LogLines.

    Lambda's runtime has given it one. On the stages local and test, logs stay as they are. What
    libraries log below INFO stays out even if LOG_LEVEL is DEBUG: botocore would tell all that is
    written to the tables.

    Args:
        settings: Those of the stage.
        others: Loggers with handlers of their own that are to write the same.
    """
    if not settings.is_deployed:
        return
    from chalicelib.loglines import LogLines  # noqa: PLC0415 - Powertools is slow to import

    root = logging.getLogger()
    for handler in (handler for each in (root, *others) for handler in each.handlers):
        handler.setFormatter(LogLines(settings.stage))
    level = logging.getLevelNamesMapping()[settings.log_level]
    logging.getLogger(_OURS).setLevel(level)
    root.setLevel(max(level, logging.INFO))
