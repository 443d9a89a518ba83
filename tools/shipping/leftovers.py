"""What an earlier data stack has left behind and CloudFormation cannot take over."""

from collections.abc import Callable, Mapping
from functools import partial

from botocore.exceptions import ClientError

from tools.shipping.desks import Desk
from tools.shipping.errors import ShippingError
from tools.shipping.templates import Template

# What says that a queue or a secret of a name is not there.
_ABSENT = {
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
}


def refuse_leftovers(desk: Desk, template: Template, parameters: Mapping[str, str]) -> None:
    """See that nothing is in the way of a new stack: it would roll back what it has taken over.

    Raises:
        ShippingError: a queue or a secret of the template is there already.
    """
    sqs, secrets = desk.account.client("sqs"), desk.account.client("secretsmanager")
    names = partial(_names, template, desk.stage.name)
    left = [
        f"queue {name}"
        for name in names("AWS::SQS::Queue", "QueueName")
        if _exists(partial(sqs.get_queue_url, QueueName=name))
    ]
    # Those of a second region are copies, and not made by its stack.
    if parameters.get("RegionRole") != "secondary":
        left += [
            f"secret {name}"
            for name in names("AWS::SecretsManager::Secret", "Name")
            if _exists(partial(secrets.describe_secret, SecretId=name))
        ]
    if left:
        raise ShippingError(
            f"an earlier stack has left {', '.join(left)}, and CloudFormation takes over tables"
            " only: delete these when nothing in them is needed (docs/deploying.md, Tearing down)"
        )


def named(value: str | Mapping[str, str], stage: str) -> str:
    """Return a name of the template as a stage has it."""
    text = value if isinstance(value, str) else value["Fn::Sub"]
    return text.replace("${Stage}", stage)


def _names(template: Template, stage: str, kind: str, key: str) -> list[str]:
    """Return what the resources of a kind are called in a stage."""
    resources = template["Resources"].values()
    return [named(each["Properties"][key], stage) for each in resources if each["Type"] == kind]


def _exists(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return False
        raise
    return True
