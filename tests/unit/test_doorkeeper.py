"""Who is let in, by $connect alone and by an authorizer in front of it."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.doorkeeper import Doorkeeper, NotAuthorizedError, Visit
from chalicelib.errors import BadRequest, ChatError, Forbidden, Unauthorized, Unavailable
from chalicelib.identities import Identity, Ticket
from chalicelib.models import USER_PATTERN, UserName
from chalicelib.perimeter import Perimeter
from chalicelib.settings import IdentitySettings
from tests.unit.fakes import ALICE

SECRET = "s" * 32
ARN = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/api/$connect"
TICKET = Ticket(
    identity=Identity(user=ALICE, version=3),
    id="0123456789abcdef",
    expires_at=1_800_000_030,
    session_expires_at=1_800_003_600,
)
Keep = Callable[..., Doorkeeper]


def verify(text: str) -> Ticket:
    if text != "good":
        raise Unauthorized(reason="the token is not valid")
    return TICKET


def keeper(verify_ticket: Callable[[str], Ticket] = verify, **settings: Any) -> Doorkeeper:
    identity = IdentitySettings(**settings)
    return Doorkeeper(Perimeter(identity), verify_ticket=verify_ticket, guests=identity.guests)


def event(query: dict[str, str] | None = None, **headers: str) -> dict[str, Any]:
    """Return a $connect event; an authorizer's has the same parts, and an ARN."""
    found: dict[str, Any] = {"requestContext": {"connectionId": "A="}, "methodArn": ARN}
    if headers:
        found["headers"] = {name.replace("_", "-"): text for name, text in headers.items()}
    if query is not None:
        found["queryStringParameters"] = query
    return found


def test_a_good_ticket_lets_in() -> None:
    assert keeper().admission(event({"ticket": "good"})) == TICKET


@pytest.mark.parametrize("query", [None, {}, {"ticket": ""}, {"ticket": "bad"}, {"name": "ada"}])
def test_without_a_good_ticket_nobody_is_let_in(query: dict[str, str] | None) -> None:
    with pytest.raises(Unauthorized):
        keeper().admission(event(query))


def test_where_guests_are_let_in_they_may_say_a_name() -> None:
    assert keeper(guests=True).admission(event({"name": "Ada"})) == Visit(UserName("ada"), None)
    assert keeper(guests=True).admission(event()) == Visit(None, None)


def test_a_bad_ticket_is_not_made_good_by_letting_guests_in() -> None:
    with pytest.raises(Unauthorized):
        keeper(guests=True).admission(event({"ticket": "bad", "name": "ada"}))


@pytest.mark.parametrize("query", [{"name": "a b"}, {"name": "ada", "key": "short"}])
def test_a_name_or_key_that_is_none_is_named(query: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        keeper(guests=True).admission(event(query))


def test_pages_from_elsewhere_are_kept_out() -> None:
    door = keeper(allowed_origins=frozenset({"https://chat.example"}))

    assert door.admission(event({"ticket": "good"}, Origin="https://chat.example")) == TICKET
    assert door.admission(event({"ticket": "good"})) == TICKET  # no browser
    with pytest.raises(Forbidden):
        door.admission(event({"ticket": "good"}, Origin="https://evil.example"))


def test_the_way_around_cloudfront_is_closed() -> None:
    door = keeper(origin_secrets=(SECRET,))

    assert door.admission(event({"ticket": "good"}, X_Origin_Verify=SECRET)) == TICKET
    for headers in ({}, {"X_Origin_Verify": "wrong"}):
        with pytest.raises(Forbidden):
            door.admission(event({"ticket": "good"}, **headers))


# The authorizer


def authorized(door: Doorkeeper, **query: str) -> dict[str, Any]:
    """Return what $connect gets when the authorizer has let in: values become strings."""
    answer = door.authorize(event(query))
    context = {name: str(value) for name, value in answer["context"].items()}
    context |= {"principalId": answer["principalId"], "integrationLatency": "7"}
    return {"requestContext": {"connectionId": "A=", "authorizer": context}}


def test_the_authorizer_allows_this_request_and_no_other() -> None:
    answer = keeper().authorize(event({"ticket": "good"}))

    assert answer["principalId"] == "alice"
    assert answer["policyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [
            {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": ARN},
        ],
    }


def test_connect_takes_the_authorizers_word_and_does_not_verify_again() -> None:
    def never(_: str) -> Ticket:
        raise AssertionError

    forwarded = authorized(keeper(), ticket="good")

    assert keeper(never).admission(forwarded) == TICKET


@given(
    st.builds(
        Ticket,
        identity=st.builds(
            Identity,
            user=st.from_regex(USER_PATTERN, fullmatch=True).map(UserName),
            guest=st.booleans(),
            version=st.integers(0, 2**53),
            key_digest=st.none() | st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
        ),
        id=st.text("abcdef0123456789", min_size=16),
        expires_at=st.integers(0, 2**53),
        session_expires_at=st.integers(0, 2**53),
    )
)
def test_every_ticket_survives_the_context(ticket: Ticket) -> None:
    door = keeper(lambda _: ticket)

    assert door.admission(authorized(door, ticket="any")) == ticket


@pytest.mark.parametrize("query", [{}, {"name": "ada"}, {"name": "ada", "key": "k" * 16}])
def test_a_guest_survives_the_context(query: dict[str, str]) -> None:
    door = keeper(guests=True)

    assert door.admission(authorized(door, **query)) == door.admission(event(query))


def test_the_context_holds_strings_only() -> None:
    for query in ({"ticket": "good"}, {"name": "ada"}):
        context = keeper(guests=True).authorize(event(query))["context"]
        assert all(isinstance(value, str) for value in context.values())


@pytest.mark.parametrize("query", [None, {"ticket": "bad"}, {"name": "ada"}])
def test_the_authorizer_says_unauthorized_in_the_one_way_that_is_a_401(
    query: dict[str, str] | None,
) -> None:
    with pytest.raises(NotAuthorizedError) as caught:
        keeper().authorize(event(query))

    assert str(caught.value) == "Unauthorized"


def test_what_is_wrong_in_another_way_is_denied() -> None:
    door = keeper(guests=True, allowed_origins=frozenset({"https://chat.example"}))

    for refused in (
        event({"name": "a b"}),
        event({"ticket": "good"}, Origin="https://evil.example"),
    ):
        answer = door.authorize(refused)
        assert answer["policyDocument"]["Statement"][0]["Effect"] == "Deny"
        assert answer["context"] == {}


def test_without_keys_the_authorizer_fails_and_lets_nobody_in() -> None:
    def unavailable(_: str) -> Ticket:
        raise Unavailable(service="the key store")

    with pytest.raises(ChatError, match="the key store"):
        keeper(unavailable).authorize(event({"ticket": "good"}))


def test_what_a_client_sends_is_not_taken_for_the_authorizers_word() -> None:
    forged = event({"ticket": "bad", "admission": "ticket", "user": "alice"}, admission="ticket")

    with pytest.raises(Unauthorized):
        keeper().admission(forged)
