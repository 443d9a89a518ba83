"""People for whom another issuer vouches, from its token to a message; it listens on loopback."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.functional.chats import START, Chat
from tests.unit.issuers import DISCOVERY, IssuerServer, answer

Start = Callable[..., Chat]


@pytest.fixture
def issuer() -> Iterator[IssuerServer]:
    with IssuerServer() as server:
        yield server


@pytest.fixture
def chat(start: Start, issuer: IssuerServer) -> Chat:
    return start(OIDC_ISSUER=issuer.issuer.url, OIDC_AUDIENCE="chat")


def token(issuer: IssuerServer, name: str, **changed: Any) -> str:
    times = {"iat": int(START), "exp": int(START) + 600}
    who = {"sub": f"subject of {name.lower()}", "preferred_username": name, "aud": "chat"}
    return issuer.issuer.token(**{**times, **who, **changed})


def test_their_token_is_worth_a_ticket_and_a_session_as_long_as_itself(
    chat: Chat, issuer: IssuerServer
) -> None:
    ada = chat.connect(token(issuer, "Ada"))

    assert ada.ask("sendmessage", message="hello")["seq"] == 1
    welcome = ada.ask("hello")
    assert (welcome["user"], "guest" in welcome) == ("ada", False)
    assert welcome["expires_at"] == "2027-01-15T08:10:00.000Z"

    chat.clock.now += 300
    newer = token(issuer, "ada", exp=int(START) + 1200)
    assert ada.ask("refresh", token=newer)["expires_at"] == "2027-01-15T08:20:00.000Z"


def test_nobody_gets_anothers_name_by_way_of_another_issuer(
    chat: Chat, issuer: IssuerServer
) -> None:
    chat.register("ada")
    chat.connect(token(issuer, "bo"))

    for taken in (
        token(issuer, "ada"),
        token(issuer, "bo", sub="somebody else"),
        token(issuer, "b0"),
    ):
        answer = chat.post("/ticket", token=taken)
        assert (answer["status"], answer["Code"]) == (409, "conflict")
    assert chat.post("/register", username="bo", password="long enough")["status"] == 409


def test_who_is_called_something_else_by_the_issuer_stays_who_they_are(
    chat: Chat, issuer: IssuerServer
) -> None:
    chat.connect(token(issuer, "ada", sub="s-1"))

    renamed = chat.connect(token(issuer, "countess", sub="s-1"))

    assert renamed.name == "ada"
    assert chat.register("countess")


def test_a_connection_makes_nobody_an_account(chat: Chat, issuer: IssuerServer) -> None:
    ada = chat.connect(token(issuer, "ada"))
    chat.register("bo")

    stranger = ada.ask("refresh", token=token(issuer, "cy"))
    pretender = ada.ask("refresh", token=token(issuer, "bo"))

    assert (stranger["code"], pretender["code"]) == ("unauthorized", "conflict")
    assert chat.register("cy")


def test_logging_out_ends_what_their_token_has_opened(chat: Chat, issuer: IssuerServer) -> None:
    theirs = token(issuer, "ada")
    ada = chat.connect(theirs)
    ticket = chat.post("/ticket", token=theirs)["ticket"]

    assert chat.post("/logout", token=theirs)["status"] == 200

    assert ada.is_out
    with pytest.raises(Exception, match="401"):
        chat.client.connect(f"/?ticket={ticket}")


def test_keys_are_rotated_without_anyone_noticing(chat: Chat, issuer: IssuerServer) -> None:
    chat.connect(token(issuer, "ada"))
    issuer.issuer.keys["two"] = issuer.issuer.keys.pop("one")
    chat.clock.now += 31

    assert chat.post("/ticket", token=token(issuer, "ada", kid="two"))["status"] == 200


def test_when_the_issuer_is_away_it_says_so_and_others_log_in(
    chat: Chat, issuer: IssuerServer
) -> None:
    issuer.faults[DISCOVERY] = lambda request: answer(request, b"", 500)

    refused = chat.post("/ticket", token=token(issuer, "ada"))

    assert (refused["status"], refused["retryable"]) == (503, True)
    assert chat.connect(chat.register("bo")).name == "bo"
