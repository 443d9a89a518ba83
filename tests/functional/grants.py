"""The app's calls to AWS as IAM sees them: by which function, which action, on which resource."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from chalicelib.bootstrap import Application
from chalicelib.gateway import ConnectionsGateway, Outcome, Post, Recipient
from localgateway.policies import allows
from tools.policies import USES

Request: TypeAlias = Mapping[str, Any]
Need: TypeAlias = tuple[str, str]  # an action, and the ARN of a resource
Use: TypeAlias = tuple[str, str, str]  # the same after the function

REGION = "us-east-1"
ACCOUNT = "123456789012"
REST = "api_handler"

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
_IN_TRANSACTIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
_ON_ITEMS = {
    "get_item": "GetItem",
    "put_item": "PutItem",
    "update_item": "UpdateItem",
    "delete_item": "DeleteItem",
    "query": "Query",
}
_ON_BATCHES = {"batch_get_item": "BatchGetItem", "batch_write_item": "BatchWriteItem"}
# SQS has no actions for batches.
_ON_QUEUES = {
    "get_queue_url": "GetQueueUrl",
    "get_queue_attributes": "GetQueueAttributes",
    "send_message_batch": "SendMessage",
    "receive_message": "ReceiveMessage",
    "delete_message_batch": "DeleteMessage",
    "change_message_visibility_batch": "ChangeMessageVisibility",
}


@dataclass
class Ledger:
    """Which function has needed what, and what of that its policy does not allow.

    Args:
        policies: By function.
    """

    policies: Mapping[str, Any]
    used: set[Use] = field(default_factory=set)
    denied: set[Use] = field(default_factory=set)

    def note(self, function: str, needs: Iterator[Need]) -> None:
        """Take note of a call of a function."""
        for action, resource in needs:
            use = (function, action, resource)
            if use in self.used:
                continue
            self.used.add(use)
            if not allows(self.policies[function], action=action, resource=resource):
                self.denied.add(use)

    @contextmanager
    def apart(self) -> Iterator[set[Use]]:
        """Note for a while in a set of its own what is needed; afterwards in the other too."""
        before, self.used = self.used, set()
        try:
            yield self.used
        finally:
            self.used = before | self.used

    def check(self) -> None:
        """Fail if a call was made that IAM would have refused."""
        denied, self.denied = self.denied, set()
        assert not denied, f"make policies lacks {sorted(denied)}"


class NotedClient:
    """A boto3 client whose calls are noted as those of a function."""

    def __init__(self, client: Any, function: str, ledger: Ledger) -> None:
        self._client = client
        self._function = function
        self._ledger = ledger

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        call = getattr(self._client, operation)

        def noted(**request: Any) -> Any:
            self._ledger.note(self._function, needs(operation, request))
            return call(**request)

        return noted


class NotedGateway:
    """A gateway whose calls are noted as those of a function."""

    def __init__(self, gateway: ConnectionsGateway, function: str, ledger: Ledger) -> None:
        self._gateway = gateway
        self._function = function
        self._ledger = ledger

    def post(self, posts: Sequence[Post], *, within: float | None = None) -> list[Outcome]:
        self._note("POST", posts)
        return self._gateway.post(posts, within=within)

    def check(self, probes: Sequence[Recipient]) -> list[Outcome]:
        self._note("GET", probes)
        return self._gateway.check(probes)

    def disconnect(self, recipients: Sequence[Recipient]) -> list[Outcome]:
        self._note("DELETE", recipients)
        return self._gateway.disconnect(recipients)

    def _note(self, method: str, them: Sequence[Post] | Sequence[Recipient]) -> None:
        if them:
            where = f"a1b2c3d4e5/api/{method}/@connections/JC1dgFyrIAMFpcQ="
            need = ("execute-api:ManageConnections", _arn("execute-api", where))
            self._ledger.note(self._function, iter([need]))


class Applications:
    """An application for each function, as on Lambda, where they share no memory."""

    def __init__(self, make: Callable[[str], Application]) -> None:
        self._make = make
        self._made: dict[str, Application] = {}

    def __call__(self) -> Application:
        """Return that of the function which asks; every other function of app.py serves REST."""
        frame = sys._getframe(1)
        caller = frame.f_code.co_name
        # A warm-up is that of the function which it names.
        function = frame.f_locals["name"] if caller == "_warm_up" else caller
        function = function if function in USES else REST
        if function not in self._made:
            self._made[function] = self._make(function)
        return self._made[function]


def needs(operation: str, request: Request) -> Iterator[Need]:
    """Yield what a call needs.

    Raises:
        KeyError: nobody has said yet what that is.
    """
    if operation in _ON_ITEMS:
        yield f"dynamodb:{_ON_ITEMS[operation]}", _table(request)
    elif operation in _ON_BATCHES:
        for table in request["RequestItems"]:
            yield f"dynamodb:{_ON_BATCHES[operation]}", _table({"TableName": table})
    elif operation == "transact_write_items":
        for write in request["TransactItems"]:
            for kind, part in write.items():
                yield f"dynamodb:{_IN_TRANSACTIONS[kind]}", _table(part)
    elif operation == "get_secret_value":
        secret = f"secret:{request['SecretId']}-AbC123"
        yield "secretsmanager:GetSecretValue", _arn("secretsmanager", secret)
    elif operation == "invoke":
        yield "lambda:InvokeFunction", _arn("lambda", f"function:{request['FunctionName']}")
    else:
        queue = request.get("QueueName") or request["QueueUrl"].rpartition("/")[2]
        yield f"sqs:{_ON_QUEUES[operation]}", _arn("sqs", queue)


def _table(request: Request) -> str:
    index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
    return _arn("dynamodb", f"table/{request['TableName']}{index}")


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"
