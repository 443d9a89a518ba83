"""What the loggers of a stage write, and how."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from chalicelib.correlation import correlated
from chalicelib.logs import structure
from chalicelib.settings import Settings
from tests.unit.fakes import ENVIRON


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """What a handler of the root logger writes, as in Lambda; all is put back afterwards."""
    root, ours, stream = logging.getLogger(), logging.getLogger("chalicelib"), io.StringIO()
    levels, handler = (root.level, ours.level), logging.StreamHandler(stream)
    formatters = {each: each.formatter for each in root.handlers}  # those of pytest outlive a test
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)
    for each, formatter in formatters.items():
        each.setFormatter(formatter)
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def settings(**environ: str) -> Settings:
    return Settings.from_environ({**ENVIRON, "TOKEN_SECRET_ARN": "tokens", **environ})


def test_a_deployed_stage_logs_objects(output: io.StringIO) -> None:
    structure(settings(STAGE="prod"))

    with correlated("JC1"):
        logging.getLogger("chalicelib.chat").info("hello, %s", "world")

    line = json.loads(output.getvalue())
    assert (line["message"], line["level"]) == ("hello, world", "INFO")
    assert (line["correlation_id"], line["stage"]) == ("JC1", "prod")


@pytest.mark.parametrize("stage", ["local", "test"])
def test_a_laptop_logs_as_it_did(output: io.StringIO, stage: str) -> None:
    logging.getLogger().setLevel(logging.ERROR)

    structure(settings(STAGE=stage, LOG_LEVEL="DEBUG"))

    logging.getLogger("chalicelib.chat").info("hidden")
    logging.getLogger("chalicelib.chat").error("shown")
    assert output.getvalue() == "shown\n"


@pytest.mark.parametrize(
    ("level", "ours", "others"),
    [
        ("DEBUG", ["debug", "info", "warning"], ["info", "warning"]),
        ("INFO", ["info", "warning"], ["info", "warning"]),
        ("WARNING", ["warning"], ["warning"]),
        ("ERROR", [], []),
    ],
)
def test_the_level_is_a_setting_and_libraries_never_tell_all(
    output: io.StringIO, level: str, ours: list[str], others: list[str]
) -> None:
    structure(settings(STAGE="dev", LOG_LEVEL=level))

    logged = {}
    for name in ("chalicelib.chat", "botocore.endpoint"):
        output.truncate(output.seek(0))
        for each in ("debug", "info", "warning"):
            getattr(logging.getLogger(name), each)(each)
        logged[name] = [json.loads(line)["message"] for line in output.getvalue().splitlines()]

    assert logged == {"chalicelib.chat": ours, "botocore.endpoint": others}


def test_a_logger_with_a_handler_of_its_own_logs_objects_too(output: io.StringIO) -> None:
    apart = logging.Logger("dynamowave")  # noqa: LOG001 - of this test only
    apart.addHandler(logging.StreamHandler(output))

    structure(settings(STAGE="dev"), [apart])

    apart.error("x")
    assert json.loads(output.getvalue())["message"] == "x"


def test_to_structure_logs_twice_changes_nothing(output: io.StringIO) -> None:
    for _ in range(2):
        structure(settings(STAGE="dev"))

    logging.getLogger("chalicelib.chat").info("once")

    assert len(output.getvalue().splitlines()) == 1
