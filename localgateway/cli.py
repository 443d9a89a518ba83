"""The command line of localgateway."""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from websockets.exceptions import ProtocolError
from websockets.frames import Close

from localgateway import emulator, reloading
from localgateway.authorizers import Authorizer
from localgateway.emulator import Options
from localgateway.errors import AuthorizerError, LocalGatewayError
from localgateway.limits import Beliefs, Limits

_DESCRIPTION = """\
Serve a Chalice app with WebSocket handlers on this machine, as API Gateway and Lambda would:
REST at /, WebSockets at /{stage}, @connections and Lambda's Invoke API, all on one port; queue,
stream, topic and schedule handlers run too. The app is not changed, and AWS is never called."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 2 for a mistake of the user, with one line why."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parsed = _parser().parse_args(arguments)
    _configure_logging(quiet=parsed.quiet)
    if parsed.supervised:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        if parsed.reload:
            return reloading.run(_options(parsed), arguments)
        return emulator.run(_options(parsed))
    except LocalGatewayError as error:
        print(f"localgateway: {error}", file=sys.stderr)  # noqa: T201 - a command's error
        return 2
    except KeyboardInterrupt:
        return 130


def _options(parsed: argparse.Namespace) -> Options:
    return Options(
        app=parsed.app,
        stage=parsed.stage,
        host=parsed.host,
        port=parsed.port,
        engine=parsed.engine,
        template=parsed.template,
        parameters=dict(parsed.parameter),
        partial_batch_failures=parsed.partial_batch_failures,
        authorizer=_authorizer(parsed),
        events=not parsed.no_events,
        limits=Limits(
            idle_seconds=parsed.idle_timeout,
            duration_seconds=parsed.max_duration,
            integration_seconds=parsed.integration_timeout,
            connects_per_second=parsed.connect_rate,
            requests_per_second=parsed.throttle_rate,
            requests_burst=parsed.throttle_burst,
        ),
        beliefs=Beliefs(
            expired_code=parsed.expired_code,
            lost_code=parsed.lost_code,
            connect_error_status=parsed.connect_error_status,
            connect_timeout_status=parsed.connect_timeout_status,
            connect_throttled_status=parsed.connect_throttled_status,
            authorizer_error_status=parsed.authorizer_error_status,
            authorizer_timeout_status=parsed.authorizer_timeout_status,
            authorizer_throttled_status=parsed.authorizer_throttled_status,
            principal_optional=parsed.principal_optional,
            ping_resets_idle=parsed.ping_resets_idle,
            unsigned_callbacks=parsed.allow_unsigned,
        ),
    )


def _authorizer(parsed: argparse.Namespace) -> Authorizer | None:
    if parsed.authorizer is not None:
        return Authorizer(parsed.authorizer, identity_sources=tuple(parsed.identity_source))
    if parsed.identity_source:
        raise AuthorizerError("--identity-source needs an --authorizer")
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m localgateway",
        description=_DESCRIPTION,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,  # --reload takes itself out of the arguments of what it starts
    )
    add = parser.add_argument
    add("--app", type=Path, default=Path(), metavar="DIR", help="the Chalice project")
    add(
        "--stage", metavar="NAME", help="the Chalice stage (default: local if there is one, or dev)"
    )
    add("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for other devices")
    add("--port", type=_port, default=8000, help="port to listen on; 0 for any free one")
    add(
        "--engine",
        default="moto",
        metavar="moto|none|URL",
        help="the AWS services behind the app: a moto server, none, or the emulator at a URL",
    )
    add(
        "--template",
        type=Path,
        metavar="FILE",
        help="CloudFormation template to create there first",
    )
    add(
        "--parameter",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the template; Stage is the Chalice stage unless given",
    )
    add("--reload", action="store_true", help="restart when a file of the project changes")
    add("--supervised", action="store_true", help=argparse.SUPPRESS)
    add("--quiet", action="store_true", help="no line per event, warnings and errors only")
    add(
        "--partial-batch-failures",
        action="append",
        default=[],
        metavar="FUNCTION",
        help="honour batchItemFailures of this queue or stream handler, as FunctionResponseTypes "
        "does on AWS, which Chalice never sets; may be repeated",
    )
    add(
        "--no-events",
        action="store_true",
        help="run no queue, stream and schedule handlers: another gateway on this engine does",
    )
    _add_authorizer(parser)
    _add_limits(parser)
    _add_beliefs(parser)
    return parser


def _add_authorizer(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("Lambda authorizer, which Chalice cannot declare").add_argument
    add("--authorizer", metavar="FUNCTION", help="the function of the app that guards $connect")
    add(
        "--identity-source",
        action="append",
        default=[],
        metavar="EXPRESSION",
        help="route.request.querystring.NAME or route.request.header.NAME: answer 401 without "
        "invoking the authorizer when it is missing or empty; may be repeated",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    limits = Limits()
    add = parser.add_argument_group("quotas of API Gateway (0 switches a rate off)").add_argument
    seconds: Any = {"type": _positive, "metavar": "SECONDS"}
    rate: Any = {"type": _rate, "metavar": "PER_SECOND"}
    add("--idle-timeout", default=limits.idle_seconds, help="idle connections close", **seconds)
    add("--max-duration", default=limits.duration_seconds, help="all connections close", **seconds)
    add(
        "--integration-timeout",
        default=limits.integration_seconds,
        help="longest wait for a handler",
        **seconds,
    )
    add("--connect-rate", default=limits.connects_per_second, help="new connections", **rate)
    add("--throttle-rate", default=limits.requests_per_second, help="frames and callbacks", **rate)
    add(
        "--throttle-burst", default=limits.requests_burst, type=_positive, help="burst of the above"
    )


def _add_beliefs(parser: argparse.ArgumentParser) -> None:
    beliefs = Beliefs()
    add = parser.add_argument_group("behaviour that AWS does not document").add_argument
    code: Any = {"type": _code, "metavar": "CODE"}
    status: Any = {"type": _status, "metavar": "STATUS"}
    add("--expired-code", default=beliefs.expired_code, help="close code at max-duration", **code)
    add(
        "--lost-code", default=beliefs.lost_code, help="$disconnect code of a lost client", type=int
    )
    for name, when in (
        ("connect-error-status", "$connect raises"),
        ("connect-timeout-status", "$connect takes too long"),
        ("connect-throttled-status", "$connect is throttled"),
        ("authorizer-error-status", "the authorizer raises, or its answer cannot be used"),
        ("authorizer-timeout-status", "the authorizer takes too long"),
        ("authorizer-throttled-status", "the authorizer is throttled"),
    ):
        default = getattr(beliefs, name.replace("-", "_"))
        add(f"--{name}", default=default, help=f"handshake status when {when}", **status)
    add("--principal-optional", action="store_true", help="authorizers may omit principalId")
    add("--ping-resets-idle", action="store_true", help="a WebSocket ping counts as activity")
    add("--allow-unsigned", action="store_true", help="@connections answers unsigned requests")


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _positive(text: str) -> float:
    value = _rate(text)
    if not value:
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not 0 or more")
    return value


def _code(text: str) -> int:
    code = int(text) if text.isdecimal() else 0
    try:
        Close(code, "").check()
    except ProtocolError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a close code for a frame") from None
    return code


def _status(text: str) -> int:
    if not text.isdecimal() or not 400 <= int(text) < 600:  # noqa: PLR2004 - RFC 9110, 15
        raise argparse.ArgumentTypeError(f"{text!r} is not an HTTP status from 400 to 599")
    return int(text)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _end_with_parent() -> None:
    """Stop at the end of standard input: what started this process with --reload is gone."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _configure_logging(*, quiet: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d %(message)s", "%H:%M:%S"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("localgateway").setLevel(logging.WARNING if quiet else logging.INFO)
