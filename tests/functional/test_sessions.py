"""Who speaks, for how long, and how much: accounts, tickets and limits, from outside."""

import json
from collections.abc import Callable

import pytest

from chalicelib.gateway import Outcome
from localgateway.testing import HandshakeRefused
from tests.functional.chats import Chat, with_admin
from tests.unit.people import PASSWORD

Start = Callable[..., Chat]


# Who


@pytest.mark.clause("S1")
def test_the_server_says_who_speaks_and_when(chat: Chat) -> None:
    ada, bo = (chat.connect(chat.register(name)) for name in ("ada", "bo"))
    lies = {"user": "bo", "guest": True, "at": "1999-01-01T00:00:00.000Z", "seq": 99}

    ada.ask("sendmessage", message="hello", **lies)

    assert bo.heard("message") == [
        {
            "type": "message",
            "room": "lobby",
            "seq": 1,
            "user": "ada",
            "message": "hello",
            "at": "2027-01-15T08:00:00.000Z",
        }
    ]


@pytest.mark.clause("S2")
def test_a_ticket_opens_one_connection_within_30_seconds(chat: Chat) -> None:
    token = chat.register("ada")
    first, second = (chat.post("/ticket", token=token)["ticket"] for _ in range(2))

    chat.client.connect(f"/?ticket={first}")
    chat.clock.now += 30
    for used_or_late in (first, second):
        with pytest.raises(HandshakeRefused) as caught:
            chat.client.connect(f"/?ticket={used_or_late}")
        assert caught.value.status == 401


@pytest.mark.clause("S5")
def test_guests_are_marked_wherever_they_show(chat: Chat) -> None:
    ada = chat.connect(chat.register("ada"))
    guest = chat.join("bo")
    ada.heard()

    guest.say("hello")
    guest.ask("editmessage", room="lobby", target=1, message="hallo")
    guest.ask("react", room="lobby", target=1, emoji="👍")
    guest.send("typing", room="lobby")
    guest.ask("deletemessage", room="lobby", target=1)
    guest.socket.leave()

    heard = ada.heard()
    assert len(heard) == 6
    assert all(frame["user"] == "bo" and frame["guest"] for frame in heard)
    events = ada.ask("history", room="lobby")["events"]
    assert all(event["guest"] for event in events)


@pytest.mark.clause("S5")
def test_who_has_an_account_is_never_marked(chat: Chat) -> None:
    ada = chat.connect(chat.register("ada"))
    guest = chat.join("bo")

    ada.say("hello")
    ada.send("typing", room="lobby")

    assert not any("guest" in frame for frame in guest.heard())
    assert "guest" not in ada.ask("hello")
    assert guest.ask("hello")["guest"]
    people = guest.ask("presence", room="lobby")
    assert (people["users"], people["guests"]) == (["ada", "bo"], ["bo"])


@pytest.mark.clause("S5")
def test_what_a_guest_has_said_is_not_the_accounts_of_that_name_to_change(chat: Chat) -> None:
    guest = chat.join("ada")
    guest.say("hello")
    guest.socket.leave()

    ada = chat.connect(chat.register("ada"))

    answer = ada.ask("editmessage", room="lobby", target=1, message="bye")
    assert answer["code"] == "forbidden"


@pytest.mark.clause("S6")
@pytest.mark.parametrize("name", ["ada", "ADA", "a.d.a", "a_d-a", "acla"])
def test_names_that_look_alike_are_one(chat: Chat, name: str) -> None:
    chat.register("ada")

    assert chat.post("/register", username=name, password=PASSWORD)["status"] == 409
    assert chat.post("/guest", username=name)["user"] != name.lower()
    assert chat.join(name).name != name.lower()


@pytest.mark.clause("S6")
def test_the_name_of_a_guest_who_is_there_is_not_registered(chat: Chat) -> None:
    chat.join("ada")

    assert chat.post("/register", username="ada", password=PASSWORD)["status"] == 409


# For how long


