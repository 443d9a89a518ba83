"""What every command works with: an account, a stage, and somebody to tell what is going on."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tools.shipping.accounts import Account
from tools.shipping.projects import Stage
from tools.shipping.stacks import Stack
from tools.shipping.templates import Adapt, Template, read_template, unchanged


def tell(line: str) -> None:
    """Print a line at once, also into a file or a pipe."""
    print(line, flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a command needs.

    Attributes:
        account: Where it works.
        stage: On what.
        say: Whom it tells, line by line.
        adapt: What changes templates for an emulator.
        variables: Environment variables that functions get beside their own, with {api} and
            {stage} for the WebSocket API's; for an emulator.
    """

    account: Account
    stage: Stage
    say: Callable[[str], None] = tell
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time
    adapt: Adapt = unchanged
    variables: dict[str, str] = field(default_factory=dict)

    def stack(self, name: str, *, region: str | None = None) -> Stack:
        """Return a stack of the account, of its region unless another is named."""
        client = self.account.client("cloudformation", region)
        return Stack(client, name, say=self.say, sleep=self.sleep, clock=self.clock)

    def template(self, name: str) -> Template:
        """Return a template of infra/."""
        return self.adapt(read_template(self.stage.root / "infra" / name))
