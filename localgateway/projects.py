"""Loads a Chalice project: its app, the configuration of a stage and its functions."""

import json
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from chalice import Chalice
from chalice.cli.factory import CLIFactory, UnknownConfigFileVersion
from chalice.config import Config
from chalice.deploy.validate import ExperimentalFeatureError
from chalice.local import LocalChalice

from localgateway.errors import ProjectError
from localgateway.functions import Function, functions_of

_CONFIG = Path(".chalice") / "config.json"
_DEFAULT_API_STAGE = "api"


@dataclass(frozen=True, slots=True)
class Project:
    """A Chalice project as one of its stages configures it."""

    directory: Path
    stage: str
    app: Chalice
    config: Config
    functions: Mapping[str, Function]

    @property
    def api_stage(self) -> str:
        """The stage of the APIs, as in their URLs; not the same thing as the Chalice stage."""
        return api_stage(self.config)


def configure(directory: Path, stage: str | None) -> Config:
    """Read the configuration of a stage without importing the app.

    Args:
        directory: The project's.
        stage: The Chalice stage; None for `local` if there is one, else `dev`.

    Raises:
        ProjectError: No app.py, a configuration that cannot be read, an unknown stage.
    """
    if not (directory / "app.py").is_file():
        raise ProjectError(f"no app.py in {directory}: not a Chalice project (see --app)")
    try:
        stages = dict(json.loads((directory / _CONFIG).read_text()).get("stages", {}))
    except FileNotFoundError:
        raise ProjectError(f"no {_CONFIG} in {directory}: not a Chalice project") from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ProjectError(f"{directory / _CONFIG} cannot be read: {error}") from error
    stage = stage or ("local" if "local" in stages else "dev")
    # Chalice takes a stage that it does not know for an empty one; a typo would go unnoticed.
    if stages and stage not in stages:
        raise ProjectError(f"unknown stage {stage!r}: {_CONFIG} has {', '.join(sorted(stages))}")
    try:
        config = CLIFactory(str(directory)).create_config_obj(stage)
        _check_environment(config.environment_variables)
    except (RuntimeError, UnknownConfigFileVersion) as error:
        raise ProjectError(f"{directory / _CONFIG}: {error}") from error
    except AttributeError as error:
        raise ProjectError(f"{directory / _CONFIG}: stages has to hold objects") from error
    return config


def api_stage(config: Config) -> str:
    """Return the stage that is part of the URLs of the APIs: not the Chalice stage."""
    return config.api_gateway_stage or _DEFAULT_API_STAGE


def load(
    directory: Path, config: Config, environ: MutableMapping[str, str] | None = None
) -> Project:
    """Import the app with the stage's environment, as Chalice's own commands do.

    Raises:
        ProjectError: The app cannot be imported or has no WebSocket handlers.
    """
    environ = os.environ if environ is None else environ
    environ.update(config.environment_variables)
    try:
        app = CLIFactory(str(directory), environ=environ).load_chalice_app()
    except ExperimentalFeatureError:
        raise ProjectError(
            "app.py uses WebSockets without the feature flag: "
            "app.experimental_feature_flags.update(['WEBSOCKETS'])"
        ) from None
    except (Exception, SystemExit) as error:  # importing an app runs any code
        reason = str(error).strip().splitlines() or [""]
        raise ProjectError(
            f"app.py cannot be imported: {type(error).__name__}: {reason[-1].strip()}"
        ) from error
    return adopt(app, config, directory)


def adopt(app: Chalice, config: Config, directory: Path) -> Project:
    """Make a project of an app that is imported already.

    Raises:
        ProjectError: The app has no WebSocket handlers, or its configuration a variable that is
            not a string.
    """
    if not app.websocket_handlers:
        raise ProjectError(
            "app.py has no WebSocket handlers: add @app.on_ws_connect(), @app.on_ws_message() or "
            "@app.on_ws_disconnect(), or use `chalice local` for a REST-only app"
        )
    functions = functions_of(app, config)
    for function in functions.values():
        _check_environment(function.environment)
    _serve_threads(app)
    return Project(directory, config.chalice_stage, app, config, functions)


def _check_environment(variables: Mapping[str, object]) -> None:
    for name, value in variables.items():
        if not isinstance(value, str):
            raise ProjectError(f"{_CONFIG}: environment variable {name} is not a string: {value!r}")


def _serve_threads(app: Chalice) -> None:
    """Keep app.current_request per thread, as `chalice local` does for the same reason."""
    if not isinstance(app, LocalChalice):
        app.__class__ = type("ThreadedChalice", (LocalChalice, app.__class__), {})
