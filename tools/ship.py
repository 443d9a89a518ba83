"""Ship a stage to AWS: `make data`, `make deploy`, `make release`, `make destroy`."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from tools.shipping.accounts import connect
from tools.shipping.data import make_data
from tools.shipping.deployments import deploy
from tools.shipping.desks import Desk
from tools.shipping.errors import ShippingError
from tools.shipping.projects import find_stage
from tools.shipping.releases import release
from tools.shipping.removals import destroy

_DESCRIPTION = """\
Ship a stage of the chat to AWS. First `data`, once, and again when infra/data.yaml changes; then
either `deploy` (with Chalice, quick, for development) or `release` (one CloudFormation stack, for
production), as often as you like. `destroy` removes the functions, and names what stays."""

Make = Callable[..., Desk]


def main(argv: Sequence[str] | None = None, *, make: Make = Desk) -> int:
    """Run a command; returns 0, or 2 with one line why not. `make` makes what commands need."""
    options = _parser().parse_args(argv)
    try:
        stage = find_stage(Path(options.project).resolve(), options.stage)
        desk = make(account=connect(), stage=stage)
        desk.say(str(desk.account))
        _COMMANDS[options.command](desk, options)
    except (ShippingError, ClientError, BotoCoreError) as error:
        # One line, whatever an API has put into its text.
        print(f"{options.command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{options.command}: interrupted; it is safe to repeat", file=sys.stderr)
        return 130
    return 0


def _data(desk: Desk, options: argparse.Namespace) -> None:
    make_data(desk, options.parameter, replace=options.replace)


def _deploy(desk: Desk, options: argparse.Namespace) -> None:
    deploy(desk, options.parameter)


def _release(desk: Desk, options: argparse.Namespace) -> None:
    release(desk, options.parameter)


def _destroy(desk: Desk, options: argparse.Namespace) -> None:
    destroy(desk, confirmed=options.confirm, data=options.data)


_COMMANDS: Mapping[str, Callable[[Desk, argparse.Namespace], None]] = {
    "data": _data,
    "deploy": _deploy,
    "release": _release,
    "destroy": _destroy,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.ship", description=_DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    data = _command(commands, "data", "make or update the stack that holds state")
    data.add_argument(
        "--replace", action="store_true", help="even if tables, queues, keys are made anew, EMPTY"
    )
    _command(commands, "deploy", "deploy with Chalice, then set what Chalice cannot")
    _command(commands, "release", "deploy as one CloudFormation stack, rolled back if it fails")
    gone = _command(commands, "destroy", "remove functions and APIs; asks first")
    gone.add_argument("--confirm", metavar="STAGE", help="the stage once more, instead of asking")
    gone.add_argument(
        "--data", action="store_true", help="the data stack too; its tables are retained"
    )
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    add = parser.add_argument
    add("--stage", required=True, help="a stage of .chalice/config.json: dev, prod")
    add("--project", default=".", metavar="DIR", help="where app.py is")
    add(
        "--parameter",
        action="append",
        default=[],
        metavar="Key=Value",
        help="a parameter of the stack, before infra/parameters.json's; may be repeated",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
