"""What an earlier data stack has left behind and CloudFormation cannot take over."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

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
    resources = list(template["Resources"].values())
    left = list(_queues(desk, resources))
    # Those of a second region are copies, and not made by its stack.
    if parameters.get("RegionRole") != "secondary":
        left += _secrets(desk, resources)
    if left:
        raise ShippingError(
            f"an earlier stack has left {', '.join(left)}, and CloudFormation takes over tables"
            " only: delete these when nothing in them is needed (docs/deploying.md, Tearing down)"
        )


def named(value: str | Mapping[str, str], stage: str) -> str:
    """Return a name of the template as a stage has it."""
    text = value if isinstance(value, str) else value["Fn::Sub"]
    return text.replace("${Stage}", stage)


def _queues(desk: Desk, resources: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    sqs = desk.account.client("sqs")
    for resource in resources:
        if resource["Type"] == "AWS::SQS::Queue":
            name = named(resource["Properties"]["QueueName"], desk.stage.name)
            if _exists(partial(sqs.get_queue_url, QueueName=name)):
                yield f"queue {name}"


def _secrets(desk: Desk, resources: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    secrets = desk.account.client("secretsmanager")
    for resource in resources:
        if resource["Type"] == "AWS::SecretsManager::Secret":
            name = named(resource["Properties"]["Name"], desk.stage.name)
            if _exists(partial(secrets.describe_secret, SecretId=name)):
                yield f"secret {name}"


def _exists(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return False
        raise
    return True