@pytest.mark.clause("S3")
def test_a_session_ends_with_its_token_unless_it_is_refreshed(start: Start) -> None:
    chat = start(TOKEN_TTL_SECONDS="60")
    token = chat.register("ada")
    ada, bo = chat.connect(token), chat.join("bo")
    chat.clock.now += 50
    newer = chat.post("/token", token=token)["token"]

    chat.clock.now += 10
    refused = ada.ask("sendmessage", message="too late")
    bo.say("nobody hears this")
    assert (refused["code"], ada.heard("message")) == ("unauthorized", [])

    assert ada.ask("refresh", token=newer)["expires_at"] == "2027-01-15T08:01:50.000Z"
    bo.say("hello")
    assert [frame["message"] for frame in ada.heard("message")] == ["hello"]
    caught_up = ada.ask("subscribe", room="lobby", after=0)
    assert [event["seq"] for event in caught_up["events"]] == [1, 2]


@pytest.mark.clause("S3")
def test_a_refresh_never_shortens_a_session_nor_takes_somebody_elses_token(chat: Chat) -> None:
    older = chat.register("ada")
    chat.clock.now += 100
    ada = chat.connect(chat.post("/token", token=older)["token"])
    before = ada.ask("hello")["expires_at"]

    assert ada.ask("refresh", token=older)["expires_at"] == before
    assert ada.ask("refresh", token=chat.register("bo"))["code"] == "forbidden"
    assert ada.ask("refresh", token="nonsense")["code"] == "unauthorized"
    assert ada.ask("hello")["expires_at"] == before


@pytest.mark.clause("S4")
def test_logging_out_ends_everything_that_was_open(chat: Chat) -> None:
    token = chat.register("ada")
    phone, laptop, bo = chat.connect(token), chat.connect(token), chat.join("bo")
    waiting = chat.post("/ticket", token=token)["ticket"]
    bo.heard()

    assert chat.post("/logout", token=token)["status"] == 200

    for device in (phone, laptop):
        assert [frame["reason"] for frame in device.heard("reconnect")] == ["logged out"]
        assert device.is_out
    bo.say("who is there?")
    assert phone.heard() == laptop.heard() == []
    assert not bo.is_out
    assert [frame["status"] for frame in bo.heard("presence")] == ["left"]
    with pytest.raises(HandshakeRefused):
        chat.client.connect(f"/?ticket={waiting}")
    assert chat.post("/ticket", token=token)["status"] == 401
    assert chat.post("/login", username="ada", password=PASSWORD)["status"] == 200


@pytest.mark.clause("S4", "S7")
def test_a_socket_that_could_not_be_closed_is_closed_at_its_next_frame(chat: Chat) -> None:
    token = chat.register("ada")
    phone, laptop, bo = chat.connect(token), chat.connect(token), chat.join("bo")
    chat.gateway.cannot_close = True

    assert chat.post("/logout", token=token)["status"] == 200
    assert phone.ask("sendmessage", message="x")["code"] == "unauthorized"
    assert phone.ask("refresh", token=token)["code"] == "unauthorized"
    chat.gateway.cannot_close = False
    bo.heard()
    laptop.send("typing", room="lobby")
    phone.send("nonsense")

    for device in (phone, laptop):
        assert device.heard()[-1]["code"] == "unauthorized"
        assert device.is_out
    assert bo.heard() == []
    assert chat.connect(chat.post("/login", username="ada", password=PASSWORD)["token"]).name


@pytest.mark.clause("S7")
def test_who_was_taken_for_gone_hears_so_and_may_come_again(chat: Chat) -> None:
    ada, bo = chat.join("ada", key="a" * 16), chat.join("bo")
    chat.clock.now += 60
    chat.gateway.outcome = Outcome.GONE
    bo.send("sendmessage", message="is anybody there?")
    chat.gateway.outcome = None

    answer = ada.ask("ping")

    assert (answer["type"], answer["code"]) == ("error", "unauthorized")
    assert ada.is_out
    assert chat.join("ada", key="a" * 16).ask("subscribe", room="lobby", after=0)["seq"] == 1


