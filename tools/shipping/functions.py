"""The functions of a stage after `chalice deploy`: their environment, and how they are invoked."""

from typing import Any

from botocore.exceptions import ClientError

from tools.policies import USES
from tools.shipping.desks import Desk
from tools.shipping.errors import ShippingError
from tools.shipping.loggroups import log_group
from tools.shipping.wishes import Wishes

_WAIT = 1.0
_TRIES = 60


def function_exists(desk: Desk, name: str) -> bool:
    """Tell whether there is a function of that deployed name."""
    try:
        desk.account.client("lambda").get_function_configuration(FunctionName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return False
        raise
    return True


def adjust_functions(desk: Desk, api: str, url: str, wishes: Wishes) -> None:
    """Tell the functions where the WebSocket API is, and the queue how to invoke `deliver`.

    Chalice overwrites all variables each time, and knows no URL before it has deployed.
    """
    gateway_stage = desk.stage.gateway_stage
    variables = {"WEBSOCKET_URL": url.rstrip("/"), **wishes.variables} | {
        key: text.format(api=api, stage=gateway_stage) for key, text in desk.variables.items()
    }
    for name in USES:
        function = desk.stage.function(name)
        if function_exists(desk, function):
            _extend(desk, function, variables)
    desk.say(f"  {', '.join(variables)} for the functions")
    _adjust_log(desk)
    _adjust_queue(desk, wishes)
    _adjust_events(desk, wishes)


def _extend(desk: Desk, function: str, variables: dict[str, str]) -> None:
    client = desk.account.client("lambda")
    now: dict[str, str] = _settled(desk, function).get("Environment", {}).get("Variables", {})
    if now | variables != now:
        client.update_function_configuration(
            FunctionName=function, Environment={"Variables": now | variables}
        )
        _settled(desk, function)


def _settled(desk: Desk, function: str) -> dict[str, Any]:
    """Wait until no update of the function is under way, as Lambda refuses a second one."""
    client = desk.account.client("lambda")
    for _ in range(_TRIES):
        configuration = dict(client.get_function_configuration(FunctionName=function))
        if configuration.get("LastUpdateStatus", "Successful") != "InProgress":
            return configuration
        desk.sleep(_WAIT)
    raise ShippingError(f"{function} does not finish its update: repeat")


def _adjust_log(desk: Desk) -> None:
    """Make the one log group that Chalice makes under a name that is not its function's.

    No function may make its own, so that of the routes would log nothing.
    """
    days = desk.stage.config.get("log_retention_in_days")
    if days:
        name = desk.stage.log_group("api_handler")
        log_group(desk, name, int(days))
        desk.say(f"  log {name}, kept for {days} days")


def _adjust_queue(desk: Desk, wishes: Wishes) -> None:
    """Have one bad job not repeat the whole batch, and the queue not take all concurrency.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    client = desk.account.client("lambda")
    function, most = desk.stage.function("deliver"), wishes.deliveries
    for mapping in client.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]:
        client.update_event_source_mapping(
            UUID=mapping["UUID"],
            FunctionResponseTypes=["ReportBatchItemFailures"],
            ScalingConfig={"MaximumConcurrency": most} if most else {},
        )
    desk.say(f"  partial batch failures for {function}, at most {most or 'any'} at a time")


def _adjust_events(desk: Desk, wishes: Wishes) -> None:
    """Say how often an event is tried again, and where it is kept after that."""
    client = desk.account.client("lambda")
    for function, wish in wishes.asynchronous.items():
        kept = {"OnFailure": {"Destination": wish.destination}} if wish.destination else {}
        if function_exists(desk, function):
            client.put_function_event_invoke_config(
                FunctionName=function,
                MaximumRetryAttempts=wish.retries,
                MaximumEventAgeInSeconds=wish.oldest,
                DestinationConfig=kept,
            )
            where = f", then kept in {wish.destination.split(':')[-1]}" if wish.destination else ""
            desk.say(f"  {function}: {wish.retries} retries{where}")
