"""What the functions have needed in these tests, held against their policies."""

from itertools import product

import pytest

from chalicelib.settings import Settings
from localgateway.policies import allows
from tests.functional.chats import ENVIRON, LEDGER
from tests.functional.grants import Need
from tests.stores.tables import STAGE
from tools.policies import USES, uses

WARMS = Settings.from_environ(ENVIRON).warmer.functions


@pytest.mark.after_all
def test_every_permission_is_used() -> None:
    """Runs after all others; what is used is allowed, or they have failed."""
    unused = {function: sorted(allowed(function) - used(function)) for function in USES}

    assert {function: needs for function, needs in unused.items() if needs} == {}


def allowed(function: str) -> set[Need]:
    """Return each action and resource of a function's policy, but for what Lambda itself uses."""
    return {
        need
        for use in uses(function, warms=WARMS, traced=True)
        if not use.by_lambda
        for statement in [use.statement(STAGE, function)]
        for need in product(statement["Action"], statement["Resource"])
    }


def used(function: str) -> set[Need]:
    """Return those of them that a call has needed."""
    calls = [(action, arn) for name, action, arn in LEDGER.used if name == function]
    return {
        (action, resource)
        for action, resource in allowed(function)
        if any(allows(only(action, resource), action=act, resource=arn) for act, arn in calls)
    }


def only(action: str, resource: str) -> dict[str, object]:
    """Return a policy that allows nothing else."""
    return {"Statement": {"Effect": "Allow", "Action": action, "Resource": resource}}
