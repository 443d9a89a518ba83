"""How many requests an origin takes at the same time, learnt from how often it answers 429."""


class Pace:
    """A window of concurrent requests, between 1 and `ceiling`, where it starts.

    Additive increase, multiplicative decrease, and the decrease in proportion to the share of
    throttled answers, as DCTCP has it (https://www.rfc-editor.org/rfc/rfc8257#section-3.3, with a
    gain of 1): one recipient that is throttled among hundreds costs next to nothing, and an origin
    that throttles everybody is asked half as much after each window. As many answers are a window
    as there may be requests. Not for several threads at once: its pool has the lock.

    Attributes:
        limit: how many requests may be under way.
        epoch: changes with each decrease. What was sent before one tells nothing about the
            window after it, as in https://www.rfc-editor.org/rfc/rfc3168#section-6.1.2.
    """

    def __init__(self, ceiling: int) -> None:
        self.limit = ceiling
        self.epoch = 0
        self._ceiling = ceiling
        self._window = float(ceiling)
        self._answers = 0
        self._throttled = 0

    def count(self, epoch: int, *, throttled: bool) -> bool:
        """Note the answer to a request sent in that epoch; tell whether one more may go out."""
        if epoch != self.epoch:
            return False
        self._answers += 1
        self._throttled += throttled
        return self._answers >= self.limit and self._turn()

    def _turn(self) -> bool:
        before, share = self.limit, self._throttled / self._answers
        if share:
            self._window = max(1.0, self._window * (1 - share / 2))
            self.epoch += 1
        else:
            self._window = min(float(self._ceiling), self._window + 1)
        self.limit = int(self._window)
        self._answers = self._throttled = 0
        return self.limit > before
