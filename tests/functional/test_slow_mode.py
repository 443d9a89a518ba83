"""Slow mode: messages of one person to a room that are some time apart."""

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from tests.functional.chats import Chat, Person, with_admin
from tests.stores.memory import MemoryClient

Start = Callable[..., Chat]


def say(person: Person, room: str = "tea", **fields: object) -> str:
    answer = person.ask("sendmessage", room=room, message="x", **fields)
    return str(answer["code"] if answer["type"] == "error" else answer["type"])


@pytest.fixture
def alice(chat: Chat) -> Person:
    """The owner of tea, where 30 seconds lie between two messages of one person."""
    alice = chat.member("alice")
    alice.ask("createroom", room="tea", slow_mode=30)
    return alice


@pytest.mark.clause("G7")
@pytest.mark.usefixtures("alice")
def test_one_message_in_so_many_seconds(chat: Chat) -> None:
    bob = chat.member("bob", "tea")
    first = say(bob)
    chat.clock.now += 29

    early = bob.ask("sendmessage", room="tea", message="y")
    chat.clock.now += early["retry_after_ms"] / 1000

    assert (first, early["code"], early["retryable"]) == ("ack", "rate_limited", True)
    assert early["message"] == "too many messages to this room: try again in 1000 ms"
    assert say(bob) == "ack"


@pytest.mark.clause("G7")
@pytest.mark.usefixtures("alice")
def test_each_person_and_each_room_is_slow_on_its_own(chat: Chat) -> None:
    bob, carol = chat.member("bob", "tea"), chat.member("carol")
    phone = chat.member("bob", "tea")

    said = [say(bob), say(carol), say(bob, "lobby"), say(bob, "lobby"), say(bob, "dm:alice:bob")]

    assert said == ["ack"] * 5
    assert say(phone) == "rate_limited"


@pytest.mark.clause("G7")
@pytest.mark.usefixtures("alice")
def test_what_is_no_message_is_not_slowed_down(chat: Chat) -> None:
    bob = chat.member("bob", "tea")
    say(bob)

    for _ in range(3):
        assert bob.ask("react", room="tea", target=1, emoji="\U0001f44d")["type"] == "ack"
        assert bob.ask("editmessage", room="tea", target=1, message="y")["type"] == "ack"


@pytest.mark.clause("G7")
def test_those_who_rule_a_room_are_never_too_early(start: Start) -> None:
    chat = with_admin(start)
    alice, bob, rhea = (chat.member(name) for name in ("alice", "bob", "rhea"))
    alice.ask("createroom", room="tea", slow_mode=30)
    for person in (alice, bob, rhea):
        person.ask("subscribe", room="tea")
    before = [say(bob), say(bob)]

    alice.ask("setrole", room="tea", user="bob", role="moderator")

    assert before == ["ack", "rate_limited"]
    assert [say(person) for person in (alice, bob, rhea) for _ in range(3)] == ["ack"] * 9


@pytest.mark.clause("G7")
def test_slow_mode_changes_in_seconds_everywhere(chat: Chat, alice: Person) -> None:
    bob = chat.member("bob", "tea")
    say(bob)

    alice.ask("slowmode", room="tea", seconds=0)
    here = [say(bob), say(bob)]
    chat.dynamodb.update_item(  # by another function
        TableName="dynamowave-test-memberships",
        Key={"room": {"S": "tea"}, "member": {"S": "#room"}},
        UpdateExpression="SET slow_mode = :seconds",
        ExpressionAttributeValues={":seconds": {"N": "60"}},
    )
    chat.clock.now += 5

    assert here == ["ack", "ack"]
    assert [say(bob), say(bob)] == ["ack", "rate_limited"]


@pytest.mark.clause("G7")
def test_nobody_waits_out_a_time_that_was_made_shorter(chat: Chat, alice: Person) -> None:
    alice.ask("slowmode", room="tea", seconds=86_400)
    bob = chat.member("bob", "tea")
    say(bob)

    alice.ask("slowmode", room="tea", seconds=5)
    chat.clock.now += 5

    assert say(bob) == "ack"


@pytest.mark.clause("G7")
def test_a_stage_has_a_slow_mode_of_its_own(start: Start) -> None:
    chat = with_admin(start, SLOW_MODE_SECONDS="10")
    alice, bob, rhea = (chat.member(name) for name in ("alice", "bob", "rhea"))
    alice.ask("createroom", room="tea", slow_mode=2)

    assert [say(bob, "lobby"), say(bob, "lobby")] == ["ack", "rate_limited"]
    assert [say(bob), say(bob)] == ["ack", "rate_limited"]
    chat.clock.now += 2
    assert [say(bob), say(bob, "lobby")] == ["ack", "rate_limited"]
    assert rhea.ask("slowmode", room="lobby", seconds=3)["type"] == "ack"
    chat.clock.now += 9
    assert [say(bob, "lobby"), say(bob, "lobby")] == ["ack", "rate_limited"]
    chat.clock.now += 3
    assert say(bob, "lobby") == "ack"


@pytest.mark.clause("G7", "E1")
@pytest.mark.usefixtures("alice")
def test_what_is_sent_again_is_answered_in_its_time_and_does_not_count(chat: Chat) -> None:
    bob = chat.member("bob", "tea")
    say(bob, cid="c1")
    early = say(bob, cid="c1")
    chat.clock.now += 30

    again = bob.ask("sendmessage", room="tea", message="x", cid="c1")

    assert early == "rate_limited"
    assert (again["type"], again["seq"], again["duplicate"]) == ("ack", 1, True)
    assert say(bob) == "ack"


class Failing(MemoryClient):
    """A database whose next transaction fails, when it is told so."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = False

    def _transact_write_items(self, request: object) -> object:
        if self.fails:
            self.fails = False
            answer = {"Error": {"Code": "InternalServerError", "Message": ""}}
            raise ClientError(answer, "TransactWriteItems")  # type: ignore[arg-type, unused-ignore]
        return super()._transact_write_items(request)  # type: ignore[arg-type]


@pytest.mark.clause("G7", "E1")
def test_what_failed_does_not_count(start: Start) -> None:
    database = Failing()
    chat = start(dynamodb=database)
    chat.member("alice").ask("createroom", room="tea", slow_mode=30)
    bob = chat.member("bob", "tea")

    database.fails = True
    failed = say(bob, cid="c1")

    assert failed == "unavailable"
    assert say(bob, cid="c1") == "ack"


@pytest.mark.clause("G6", "G7")
def test_only_those_who_rule_a_room_slow_it_down(chat: Chat, alice: Person) -> None:
    bob = chat.member("bob", "tea", "park")

    refused = [bob.ask("slowmode", room=room, seconds=5) for room in ("tea", "park", "lobby")]

    assert [it["code"] for it in refused] == ["forbidden"] * 3
    assert alice.ask("slowmode", room="tea", seconds=5)["type"] == "ack"
