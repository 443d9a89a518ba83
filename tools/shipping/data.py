"""`make data`: the stack that holds state, made before the functions and kept after them."""

from collections.abc import Sequence

from tools.shipping.desks import Desk
from tools.shipping.errors import ShippingError
from tools.shipping.leftovers import named, refuse_leftovers
from tools.shipping.templates import Template, body

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

    Tables that an earlier stack of that name has left behind are taken over.

    Raises:
        ShippingError: the stack cannot be changed, or the change failed, or it would replace
            what holds state and `replace` is false, or a queue or secret is left that cannot be
            taken over.
    """
    stack = desk.stack(desk.stage.data_stack)
    parameters = {**desk.stage.parameters("data", overrides), "Stage": desk.stage.name}
    desk.say(f"data: tables, queues, secret and key of stage {desk.stage.name} in {stack.name}")
    template = _spelt(desk.template("data.yaml"), desk.stage.name)
    source = {"TemplateBody": body(template)}
    if stack.require_calm() is None:
        refuse_leftovers(desk, template, parameters)
        if parameters.get("DeletionProtection") != "false":
            # What is protected could not be removed again if the stack does not come about.
            unprotected = {**parameters, "DeletionProtection": "false"}
            stack.change(source, unprotected, adopt=True)
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


def _spelt(template: Template, stage: str) -> Template:
    """Spell out the names of tables: CloudFormation takes none over whose name is a function.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html
    """
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if "TableName" in properties:
            properties["TableName"] = named(properties["TableName"], stage)
    return template
