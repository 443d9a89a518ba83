"""Handshakes with anything in the query and the headers: let in, or refused for a reason."""

from typing import Any
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

import app as app_module
from localgateway.testing import HandshakeRefused
from tests.functional.chats import Person
from tests.fuzz.scenes import check_alive, scene
from tests.fuzz.shapes import JSON

NAMES = st.sampled_from(["name", "key", "ticket", "token", "Name", "x"]) | st.text(max_size=9)
VALUES = st.sampled_from(["alice", "ALICE", "system", "", "a" * 16, "x.y.z", "x" * 9000]) | st.text(
    max_size=40
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Origin", "Authorization", "Cookie", "X-Origin-Verify", "X-Forwarded-For", "User-Agent"]
    ),
    st.sampled_from(["null", "https://chat.example", "Bearer x.y.z", "Bearer", "a, b"])
    | st.text(max_size=30),
)


@settings(max_examples=100, deadline=None)
@given(query=st.lists(st.tuples(NAMES, VALUES), max_size=4), headers=HEADERS)
def test_a_handshake_is_accepted_or_refused(
    query: list[tuple[str, str]], headers: dict[str, str]
) -> None:
    with scene() as chat:
        url = f"/?{urlencode(query, errors='replace')}"

        try:
            socket = chat.client.connect(url, headers=headers)
        except HandshakeRefused as refused:
            status = refused.status
        else:
            status = 200
            check_alive(Person(socket))

        assert status < 500


@settings(max_examples=100, deadline=None)
@given(
    query=st.none() | st.dictionaries(NAMES, VALUES | JSON, max_size=4),
    several=st.none() | st.dictionaries(NAMES, st.lists(VALUES, max_size=3), max_size=4),
    headers=st.none() | HEADERS,
)
def test_an_event_of_a_handshake_that_no_gateway_would_make_is_survived(
    query: dict[str, Any] | None,
    several: dict[str, list[str]] | None,
    headers: dict[str, str] | None,
) -> None:
    event = {
        "requestContext": {
            "routeKey": "$connect",
            "eventType": "CONNECT",
            "connectionId": "Zm9vYmFy",
            "apiId": "a1b2c3",
            "stage": "api",
            "domainName": "a1b2c3.execute-api.us-east-1.amazonaws.com",
            "identity": {"sourceIp": "192.0.2.1"},
        },
        "headers": headers,
        "queryStringParameters": query,
        "multiValueQueryStringParameters": several,
    }
    with scene():
        assert app_module.websocket_connect(event, None)["statusCode"] < 500
