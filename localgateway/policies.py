"""Evaluates the IAM policies that Lambda authorizers answer.

What IAM would read and this cannot (conditions, variables) is an error rather than a guess.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from localgateway.errors import AuthorizerError

_VERSIONS = ("2012-10-17", "2008-10-17")
_ELEMENTS = frozenset(
    {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)


def allows(document: Any, *, action: str, resource: str) -> bool:
    """Tell whether a policy allows an action on a resource.

    A Deny wins over every Allow, and what nothing allows is denied; `*` and `?` match across the
    colons and slashes of an ARN, and the case of actions does not count:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html.

    Args:
        document: The policy, as parsed from JSON.
        action: Like `execute-api:Invoke`.
        resource: An ARN.

    Raises:
        AuthorizerError: It is no policy, or needs what is not evaluated here; the message names
            the element and none of its content.
    """
    # All of them, before any counts: a mistake is one wherever it stands.
    effects = {_effect(statement, action, resource) for statement in _statements(document)}
    return "Allow" in effects and "Deny" not in effects


def _statements(document: Any) -> list[Any]:
    if not isinstance(document, Mapping):
        raise AuthorizerError("policyDocument is not an object")
    if document.get("Version", _VERSIONS[0]) not in _VERSIONS:
        raise AuthorizerError(f"Version of the policy is not {' or '.join(_VERSIONS)}")
    statements = document.get("Statement")
    if isinstance(statements, Mapping):
        return [statements]
    if not isinstance(statements, list):
        raise AuthorizerError("Statement of the policy is neither an object nor a list")
    return statements


def _effect(statement: Any, action: str, resource: str) -> str | None:
    """Return the effect of a statement on an action and a resource, None when it has none."""
    _check(statement)
    covered = (
        _covers(statement, "Action", action.lower()),
        _covers(statement, "Resource", resource),
    )
    return str(statement["Effect"]) if all(covered) else None


def _check(statement: Any) -> None:
    if not isinstance(statement, Mapping):
        raise AuthorizerError("a statement of the policy is not an object")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise AuthorizerError("Effect of a statement is not Allow or Deny")
    if not statement.keys() <= _ELEMENTS:
        raise AuthorizerError(f"a statement has something else than {', '.join(sorted(_ELEMENTS))}")
    if statement.get("Condition"):
        raise AuthorizerError("localgateway does not evaluate the Condition of a statement")


def _covers(statement: Mapping[str, Any], element: str, value: str) -> bool:
    given = [name for name in (element, f"Not{element}") if name in statement]
    if len(given) != 1:
        raise AuthorizerError(f"a statement needs one of {element} and Not{element}")
    patterns = _patterns(given[0], statement[given[0]])
    if element == "Action":
        patterns = [pattern.lower() for pattern in patterns]
    return any(_matches(pattern, value) for pattern in patterns) is (given[0] == element)


def _patterns(element: str, given: Any) -> list[str]:
    patterns = [given] if isinstance(given, str) else given
    if not isinstance(patterns, list) or not patterns:
        raise AuthorizerError(f"{element} of a statement is neither a string nor a list of them")
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise AuthorizerError(f"{element} of a statement holds something else than strings")
    if any("${" in pattern for pattern in patterns):
        raise AuthorizerError(f"localgateway does not fill in policy variables, as in {element}")
    return patterns


def _matches(pattern: str, value: str) -> bool:
    # Brackets, which fnmatch knows and IAM does not, stand for themselves.
    return fnmatchcase(value, pattern.replace("[", "[[]"))