@pytest.mark.clause("S3", "S7")
def test_a_session_that_is_over_leaves_the_socket_open_to_be_refreshed(start: Start) -> None:
    chat = start(TOKEN_TTL_SECONDS="60")
    ada = chat.connect(chat.register("ada"))
    chat.clock.now += 60

    assert ada.ask("ping")["code"] == "unauthorized"
    assert ada.ask("refresh", token="nonsense")["code"] == "unauthorized"

    assert not ada.is_out


@pytest.mark.clause("S4")
def test_an_old_guest_cannot_log_out_whoever_has_the_name_now(chat: Chat) -> None:
    old = chat.post("/guest", username="ada")
    chat.clock.now += 7800
    ada = chat.join("ada")

    chat.post("/logout", token=old["token"])

    assert ada.name == old["user"] == "ada"


def test_a_guest_has_the_same_name_on_every_connection_with_its_token(chat: Chat) -> None:
    token = chat.post("/guest", username="bo")["token"]

    assert [chat.connect(token).name for _ in range(2)] == ["bo", "bo"]
    assert chat.join("bo").name != "bo"


@pytest.mark.clause("S4")
def test_a_guest_logs_out_too(chat: Chat) -> None:
    token = chat.post("/guest", username="bo")["token"]
    guest = chat.connect(token)
    waiting = chat.post("/ticket", token=token)["ticket"]

    chat.post("/logout", token=token)

    assert guest.is_out
    with pytest.raises(HandshakeRefused):
        chat.client.connect(f"/?ticket={waiting}")
    for path in ("/ticket", "/token"):
        assert chat.post(path, token=token)["status"] == 401


@pytest.mark.parametrize("name", ["ali", "ian", "kim", "rob", "mod-est", "me-lanie", "amin"])
def test_people_are_called_as_they_are_called(chat: Chat, name: str) -> None:
    assert chat.post("/register", username=name, password=PASSWORD)["status"] == 200


def test_a_guest_who_has_only_been_in_rooms_may_register_the_name(chat: Chat) -> None:
    guest = chat.join("hanna", "tea")
    guest.ask("rooms")
    guest.socket.leave()

    assert chat.post("/register", username="hanna", password=PASSWORD)["status"] == 200


def test_so_many_are_invited_in_an_hour(start: Start) -> None:
    chat = start(INVITATIONS_PER_HOUR="2")
    ada = chat.member("ada")
    chat.register("bo")
    ada.ask("createroom", room="tea", private=True)

    answers = [ada.ask("invite", room="tea", user=name) for name in ("bo", "nobody-1", "nobody-2")]

    assert [answer.get("code") for answer in answers] == [None, "not_found", "rate_limited"]


# How much


@pytest.mark.clause("F1")
def test_a_connection_has_a_burst_and_then_a_rate(start: Start) -> None:
    ada = start(FRAME_RATE="10", FRAME_BURST="50").join("ada")

    answers = [ada.ask("sendmessage", message="x") for _ in range(51)]

    assert [answer["type"] for answer in answers] == ["ack"] * 50 + ["error"]
    assert (answers[50]["code"], answers[50]["retryable"]) == ("rate_limited", True)
    assert 0 < answers[50]["retry_after_ms"] <= 100


@pytest.mark.clause("F1")
def test_what_cannot_be_read_counts_and_what_is_limited_changes_nothing(start: Start) -> None:
    chat = start(FRAME_RATE="10", FRAME_BURST="3")
    ada = chat.join("ada")
    for text in ("nonsense", "[]", "{}"):
        ada.socket.send(text)

    assert ada.ask("sendmessage", message="x")["code"] == "rate_limited"

    chat.clock.now += 1
    assert ada.ask("history", room="lobby")["events"] == []


