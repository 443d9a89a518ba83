"""How fast frames go out, so that the server need not refuse any."""

from chatclient.context import Context


class Pace:
    """Counts the frames of each link, by the generic cell rate algorithm.

    A new connection with many rooms has more to ask than a server takes at once; what it refuses
    costs it as much as what it answers.
    https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._arrivals: dict[int, float] = {}  # when a link will have made up for its frames

    def wait(self, link: int) -> float:
        """Return in how many seconds the link takes a frame; if that is 0, count one."""
        settings, now = self._context.settings, self._context.clock()
        step = 1 / settings.frames_a_second
        arrival = max(now, self._arrivals.get(link, now))
        ahead = arrival - now - step * (settings.frames_at_once - 1)
        if ahead > 0:
            return ahead
        self._arrivals[link] = arrival + step
        return 0.0

    def lost(self, link: int) -> None:
        """Forget a link."""
        self._arrivals.pop(link, None)
