"""Writes docs/asyncapi.yaml: the protocol in AsyncAPI 3.0, from the types that speak it."""

import inspect
from pathlib import Path
from typing import Any

import yaml
from msgspec import json, to_builtins

from chalicelib import __version__
from chalicelib import commands as c
from chalicelib import events as e
from chalicelib.errors import ChatError
from chalicelib.models import LARGEST_INTEGER, USER_PATTERN
from tools.frames import EXAMPLES

PATH = Path(__file__).parents[1] / "docs" / "asyncapi.yaml"
MAX_ID_LENGTH = 64
HEADER = "# Generated from the types in chalicelib by `make asyncapi`: edit those.\n"

ANSWERS: dict[type[c.Command], type[e.Event] | None] = {
    c.Hello: e.Welcome,
    c.Ping: e.Pong,
    c.SendMessage: e.AppendedAck,
    c.EditMessage: e.AppendedAck,
    c.DeleteMessage: e.AppendedAck,
    c.React: e.AppendedAck,
    c.Subscribe: e.SubscribedAck,
    c.Unsubscribe: e.RoomAck,
    c.History: e.HistoryAck,
    c.Typing: None,
    c.Presence: e.PresenceAck,
    c.Read: e.ReadAck,
    c.Rooms: e.RoomsAck,
    c.Refresh: e.RefreshAck,
    c.CreateRoom: e.RoomAck,
    c.Invite: e.UserAck,
    c.Kick: e.UserAck,
    c.Ban: e.UserAck,
    c.Unban: e.UserAck,
    c.SetRole: e.UserAck,
    c.Leave: e.RoomAck,
    c.SlowMode: e.RoomAck,
}
PUSHES: tuple[type[e.Event], ...] = (
    e.MessagePush,
    e.EditPush,
    e.DeletePush,
    e.ReactionPush,
    e.TypingPush,
    e.ReconnectPush,
    e.PresencePush,
    e.ReadPush,
    e.InvitedPush,
    e.KickedPush,
    e.LeftPush,
)
MESSAGES: tuple[type[c.Command | e.Event], ...] = (
    *ANSWERS,
    *dict.fromkeys(answer for answer in ANSWERS.values() if answer),
    e.Failure,
    *PUSHES,
)

_ABOUT = """\
What the server speaks on its WebSocket. What each frame promises is said in numbered clauses in
docs/protocol.md.

Frames are text. To a client that says `arrays` in hello, several pushes may come in one, as a JSON
array of them. The answer to a request carries its `id`. A request that only changes something is
answered only if it has an `id`; one that asks for something is always answered, and so is one that
failed. In a request, `null` is as good as absent, and fields that are not listed are ignored.
"""


