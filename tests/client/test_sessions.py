"""Tickets, tokens, and sessions that end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatclient.updates import Connection, Done, Failed, Moving, State
from tests.client.worlds import Peer, World


def test_every_connection_has_a_ticket_of_its_own(world: World) -> None:
    ada = world.member("ada", "tea")
    world.server.tell(1, {"type": "reconnect", "after_ms": 0, "reason": "deploy"})
    world.sleep(6)

    world.cut(ada)
    world.sleep(1)

    assert [what for what, _ in world.asked] == ["ticket"] * 3
    assert ada.links == {3: 3}
    assert Moving(0, "deploy") in ada.told


def test_a_session_is_prolonged_well_before_it_ends(world: World) -> None:
    ada = world.member("ada", "tea")
    start = world.clock.now

    world.sleep(3000)

    assert [what for what, _ in world.asked] == ["ticket", "token"]
    assert 0.6 * 3600 <= world.asked[1][1] - start <= 0.7 * 3600
    assert world.server.sessions[1] > world.server.now + 2000
    assert ada.links == {1: 1}


def test_all_open_connections_go_on_with_a_newer_token(world: World) -> None:
    world.lifetime = 100.0
    world.server.reconnect_after_ms = 86_400_000
    ada = world.member("ada", "tea")

    world.sleep(3000)
    world.server.say("bob", "tea", "still there")
    world.run()

    assert ada.texts() == ["still there"]
    assert ada.links == {1: 1}


def test_a_token_from_outside_prolongs_sessions_too(world: World) -> None:
    ada = world.member("ada", "tea")
    world.server.tokens["other"] = world.server.now + 9000

    ada.core.authorized("other", 9000)
    world.run()

    assert world.server.sessions[1] == world.server.now + 9000


def test_a_connection_of_an_older_token_is_refreshed_as_soon_as_it_is_greeted(
    world: World,
) -> None:
    world.server.deaf.add("hello")
    ada = world.member("ada")
    world.server.tokens["newer"] = world.server.now + 9000

    ada.core.authorized("newer", 9000)
    world.server.deaf.clear()
    world.server.receive(1, '{"action": "hello", "id": 1}')
    world.run()

    assert world.server.sessions[1] == world.server.now + 9000


@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_without_a_ticket_it_is_asked_for_again(world: World, status: int) -> None:
    world.http = status
    ada = world.member("ada", "tea")
    token = ada.core.send("hello", room="tea")
    world.sleep(20)

    world.http = 200
    world.sleep(30)

    assert ada.core.is_online
    assert token in [done.token for done in ada.all(Done)]
    assert len(world.asked) > 3


def test_a_server_says_when_to_ask_for_a_ticket_again(world: World) -> None:
    world.http, world.http_wait = 429, 100.0
    world.member("ada")

    world.sleep(399)

    assert len(world.asked) == 4


@pytest.mark.parametrize("status", [400, 403, 404, 409])
def test_other_refusals_of_a_ticket_are_final(world: World, status: int) -> None:
    world.http = status

    ada = world.member("ada", "tea")
    world.sleep(100)

    assert (ada.all(Connection)[-1].code, ada.all(Connection)[-1].status) == ("refused", status)
    assert len(world.asked) == 1


def test_who_has_been_logged_out_is_told_to_log_in_again(world: World) -> None:
    ada = world.member("ada", "tea")
    world.server.deaf.add("sendmessage")
    sent, waiting = (ada.core.send(text, room="tea") for text in ("one", "two"))
    world.run()
    world.revoke()

    world.server.tell(1, {"type": "reconnect", "after_ms": 0, "reason": "signed out"})
    world.sleep(100)

    last = ada.all(Connection)[-1]
    assert (last.state, last.code, last.status) == (State.CLOSED, "logged_out", 401)
    assert ada.failures() == ["logged_out", "logged_out"]
    told = [(failed.token, failed.uncertain) for failed in ada.all(Failed)]
    assert told == [(sent, True), (waiting, False)]
    assert ada.core.next_wake() is None


def evict(world: World, peer: Peer) -> None:
    """Do what the server does to a connection that it ends: tell, and close."""
    for connection in list(peer.links.values()):
        world.server.tell(connection, {"type": "reconnect", "after_ms": 0, "reason": "logged out"})
    while world.server.out:  # before the client does anything about it
        connection, text = world.server.out.popleft()
        for link in [link for link, number in peer.links.items() if number == connection]:
            peer.core.received(link, text)
    world.cut(peer)


@pytest.mark.clause("S4", "S7")
@pytest.mark.parametrize("told", [True, False])
def test_who_is_closed_after_a_logout_asks_for_no_second_ticket(world: World, told: bool) -> None:  # noqa: FBT001
    ada = world.member("ada", "tea")
    world.asked.clear()
    world.revoke()

    evict(world, ada) if told else world.cut(ada)
    world.sleep(600)

    assert ada.all(Connection)[-1].code == "logged_out"
    assert [what for what, _ in world.asked] == ["ticket"]
    assert ada.core.next_wake() is None


@pytest.mark.clause("S7")
def test_who_is_closed_although_the_token_is_good_comes_again(world: World) -> None:
    ada = world.member("ada", "tea")
    world.asked.clear()

    evict(world, ada)
    world.server.say("bob", "tea", "meanwhile")
    ada.core.send("hello", room="tea")
    world.sleep(5)

    assert [what for what, _ in world.asked] == ["ticket"]
    assert ada.core.is_online
    assert ada.texts() == ["meanwhile", "hello"]


@pytest.mark.clause("S7")
@pytest.mark.parametrize("told", [True, False])
def test_who_is_closed_again_and_again_comes_at_a_pace(world: World, told: bool) -> None:  # noqa: FBT001
    ada = world.member("ada", "tea")
    ada.luck = lambda: 0.5
    world.opened_at.clear()

    for _ in range(600):
        evict(world, ada) if told else world.cut(ada)
        world.sleep(0.5)

    assert 20 < len(world.opened_at) < 45
    assert world.opened_at[-1] - world.opened_at[-2] >= 9


@pytest.mark.clause("S7")
def test_who_is_told_to_move_again_and_again_moves_at_a_pace(world: World) -> None:
    ada = world.member("ada", "tea")
    ada.luck = lambda: 0.5
    world.opened_at.clear()

    for _ in range(600):
        for connection in ada.links.values():
            world.server.tell(connection, {"type": "reconnect", "after_ms": 0, "reason": "x"})
        world.sleep(0.5)

    # One that lasted for 10 seconds was a good one, and the pauses begin anew.
    assert len(world.opened_at) < 100


@pytest.mark.clause("S7")
def test_who_is_let_in_and_has_no_session_comes_at_a_pace(world: World) -> None:
    ada = world.member("ada", "tea")
    world.opened_at.clear()
    for _ in range(1000):
        world.server.fail("hello", "unauthorized", retryable=False)

    world.cut(ada)
    world.sleep(300)

    assert len(world.opened_at) < 60


def test_a_token_that_cannot_be_renewed_any_more_ends_the_client(world: World) -> None:
    ada = world.member("ada", "tea")
    world.revoke()

    world.sleep(3600)

    assert ada.all(Connection)[-1].code == "logged_out"


def test_renewing_is_tried_again_until_it_works(world: World) -> None:
    ada = world.member("ada", "tea")
    world.http = 503
    world.sleep(3000)

    world.http = 200
    world.sleep(1000)

    assert ada.core.is_online
    assert ada.links == {1: 1}
    assert not world.server.is_over(1)


def test_a_used_ticket_is_replaced_by_a_new_one(world: World) -> None:
    world.status = 401
    ada = world.member("ada")

    world.status = 0
    world.sleep(1)

    assert ada.core.is_online
    assert len(world.asked) == 2


def test_tickets_in_vain_end_at_last(world: World) -> None:
    world.status = 401
    ada = world.member("ada")

    world.sleep(1000)

    assert ada.all(Connection)[-1].code == "refused"
    assert len(world.asked) == 5


def test_an_answer_that_the_session_is_over_costs_nothing(world: World) -> None:
    ada = world.member("ada", "tea")
    world.server.sessions[1] = 0.0
    world.server.say("bob", "tea", "unseen")

    token = ada.core.send("hello", room="tea")
    ada.core.send("next", room="tea")
    world.run()

    assert ada.links == {1: 1}
    assert ada.texts() == ["unseen", "hello", "next"]
    assert [frame["cid"] for frame in world.server.asked("sendmessage")][:2] == [token, token]
    assert [what for what, _ in world.asked] == ["ticket", "token"]


def test_a_second_answer_of_that_kind_is_followed_by_another_connection(world: World) -> None:
    ada = world.member("ada", "tea")
    for _ in range(2):
        world.server.fail("sendmessage", "unauthorized", retryable=False)

    ada.core.send("hello", room="tea")
    world.sleep(1)

    assert ada.links == {2: 2}
    assert ada.texts() == ["hello"]


def test_a_connection_that_the_server_does_not_know_is_replaced(world: World) -> None:
    ada = world.member("ada", "tea")
    world.server.fail("sendmessage", "unauthorized", retryable=False)
    world.server.fail("refresh", "unauthorized", retryable=False)

    ada.core.send("hello", room="tea")
    world.sleep(1)

    assert ada.links == {2: 2}
    assert ada.texts() == ["hello"]


def test_late_answers_of_that_kind_are_not_taken_for_new_ones(world: World) -> None:
    ada = world.member("ada", "tea", "coffee")
    world.server.deaf |= {"sendmessage"}
    for room in ("tea", "coffee"):
        ada.core.send("hello", room=room)
    world.run()
    over = {"type": "error", "code": "unauthorized", "message": "over"}
    first, second = (frame["id"] for frame in world.server.asked("sendmessage"))

    world.server.tell(1, {**over, "id": first})
    world.server.deaf.add("sendmessage")
    world.run()
    world.server.tell(1, {**over, "id": second})
    world.server.tell(1, {**over, "action": "typing"})
    world.run()
    world.server.deaf.clear()
    world.sleep(11)

    assert ada.links == {1: 1}
    assert (ada.texts("tea"), ada.texts("coffee")) == (["hello"], ["hello"])


def test_a_session_that_ends_without_a_word_is_noticed(world: World) -> None:
    ada = world.member("ada", "tea")
    world.http = 503
    world.sleep(3599)
    world.server.tokens[ada.token] += 5000  # good for longer than the client thinks

    world.http = 200
    world.sleep(60)
    world.server.say("bob", "tea", "hello")
    world.run()

    assert ada.core.is_online
    assert ada.texts() == ["hello"]


def test_a_hand_over_goes_on_while_the_new_connection_is_refreshed(world: World) -> None:
    ada = world.member("ada", "tea")
    world.server.tell(1, {"type": "reconnect", "after_ms": 0, "reason": ""})
    world.server.fail("subscribe", "unauthorized", retryable=False)

    world.sleep(6)
    world.server.say("bob", "tea", "hello")
    world.run()

    assert ada.links == {2: 2}
    assert ada.texts() == ["hello"]


def test_a_session_that_cannot_be_renewed_in_time_is_given_up(world: World) -> None:
    ada = world.member("ada", "tea")
    world.http = 503
    world.server.sessions[1] = 0.0
    ada.core.send("hello", room="tea")

    world.sleep(11)
    without = dict(ada.links)
    world.http = 200
    world.sleep(30)

    assert without == {}
    assert ada.texts() == ["hello"]


def test_a_new_connection_that_waits_for_its_session_is_not_waited_for_for_ever(
    world: World,
) -> None:
    ada = world.member("ada", "tea")
    world.server.deaf.add("refresh")
    world.server.fail("subscribe", "unauthorized", retryable=False)
    world.server.tell(1, {"type": "reconnect", "after_ms": 0, "reason": ""})
    world.run()
    both = sorted(ada.links)

    world.server.disconnect(ada.links.pop(1))
    ada.core.lost(1)
    world.sleep(11)

    assert both == [1, 2]
    assert 2 not in ada.links
    assert ada.core.is_online


def test_a_busy_server_is_asked_to_refresh_again(world: World) -> None:
    ada = world.member("ada", "tea")
    for _ in range(3):
        world.server.fail("refresh", "unavailable")

    world.sleep(3500)

    assert ada.links == {1: 1}
    assert not world.server.is_over(1)
    assert len(world.server.asked("refresh")) == 4


def test_when_the_log_in_ends_nobody_is_pestered(world: World) -> None:
    world.login_end = world.server.now + 5000
    ada = world.member("ada", "tea")

    world.sleep(5100)

    assert ada.all(Connection)[-1].code == "logged_out"
    assert len(world.asked) < 12
    assert len(world.server.asked("refresh")) < 8


def test_a_new_connection_may_be_asked_to_move_as_well(world: World) -> None:
    ada = world.member("ada", "tea")
    world.server.deaf.add("subscribe")
    world.server.tell(1, {"type": "reconnect", "after_ms": 0, "reason": ""})
    world.run()
    world.server.tell(2, {"type": "reconnect", "after_ms": 0, "reason": ""})
    world.server.deaf.clear()

    world.sleep(20)

    assert ada.links == {3: 3}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["say", "hear", "expire", "cut", "move", "wait", "forget", "busy", "ok"]),
        max_size=25,
    ),
    st.integers(0, 99),
)
def test_whenever_a_session_ends_no_message_is_lost(steps: list[str], seed: int) -> None:
    world = World()
    world.lifetime = 60.0
    ada = world.member("ada", "tea", seed=seed)
    said = []
    for number, step in enumerate(steps):
        connection = next(iter(ada.links.values()), 0)
        if step == "say":
            said.append(f"a{number}")
            ada.core.send(said[-1], room="tea")
        elif step == "hear":
            said.append(f"b{number}")
            world.server.say("bob", "tea", said[-1])
        elif step == "expire" and connection:
            world.server.sessions[connection] = 0.0
        elif step == "cut":
            world.cut(ada)
        elif step == "move" and connection:
            world.server.tell(connection, {"type": "reconnect", "after_ms": 0})
        elif step == "forget" and connection:
            world.server.fail("refresh", "unauthorized", retryable=False)
        elif step in ("busy", "ok"):
            world.http = 503 if step == "busy" else 200
            world.lifetime = 60.0 if step == "ok" else 3600.0
            world.server.tokens[ada.token] = world.server.now + 3600
        world.sleep(7 if step == "wait" else 0.01)

    world.http = 200
    world.sleep(400)

    assert ada.core.is_online
    assert sorted(ada.texts()) == sorted(said)
    assert sorted(said) == sorted(event["message"] for event in world.server.logs.get("tea", []))
