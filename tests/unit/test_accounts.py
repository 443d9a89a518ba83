"""Accounts: one for each look of a name, and none for what is somebody's already."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from chalicelib.accounts import TITLES, WORDS, Account, AccountRepository
from chalicelib.backoff import Backoff
from chalicelib.database import ConditionError, Database
from chalicelib.errors import Conflict, Unauthorized, Unavailable
from chalicelib.identities import Identity
from chalicelib.models import UserName
from chalicelib.names import skeleton
from tests.interleaving import Scheduler, SwitchingClient
from tests.stores.memory import MemoryClient
from tests.unit.fakes import (
    ACCOUNTS_TABLE,
    ALICE,
    BOB,
    CONNECTIONS_TABLE,
    Clock,
    Faulty,
    cancelled,
    client_error,
)

TAKEN = "the name is taken, or looks like one that is"
ISSUER = "https://issuer.example"
Make: TypeAlias = Callable[..., AccountRepository]


@pytest.fixture
def make(database: Database, clock: Clock) -> Make:
    def new(**options: Any) -> AccountRepository:
        arguments = {"clock": clock, "has_messages": lambda _: False, **options}
        return AccountRepository(
            arguments.pop("database", database),
            table=ACCOUNTS_TABLE,
            connections_table=CONNECTIONS_TABLE,
            **arguments,
        )

    return new


@pytest.fixture
def accounts(make: Make) -> AccountRepository:
    return make()


def stored(dynamodb: Faulty) -> list[str]:
    items = dynamodb.client.scan(TableName=ACCOUNTS_TABLE)["Items"]
    return sorted(item["username"]["S"] for item in items)


def claim(dynamodb: Faulty, user: str, *, expires_at: float) -> None:
    """Let a guest hold a name."""
    key = {"pk": {"S": f"user#{skeleton(user)}"}, "sk": {"S": "guest"}}
    item = {**key, "expires_at": {"N": str(expires_at)}}
    dynamodb.client.put_item(TableName=CONNECTIONS_TABLE, Item=item)


def test_an_account_is_found_by_its_name(accounts: AccountRepository, dynamodb: Faulty) -> None:
    created = accounts.create(ALICE, "h1")

    assert accounts.find(ALICE) == created
    assert created == Account(user=ALICE, token_version=1, password_hash="h1")
    assert accounts.find(BOB) is None
    assert stored(dynamodb) == ["alice", "look#allce"]


def test_a_hash_is_in_no_repr(accounts: AccountRepository) -> None:
    assert "h1" not in repr(accounts.create(ALICE, "h1"))


@pytest.mark.parametrize("name", ["alice", "a1ice", "al.ice", "aiice"])
def test_a_name_is_given_once_in_all_its_looks(
    accounts: AccountRepository, dynamodb: Faulty, name: str
) -> None:
    accounts.create(ALICE, "h1")

    with pytest.raises(Conflict, match=TAKEN):
        accounts.create(UserName(name), "h2")
    assert stored(dynamodb) == ["alice", "look#allce"]
    assert accounts.find(ALICE) == Account(user=ALICE, token_version=1, password_hash="h1")


@pytest.mark.parametrize(
    "name", [*sorted(TITLES), *sorted(WORDS), "adm1n", "r00t", "sys.tem", "rnoderator"]
)
def test_nobody_is_called_what_pretends(
    accounts: AccountRepository, dynamodb: Faulty, name: str
) -> None:
    with pytest.raises(Conflict, match=TAKEN):
        accounts.create(UserName(name), "h")
    with pytest.raises(Conflict, match=TAKEN):
        accounts.claim(UserName(name), ISSUER, "s")

    assert accounts.looks_taken(UserName(name))
    assert dynamodb.count("transact_write_items") == 0


@pytest.mark.parametrize("name", ["grace", "grac.e"])
def test_the_name_of_an_administrator_is_not_for_who_comes_first(make: Make, name: str) -> None:
    accounts = make(admins=[UserName("grace")])

    with pytest.raises(Conflict, match=TAKEN):
        accounts.create(UserName(name), "h")


def test_who_has_registered_can_become_an_administrator(make: Make) -> None:
    make().create(ALICE, "h")

    assert make(admins=[ALICE]).find(ALICE) is not None


def test_a_name_that_a_guest_holds_is_not_given(
    accounts: AccountRepository, dynamodb: Faulty, clock: Clock
) -> None:
    claim(dynamodb, "a1ice", expires_at=clock.now + 1)

    with pytest.raises(Conflict, match=TAKEN):
        accounts.create(ALICE, "h")
    assert stored(dynamodb) == []


def test_a_guest_who_is_gone_holds_no_name(
    accounts: AccountRepository, dynamodb: Faulty, clock: Clock
) -> None:
    claim(dynamodb, "alice", expires_at=clock.now)

    accounts.create(ALICE, "h")


def test_a_name_with_a_guests_direct_messages_is_not_given(make: Make, dynamodb: Faulty) -> None:
    accounts = make(has_messages=lambda user: user == ALICE)

    with pytest.raises(Conflict, match=TAKEN):
        accounts.create(ALICE, "h")
    accounts.create(BOB, "h")
    assert stored(dynamodb) == ["bob", "look#bob"]


def test_a_collision_is_tried_again(accounts: AccountRepository, dynamodb: Faulty) -> None:
    dynamodb.plan("transact_write_items", cancelled("TransactionConflict", "None", "None"))

    accounts.create(ALICE, "h")


def test_without_the_database_it_is_unavailable(
    accounts: AccountRepository, dynamodb: Faulty
) -> None:
    dynamodb.always("get_item", client_error("InternalServerError", status=500))

    with pytest.raises(Unavailable):
        accounts.find(ALICE)


def test_reads_are_strongly_consistent(accounts: AccountRepository, dynamodb: Faulty) -> None:
    accounts.find(ALICE)
    accounts.looks_taken(ALICE)

    reads = [arguments for name, arguments in dynamodb.calls if name == "get_item"]
    assert [read["ConsistentRead"] for read in reads] == [True, True]


def test_a_hash_is_replaced_if_it_is_the_one(accounts: AccountRepository) -> None:
    accounts.create(ALICE, "h1")

    accounts.set_password_hash(ALICE, "h1", "h2")
    accounts.set_password_hash(ALICE, "h1", "h3")

    assert accounts.find(ALICE) == Account(user=ALICE, token_version=1, password_hash="h2")


def test_a_new_password_makes_old_tokens_worthless(accounts: AccountRepository) -> None:
    accounts.create(ALICE, "h1")

    changed = accounts.change_password(ALICE, "h1", "h2")

    assert changed == Account(user=ALICE, token_version=2, password_hash="h2")
    assert accounts.find(ALICE) == changed


def test_of_two_new_passwords_at_the_same_time_one_wins(accounts: AccountRepository) -> None:
    accounts.create(ALICE, "h1")
    accounts.change_password(ALICE, "h1", "h2")

    with pytest.raises(Conflict, match="the password has been changed meanwhile"):
        accounts.change_password(ALICE, "h1", "h3")


def test_a_change_whose_answer_was_lost_is_seen_for_what_it_is(
    accounts: AccountRepository, dynamodb: Faulty
) -> None:
    accounts.create(ALICE, "h1")

    def carried_out_twice(arguments: dict[str, Any]) -> Any:
        dynamodb.client.update_item(**arguments)
        return dynamodb.client.update_item(**arguments)

    dynamodb.plan("update_item", carried_out_twice)
    assert accounts.change_password(ALICE, "h1", "h2").token_version == 2


def test_nobody_changes_the_password_of_no_account(
    accounts: AccountRepository, dynamodb: Faulty
) -> None:
    with pytest.raises(Conflict):
        accounts.change_password(ALICE, "h1", "h2")
    accounts.set_password_hash(ALICE, "h1", "h2")

    assert stored(dynamodb) == []


def test_versions_go_up(accounts: AccountRepository) -> None:
    accounts.create(ALICE, "h1")

    assert [accounts.raise_version(ALICE) for _ in range(2)] == [2, 3]
    with pytest.raises(Unauthorized):
        accounts.raise_version(BOB)


def test_another_issuers_person_gets_an_account_and_keeps_it(accounts: AccountRepository) -> None:
    first = accounts.claim(ALICE, ISSUER, "s-1")

    assert first == Account(user=ALICE, token_version=1, external=f"{ISSUER} s-1")
    assert accounts.claim(ALICE, ISSUER, "s-1") == first


@pytest.mark.parametrize("claim", [(ISSUER, "s-2"), ("https://other.example", "s-1")])
def test_nobody_else_gets_it(accounts: AccountRepository, claim: tuple[str, str]) -> None:
    accounts.claim(ALICE, ISSUER, "s-1")

    with pytest.raises(Conflict, match=TAKEN):
        accounts.claim(ALICE, *claim)


def test_an_account_with_a_password_is_not_claimed(accounts: AccountRepository) -> None:
    accounts.create(ALICE, "h")

    for name in ("alice", "a1ice"):
        with pytest.raises(Conflict, match=TAKEN):
            accounts.claim(UserName(name), ISSUER, "s-1")


Act: TypeAlias = Callable[[AccountRepository, Database], object]


def interleaved(seed: int, **actors: Act) -> tuple[Any, Any]:
    """Let functions act at the same time; return what each came to, and the items."""
    scheduler, memory, clock = Scheduler(seed), MemoryClient(), Clock(1_800_000_000.0)

    def outcome(act: Act) -> object:
        client = SwitchingClient(memory, scheduler)
        database = Database(client, Backoff(clock=clock, sleep=clock.sleep, random=lambda: 0.5))
        try:
            return act(_repository(database, clock), database)
        except (Conflict, ConditionError):
            return None

    run = scheduler.run(**{name: lambda act=act: outcome(act) for name, act in actors.items()})
    items = memory.scan(TableName=ACCOUNTS_TABLE)["Items"]
    return run.results, {item["username"]["S"]: item for item in items}


def _repository(database: Database, clock: Clock) -> AccountRepository:
    return AccountRepository(
        database,
        table=ACCOUNTS_TABLE,
        connections_table=CONNECTIONS_TABLE,
        clock=clock,
        has_messages=lambda _: False,
    )


def test_of_two_who_register_names_that_look_alike_one_gets_theirs() -> None:
    for seed in range(60):
        results, items = interleaved(
            seed,
            alice=lambda accounts, _: accounts.create(ALICE, "h1"),
            mallory=lambda accounts, _: accounts.create(UserName("a1ice"), "h2"),
        )

        winners = [account.user for account in results.values() if account is not None]
        assert len(winners) == 1, results
        assert set(items) == {*winners, "look#allce"}


def test_of_a_guest_and_an_account_that_look_alike_one_gets_the_name() -> None:
    def come_as_guest(accounts: AccountRepository, database: Database) -> object:
        key = {"pk": {"S": "user#allce"}, "sk": {"S": "guest"}}
        item = {**key, "expires_at": {"N": "1800007800"}}
        absent = {"ConditionExpression": "attribute_not_exists(pk)"}
        put = {"Put": {"TableName": CONNECTIONS_TABLE, "Item": item, **absent}}
        database.transact_until_done([put, accounts.looks_taken_write(UserName("a1ice"))])
        return "a guest"

    outcomes = set()
    for seed in range(60):
        results, _ = interleaved(
            seed, alice=lambda accounts, _: accounts.create(ALICE, "h"), guest=come_as_guest
        )
        outcomes.add((results["alice"] is None, results["guest"] is None))

    assert outcomes == {(True, False), (False, True)}


def test_two_tabs_with_the_first_token_of_another_issuer_come_to_the_same() -> None:
    for seed in range(60):
        results, items = interleaved(
            seed,
            one=lambda accounts, _: accounts.claim(ALICE, ISSUER, "s-1"),
            other=lambda accounts, _: accounts.claim(ALICE, ISSUER, "s-1"),
        )

        assert results["one"] == results["other"] is not None
        assert len(items) == 3


def test_of_two_people_with_the_same_name_elsewhere_one_gets_it() -> None:
    for seed in range(60):
        results, _ = interleaved(
            seed,
            one=lambda accounts, _: accounts.claim(ALICE, ISSUER, "s-1"),
            other=lambda accounts, _: accounts.claim(ALICE, ISSUER, "s-2"),
        )

        assert [account is None for account in results.values()].count(True) == 1


def passes(database: Database, write: dict[str, Any]) -> bool:
    try:
        database.transact([write])
    except ConditionError:
        return False
    return True


def test_a_guests_transaction_fails_when_an_account_looks_like_them(
    accounts: AccountRepository, database: Database
) -> None:
    name = UserName("a1ice")
    assert passes(database, accounts.looks_taken_write(name))
    assert not accounts.looks_taken(name)

    accounts.create(ALICE, "h")

    assert not passes(database, accounts.looks_taken_write(name))
    assert accounts.looks_taken(name)


def test_a_connections_transaction_fails_when_its_holder_has_logged_out(
    accounts: AccountRepository, database: Database
) -> None:
    identity = accounts.create(ALICE, "h").identity
    assert identity == Identity(user=ALICE, version=1)
    assert passes(database, accounts.check_version_write(identity))

    accounts.raise_version(ALICE)

    assert not passes(database, accounts.check_version_write(identity))
    assert not passes(database, accounts.check_version_write(Identity(user=BOB, version=1)))
