"""What holds for all tests."""

import signal


def pytest_configure() -> None:
    """Take Ctrl-C, and let processes that tests start take it, as a terminal's would.

    Shells start what runs in the background with SIGINT ignored, which is inherited: tests that
    end a server by it would wait for ever.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
