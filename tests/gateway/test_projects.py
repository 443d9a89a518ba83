"""Loading a project: which stage applies, and one clear line for everything that is wrong."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from chalice import Chalice
from chalice.config import Config

from localgateway import projects
from localgateway.errors import ProjectError
from tests.gateway.conftest import MakeProject

APP = """
import os
from chalice import Chalice

app = Chalice("chat")
app.experimental_feature_flags.update(["WEBSOCKETS"])
greeting = os.environ.get("GREETING")

@app.on_ws_message()
def message(event):
    return greeting
"""
CONFIG: dict[str, Any] = {"version": "2.0", "app_name": "chat", "stages": {"dev": {}}}


def config_of(*stages: str) -> dict[str, Any]:
    return {**CONFIG, "stages": {name: {} for name in stages}}


@pytest.mark.parametrize(
    ("stages", "asked", "chosen"),
    [
        (["dev", "prod"], None, "dev"),
        (["dev", "local", "prod"], None, "local"),
        (["dev", "local", "prod"], "prod", "prod"),
        ([], None, "dev"),
        ([], "anything", "anything"),
    ],
)
def test_the_stage_is_the_one_asked_for_or_local_or_dev(
    make_project: MakeProject, stages: list[str], asked: str | None, chosen: str
) -> None:
    directory = make_project(APP, config_of(*stages))

    assert projects.configure(directory, asked).chalice_stage == chosen


def test_a_configuration_without_stages_is_one_for_dev(make_project: MakeProject) -> None:
    directory = make_project(APP, {"version": "2.0", "app_name": "chat"})

    assert projects.configure(directory, None).chalice_stage == "dev"


def test_without_app_py_it_is_no_project(make_project: MakeProject) -> None:
    directory = make_project(None, CONFIG)

    with pytest.raises(ProjectError, match=r"^no app\.py in .*: not a Chalice project"):
        projects.configure(directory, None)


def test_without_a_configuration_it_is_no_project(make_project: MakeProject) -> None:
    directory = make_project(APP)

    with pytest.raises(ProjectError, match=r"^no \.chalice/config\.json in "):
        projects.configure(directory, None)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("{", "cannot be read"),
        ("", "cannot be read"),
        ("[]", "cannot be read"),
        ("1", "cannot be read"),
        ({**CONFIG, "stages": None}, "cannot be read"),
        ({**CONFIG, "stages": ["dev"]}, "cannot be read"),
        ({**CONFIG, "stages": []}, "stages has to hold objects"),
        ({**CONFIG, "stages": {"dev": None}}, "stages has to hold objects"),
        ({**CONFIG, "version": "3.0"}, "3.0"),
        ({**CONFIG, "version": "new"}, "new"),
        ({**CONFIG, "environment_variables": {"PORT": 8000}}, "PORT is not a string: 8000"),
        (
            {**CONFIG, "stages": {"dev": {"environment_variables": {"ON": True}}}},
            "ON is not a string: True",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used_is_named(
    make_project: MakeProject, config: Any, reason: str
) -> None:
    directory = make_project(APP, config)

    with pytest.raises(ProjectError) as caught:
        projects.configure(directory, None)

    assert "config.json" in str(caught.value)
    assert reason in str(caught.value)


def test_an_unknown_stage_is_answered_with_those_there_are(make_project: MakeProject) -> None:
    directory = make_project(APP, config_of("prod", "dev"))

    with pytest.raises(ProjectError) as caught:
        projects.configure(directory, "pord")

    assert str(caught.value) == "unknown stage 'pord': .chalice/config.json has dev, prod"


def test_without_dev_and_local_a_stage_has_to_be_named(make_project: MakeProject) -> None:
    directory = make_project(APP, config_of("prod"))

    with pytest.raises(ProjectError, match="unknown stage 'dev'"):
        projects.configure(directory, None)


@pytest.mark.usefixtures("imports")
def test_an_app_is_imported_with_the_environment_of_its_stage(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREETING", "before")
    config = {
        **CONFIG,
        "stages": {"dev": {"api_gateway_stage": "v1", "environment_variables": {"GREETING": "hi"}}},
    }
    directory = make_project(APP, config)

    project = projects.load(directory, projects.configure(directory, None))

    assert (project.directory, project.stage, project.api_stage) == (directory, "dev", "v1")
    assert set(project.functions) == {"websocket_message"}
    assert project.functions["websocket_message"].environment == {"GREETING": "hi"}
    assert os.environ["GREETING"] == "hi"
    assert sys.modules["app"].greeting == "hi"


@pytest.mark.usefixtures("imports")
def test_the_environment_can_be_another_one(make_project: MakeProject) -> None:
    config = {**CONFIG, "environment_variables": {"ONLY_HERE": "1"}}
    directory = make_project(APP, config)
    environ: dict[str, str] = {}

    projects.load(directory, projects.configure(directory, None), environ)

    assert environ == {"ONLY_HERE": "1"}
    assert "ONLY_HERE" not in os.environ


@pytest.mark.usefixtures("imports")
@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise ValueError('first\\nlast')", "ValueError: last"),
        ("raise ValueError", "ValueError: "),
        ("raise SystemExit(4)", "SystemExit: 4"),
        ("def (", "SyntaxError: invalid syntax"),
        ("application = 1", "AttributeError: module 'app' has no attribute 'app'"),
    ],
)
def test_an_app_that_cannot_be_imported_says_why_in_one_line(
    make_project: MakeProject, source: str, line: str
) -> None:
    directory = make_project(source, CONFIG)

    with pytest.raises(ProjectError) as caught:
        projects.load(directory, projects.configure(directory, None))

    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("app.py cannot be imported: ")
    assert line in str(caught.value)


@pytest.mark.usefixtures("imports")
def test_a_missing_feature_flag_is_told_as_the_line_to_add(make_project: MakeProject) -> None:
    directory = make_project(
        APP.replace('app.experimental_feature_flags.update(["WEBSOCKETS"])', ""), CONFIG
    )

    with pytest.raises(ProjectError, match=r"app\.experimental_feature_flags\.update"):
        projects.load(directory, projects.configure(directory, None))


@pytest.mark.usefixtures("imports")
def test_an_app_without_websocket_handlers_is_for_another_tool(make_project: MakeProject) -> None:
    directory = make_project("from chalice import Chalice\napp = Chalice('rest')", CONFIG)

    with pytest.raises(ProjectError, match=r"no WebSocket handlers.*`chalice local`"):
        projects.load(directory, projects.configure(directory, None))


def websocket_app() -> Chalice:
    app = Chalice("chat")

    @app.on_ws_message()
    def message(event: Any) -> None: ...

    return app


def test_an_app_that_is_imported_already_can_be_adopted_again_and_again(tmp_path: Path) -> None:
    app = websocket_app()
    config = Config("dev", config_from_disk={"app_name": "chat"})

    first = projects.adopt(app, config, tmp_path)
    kind = type(app)
    second = projects.adopt(app, config, tmp_path)

    assert (first.app, second.app, type(app)) == (app, app, kind)
    assert first.api_stage == "api"


def test_a_variable_of_a_function_has_to_be_a_string_too(tmp_path: Path) -> None:
    functions = {"websocket_message": {"environment_variables": {"PORT": 1}}}
    config = Config(
        "dev", config_from_disk={**CONFIG, "stages": {"dev": {"lambda_functions": functions}}}
    )

    with pytest.raises(ProjectError, match="PORT is not a string: 1"):
        projects.adopt(websocket_app(), config, tmp_path)
