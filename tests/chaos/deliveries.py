"""What must hold of the queue when a round is over and it has been worked off."""

from chalicelib.jobs import decode_job
from tests.chaos.debts import Debt, Debts
from tests.chaos.gateways import ApiGateway
from tests.chaos.logs import Logs
from tests.chaos.plans import Plan
from tests.chaos.queues import MOST_RECEIVES, Message, Sqs
from tests.chaos.trace import Trace


class Deliveries:
    """Finds frames that the queue has lost, and dead letters that should live."""

    def __init__(self, debts: Debts, sqs: Sqs, gateway: ApiGateway, logs: Logs) -> None:
        self._debts = debts
        self._sqs = sqs
        self._opened = {it.name: it.opened_at for it in gateway.open}
        self._logs = logs

    def run(self, plan: Plan, trace: Trace) -> None:
        """Check everything."""
        for debt in self._debts.left():
            if self._is_due(debt, plan.skew):
                trace.find(f"the queue took for {debt.connection}: {debt.frame}", debt.room)
        for letter in self._sqs.dead:
            if not _is_used_up(letter, plan):
                trace.find(f"a dead letter after {letter.receives} receives: {letter.body}")

    def _is_due(self, debt: Debt, skew: float) -> bool:
        """Tell whether somebody is there whom the queue had to find, without a break since then.

        Who has come again meanwhile has caught up.
        """
        opened = self._opened.get(debt.connection)
        joined = self._logs.subscribed_since(debt.room).get(debt.connection)
        if opened is None or joined is None:
            return False
        return opened < debt.since and joined + 2 * skew < debt.since


def _is_used_up(letter: Message, plan: Plan) -> bool:
    tried = decode_job(letter.body).attempt
    return letter.receives > MOST_RECEIVES or tried >= plan.max_deliveries
