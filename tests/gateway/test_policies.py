"""Policies of authorizers: what IAM would make of them, and what is a mistake."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localgateway import policies
from localgateway.errors import AuthorizerError

ARN = "arn:aws:execute-api:us-east-1:123456789012:localgatew/api/$connect"
INVOKE = "execute-api:Invoke"
ALLOW = {"Effect": "Allow", "Action": INVOKE, "Resource": ARN}
DENY = {**ALLOW, "Effect": "Deny"}
ELSEWHERE = {**ALLOW, "Resource": "arn:aws:execute-api:us-east-1:123456789012:other/api/*"}


def allows(*statements: Any) -> bool:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return policies.allows(document, action=INVOKE, resource=ARN)


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([ALLOW], True),
        ([DENY], False),
        ([], False),
        ([ELSEWHERE], False),
        ([ALLOW, DENY], False),
        ([DENY, ALLOW], False),
        ([ALLOW, {**ELSEWHERE, "Effect": "Deny"}], True),
        ([ELSEWHERE, ALLOW], True),
        ([{**ALLOW, "Sid": "1"}], True),
        ([{**ALLOW, "Condition": {}}], True),
    ],
)
def test_a_deny_wins_and_nothing_is_allowed_by_itself(
    statements: list[Any], *, allowed: bool
) -> None:
    assert allows(*statements) is allowed


def test_a_single_statement_needs_no_list() -> None:
    assert policies.allows({"Statement": ALLOW}, action=INVOKE, resource=ARN)


@pytest.mark.parametrize(
    ("resource", "allowed"),
    [
        ("*", True),
        ("arn:aws:execute-api:*", True),
        ("arn:aws:execute-api:*:*:*", True),
        ("arn:aws:execute-api:us-east-1:123456789012:localgatew/api/*", True),
        ("arn:aws:execute-api:us-east-1:123456789012:localgatew/*/$connect", True),
        ("arn:aws:execute-api:us-east-?:123456789012:localgatew/api/$connect", True),
        ("arn:aws:execute-api:us-east-1:123456789012:localgatew/api/$connec?", True),
        ("arn:aws:execute-api:us-east-1:123456789012:localgatew/api/GET/*", False),
        ("arn:aws:execute-api:us-east-1:123456789012:localgatew/api/$connect?", False),
        ("arn:aws:execute-api:us-east-1:123456789012:localgatew/api/$default", False),
        ("arn:aws:execute-api:us-east-1:123456789012:LOCALGATEW/api/$connect", False),
        ("arn:aws:execute-api:us-east-1:123456789012:localgatew/api/[$]connect", False),
        (ARN[:-1], False),
        ("", False),
        (["arn:aws:s3:::bucket", ARN], True),
        (["arn:aws:s3:::bucket"], False),
    ],
)
def test_a_resource_is_matched_with_its_wildcards(resource: Any, *, allowed: bool) -> None:
    assert allows({**ALLOW, "Resource": resource}) is allowed


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        ("*", True),
        ("execute-api:*", True),
        ("execute-api:Inv*", True),
        ("EXECUTE-API:invoke", True),
        ("execute-api:ManageConnections", False),
        ("lambda:*", False),
        (["execute-api:ManageConnections", "execute-api:Invoke"], True),
    ],
)
def test_an_action_is_matched_without_regard_to_case(action: Any, *, allowed: bool) -> None:
    assert allows({**ALLOW, "Action": action}) is allowed


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({"Effect": "Allow", "NotAction": "execute-api:ManageConnections", "Resource": "*"}, True),
        ({"Effect": "Allow", "NotAction": "execute-api:*", "Resource": "*"}, False),
        ({"Effect": "Allow", "Action": INVOKE, "NotResource": "*/$connect"}, False),
        ({"Effect": "Allow", "Action": INVOKE, "NotResource": ["*/a", "*/b"]}, True),
    ],
)
def test_the_negated_elements_cover_everything_else(
    statement: dict[str, Any], *, allowed: bool
) -> None:
    assert allows(statement) is allowed


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "policyDocument is not an object"),
        ("Allow", "policyDocument is not an object"),
        ([ALLOW], "policyDocument is not an object"),
        ({}, "Statement of the policy is neither an object nor a list"),
        ({"Statement": "Allow"}, "Statement of the policy is neither"),
        ({"Version": "2012", "Statement": []}, "Version of the policy is not 2012-10-17"),
        ({"Version": 2012, "Statement": []}, "Version of the policy is not 2012-10-17"),
        ({"Statement": [None]}, "a statement of the policy is not an object"),
        ({"Statement": [{**ALLOW, "Effect": "allow"}]}, "Effect of a statement is not"),
        ({"Statement": [{**ALLOW, "Effect": ["Allow"]}]}, "Effect of a statement is not"),
        ({"Statement": [{**ALLOW, "Principal": "*"}]}, "a statement has something else than"),
        ({"Statement": [{**ALLOW, "NotAction": "x"}]}, "one of Action and NotAction"),
        ({"Statement": [{"Effect": "Deny", "Action": "*"}]}, "one of Resource and NotResource"),
        ({"Statement": [{**ALLOW, "Action": []}]}, "Action of a statement is neither"),
        ({"Statement": [{**ALLOW, "Resource": None}]}, "Resource of a statement is neither"),
        ({"Statement": [{**ALLOW, "Resource": [1]}]}, "Resource of a statement holds"),
        ({"Statement": [{**DENY, "Resource": "${aws:x}"}]}, "does not fill in policy variables"),
        ({"Statement": [{**DENY, "Condition": {"Bool": {}}}]}, "does not evaluate the Condition"),
        ({"Statement": [ALLOW, {}]}, "Effect of a statement is not"),
    ],
)
def test_what_is_no_policy_is_named(document: Any, said: str) -> None:
    with pytest.raises(AuthorizerError, match=re.escape(said)):
        policies.allows(document, action=INVOKE, resource=ARN)


# -- what always holds ---------------------------------------------------------------------------

CHARACTERS = st.sampled_from("ab:/*?[]!-$")
STATEMENTS = st.sampled_from([ALLOW, DENY, ELSEWHERE, {**ELSEWHERE, "Effect": "Deny"}])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def matches(pattern: str, value: str) -> bool:
    """What wildcards mean, spelt out one character at a time."""
    if not pattern:
        return not value
    if pattern[0] == "*":
        return matches(pattern[1:], value) or (bool(value) and matches(pattern, value[1:]))
    same = bool(value) and pattern[0] in ("?", value[0])
    return same and matches(pattern[1:], value[1:])


@given(st.text(CHARACTERS, min_size=1, max_size=8), st.text(CHARACTERS, max_size=8))
def test_wildcards_mean_what_iam_means_by_them(pattern: str, value: str) -> None:
    document = {"Statement": {**ALLOW, "Resource": pattern}}

    assert policies.allows(document, action=INVOKE, resource=value) == matches(pattern, value)


@given(st.lists(STATEMENTS, max_size=6), st.randoms())
def test_the_order_of_statements_makes_no_difference(statements: list[Any], chance: Any) -> None:
    shuffled = list(statements)
    chance.shuffle(shuffled)

    assert allows(*shuffled) is (ALLOW in statements and DENY not in statements)


@given(st.one_of(JSON, st.fixed_dictionaries({"Statement": st.lists(JSON)})))
def test_whatever_is_answered_only_one_kind_of_error_is_raised(document: Any) -> None:
    try:
        allowed = policies.allows(document, action=INVOKE, resource=ARN)
    except AuthorizerError:
        allowed = False

    assert not allowed
