"""Look at the dead-letter queue of a stage, or move what is in it back: `make redrive`."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_DESCRIPTION = """\
Tell what could not be delivered in a stage. With --move, try it again: messages go back to the
queue of deliveries in order of their batches until none is left. Nothing is lost if this is
interrupted; repeat it."""
_APP = "dynamowave"

Invoke = Callable[[dict[str, Any]], dict[str, Any]]


class RedriveError(Exception):
    """What was asked for cannot be done; the text is for the user."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, or 2 with one line why not."""
    options = _parser().parse_args(argv)
    try:
        invoke = _invoker(options.stage, options.endpoint_url)
        if options.move:
            _move(invoke, options.limit)
        else:
            _look(invoke, options.limit)
    except RedriveError as error:
        print(f"redrive: {error}", file=sys.stderr)
        return 2
    return 0


def _look(invoke: Invoke, limit: int) -> None:
    answer = invoke({"limit": limit})
    print(f"{answer['seen']} messages seen, about {answer['left']} in the dead-letter queue")
    _tell(answer)
    if answer["seen"]:
        print("To try them again: add MOVE=1 (or --move).")


def _move(invoke: Invoke, limit: int) -> None:
    moved, there = 0, None
    # No more than there were: what fails again at once would come round and round.
    while there is None or moved < there:
        answer = invoke({"move": True, "limit": limit})
        moved += answer["moved"]
        there = moved + answer["left"] if there is None else there
        print(f"{moved} messages moved, about {answer['left']} left", flush=True)
        _tell(answer)
        if not answer["moved"]:
            return


def _tell(answer: dict[str, Any]) -> None:
    if answer["poison"]:
        print(f"  {answer['poison']} are no jobs: no worker of this version can do them")
    for room, recipients in answer["rooms"].items():
        print(f"  {room}: {recipients} recipients")
    if answer["rooms"]:
        print(f"  the oldest is {answer['oldest_seconds']} s old")


def _invoker(stage: str, endpoint: str | None) -> Invoke:
    """Return what invokes the stage's function.

    Raises:
        RedriveError: the function is not there, or must not be invoked, or fails.
    """
    name = f"{_APP}-{stage}-redrive"
    local = {"aws_access_key_id": "local", "aws_secret_access_key": "local"} if endpoint else {}
    if endpoint:
        os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

    def invoke(payload: dict[str, Any]) -> dict[str, Any]:
        try:
            config = Config(retries={"total_max_attempts": 1}, read_timeout=60)
            client = boto3.client("lambda", endpoint_url=endpoint, config=config, **local)
            answer = client.invoke(FunctionName=name, Payload=json.dumps(payload))
        except (BotoCoreError, ClientError) as error:
            raise RedriveError(f"{name} cannot be invoked: {error}") from error
        told = json.loads(answer["Payload"].read())
        if "FunctionError" in answer or "error" in told:
            reason = told.get("error", told)
            raise RedriveError(f"{name} failed: {reason.get('message') or reason}")
        return dict(told)

    return invoke


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.redrive",
        description=_DESCRIPTION,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--stage", required=True, help="the stage: local, dev, prod")
    add("--move", action="store_true", help="move the messages back to the queue")
    add("--limit", type=int, default=100, help="messages of one invocation, 1000 at most")
    add("--endpoint-url", metavar="URL", help="where Lambda is, if not in AWS: an emulator")
    return parser


if __name__ == "__main__":
    sys.exit(main())
