"""Restarts the app when a file of the project changes; the engine, and so the data, stays."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from watchfiles import DefaultFilter, watch

from localgateway import projects
from localgateway.emulator import Options, start_engine
from localgateway.errors import LocalGatewayError
from localgateway.server import listen

_SUFFIXES = {".py", ".json", ".yaml", ".yml", ".html", ".js", ".css"}
# Seconds; a gateway that closes its connections takes at most half of them.
_PATIENCE = 12.0


class _ProjectFilter(DefaultFilter):
    """Source files, without what tools write: caches, virtual environments, packages."""

    def __call__(self, change: object, path: str) -> bool:
        return Path(path).suffix in _SUFFIXES and super().__call__(change, path)  # type: ignore[arg-type]


class _Child:
    """The gateway in a process of its own, which ends with this one, however this one ends.

    watchfiles.run_process would leave it in this process group: Ctrl-C would reach it twice, from
    the terminal and from here, and the second one cuts $disconnect short.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            self._command, stdin=subprocess.PIPE, start_new_session=True
        )

    def stop(self) -> None:
        """Let it close its connections; a second Ctrl-C, or its patience, ends it at once."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_PATIENCE)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.kill()
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()


def run(options: Options, arguments: Sequence[str]) -> int:
    """Serve in a subprocess, anew after every change, until SIGINT or SIGTERM.

    An app that cannot be imported says so and waits for the next change.

    Raises:
        LocalGatewayError: Something the user can mend, before the first start.
    """
    if options.port == 0:
        raise LocalGatewayError("--reload needs a --port of its own choice, not 0")
    directory = options.app.resolve()
    projects.configure(directory, options.stage)
    listen(options.host, options.port).close()  # fails now if the port is taken
    with start_engine(options.engine) as engine, _terminable():
        kept = [argument for argument in arguments if argument != "--reload"]
        # The last --engine counts. `none` has no server that a second process could reach.
        if options.engine == "moto":
            kept += ["--engine", engine.url]
        child = _Child([sys.executable, "-m", "localgateway", *kept, "--supervised"])
        try:
            for _ in watch(directory, watch_filter=_ProjectFilter(), raise_interrupt=False):
                child.stop()
                child.start()
        except KeyboardInterrupt:
            pass  # it came during a restart
        finally:
            child.stop()
    return 0


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
