"""docs/asyncapi.yaml says what the types say, whole and in terms that others can read."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator
from msgspec import Struct, convert

from chalicelib.commands import COMMANDS, Command
from chalicelib.errors import ChatError
from chalicelib.events import Event
from chalicelib.protocol import decode, encode
from tools.asyncapi import ANSWERS, MESSAGES, PATH, document, render
from tools.frames import EXAMPLES

DOCUMENT = document()
REQUESTS = [example for example in EXAMPLES if isinstance(example, Command)]
EVENTS = [example for example in EXAMPLES if isinstance(example, Event)]


def payloads(of: type[Struct]) -> list[dict[str, Any]]:
    examples = DOCUMENT["components"]["messages"][of.__name__]["examples"]
    return [example["payload"] for example in examples]


def accepts(name: str, payload: object) -> bool:
    schema = {**DOCUMENT, "allOf": [{"$ref": f"#/components/schemas/{name}"}]}
    return Draft7Validator(schema).is_valid(payload)


def descendants(of: type[Any]) -> Iterator[type[Any]]:
    for each in of.__subclasses__():
        yield each
        yield from descendants(each)


def found(name: str, within: object) -> Iterator[Any]:
    """Yield what stands under a key, wherever it is."""
    if isinstance(within, list):
        for each in within:
            yield from found(name, each)
    elif isinstance(within, dict):
        for key, value in within.items():
            if key == name:
                yield value
            yield from found(name, value)


def test_the_committed_document_is_the_generated_one() -> None:
    committed = PATH.read_text(encoding="utf-8")

    assert committed == render(), "the types have changed: run `make asyncapi` and commit the file"


def test_every_action_has_its_answer() -> None:
    assert set(ANSWERS) == set(COMMANDS.values())
    assert set(DOCUMENT["operations"]) == {*COMMANDS, "push"}


def test_every_kind_of_frame_is_there() -> None:
    missing = {
        kind
        for kind in descendants(Event)
        if kind not in MESSAGES and not kind.__subclasses__()  # a base is there in its children
    }

    assert missing == set()


def test_a_frame_that_the_server_sends_is_an_answer_a_failure_or_a_push() -> None:
    operations = DOCUMENT["operations"]

    sent = [
        *operations["push"]["messages"],
        *(message for name in COMMANDS for message in operations[name]["reply"]["messages"]),
    ]

    assert {reference["$ref"].rpartition("/")[2] for reference in sent} == {
        kind.__name__ for kind in MESSAGES if issubclass(kind, Event)
    }


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_message_is_described_and_shown(kind: type[Struct]) -> None:
    message = DOCUMENT["components"]["messages"][kind.__name__]

    assert message["description"]
    assert message["examples"]


def test_every_code_of_an_error_is_described() -> None:
    description = DOCUMENT["components"]["messages"]["Failure"]["description"]

    assert {
        error.code for error in descendants(ChatError) if f"`{error.code}`: " in description
    } == {error.code for error in descendants(ChatError)}


@pytest.mark.parametrize("request_", REQUESTS)
def test_an_example_of_a_request_is_understood_as_it_was_meant(request_: Command) -> None:
    understood = [decode(json.dumps(payload)) for payload in payloads(type(request_))]

    assert request_ in understood
    assert set(map(type, understood)) == {type(request_)}


@pytest.mark.parametrize("event", EVENTS)
def test_an_example_of_an_event_is_what_the_server_sends(event: Event) -> None:
    assert json.loads(encode(event)) in payloads(type(event))
    assert event in [convert(payload, type(event)) for payload in payloads(type(event))]


@pytest.mark.parametrize("kind", MESSAGES)
def test_examples_are_valid_against_the_schemas_of_their_own_side_once(kind: type[Struct]) -> None:
    side = Command if issubclass(kind, Command) else Event
    names = [each.__name__ for each in MESSAGES if issubclass(each, side)]

    for payload in payloads(kind):
        assert [name for name in names if accepts(name, payload)] == [kind.__name__]


@pytest.mark.parametrize(
    ("fields", "understood"),
    [
        ({"action": "hello", "id": "x" * 64}, True),
        ({"action": "hello", "id": "x" * 65}, False),
        ({"action": "hello", "id": 2**53}, True),
        ({"action": "hello", "id": 2**53 + 1}, False),
        ({"action": "hello", "id": -(2**53)}, True),
        ({"action": "hello", "id": -(2**53) - 1}, False),
        ({"action": "hello", "id": None}, True),
        ({"action": "hello", "id": True}, False),
        ({"action": "hello", "colour": "red"}, True),
        ({"action": "ping", "rooms": {f"r{n}": 0 for n in range(10)}}, True),
        ({"action": "ping", "rooms": {f"r{n}": 0 for n in range(11)}}, False),
        ({"action": "ping", "rooms": {"lobby": -1}}, False),
        ({"action": "ping", "rooms": {"No": 1}}, False),
        ({"action": "sendmessage"}, False),
        ({"action": "sendmessage", "message": ""}, False),
        ({"action": "sendmessage", "message": "x", "to": "ada"}, True),
        ({"action": "sendmessage", "message": "x", "to": "Ada"}, False),
        ({"action": "sendmessage", "message": "x", "cid": "y" * 64}, True),
        ({"action": "sendmessage", "message": "x", "cid": "y" * 65}, False),
        ({"action": "subscribe", "room": "x" * 64}, True),
        ({"action": "subscribe", "room": "x" * 65}, False),
        ({"action": "subscribe", "room": "dm:ada:grace"}, True),
        ({"action": "subscribe", "room": "dm:ada"}, False),
        ({"action": "subscribe", "room": "@ada"}, False),
        ({"action": "subscribe", "room": "tea", "after": 0}, True),
        ({"action": "react", "room": "tea", "target": 1, "emoji": "👋" * 16}, True),
        ({"action": "react", "room": "tea", "target": 1, "emoji": "👋" * 17}, False),
        ({"action": "react", "room": "tea", "target": 0, "emoji": "👋"}, False),
        ({"action": "history", "room": "tea", "limit": 100}, True),
        ({"action": "history", "room": "tea", "limit": 101}, False),
        ({"action": "rooms", "after": "tea"}, True),
        ({"action": "rooms", "after": 1}, False),
    ],
)
def test_the_schemas_draw_the_lines_where_the_server_draws_them(
    fields: dict[str, Any], *, understood: bool
) -> None:
    name = COMMANDS[fields["action"]].__name__

    assert accepts(name, fields) is understood
    assert understands(fields) is understood


def understands(fields: dict[str, Any]) -> bool:
    try:
        decode(json.dumps(fields))
    except ChatError:
        return False
    return True


def test_patterns_are_those_of_javascript() -> None:
    patterns = [*found("pattern", DOCUMENT)]

    assert patterns
    assert [pattern for pattern in patterns if "\\Z" in pattern] == []


def test_every_reference_leads_somewhere() -> None:
    references = set(found("$ref", DOCUMENT))

    for reference in references:
        place: Any = DOCUMENT
        for key in reference.removeprefix("#/").split("/"):
            assert key in place, reference
            place = place[key]


def test_there_are_no_discriminators_as_openapi_has_them() -> None:
    assert [*found("discriminator", DOCUMENT)] == []
