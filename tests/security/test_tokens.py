"""Attacks with tokens: made up, changed, worn out, and shown where they do not belong."""

from urllib.parse import quote

import pytest

from tests.functional.chats import Person
from tests.security.conftest import Open
from tests.security.doors import Door
from tests.security.forgeries import FORGERIES, Forge, join, parts
from tests.security.witnesses import nothing_happens
from tests.unit.people import PASSWORD

BEARER_ROUTES = ["/ticket", "/token", "/logout", "/password"]
CHANGE = {"password": PASSWORD, "new_password": "mallory was here"}
HALF_A_DAY = 43_200
A_MONTH = 2_592_000


def shown_everywhere(door: Door, text: str, person: Person) -> dict[str, object]:
    """Show something wherever tokens and tickets are taken, and return what comes of it."""
    answers: dict[str, object] = {
        path: door.post(path, CHANGE, token=text).status for path in BEARER_ROUTES
    }
    answers["refresh"] = person.ask("refresh", token=text).get("code")
    answers["ticket"] = door.handshake(f"ticket={quote(text)}")
    return answers


REFUSED = {**dict.fromkeys(BEARER_ROUTES, 401), "refresh": "unauthorized", "ticket": 401}


@pytest.mark.attack("token-forged")
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=list(FORGERIES))
def test_a_forged_token_is_good_for_nothing(door: Door, forge: Forge) -> None:
    ada, mallory = door.member("ada"), door.member("mallory")

    with nothing_happens(door, ada):
        answers = shown_everywhere(door, forge(mallory.token, ada.token), mallory)

    assert answers == REFUSED
    assert ada.ask("hello")["type"] == "welcome"


@pytest.mark.attack("ticket-forged")
@pytest.mark.parametrize("forge", FORGERIES.values(), ids=list(FORGERIES))
def test_a_forged_ticket_opens_nothing(door: Door, forge: Forge) -> None:
    ada, mallory = door.member("ada"), door.member("mallory")
    forged = forge(door.ticket(mallory.token), door.ticket(ada.token))

    with nothing_happens(door, ada, mallory):
        assert door.handshake(f"ticket={quote(forged)}") == 401


@pytest.mark.attack("token-as-ticket")
def test_a_token_is_no_ticket_whatever_its_header_says(door: Door) -> None:
    ada = door.member("ada")
    header, claims, signature = parts(ada.token)
    ticket_header = parts(door.ticket(ada.token))[0]
    shown = [ada.token, join(ticket_header, claims, signature)]
    shown.append(join(ticket_header, {**claims, "aud": "dynamowave:local:ticket"}, signature))
    assert header != ticket_header

    with nothing_happens(door, ada):
        assert [door.handshake(f"ticket={text}") for text in shown] == [401, 401, 401]


@pytest.mark.attack("ticket-as-token")
def test_a_ticket_is_no_token_so_who_reads_an_address_gets_no_further(door: Door) -> None:
    ada = door.member("ada")
    ticket = door.ticket(ada.token)

    with nothing_happens(door, ada):
        statuses = [door.post(path, CHANGE, token=ticket).status for path in BEARER_ROUTES]
        refreshed = ada.ask("refresh", token=ticket)

    assert statuses == [401, 401, 401, 401]
    assert refreshed["code"] == "unauthorized"


@pytest.mark.attack("token-elsewhere")
@pytest.mark.parametrize("place", ["query", "cookie", "body", "subprotocol"])
def test_a_token_counts_in_the_authorization_header_only(door: Door, place: str) -> None:
    token = door.register("ada")

    with nothing_happens(door):
        if place == "subprotocol":
            assert door.handshake("", **{"Sec-WebSocket-Protocol": token}) == 401
        elif place == "query":
            assert door.post(f"/ticket?token={token}&authorization=Bearer%20{token}").status == 401
            assert door.handshake(f"token={token}") == 401
        elif place == "cookie":
            assert (
                door.post("/ticket", cookie=f"token={token}; authorization={token}").status == 401
            )
        else:
            body = {"token": token, "authorization": f"Bearer {token}"}
            assert door.post("/ticket", body).status == 401


