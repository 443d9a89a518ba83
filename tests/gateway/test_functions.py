"""The functions that `chalice deploy` would create: which, and how they are configured."""

from typing import Any

import pytest
from chalice import Chalice
from chalice.config import Config

from localgateway.functions import Function, FunctionError, functions_of


def chat() -> Chalice:
    app = Chalice("chat")
    app.experimental_feature_flags.update(["WEBSOCKETS"])

    @app.on_ws_connect()
    def someone_came(event: Any) -> None: ...

    @app.on_ws_message()
    def someone_spoke(event: Any) -> None: ...

    @app.on_ws_disconnect()
    def someone_left(event: Any) -> None: ...

    return app


def configured(**settings: Any) -> Config:
    return Config("dev", config_from_disk={"app_name": "chat", **settings})


def test_websocket_functions_have_chalice_s_names_whatever_python_s_are() -> None:
    app = chat()

    functions = functions_of(app, configured())

    assert set(functions) == {"websocket_connect", "websocket_message", "websocket_disconnect"}
    assert functions["websocket_message"].handler is app.handler_map["someone_spoke"]


def test_all_other_handlers_are_functions_too() -> None:
    app = chat()

    @app.route("/")
    def index() -> None: ...

    @app.lambda_function()
    def publish(event: Any, context: Any) -> None: ...

    @app.lambda_function(name="named")
    def unnamed(event: Any, context: Any) -> None: ...

    @app.on_sqs_message(queue="q")
    def deliver(event: Any) -> None: ...

    @app.schedule("rate(5 minutes)")
    def warm(event: Any) -> None: ...

    @app.authorizer()
    def authorize(request: Any) -> None: ...

    functions = functions_of(app, configured())

    assert set(functions) - {"websocket_connect", "websocket_message", "websocket_disconnect"} == {
        "api_handler",
        "publish",
        "named",
        "deliver",
        "warm",
        "authorize",
    }
    assert functions["api_handler"].handler is app
    assert functions["named"].deployed_name == "chat-dev-named"


def test_an_app_without_routes_has_no_api_handler() -> None:
    assert "api_handler" not in functions_of(chat(), configured())


def test_what_is_not_configured_has_chalice_s_defaults() -> None:
    app = chat()

    function = functions_of(app, configured())["websocket_connect"]

    assert function == Function(
        name="websocket_connect",
        deployed_name="chat-dev-websocket_connect",
        handler=app.handler_map["someone_came"],
        timeout=60,
        memory=128,
        reserved_concurrency=None,
        environment={},
    )


def test_a_function_s_configuration_adds_to_the_stage_s() -> None:
    config = configured(
        lambda_timeout=20,
        environment_variables={"A": "app", "B": "app", "C": "app"},
        stages={
            "dev": {
                "lambda_memory_size": 512,
                "environment_variables": {"B": "stage", "C": "stage"},
                "lambda_functions": {
                    "websocket_message": {
                        "lambda_timeout": 29,
                        "lambda_memory_size": 1024,
                        "reserved_concurrency": 0,
                        "environment_variables": {"C": "function"},
                    }
                },
            },
            "prod": {"environment_variables": {"D": "prod"}},
        },
    )

    functions = functions_of(chat(), config)

    message, connect = functions["websocket_message"], functions["websocket_connect"]
    assert (message.timeout, message.memory, message.reserved_concurrency) == (29, 1024, 0)
    assert message.environment == {"A": "app", "B": "stage", "C": "function"}
    assert (connect.timeout, connect.memory, connect.reserved_concurrency) == (20, 512, None)
    assert connect.environment == {"A": "app", "B": "stage", "C": "stage"}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (FunctionError("ValueError", "no"), "ValueError: no"),
        (
            FunctionError("ValueError", "no", ["line 1\n", "line 2\n"]),
            "line 1\nline 2\nValueError: no",
        ),
    ],
)
def test_an_error_reads_like_a_traceback(error: FunctionError, text: str) -> None:
    assert str(error) == text
