"""A CloudFormation stack: in which state it is, and how it is changed while one can watch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from tools.shipping.errors import ShippingError

_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
_POLL = 2.0
_LONGEST = 3600.0
_NOT_YET = "REVIEW_IN_PROGRESS"  # a change set was made for it and never carried out
_ADVICE = {
    "ROLLBACK_COMPLETE": "its creation has failed: delete it ({delete}), then repeat",
    "ROLLBACK_FAILED": "its creation has failed: delete it ({delete}), then repeat",
    "CREATE_FAILED": "its creation has failed: delete it ({delete}), then repeat",
    "DELETE_FAILED": "its deletion has failed: see its events for why, and repeat ({delete})",
    "UPDATE_FAILED": "mend the reason in its events, then roll it back ({rollback})",
    "UPDATE_ROLLBACK_FAILED": "mend the reason in its events, then finish ({resume})",
}
_COMMANDS = {
    "delete": "aws cloudformation delete-stack --stack-name {name}",
    "rollback": "aws cloudformation rollback-stack --stack-name {name}",
    "resume": "aws cloudformation continue-update-rollback --stack-name {name}",
}
_STATEFUL = {
    "AWS::DynamoDB::GlobalTable",
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
}

Change = Mapping[str, Any]


class Stack:
    """One stack by its name, whether it exists or not."""

    def __init__(
        self,
        client: Any,
        name: str,
        *,
        say: Callable[[str], None],
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self.name = name
        self._say = say
        self._sleep = sleep
        self._clock = clock

    @property
    def state(self) -> str | None:
        """Its status; None if there is no such stack."""
        described = self._describe()
        status = described["StackStatus"] if described else None
        return None if status in {_NOT_YET, "DELETE_COMPLETE"} else status

    @property
    def outputs(self) -> dict[str, str]:
        """What it tells of itself; nothing if there is no such stack."""
        described = self._describe() or {}
        return {out["OutputKey"]: out["OutputValue"] for out in described.get("Outputs", [])}

    def require_calm(self) -> str | None:
        """Return its state, one in which it can be changed; None if there is no such stack.

        Raises:
            ShippingError: it is being changed, or needs somebody's help first.
        """
        state = self.state
        if state and state.endswith("_IN_PROGRESS"):
            raise ShippingError(
                f"stack {self.name} is being changed by somebody ({state}): wait, then repeat"
            )
        if state in _ADVICE:
            commands = {key: text.format(name=self.name) for key, text in _COMMANDS.items()}
            raise ShippingError(
                f"stack {self.name} is {state}: {_ADVICE[state].format(**commands)}"
            )
        return state

    def change(
        self,
        template: Mapping[str, str],
        parameters: Mapping[str, str],
        *,
        keep_state: bool = False,
        adopt: bool = False,
    ) -> bool:
        """Make it what the template says, or leave it as it was; tell whether anything changed.

        Args:
            template: TemplateBody or TemplateURL, as CloudFormation takes it.
            parameters: Those that the template does not have are an error of CloudFormation's.
            keep_state: Refuse what would replace or remove a table, queue, key or secret.
            adopt: Take over what exists without a stack under names that the template spells out.

        Raises:
            ShippingError: it cannot be changed now, or the change failed and was rolled back.
        """
        kind = "UPDATE" if self.require_calm() else "CREATE"
        identifier = self._propose(kind, template, parameters, adopt=adopt)
        changes = self._await_changes(identifier)
        if not changes:
            self._drop(identifier, kind)
            self._say(f"  {self.name}: nothing to change")
            return False
        for line in map(_told, changes):
            self._say(line)
        if keep_state and (lost := list(filter(_loses_state, changes))):
            self._drop(identifier, kind)
            names = ", ".join(change["LogicalResourceId"] for change in lost)
            raise ShippingError(f"this would replace or remove what holds state: {names}")
        seen = {event["EventId"] for event in self._events()}
        self._client.execute_change_set(ChangeSetName=identifier)
        self._watch(seen, "UPDATE_COMPLETE" if kind == "UPDATE" else "CREATE_COMPLETE")
        return True

    def protect(self, *, protected: bool) -> None:
        """Let nobody delete it by mistake, or let them again."""
        self._client.update_termination_protection(
            StackName=self.name, EnableTerminationProtection=protected
        )

    def delete(self) -> bool:
        """Delete it, but for what it is told to retain; tell whether it was there.

        Raises:
            ShippingError: it is being changed, or something in it could not be deleted.
        """
        described = self._describe()
        if described is None:
            return False
        if (state := described["StackStatus"]).endswith("_IN_PROGRESS") and state != _NOT_YET:
            raise ShippingError(f"stack {self.name} is being changed ({state}): wait, then repeat")
        # By its id, as a stack that is gone has no name any more.
        name, self.name = self.name, described["StackId"]
        seen = {event["EventId"] for event in self._events()}
        self._client.delete_stack(StackName=name)
        self._watch(seen, "DELETE_COMPLETE")
        self.name = name
        return True

    def _describe(self) -> Any:
        try:
            return self._client.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error.response["Error"].get("Message", ""):
                return None
            raise

    def _propose(
        self, kind: str, template: Mapping[str, str], parameters: Mapping[str, str], *, adopt: bool
    ) -> str:
        told = [{"ParameterKey": k, "ParameterValue": v} for k, v in sorted(parameters.items())]
        made = self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"make-{self._clock() * 1000:.0f}",
            ChangeSetType=kind,
            Parameters=told,
            Capabilities=_CAPABILITIES,
            **({"ImportExistingResources": True} if adopt else {}),
            **template,
        )
        return str(made["Id"])

    def _await_changes(self, identifier: str) -> list[Change]:
        for _ in self._ticks():
            described = self._client.describe_change_set(ChangeSetName=identifier)
            if described["Status"] == "CREATE_COMPLETE":
                return self._changes(identifier)
            if described["Status"] == "FAILED":
                return self._none_or_raise(described)
        raise ShippingError(f"CloudFormation does not finish the change set of {self.name}")

    def _changes(self, identifier: str) -> list[Change]:
        pages = self._client.get_paginator("describe_change_set").paginate(ChangeSetName=identifier)
        return [change["ResourceChange"] for page in pages for change in page.get("Changes", [])]

    def _none_or_raise(self, described: Mapping[str, Any]) -> list[Change]:
        reason = described.get("StatusReason", "no reason is given")
        if "didn't contain changes" in reason or "No updates are to be performed" in reason:
            return []
        self._client.delete_change_set(ChangeSetName=described["ChangeSetId"])
        raise ShippingError(f"CloudFormation refuses the template of {self.name}: {reason}")

    def _drop(self, identifier: str, kind: str) -> None:
        self._client.delete_change_set(ChangeSetName=identifier)
        if kind == "CREATE":  # the stack that it was for has nothing in it
            self._client.delete_stack(StackName=self.name)

    def _watch(self, seen: set[str], wanted: str) -> None:
        reason = ""
        for _ in self._ticks():
            # The state first: what happens until it is reached is then among the events.
            state = (self._describe() or {"StackStatus": "DELETE_COMPLETE"})["StackStatus"]
            for event in self._news(seen):
                self._say(_happened(event))
                reason = reason or _why(event)
            if state == wanted:
                return
            if not state.endswith("_IN_PROGRESS"):
                raise ShippingError(f"stack {self.name} is {state}: {reason or 'see its events'}")
        raise ShippingError(f"stack {self.name} does not finish: look at its events")

    def _news(self, seen: set[str]) -> list[Any]:
        news = [event for event in self._events() if event["EventId"] not in seen]
        seen.update(event["EventId"] for event in news)
        return news[::-1]

    def _events(self) -> Sequence[Any]:
        # One page, the newest hundred: it is read more often than so many happen.
        try:
            answer = self._client.describe_stack_events(StackName=self.name)
        except ClientError:
            return []
        return list(answer["StackEvents"])

    def _ticks(self) -> Iterator[None]:
        end = self._clock() + _LONGEST
        pause = _POLL / 4
        while self._clock() < end:
            yield
            self._sleep(pause)
            pause = min(_POLL, pause * 1.5)


def _told(change: Change) -> str:
    replacement = change.get("Replacement")
    extra = {"True": ", by a new one", "Conditional": ", perhaps by a new one"}
    verb = f"{change['Action'].lower():7}"
    resource = f"{change['LogicalResourceId']} ({change['ResourceType']})"
    return f"  {verb} {resource}{extra.get(str(replacement), '')}"


def _loses_state(change: Change) -> bool:
    lost = change["Action"] == "Remove" or str(change.get("Replacement")) == "True"
    return lost and change["ResourceType"] in _STATEFUL


def _happened(event: Mapping[str, Any]) -> str:
    reason = event.get("ResourceStatusReason")
    tail = f": {reason}" if reason and "FAILED" in event["ResourceStatus"] else ""
    return f"  {event['ResourceStatus']:28} {event['LogicalResourceId']}{tail}"


def _why(event: Mapping[str, Any]) -> str:
    reason = event.get("ResourceStatusReason", "")
    if not event["ResourceStatus"].endswith("_FAILED") or "cancelled" in reason:
        return ""
    return f"{event['LogicalResourceId']}: {reason}"
