"""`python -m tests.e2e`: deploy to an emulator that enforces IAM, both ways, and chat with it.

Each way on a stage of its own: prod by `make release`, dev by `make deploy`. Nothing that is done
here reaches AWS.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.e2e.adaptations import MANAGEMENT, adapt, execute_api
from tests.e2e.emulators import Emulator, EmulatorError, become_admin, emulator
from tests.e2e.permissions import mutate
from tests.e2e.projects import copied
from tests.e2e.scenario import PARTS
from tests.e2e.worlds import World
from tools import ship
from tools.shipping.accounts import connect
from tools.shipping.deployments import Deployed
from tools.shipping.desks import Desk
from tools.shipping.projects import find_stage
from tools.shipping.templates import body

_ROOT = Path(__file__).resolve().parents[2]
_STAGES = {"release": "prod", "deploy": "dev"}


class Failed(Exception):  # noqa: N818 - it is not an error of this program
    """A step did not do what it must; the text says which and what."""


class Run:
    """One emulator, the project's copy, and the steps that are done with them."""

    def __init__(self, found: Emulator, project: Path, *, verbose: bool) -> None:
        self._found = found
        self._project = project
        self._verbose = verbose
        self._began = time.monotonic()
        self._told: list[str] = []

    def both(self, ways: Sequence[str]) -> None:
        """Go through everything, for each way of deploying."""
        for way in ways:
            self.way(way)

    def way(self, way: str) -> None:
        """Deploy, chat, deploy again, chat again, destroy."""
        stage = _STAGES[way]
        self.ship("data", stage)
        where = self.where
        self.ship(way, stage, *where)
        self.scenario(way)
        if way == "release":
            self.step("infra/observability.yaml", partial(self._watch, stage))
        self.ship("data", stage, again=True)
        self.ship(way, stage, *where, again=True)
        self.scenario(way, again=True)
        self.ship("destroy", stage, "--confirm", stage, "--data")

    @property
    def where(self) -> list[str]:
        """The option that tells functions where the emulator has @connections."""
        return ["--parameter", f"ExecuteApiUrl={execute_api(self._found.url)}"]

    def permissions(self, only: str | None) -> int:
        """Deploy once, see that all goes well, and take permissions away; returns an exit code."""
        # dev has guests, whose way in needs permissions of its own.
        stage = _STAGES["deploy"]
        self.ship("data", stage)
        self.ship("release", stage, *self.where)
        for name in ("doors", "talk", "large room"):
            world = self.world("release", stage)
            self.step(f"with all permissions: {name}", partial(PARTS[name], world), world)
            world.leave()
        return mutate(partial(self.world, "release", stage), _ROOT, only)

    def ship(self, command: str, stage: str, *options: str, again: bool = False) -> None:
        """Run a command as its target of the Makefile does."""
        self.step(
            f"make {command} STAGE={stage}{', again' if again else ''}",
            lambda: self._ship(command, stage, options),
        )

    def scenario(self, way: str, *, again: bool = False) -> None:
        """Chat with what was deployed."""
        world = self.world(way)
        try:
            for name, part in PARTS.items():
                title = f"{way}{', again' if again else ''}: {name}"
                self.step(title, partial(part, world), world)
        finally:
            world.leave()

    def world(self, way: str, name: str | None = None) -> World:
        """Return what was deployed one way or the other, to that way's stage or another."""
        account, stage = connect(), find_stage(self._project, name or _STAGES[way])
        if way == "release":
            stack = Desk(account=account, stage=stage).stack(stage.service_stack)
            ids = stack.outputs["RestAPIId"], stack.outputs["WebsocketAPIId"]
        else:
            deployed = Deployed.read(stage)
            assert deployed is not None
            rest = deployed["rest_api", "rest_api_id"]
            ids = rest, deployed["websocket_api", "websocket_api_id"]
        page, socket = (f"{execute_api(self._found.url)}/{each}/api" for each in ids)
        found = self._found
        url = socket.replace("http:", "ws:")
        return World(account, stage, found, page, url, began=found.position)

    def step(self, title: str, work: Callable[[], object], world: World | None = None) -> None:
        """Do a step, and tell how it went."""
        started = time.monotonic()
        self._told.clear()
        try:
            work()
        except Exception as error:
            self._explain(world)
            place = traceback.extract_tb(error.__traceback__)[-1]
            reason = str(error) or f"{type(error).__name__} at {place.line}"
            raise Failed(f"{title}: {reason}") from error
        print(f"  ok {time.monotonic() - started:6.1f} s  {title}", flush=True)

    def _ship(self, command: str, stage: str, options: Sequence[str]) -> None:
        arguments = [command, "--stage", stage, "--project", str(self._project), *options]
        code = ship.main(arguments, make=self._desk)
        assert code == 0, f"exit code {code}"

    def _watch(self, name: str) -> None:
        stage = find_stage(self._project, name)
        desk = self._desk(account=connect(), stage=stage)
        api = desk.stack(stage.service_stack).outputs["WebsocketAPIId"]
        parameters = {"Stage": name, "WebSocketApiId": api}
        source = {"TemplateBody": body(desk.template("observability.yaml"))}
        desk.stack(f"{stage.service_stack}-observability").change(
            source, parameters | stage.parameters("observability")
        )

    def _desk(self, **arguments: object) -> Desk:
        variables = {MANAGEMENT: execute_api(self._found.url) + "/{api}/{stage}"}
        return Desk(**arguments, adapt=adapt, variables=variables, say=self._say)  # type: ignore[arg-type]

    def _say(self, line: str) -> None:
        self._told.append(line)
        if self._verbose:
            print(f"      {line}", flush=True)

    def _explain(self, world: World | None) -> None:
        for line in self._told[-40:]:
            print(f"      {line}")
        for line in world.logs()[-60:] if world else self._found.lines()[-15:]:
            print(f"      {line}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, or 1 if a step failed, or 2 if nothing could be begun."""
    options = _parser().parse_args(arguments)
    began = time.monotonic()
    # Whoever ends this process ends the emulator and its functions too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="dynamowave-e2e-"))
    try:
        with emulator(Path(options.emulator), folder) as found:
            become_admin(found)
            run = Run(found, copied(_ROOT, folder, Path(options.cache)), verbose=options.verbose)
            if options.permissions:
                return run.permissions(options.only)
            run.both(["release", "deploy"] if options.way == "both" else [options.way])
    except Failed as failed:
        print(f"FAILED {failed}", file=sys.stderr)
        return 1
    except EmulatorError as error:
        print(f"e2e: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(PARTS)} parts, each twice, in {time.monotonic() - began:.0f} s")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e", description=__doc__)
    add = parser.add_argument
    add("--way", choices=["both", "release", "deploy"], default="both")
    add("--emulator", default=".venv-e2e/bin/python", metavar="FILE", help="Python with ministack")
    add("--cache", default=".cache/e2e", metavar="DIR", help="where packed zips are kept")
    add("--verbose", action="store_true", help="show what the commands print")
    add("--permissions", action="store_true", help="take permissions away one by one instead")
    add("--parts", nargs="*", choices=PARTS, help="of the scenario only these")
    add("--only", metavar="TEXT", help="with --permissions: those whose name has this text")
    return parser


if __name__ == "__main__":
    sys.exit(main())
