"""The routes of accounts: what each answers, to whom, and how often."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.entrance import Entrance
from chalicelib.errors import (
    BadRequest,
    ChatError,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from chalicelib.forms import HttpRequest
from chalicelib.identities import ExternalIdentity, Identity
from chalicelib.models import UserName
from tests.unit.fakes import (
    ACCOUNTS_TABLE,
    CONNECTIONS_TABLE,
    MEMBERSHIPS_TABLE,
    Clock,
    client_error,
)
from tests.unit.people import ISSUER, PASSWORD, FakeIssuer, People, said
from tests.unit.test_tokens import handmade

ROUTES = [
    *(Entrance.register, Entrance.login, Entrance.guest, Entrance.renew),
    *(Entrance.ticket, Entrance.logout, Entrance.change_password),
]
WITH_TOKEN = [Entrance.renew, Entrance.ticket, Entrance.logout, Entrance.change_password]
WRONG = "user name or password is wrong"
DAY = 86_400


@pytest.fixture
def people(clock: Clock) -> People:
    return People(clock, ADDRESS_RATE="0")


@pytest.fixture
def vouched(clock: Clock) -> tuple[People, str]:
    """People, and the token of one for whom another issuer vouches."""
    issuer = FakeIssuer()
    token = handmade({"alg": "RS256"}, {"iss": ISSUER}, b"x")
    issuer.people[token] = ExternalIdentity(
        user=UserName("eve"), issuer=ISSUER, subject="s-1", expires_at=int(clock.now) + 500
    )
    return People(clock, external=issuer, OIDC_ISSUER=ISSUER, OIDC_AUDIENCE="us"), token


def wrong(**fields: Any) -> HttpRequest:
    return said(**{"username": "ada", "password": "wrong wrong", **fields})


def right(**fields: Any) -> HttpRequest:
    return said(**{"username": "ada", "password": PASSWORD, **fields})


def refusal(act: Callable[[HttpRequest], object], request: HttpRequest) -> ChatError:
    with pytest.raises(ChatError) as caught:
        act(request)
    return caught.value


def write_to(people: People, name: str) -> None:
    """Let somebody of this name have a direct message."""
    item = {"room": {"S": "dm:ada:bob"}, "member": {"S": name}, "role": {"S": "member"}}
    numbers = {"read_seq": {"N": "0"}, "read_messages": {"N": "0"}}
    people.dynamodb.client.put_item(TableName=MEMBERSHIPS_TABLE, Item={**item, **numbers})


# Registering


def test_who_registers_is_logged_in(people: People, clock: Clock) -> None:
    answer = people.entrance.register(right(username="Ada"))

    claims = people.authenticate(answer["token"])
    assert (answer["user"], answer["expires_in"]) == ("ada", 43_200)
    assert claims.identity == Identity(user=UserName("ada"), version=1)
    assert claims.logged_in_at == int(clock.now)


def test_a_password_is_stored_as_its_hash_only(people: People) -> None:
    people.register()

    assert people.account()["password_hash"] == people.hasher.hash(PASSWORD).replace("!2!", "!1!")


def test_a_closed_stage_takes_nobody(clock: Clock) -> None:
    closed = People(clock, REGISTRATION="false")

    assert isinstance(refusal(closed.entrance.register, right()), NotFound)
    assert closed.hasher.hashed == []


@pytest.mark.parametrize("password", ["short", "x" * 257, "ADA-ADA-"])
def test_a_bad_password_is_told_of_before_anything_is_done(people: People, password: str) -> None:
    request = right(username="ada-ada-", password=password)

    assert isinstance(refusal(people.entrance.register, request), BadRequest)
    assert (people.dynamodb.calls, people.hasher.hashed) == ([], [])


def test_a_name_that_looks_like_one_is_taken(people: People) -> None:
    people.register("alice")

    assert isinstance(refusal(people.entrance.register, right(username="a1ice")), Conflict)


def test_a_name_under_which_a_guest_was_written_to_is_taken(people: People) -> None:
    write_to(people, "ada")

    assert isinstance(refusal(people.entrance.register, right()), Conflict)


def test_registrations_from_one_address_are_limited(people: People) -> None:
    for number in range(20):
        people.register(f"user{number}")

    refused = refusal(people.entrance.register, right())
    assert isinstance(refused, RateLimited)
    assert refused.message.startswith("too many new names from this address")
    people.register("ada", address="192.0.2.2")


def test_names_that_are_taken_count_too_as_asking_tells_who_is_here(people: People) -> None:
    people.register()

    refused = [refusal(people.entrance.register, right()) for _ in range(20)]
    assert [type(error) for error in refused] == [Conflict] * 19 + [RateLimited]


# Logging in


def test_who_knows_the_password_is_let_in(people: People) -> None:
    people.register()

    answer = people.entrance.login(right(username="ADA"))
    assert answer["user"] == "ada"
    assert people.authenticate(answer["token"]).identity.user == "ada"


@pytest.mark.parametrize("user", ["ada", "nobody"])
def test_who_does_not_is_not_told_why(people: People, user: str) -> None:
    people.register()

    refused = refusal(people.entrance.login, wrong(username=user))
    assert (type(refused), refused.message) == (Unauthorized, WRONG)


def test_the_work_is_the_same_whether_there_is_an_account_or_not(people: People) -> None:
    people.register()
    work = []
    for user in ("ada", "nobody"):
        people.dynamodb.calls.clear()
        people.hasher.checked.clear()
        refusal(people.entrance.login, wrong(username=user, address=f"of-{user}"))
        work.append(([name for name, _ in people.dynamodb.calls], len(people.hasher.checked)))

    assert work == [(["update_item", "update_item", "get_item"], 1)] * 2


@pytest.mark.parametrize(("user", "guesses"), [("ada", 10_000), ("nobody", 1000)])
def test_of_any_number_of_guesses_ten_are_looked_at(
    people: People, user: str, guesses: int
) -> None:
    people.register()
    refused = [
        type(refusal(people.entrance.login, wrong(username=user, address=f"a{number}")))
        for number in range(guesses)
    ]

    assert refused == [Unauthorized] * 10 + [RateLimited] * (guesses - 10)
    assert len(people.hasher.checked) == 10
    assert type(refusal(people.entrance.login, right(username=user))) is RateLimited


def test_of_any_number_of_guesses_from_one_address_thirty_are_looked_at(people: People) -> None:
    refused = [
        type(refusal(people.entrance.login, wrong(username=f"user{number}")))
        for number in range(1000)
    ]

    assert refused.count(Unauthorized) == len(people.hasher.checked) == 30


def test_guesses_count_before_they_are_answered(people: People) -> None:
    people.register()
    inner: list[type] = []
    matches = people.hasher.matches

    def slow(stored: str, password: str) -> bool:
        if not inner:  # a hundred others come in while the first one is being checked
            inner.append(object)
            inner.extend(type(refusal(people.entrance.login, wrong())) for _ in range(100))
        return matches(stored, password)

    people.hasher.matches = slow  # type: ignore[method-assign]
    refusal(people.entrance.login, wrong())

    assert inner[1:] == [Unauthorized] * 9 + [RateLimited] * 91


def test_the_limit_passes(people: People, clock: Clock) -> None:
    people.register()
    for _ in range(11):
        refused = refusal(people.entrance.login, wrong())
    assert isinstance(refused, RateLimited)

    clock.now += (refused.retry_after_ms or 0) / 1000
    people.entrance.login(right())


def test_who_gets_it_right_never_runs_out(people: People) -> None:
    people.register()

    for _ in range(100):
        people.entrance.login(right())


def test_an_account_that_is_attacked_costs_its_address_nothing_more(people: People) -> None:
    people.register()
    people.register("bob")
    for number in range(10):
        refusal(people.entrance.login, wrong(address=f"a{number}"))
    for _ in range(100):
        assert isinstance(refusal(people.entrance.login, right()), RateLimited)

    people.entrance.login(right(username="bob"))


def test_a_log_in_does_not_fail_for_what_comes_after_it(people: People) -> None:
    people.register()
    updates = [None, None, client_error("InternalServerError", status=500)]
    people.dynamodb.plan("update_item", *updates)

    assert people.entrance.login(right())["user"] == "ada"


def test_without_the_database_nobody_logs_in_and_nobody_is_told_it_was_wrong(
    people: People,
) -> None:
    people.register()
    people.dynamodb.always("get_item", client_error("InternalServerError", status=500))

    assert isinstance(refusal(people.entrance.login, right()), Unavailable)


def test_a_hash_of_before_is_replaced_at_the_next_log_in(people: People) -> None:
    people.register()
    people.hasher.version = "v2"

    people.entrance.login(right())

    assert people.account()["password_hash"] == f"v2!2!{PASSWORD}"
    assert people.account()["token_version"] == "1"
    people.entrance.login(right())
    assert len(people.hasher.hashed) == 2


def test_a_broken_hash_is_as_good_as_a_wrong_password(
    people: People, caplog: pytest.LogCaptureFixture
) -> None:
    people.register()
    people.dynamodb.client.update_item(
        TableName=ACCOUNTS_TABLE,
        Key={"username": {"S": "ada"}},
        UpdateExpression="SET password_hash = :broken",
        ExpressionAttributeValues={":broken": {"S": "broken"}},
    )

    refused = refusal(people.entrance.login, right())
    assert (type(refused), refused.message) == (Unauthorized, WRONG)
    assert "the hash of a password is broken" in caplog.text


# Tokens


def test_a_token_is_renewed_until_the_log_in_is_too_old(people: People, clock: Clock) -> None:
    token = people.register()
    logged_in_at = int(clock.now)
    for _ in range(3 * 30 - 1):
        clock.now += DAY / 3
        answer = people.entrance.renew(said(token=token))
        token = answer["token"]
        assert people.authenticate(token).logged_in_at == logged_in_at

    assert answer["expires_in"] == DAY / 3
    clock.now += DAY / 3
    assert isinstance(refusal(people.entrance.renew, said(token=token)), Unauthorized)


def test_a_ticket_is_for_one_connection(people: People, clock: Clock) -> None:
    token = people.register()
    clock.now += 100
    answers = [people.entrance.ticket(said(token=token)) for _ in range(2)]

    first, second = (people.tokens.verify_ticket(answer["ticket"]) for answer in answers)
    assert first.identity == Identity(user=UserName("ada"), version=1)
    assert first.session_expires_at == int(clock.now) - 100 + 43_200
    assert (answers[0]["expires_in"], answers[0]["url"]) == (30, None)
    assert first.id != second.id


def test_a_ticket_comes_with_where_to_take_it(clock: Clock) -> None:
    people = People(clock, WEBSOCKET_URL="wss://ws.chat.example/")
    answer = people.entrance.ticket(said(token=people.register()))

    assert answer["url"] == f"wss://ws.chat.example?ticket={answer['ticket']}"


def test_on_a_laptop_it_is_where_the_request_went(clock: Clock) -> None:
    endpoint = {"AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": "http://127.0.0.1:8000/api"}
    people = People(clock, external=None, **endpoint)
    request = HttpRequest(authorization=f"bearer {people.register()}", host="192.168.1.7:8000")

    answer = people.entrance.ticket(request)
    assert answer["url"] == f"ws://192.168.1.7:8000/api?ticket={answer['ticket']}"


@pytest.mark.parametrize("route", WITH_TOKEN)
@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "x", "Bearer é", "Bearer \ud800"],
)
def test_without_a_token_there_is_nothing(
    people: People, route: Callable[..., Any], header: str | None
) -> None:
    refused = refusal(lambda request: route(people.entrance, request), _with(header))

    assert refused.message == "there is no token: send Authorization: Bearer <token>"
    assert refused.status == 401


def _with(header: str | None) -> HttpRequest:
    return HttpRequest(body="{}", authorization=header, address="192.0.2.1")


@pytest.mark.parametrize("route", WITH_TOKEN)
def test_a_ticket_is_no_token_of_any_route(people: People, route: Callable[..., Any]) -> None:
    ticket = people.entrance.ticket(said(token=people.register()))["ticket"]

    refused = refusal(lambda request: route(people.entrance, request), said(token=ticket))
    assert refused.message == "the token is not valid"


# Logging out


@pytest.mark.parametrize("route", WITH_TOKEN)
def test_after_logging_out_no_token_of_before_is_good(
    people: People, route: Callable[..., Any]
) -> None:
    tokens = [people.register(), people.entrance.login(right())["token"]]
    assert people.entrance.logout(said(token=tokens[0])) == {}

    for token in tokens:
        refused = refusal(lambda request: route(people.entrance, request), said(token=token))
        assert refused.message == "the token is no longer valid: log in again"
    fresh = people.entrance.login(right())["token"]
    assert people.authenticate(fresh).identity.version == 2


def test_logging_out_ends_the_connections_and_those_that_came_in_between(people: People) -> None:
    token = people.register()

    people.entrance.logout(said(token=token))

    assert people.ended == ["ada", "ada"]


def test_when_connections_cannot_be_ended_logging_out_can_be_tried_again(people: People) -> None:
    token = people.register()
    people.failure = Unavailable()

    assert isinstance(refusal(people.entrance.logout, said(token=token)), Unavailable)
    people.failure = None
    people.entrance.logout(said(token=token))
    assert people.account()["token_version"] == "2"


# Changing a password


def change(people: People, token: str, **fields: Any) -> dict[str, Any]:
    passwords = {"password": PASSWORD, "new_password": "another one", **fields}
    return people.entrance.change_password(said(token=token, **passwords))


def test_a_new_password_replaces_the_old_one_and_all_tokens(people: People) -> None:
    token = people.register()

    answer = change(people, token)

    assert people.authenticate(answer["token"]).identity.version == 2
    assert isinstance(refusal(people.entrance.renew, said(token=token)), Unauthorized)
    assert isinstance(refusal(people.entrance.login, right()), Unauthorized)
    people.entrance.login(right(password="another one"))
    assert people.ended == ["ada", "ada"]


def test_a_stolen_token_changes_no_password_and_is_not_a_way_to_guess_it(people: People) -> None:
    token = people.register()
    errors = []
    for _ in range(11):
        with pytest.raises(ChatError) as caught:
            change(people, token, password="wrong")
        errors.append(type(caught.value))

    assert errors == [Forbidden] * 10 + [RateLimited]
    assert people.ended == []


@pytest.mark.parametrize("new", ["short", "x" * 257])
def test_the_new_one_must_be_a_password(people: People, new: str) -> None:
    token = people.register()

    with pytest.raises(BadRequest, match="new_password must be 8 to 256 characters"):
        change(people, token, new_password=new)


def test_of_two_changes_at_the_same_time_one_is_told_so(people: People) -> None:
    token = people.register()

    def overtaken(password: str) -> str:
        people.hasher.hash = hash_now  # type: ignore[method-assign]
        change(people, token, new_password="the first one")
        return hash_now(password)

    hash_now, people.hasher.hash = people.hasher.hash, overtaken  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="the password has been changed meanwhile"):
        change(people, token)
    people.entrance.login(right(password="the first one"))


# Guests


def test_a_guest_gets_a_name_and_a_token(people: People) -> None:
    answer = people.entrance.guest(said(username="Bo"))

    assert people.guests == ["bo"]
    claims = people.authenticate(answer["token"])
    assert claims.identity == Identity(user=UserName("bo"), guest=True, key_digest="d" * 64)
    assert people.entrance.renew(said(token=answer["token"]))["user"] == "bo"
    assert people.entrance.ticket(said(token=answer["token"]))["ticket"]


@pytest.mark.parametrize("body", [None, "", b"", "{}", '{"username": null}'])
def test_a_guest_need_not_say_anything(people: People, body: str | bytes | None) -> None:
    assert people.entrance.guest(HttpRequest(body=body))["user"] == "guest-2345"


def test_where_guests_are_off_there_are_none(clock: Clock) -> None:
    with_guests, without = People(clock), People(clock, GUESTS="false")
    without.tokens = with_guests.tokens
    token = with_guests.entrance.guest(said())["token"]

    assert isinstance(refusal(without.entrance.guest, said()), NotFound)
    assert isinstance(refusal(without.rebuilt().ticket, said(token=token)), Unauthorized)


def test_guests_count_as_registrations_do(people: People) -> None:
    for _ in range(20):
        people.entrance.guest(said())

    assert isinstance(refusal(people.entrance.guest, said()), RateLimited)
    assert isinstance(refusal(people.entrance.register, right()), RateLimited)


def test_a_guests_token_ends_when_the_name_becomes_an_accounts(people: People) -> None:
    token = people.entrance.guest(said(username="ada"))["token"]
    people.register("a.da")

    assert isinstance(refusal(people.entrance.ticket, said(token=token)), Unauthorized)


def test_a_guest_logs_out_of_connections_and_has_no_password(people: People) -> None:
    token = people.entrance.guest(said(username="bo"))["token"]

    with pytest.raises(Forbidden, match="there is no password to change"):
        change(people, token)
    people.entrance.logout(said(token=token))

    assert people.ended == ["bo", "bo"]
    with pytest.raises(Unauthorized):
        people.entrance.ticket(said(token=token))


def test_a_password_is_changed_although_the_parameters_were_changed_before(
    people: People,
) -> None:
    token = people.register()
    people.hasher.version = "v2"

    assert change(people, token)["user"] == "ada"


def test_what_has_been_revoked_is_answered_although_the_rest_fails(people: People) -> None:
    token = people.register()
    ended: list[str] = []

    def end_once(identity: Identity) -> None:
        if ended:
            raise Unavailable
        ended.append(identity.user)

    people.entrance._end_sessions = end_once

    assert people.entrance.logout(said(token=token)) == {}
    with pytest.raises(Unauthorized):
        people.entrance.ticket(said(token=token))


# Other issuers


def test_another_issuers_token_is_as_good_as_ours_for_a_ticket(
    vouched: tuple[People, str], clock: Clock
) -> None:
    people, token = vouched

    answer = people.entrance.ticket(said(token=token))

    ticket = people.tokens.verify_ticket(answer["ticket"])
    assert ticket.identity == Identity(user=UserName("eve"), version=1)
    assert ticket.session_expires_at == int(clock.now) + 500
    assert people.account("eve")["external"] == f"{ISSUER} s-1"


def test_it_is_not_renewed_here(vouched: tuple[People, str]) -> None:
    people, token = vouched

    with pytest.raises(Forbidden, match="another issuer's"):
        people.entrance.renew(said(token=token))


def test_logging_out_makes_its_tickets_worthless(vouched: tuple[People, str]) -> None:
    people, token = vouched
    people.entrance.logout(said(token=token))

    assert people.account("eve")["token_version"] == "2"
    assert people.authenticate(token).identity.version == 2


def test_it_has_no_password_to_change_and_none_to_log_in_with(
    vouched: tuple[People, str],
) -> None:
    people, token = vouched

    with pytest.raises(Forbidden, match="there is no password to change"):
        change(people, token)
    assert isinstance(refusal(people.entrance.login, right(username="eve")), Unauthorized)
    assert people.hasher.checked == [people.hasher.decoy]


def test_what_it_says_of_itself_decides_only_who_checks_it(vouched: tuple[People, str]) -> None:
    people, _ = vouched
    own = people.register()
    forged = handmade({"alg": "none"}, {"iss": ISSUER, "sub": "ada"}, b"x")

    for token in (forged, handmade({"alg": "HS256"}, {"iss": "dynamowave:test"}, b"x")):
        assert isinstance(refusal(people.entrance.ticket, said(token=token)), Unauthorized)
    assert people.authenticate(own).identity.user == "ada"


def test_a_name_that_has_a_password_here_is_not_given_to_another_issuers(
    vouched: tuple[People, str],
) -> None:
    people, token = vouched
    people.register("eve")

    assert isinstance(refusal(people.entrance.ticket, said(token=token)), Conflict)


# All routes


@pytest.mark.parametrize("route", ROUTES)
def test_requests_from_one_address_are_limited(clock: Clock, route: Callable[..., Any]) -> None:
    people = People(clock, ADDRESS_RATE="1", ADDRESS_BURST="2")
    outcomes = []
    for _ in range(3):
        error = refusal(lambda request: route(people.entrance, request), said(username=7))
        outcomes.append(type(error))

    assert outcomes[2] is RateLimited
    assert RateLimited not in outcomes[:2]


@pytest.mark.parametrize("route", [Entrance.register, Entrance.login, Entrance.guest])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("{", BadRequest),
        (b"\xff", BadRequest),
        ("[]", BadRequest),
        ('{"username": 7}', BadRequest),
        ('{"username": "not a name", "password": "12345678"}', BadRequest),
        ('{"username": "' + "x" * 4096 + '"}', TooLarge),
    ],
)
def test_what_is_no_form_is_refused(
    people: People, route: Callable[..., Any], body: str | bytes, kind: type
) -> None:
    request = HttpRequest(body=body, address="192.0.2.1")

    assert type(refusal(lambda given: route(people.entrance, given), request)) is kind


def test_no_answer_or_item_holds_a_password(people: People) -> None:
    token = people.register()
    answers = [people.entrance.login(right()), change(people, token)]

    everything = json.dumps(
        [answers, people.dynamodb.client.scan(TableName=CONNECTIONS_TABLE)["Items"]]
    )
    assert PASSWORD not in everything
    assert "another one" not in everything
