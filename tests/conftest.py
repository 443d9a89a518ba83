"""What holds for all tests."""

import signal

from hypothesis import HealthCheck, settings

# Hypothesis gives each example 200 ms, of the clock on the wall: a busy machine is no finding. What
# has to be fast has a test that says so, and counts its own time.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_configure() -> None:
    """Take Ctrl-C, and let processes that tests start take it, as a terminal's would.

    Shells start what runs in the background with SIGINT ignored, which is inherited: tests that
    end a server by it would wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
