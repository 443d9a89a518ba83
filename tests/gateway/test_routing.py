"""Route selection: what names a route, and what goes to $default."""

import pytest

from localgateway.routing import select_route

ROUTES = frozenset({"$connect", "$default", "$disconnect", "sendmessage", "join"})


@pytest.mark.parametrize(
    ("expression", "body", "route"),
    [
        ("$request.body.action", '{"action":"sendmessage"}', "sendmessage"),
        ("$request.body.action", ' {"x": 1, "action": "join"} ', "join"),
        ("$request.body.a.b.c", '{"a":{"b":{"c":"join"}}}', "join"),
        ("$request.body.a.b", '{"a":{"b":{"c":"join"}}}', "$default"),
        ("$request.body.a.b", '{"a":"join"}', "$default"),
        ("$request.body.a.b", '{"a":["join"]}', "$default"),
        ("$request.body.action", '{"action":"SendMessage"}', "$default"),
        ("$request.body.action", '{"action":"sendmessage "}', "$default"),
        ("$request.body.action", '{"action":1}', "$default"),
        ("$request.body.action", '{"action":true}', "$default"),
        ("$request.body.action", '{"action":null}', "$default"),
        ("$request.body.action", '{"action":["join"]}', "$default"),
        ("$request.body.action", '{"action":{"join":1}}', "$default"),
        ("$request.body.action", "{}", "$default"),
        ("$request.body.action", "[]", "$default"),
        ("$request.body.action", '"join"', "$default"),
        ("$request.body.action", "null", "$default"),
        ("$request.body.action", "hello", "$default"),
        ("$request.body.action", "", "$default"),
        ("$request.body.action", '{"action":"join"', "$default"),
        ("$request.body.action", '{"action":"$connect"}', "$default"),
        ("$request.body.action", '{"action":"$disconnect"}', "$default"),
        ("$request.body.action", '{"action":"$default"}', "$default"),
        ("$request.header.action", '{"action":"join"}', "$default"),
        ("$request.body.action", "9" * 5000, "$default"),
        pytest.param("$request.body.action", "[" * 200_000, "$default", id="deep"),
        pytest.param("$request.body.action", '{"a":' * 200_000, "$default", id="deep objects"),
    ],
)
def test_a_frame_goes_to_the_route_that_it_names_or_to_default(
    expression: str, body: str, route: str
) -> None:
    assert select_route(expression, ROUTES, body) == route


@pytest.mark.parametrize("body", ['{"action":"other"}', "hello", "{}", '{"action":"$connect"}'])
def test_without_default_what_matches_nothing_has_no_route(body: str) -> None:
    assert select_route("$request.body.action", ROUTES - {"$default"}, body) is None


def test_without_default_a_match_still_counts() -> None:
    routes = frozenset({"join"})

    assert select_route("$request.body.action", routes, '{"action":"join"}') == "join"


def test_an_app_of_chalice_gets_everything_as_default() -> None:
    routes = frozenset({"$connect", "$default", "$disconnect"})

    assert select_route("$request.body.action", routes, '{"action":"join"}') == "$default"