@pytest.mark.clause("F2")
def test_a_person_has_so_many_connections_and_no_more(start: Start) -> None:
    chat = start(MAX_CONNECTIONS="3")
    token = chat.register("ada")
    devices = [chat.connect(token) for _ in range(3)]

    with pytest.raises(HandshakeRefused) as caught:
        chat.connect(token)

    assert caught.value.status == 429
    assert [device.name for device in devices] == ["ada"] * 3
    devices[0].socket.leave()
    assert chat.connect(token).name == "ada"


def test_whatever_is_refused_as_too_much_is_counted(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = {"ADDRESS_RATE": "1", "ADDRESS_BURST": "1", "VISITS_PER_HOUR": "1"}
    chat = start(METRICS="true", FRAME_RATE="1", FRAME_BURST="1", **limits)
    ada = chat.join("ada")
    capsys.readouterr()

    statuses = [chat.post(path)["status"] for path in ("/login", "/login", "/register", "/ticket")]
    with pytest.raises(HandshakeRefused):
        chat.join("bo")
    ada.send("ping")
    ada.send("ping")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    limited = [line for line in lines if "Limited" in line]
    assert statuses == [400, 429, 429, 429]
    assert len(limited) == 3 + 1 + 1
    assert all(line["correlation_id"] for line in limited)


@pytest.mark.clause("F4")
def test_a_flood_by_one_is_nothing_to_the_others(start: Start) -> None:
    chat = start(FRAME_RATE="10", FRAME_BURST="5")
    flooder, others = chat.join("flooder"), [chat.join(f"p{n}") for n in range(3)]

    for number in range(50):
        flooder.send("sendmessage", message=f"spam {number}")
    answers = [other.ask("sendmessage", message="hello") for other in others]

    assert [answer["type"] for answer in answers] == ["ack"] * 3
    assert len(others[0].heard("message")) == 5 + 2


@pytest.mark.clause("F3")
def test_a_person_makes_so_many_rooms_an_hour_whichever_way(start: Start) -> None:
    chat = start(NEW_ROOMS_PER_HOUR="3")
    ada, bo = chat.member("ada"), chat.member("bo")

    made = [
        ada.ask("createroom", room="one"),
        ada.ask("subscribe", room="two"),
        ada.ask("sendmessage", room="three", message="x"),
    ]
    refused = [
        ada.ask("createroom", room="four"),
        ada.ask("subscribe", room="five"),
        ada.ask("sendmessage", room="six", message="x"),
    ]

    assert [answer["type"] for answer in made] == ["ack"] * 3
    assert {answer["code"] for answer in refused} == {"rate_limited"}
    assert all(answer["retry_after_ms"] <= 1_200_000 for answer in refused)
    assert ada.ask("subscribe", room="two")["type"] == "ack"
    assert bo.ask("createroom", room="four")["type"] == "ack"


def test_who_is_banned_from_the_lobby_comes_in_without_it(start: Start) -> None:
    chat = with_admin(start)
    rhea, troll = chat.member("rhea"), chat.member("troll")
    assert rhea.ask("ban", room="lobby", user="troll")["type"] == "ack"

    back = chat.member("troll")

    assert back.ask("hello")["rooms"] == []
    assert back.ask("sendmessage", message="x")["code"] == "forbidden"
    assert troll.ask("history", room="lobby")["code"] == "forbidden"
    rhea.say("peace")
    assert back.heard("message") == troll.heard("message") == []


@pytest.mark.clause("S3")
def test_who_is_taken_out_while_the_session_is_over_is_not_back_when_it_goes_on(
    start: Start,
) -> None:
    chat = start(TOKEN_TTL_SECONDS="60")
    token = chat.register("bo")
    bo = chat.connect(token)
    chat.clock.now += 50
    newer = chat.post("/token", token=token)["token"]
    ada = chat.member("ada")
    ada.ask("createroom", room="tea", private=True)
    ada.ask("invite", room="tea", user="bo")
    bo.ask("subscribe", room="tea")
    chat.clock.now += 10

    ada.ask("kick", room="tea", user="bo")

    bo.ask("refresh", token=newer)
    assert bo.ask("history", room="tea")["code"] == "forbidden"
    ada.say("gone", room="tea")
    assert bo.heard("message") == []