@pytest.mark.attack("token-scheme")
@pytest.mark.parametrize(
    "header", ["{}", "Basic {}", "Bearer: {}", "Bearer", "Bearer  ", "Token {}", "Bearer {} {}"]
)
def test_another_scheme_than_bearer_is_refused(door: Door, header: str) -> None:
    token = door.register("ada")

    answer = door.post("/ticket", authorization=header.format(token, token))

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.attack("token-expired")
def test_an_expired_token_is_good_for_nothing_not_even_a_newer_one(door: Door) -> None:
    ada = door.member("ada")
    other = door.member("bob")
    door.clock.now += HALF_A_DAY - 1
    assert door.post("/ticket", token=ada.token).status == 200

    door.clock.now += 1

    fresh = door.post("/login", {"username": "bob", "password": PASSWORD}).body["token"]
    person = door.enter(fresh)
    with nothing_happens(door, other):
        assert shown_everywhere(door, ada.token, person) == REFUSED


@pytest.mark.attack("token-kept")
def test_a_stolen_token_cannot_be_renewed_for_longer_than_a_login_lasts(door: Door) -> None:
    token = door.register("ada")

    for _ in range(2 * A_MONTH // HALF_A_DAY):
        door.clock.now += HALF_A_DAY - 1
        answer = door.post("/token", token=token)
        if answer.status != 200:
            break
        token = answer.body["token"]

    assert answer.status == 401
    assert door.clock.now - 1_800_000_000 <= A_MONTH + HALF_A_DAY
    assert door.post("/ticket", token=token).status == 401


@pytest.mark.attack("token-revoked")
@pytest.mark.parametrize("way", ["/logout", "/password"])
def test_what_was_stolen_before_a_logout_is_worth_nothing_after_it(door: Door, way: str) -> None:
    ada = door.member("ada")
    stolen = door.post("/token", token=ada.token).body["token"]
    thief, ticket = door.enter(stolen), door.ticket(stolen)
    second = door.enter(stolen)
    bob = door.member("bob")

    # As for a frame that is under way meanwhile: the sockets of these two stay open.
    door.chat.gateway.cannot_close = True
    answer = door.post(way, CHANGE, token=ada.token)

    assert answer.status == 200
    assert [push["reason"] for push in thief.heard("reconnect")] == ["logged out"]
    with nothing_happens(door, bob):
        assert thief.ask("sendmessage", message="still here")["code"] == "unauthorized"
        assert shown_everywhere(door, stolen, thief) == REFUSED
        assert door.handshake(f"ticket={ticket}") == 401
    bob.say("is anybody there?")
    assert thief.heard() == []
    door.chat.gateway.cannot_close = False
    second.send("ping")
    assert second.is_out


@pytest.mark.attack("token-revoked")
@pytest.mark.parametrize("way", ["/logout", "/password"])
def test_a_logout_closes_the_sockets_that_a_thief_has(door: Door, way: str) -> None:
    ada, bob = door.member("ada"), door.member("bob")
    thief = door.enter(ada.token)

    door.post(way, CHANGE, token=ada.token)

    assert thief.is_out
    assert ada.is_out
    assert not bob.is_out


@pytest.mark.attack("token-swapped")
def test_a_session_is_not_prolonged_with_somebody_elses_token(door: Door) -> None:
    ada, mallory = door.member("ada"), door.member("mallory")

    with nothing_happens(door, ada):
        answer = mallory.ask("refresh", token=ada.token)

    assert answer["code"] == "forbidden"
    assert mallory.name == "mallory"


@pytest.mark.attack("session-over")
def test_a_session_that_is_over_does_and_hears_nothing(door: Door) -> None:
    ada = door.member("ada", "tea")
    door.clock.now += HALF_A_DAY - 100
    late = door.enter(ada.token, "tea")
    door.clock.now += 100
    token = door.post("/login", {"username": "ada", "password": PASSWORD}).body["token"]
    bob = door.member("bob", "tea")

    with nothing_happens(door, bob):
        for action in ("sendmessage", "typing", "read", "subscribe", "history", "presence"):
            fields = {"room": "tea", "message": "x", "seq": 1}
            assert late.ask(action, **fields)["code"] == "unauthorized"
    bob.say("between us", "tea")

    assert late.heard() == []
    assert late.ask("refresh", token=token)["type"] == "ack"


@pytest.mark.attack("stage-crossed")
def test_a_token_of_another_stage_is_good_for_nothing(open_door: Open) -> None:
    elsewhere = open_door(STAGE="dev")  # which has the same key, as a laptop's stages do
    stolen = elsewhere.register("ada")
    ticket = elsewhere.ticket(stolen)
    here = open_door(ADDRESS_RATE="0")
    ada = here.member("ada")

    with nothing_happens(here, ada):
        assert shown_everywhere(here, stolen, ada) == REFUSED
        assert here.handshake(f"ticket={ticket}") == 401
