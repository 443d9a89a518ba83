"""Writes what each function of a deployed stage may do: .chalice/policy-<stage>-<function>.json.

This is the declaration: whoever lets a function do more, or less, changes USES and runs
`make policies`. A function's policy names what it uses by the names of its stage. Left open are
the region and the account, which these files do not know: a role reaches no other account's
resources unless those let it in, and a stage may run in two regions. The id of the WebSocket API is
not known either, as it is made with the functions.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.settings import Settings
from chalicelib.warmups import deployed_name

ROOT = Path(__file__).parents[1]
CHALICE = ROOT / ".chalice"
APP = "dynamowave"


@dataclass(frozen=True, slots=True)
class Use:
    """Actions of one service on resources.

    Attributes:
        sid: The name of the statement.
        actions: Without the service.
        service: As in actions.
        resources: ARNs from the service on; `{stage}` and `{name}`, the function's, are filled in.
        by_lambda: Whether it is Lambda that acts, in the role of the function.
    """

    sid: str
    service: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    by_lambda: bool = False

    def statement(self, stage: str, function: str) -> dict[str, Any]:
        """Return the statement that allows it to a function of a stage."""
        name = deployed_name(stage, function)
        return {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": [f"{self.service}:{action}" for action in sorted(self.actions)],
            "Resource": [each.format(stage=stage, name=name) for each in self.resources],
        }


def _table(name: str, *actions: str) -> Use:
    """Return the use of a table; a transaction needs the actions of its parts, and none of its own.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
    """
    return Use(name.title(), "dynamodb", actions, (_table_arn(name),))


def _index(table: str, name: str) -> Use:
    sid = f"{table}_{name}".title().replace("_", "")
    return Use(sid, "dynamodb", ("Query",), (f"{_table_arn(table)}/index/{name}",))


def _table_arn(name: str) -> str:
    return f"arn:aws:dynamodb:*:*:table/{APP}-{{stage}}-{name}"


def _queue(name: str, *actions: str, sid: str = "", by_lambda: bool = False) -> Use:
    arn = f"arn:aws:sqs:*:*:{APP}-{{stage}}-{name}"
    return Use(sid or name.title(), "sqs", actions, (arn,), by_lambda)


def _sends_to(name: str) -> Use:
    return _queue(name, "GetQueueUrl", "SendMessage")


def _connections(*methods: str) -> Use:
    """Return the use of @connections, whose ARNs are those of a REST API.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-control-access-iam.html
    """
    arns = tuple(f"arn:aws:execute-api:*:*:*/api/{method}/@connections/*" for method in methods)
    return Use("Sockets", "execute-api", ("ManageConnections",), arns)


# Secrets Manager adds six characters to the name, which are not known before it is there:
# https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html
_KEYS = Use(
    "Keys",
    "secretsmanager",
    ("GetSecretValue",),
    (f"arn:aws:secretsmanager:*:*:secret:{APP}-{{stage}}-tokens-??????",),
)
# The group is Chalice's to make, with its retention: CreateLogGroup would make it without.
_LOG = Use(
    "Log",
    "logs",
    ("CreateLogStream", "PutLogEvents"),
    ("arn:aws:logs:*:*:log-group:/aws/lambda/{name}:*",),
    by_lambda=True,
)
# These two actions know no resources:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
_TRACES = Use("Traces", "xray", ("PutTelemetryRecords", "PutTraceSegments"), ("*",), by_lambda=True)

# Whoever is gone is removed when they are met, and the others told: by all that push to a room.
_PRUNES = ("BatchGetItem", "BatchWriteItem", "DeleteItem", "Query")
_PUBLISHES = (
    _table("connections", *_PRUNES),
    _table("messages", "GetItem", "PutItem", "Query"),
    _connections("POST"),
    _sends_to("deliveries"),
    _sends_to("undelivered"),
)

USES: Mapping[str, Sequence[Use]] = {
    "api_handler": (
        _table("connections", *_PRUNES, "ConditionCheckItem", "GetItem", "PutItem", "UpdateItem"),
        _table("accounts", "ConditionCheckItem", "GetItem", "PutItem", "UpdateItem"),
        _index("memberships", "by_member"),
        _connections("POST", "DELETE"),
        _KEYS,
    ),
    "authorize": (_KEYS,),
    "deliver": (
        _table("connections", *_PRUNES),
        _connections("POST"),
        # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
        _queue(
            "deliveries",
            "DeleteMessage",
            "GetQueueAttributes",
            "ReceiveMessage",
            sid="Source",
            by_lambda=True,
        ),
        _sends_to("deliveries"),
        _sends_to("undelivered"),
    ),
    "publish": _PUBLISHES,
    "publish_event": (
        *_PUBLISHES,
        # What fails three times: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html
        _queue("unpublished", "SendMessage", by_lambda=True),
    ),
    "redrive": (
        _queue(
            "undelivered",
            "ChangeMessageVisibility",
            "DeleteMessage",
            "GetQueueAttributes",
            "GetQueueUrl",
            "ReceiveMessage",
        ),
        _sends_to("deliveries"),
    ),
    "warm": (),  # and what its stage warms
    "websocket_connect": (
        _table("connections", *_PRUNES, "ConditionCheckItem", "GetItem", "PutItem", "UpdateItem"),
        _table("memberships", "ConditionCheckItem"),
        _table("accounts", "ConditionCheckItem"),
        _connections("POST", "GET"),
        _KEYS,
    ),
    "websocket_disconnect": (_table("connections", *_PRUNES, "GetItem"), _connections("POST")),
    "websocket_message": (
        _table("connections", *_PRUNES, "GetItem", "PutItem", "UpdateItem"),
        _table("messages", "BatchGetItem", "GetItem", "PutItem", "Query", "UpdateItem"),
        _table(
            "memberships",
            "BatchGetItem",
            "ConditionCheckItem",
            "DeleteItem",
            "GetItem",
            "PutItem",
            "Query",
            "UpdateItem",
        ),
        _index("memberships", "by_member"),
        _table("accounts", "GetItem"),
        _connections("POST", "GET", "DELETE"),
        _sends_to("deliveries"),
        _sends_to("undelivered"),
        _KEYS,
    ),
}


def uses(function: str, *, warms: Sequence[str], traced: bool) -> Iterator[Use]:
    """Yield all that a function uses.

    Args:
        function: Chalice's name of it.
        warms: The functions that its stage keeps warm.
        traced: Whether X-Ray is on.
    """
    yield from USES[function]
    if function == "warm" and warms:
        names = (deployed_name("{stage}", each) for each in warms)
        arns = tuple(f"arn:aws:lambda:*:*:function:{each}" for each in names)
        yield Use("Functions", "lambda", ("InvokeFunction",), arns)
    yield _LOG
    if traced:
        yield _TRACES


def policies(stage: str, config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the policies of a stage's functions, by their names.

    Args:
        stage: The stage.
        config: What .chalice/config.json says of it.
    """
    settings = Settings.from_environ(config["environment_variables"])
    warms, traced = settings.warmer.functions, bool(config.get("xray"))
    return {
        function: _document(
            [use.statement(stage, function) for use in uses(function, warms=warms, traced=traced)]
        )
        for function in USES
    }


def files() -> dict[Path, str]:
    """Return the text of every policy file, of the stages that are deployed."""
    stages = json.loads((CHALICE / "config.json").read_text(encoding="utf-8"))["stages"]
    return {
        CHALICE / f"policy-{stage}-{function}.json": json.dumps(policy, indent=2) + "\n"
        for stage, config in stages.items()
        if Settings.from_environ(config["environment_variables"]).is_deployed
        for function, policy in policies(stage, config).items()
    }


def _document(statements: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