def document() -> dict[str, Any]:
    """Return the document; every reference in it is to a part of itself."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "DynamoWave Chat",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "MIT"},
            "x-protocol": e.VERSION,
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {"chat": _channel()},
        "operations": {**{_wire_name(it): _request(it) for it in ANSWERS}, "push": _push()},
        "components": {
            "correlationIds": {"id": {"location": "$message.payload#/id"}},
            "messages": {each.__name__: _message(each) for each in MESSAGES},
            "schemas": _schemas(),
        },
    }


def render() -> str:
    """Return the text of the document as the repository keeps it."""
    text: str = yaml.dump(
        document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )
    return HEADER + text


def _servers() -> dict[str, Any]:
    return {
        "aws": {
            "host": "{api}.execute-api.{region}.amazonaws.com",
            "protocol": "wss",
            "variables": {
                "api": {"description": "The id of the WebSocket API."},
                "region": {"description": "The AWS region.", "examples": ["eu-west-1"]},
            },
        },
        "laptop": {"host": "127.0.0.1:8000", "protocol": "ws", "description": "`make run`"},
    }


def _channel() -> dict[str, Any]:
    name = {
        "type": "string",
        "pattern": _portable(USER_PATTERN),
        "description": "The name that a guest would like to have.",
    }
    return {
        "address": "/{stage}",
        "parameters": {"stage": {"description": "The stage of the API.", "default": "api"}},
        "messages": {each.__name__: _reference("components", each) for each in MESSAGES},
        "bindings": {
            "ws": {
                "method": "GET",
                "query": {"type": "object", "properties": {"name": name}},
                "bindingVersion": "0.1.0",
            }
        },
    }


def _request(command: type[c.Command]) -> dict[str, Any]:
    answer = ANSWERS[command]
    answers: list[type[e.Event]] = [answer, e.Failure] if answer else [e.Failure]
    channel = {"$ref": "#/channels/chat"}
    return {
        "action": "receive",
        "channel": channel,
        "summary": _description(command),
        "messages": [_reference("channels/chat", command)],
        "reply": {
            "channel": channel,
            "messages": [_reference("channels/chat", each) for each in answers],
        },
    }


def _push() -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": "#/channels/chat"},
        "summary": "What others do is pushed to those whom it concerns.",
        "messages": [_reference("channels/chat", each) for each in PUSHES],
    }


def _message(of: type[c.Command | e.Event]) -> dict[str, Any]:
    examples = [it for it in EXAMPLES if type(it) is of]
    message = {
        "name": _wire_name(of),
        "description": _description(of),
        "payload": {"$ref": f"#/components/schemas/{of.__name__}"},
        "examples": [{"payload": _frame(it)} for it in examples],
    }
    if "id" in of.__struct_fields__:
        message["correlationId"] = {"$ref": "#/components/correlationIds/id"}
    return message


def _schemas() -> dict[str, Any]:
    _, schemas = json.schema_components(MESSAGES, ref_template="#/components/schemas/{name}")
    for schema in schemas.values():
        _adapt(schema)
        if "id" in schema["properties"]:
            _limit_id(schema["properties"]["id"])
    for command in ANSWERS:
        for field, schema in schemas[command.__name__]["properties"].items():
            if field in c.RULES or field == "after":
                schema["description"] = c.rule(_wire_name(command), field)
    for ack in {answer for answer in ANSWERS.values() if answer and issubclass(answer, e.Ack)}:
        actions = [_wire_name(command) for command, answer in ANSWERS.items() if answer is ack]
        schemas[ack.__name__]["properties"]["action"] = {"enum": actions}
    return schemas


def _adapt(schema: Any) -> None:
    """Turn what msgspec writes for OpenAPI and Python into what AsyncAPI and JavaScript read."""
    if isinstance(schema, list):
        for each in schema:
            _adapt(each)
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("pattern"), str):
        schema["pattern"] = _portable(schema["pattern"])
    if isinstance(schema.get("description"), str):
        schema["description"] = inspect.cleandoc(schema["description"])
    if "anyOf" in schema:
        # AsyncAPI's is a string, and its values are names of schemas: ours are names on the wire.
        schema.pop("discriminator", None)
    for each in schema.values():
        _adapt(each)


def _limit_id(schema: dict[str, Any]) -> None:
    """Say what the server checks before it knows the type of a frame."""
    for each in schema["anyOf"]:
        if each["type"] == "string":
            each["maxLength"] = MAX_ID_LENGTH
        elif each["type"] == "integer":
            each |= {"minimum": -LARGEST_INTEGER, "maximum": LARGEST_INTEGER}


def _portable(pattern: str) -> str:
    r"""Spell the end of the text as in ECMA 262: it has no \Z, and its $ is just that."""
    return pattern.replace(r"\Z", "$")


def _description(of: type) -> str:
    """Return the docstring; of failures also what the codes mean."""
    text = inspect.cleandoc(of.__doc__ or "")
    if of is not e.Failure:
        return text
    codes = [f"- `{error.code}`: {inspect.getdoc(error)}" for error in ChatError.__subclasses__()]
    return "\n".join([text, "", *codes])


def _wire_name(of: type[c.Command | e.Event]) -> str:
    return str(of.__struct_config__.tag)


def _reference(place: str, to: type) -> dict[str, str]:
    return {"$ref": f"#/{place}/messages/{to.__name__}"}


def _frame(of: c.Command | e.Event) -> dict[str, Any]:
    return {name: value for name, value in to_builtins(of).items() if value is not None}


class _Dumper(yaml.SafeDumper):
    """Repeats what YAML would refer to, and keeps the lines of long texts."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - never, whatever the data
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)

if __name__ == "__main__":
    PATH.write_text(render(), encoding="utf-8")
