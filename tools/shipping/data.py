"""`make data`: the stack that holds state, made before the functions and kept after them."""

from collections.abc import Sequence

from tools.shipping.desks import Desk
from tools.shipping.errors import ShippingError
from tools.shipping.templates import body

# Stacks in these states have what they were last told to have.
_WHOLE = {
    "CREATE_COMPLETE",
    "IMPORT_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}


def make_data(desk: Desk, overrides: Sequence[str] = (), *, replace: bool = False) -> None:
    """Make or update the data stack of a stage, and protect it from deletion.

    Tables, queues and the secret that an earlier stack of that name has left behind are taken over.

    Raises:
        ShippingError: the stack cannot be changed, or the change failed, or it would replace
            what holds state and `replace` is false.
    """
    stack = desk.stack(desk.stage.data_stack)
    parameters = {"Stage": desk.stage.name, **desk.stage.parameters("data", overrides)}
    desk.say(f"data: tables, queues, secret and key of stage {desk.stage.name} in {stack.name}")
    source = {"TemplateBody": body(desk.template("data.yaml"))}
    stack.change(source, parameters, keep_state=not replace, adopt=True)
    stack.protect(protected=True)
    for key, value in sorted(stack.outputs.items()):
        desk.say(f"  {key}: {value}")
    desk.say("It outlives the functions. Next: make deploy, or make release.")


def require_data(desk: Desk) -> None:
    """See that the data stack is there and whole.

    Raises:
        ShippingError: it is not; says what to do.
    """
    stack = desk.stack(desk.stage.data_stack)
    state = stack.require_calm()
    if state is None:
        raise ShippingError(
            f"there is no stack {stack.name} in {desk.account.region} of account"
            f" {desk.account.number}: `make data STAGE={desk.stage.name}` first, or set"
            " AWS_DEFAULT_REGION to where it is"
        )
    if state not in _WHOLE:
        raise ShippingError(f"stack {stack.name} is {state}: look at its events")
