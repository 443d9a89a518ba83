"""The policies of the deployed functions' roles: read, and taken away for a while."""

import copy
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.worlds import World

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Grant:
    """An inline policy of a role, as it was deployed."""

    role: str
    name: str
    document: Document

    def put(self, world: World, document: Document) -> None:
        """Put something else in its place; what has no statement is taken away."""
        iam = world.account.client("iam")
        key = {"RoleName": self.role, "PolicyName": self.name}
        if document["Statement"]:
            iam.put_role_policy(**key, PolicyDocument=json.dumps(document))
        else:
            iam.delete_role_policy(**key)


def grants_of(world: World, function: str) -> list[Grant]:
    """Return the inline policies of a function's role."""
    name = world.stage.function(function)
    lambdas, iam = world.account.client("lambda"), world.account.client("iam")
    role = lambdas.get_function_configuration(FunctionName=name)["Role"].rpartition("/")[2]
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    found = (iam.get_role_policy(RoleName=role, PolicyName=each) for each in names)
    return [Grant(role, each["PolicyName"], _plain(each["PolicyDocument"])) for each in found]


@contextmanager
def replaced(world: World, grant: Grant, document: Document) -> Iterator[None]:
    """Have a role do with another policy meanwhile."""
    grant.put(world, document)
    try:
        yield
    finally:
        grant.put(world, grant.document)


@contextmanager
def without(world: World, function: str, action: str) -> Iterator[None]:
    """Have a function do without an action meanwhile, if it has it at all."""
    with ExitStack() as stack:
        for grant in grants_of(world, function):
            if action in str(grant.document):
                changed = lacking(grant.document, action)
                stack.enter_context(replaced(world, grant, changed))
        yield


def lacking(document: Document, action: str) -> Document:
    """Return a policy without one action, wherever it stands."""
    changed = copy.deepcopy(document)
    for statement in changed["Statement"]:
        statement["Action"] = [each for each in actions(statement) if each != action]
    changed["Statement"] = [each for each in changed["Statement"] if each["Action"]]
    return changed


def actions(statement: Document) -> list[str]:
    """Return the actions of a statement."""
    named = statement["Action"]
    return [named] if isinstance(named, str) else list(named)


def _plain(document: Any) -> Document:
    loaded = dict(json.loads(document) if isinstance(document, str) else document)
    if isinstance(loaded["Statement"], dict):
        loaded["Statement"] = [loaded["Statement"]]
    return loaded
