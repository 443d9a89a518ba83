"""Accounts over real sockets: logging in, tickets, and what comes of a log-in that ends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from chatclient import Account, ChatError, Client, LoggedOut, Rejected, Settings, Unreachable
from chatclient.api import Api
from chatclient.updates import Connection, State
from tests.client.desks import PASSWORD
from tests.client.sockets import Site, site

T = TypeVar("T")
QUICK = Settings(quick=0.01, backoff_base=0.05, hole_wait=0.05, answer_timeout=2.0)


def run(test: Callable[[Site], Awaitable[T]]) -> T:
    async def inside() -> T:
        async with site() as place:
            await place.desk.open(place.url)
            return await test(place)

    return asyncio.run(inside())


async def log_in(place: Site, name: str = "ada") -> Account:
    return await Account.login(place.desk.url, name, PASSWORD)


async def until(client: Client, condition: Callable[[], bool]) -> None:
    updates = client.updates()
    while not condition():
        await anext(updates)


def test_who_logs_in_is_let_in_with_a_ticket_for_every_connection() -> None:
    async def talk(place: Site) -> list[str]:
        async with Client(account=await log_in(place), rooms=["tea"], settings=QUICK) as ada:
            await place.kick()
            await ada.send("hello", room="tea")
            assert ada.user == "ada"
        return place.paths

    assert run(talk) == ["/api?ticket=ticket2", "/api?ticket=ticket3"]


def test_a_client_may_know_better_where_to_connect_to() -> None:
    async def talk(place: Site) -> list[str]:
        place.desk.socket_url = "wss://elsewhere.invalid/api"
        async with Client(f"{place.url}?a=b", account=await log_in(place)):
            return place.paths

    assert run(talk) == ["/api?a=b&ticket=ticket2"]


@pytest.mark.parametrize(
    ("address", "problem"), [("", "its own address"), ("http://x/", "is none"), ("?", "is none")]
)
def test_without_any_address_it_says_so_and_not_the_ticket(address: str, problem: str) -> None:
    async def talk(place: Site) -> str:
        place.desk.socket_url = address
        with pytest.raises(Unreachable) as caught:
            await Client(account=await log_in(place)).start()
        return str(caught.value)

    reason = run(talk)

    assert problem in reason
    assert "ticket2" not in reason


def test_registering_logs_in_and_a_name_is_taken_once() -> None:
    async def enter(place: Site) -> tuple[str, int]:
        account = await Account.register(place.desk.url, "ada", PASSWORD)
        with pytest.raises(Rejected, match="taken") as caught:
            await Account.register(place.desk.url, "ada", "another one")
        return account.user, caught.value.status

    assert run(enter) == ("ada", 409)


def test_a_guest_has_a_token_too() -> None:
    async def enter(place: Site) -> str:
        async with Client(account=await Account.guest(place.desk.url)) as client:
            return client.user

    assert run(enter) == "guest-1"


def test_a_wrong_password_is_told() -> None:
    async def enter(place: Site) -> Rejected:
        place.desk.names["ada"] = PASSWORD
        with pytest.raises(Rejected) as caught:
            await Account.login(place.desk.url, "ada", "guess")
        return caught.value

    error = run(enter)

    assert (error.status, error.message, error.retryable) == (
        401,
        "user name or password is wrong",
        False,
    )


@pytest.mark.parametrize(
    ("headers", "body", "wait"),
    [
        ({"Retry-After": "7"}, "", 7),
        ({"Retry-After": "7"}, '{"retry_after_ms": 1500}', 1.5),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, "[]", 0),
        ({"Retry-After": "9" * 400}, "{", 3600),
    ],
)
def test_a_server_says_when_to_come_again(headers: dict[str, str], body: str, wait: float) -> None:
    async def enter(place: Site) -> Rejected:
        place.desk.replies.append((429, headers, body))
        with pytest.raises(Rejected) as caught:
            await log_in(place)
        return caught.value

    error = run(enter)

    assert (error.status, error.retryable, error.retry_after) == (429, True, wait)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"user": "ada", "token": 1}', "\x00", "x" * 99999]
)
def test_an_answer_that_makes_no_sense_is_an_error_of_the_chat(text: str) -> None:
    async def enter(place: Site) -> ChatError:
        place.desk.replies.append((200, {}, text))
        with pytest.raises(ChatError) as caught:
            await log_in(place)
        return caught.value

    assert run(enter).retryable


def test_a_redirect_is_not_followed() -> None:
    async def enter(place: Site) -> int:
        account = await log_in(place)
        place.desk.replies.append((307, {"Location": place.desk.url + "/login"}, ""))
        with pytest.raises(Rejected):
            await account.ticket()
        return len(place.desk.requests)

    assert run(enter) == 2


def test_nobody_there_is_told() -> None:
    async def enter() -> None:
        with pytest.raises(Unreachable):
            await Account.login("http://127.0.0.1:9/", "ada", PASSWORD)

    asyncio.run(enter())


@pytest.mark.parametrize("base", ["", "ws://a/", "https:", "ftp://a/", "127.0.0.1:8000"])
def test_what_is_no_base_is_refused_at_once(base: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        Api(base)


def test_a_token_is_renewed_and_told_to_open_connections() -> None:
    async def wait(place: Site) -> list[str]:
        place.desk.lifetime = 1.0
        account = await log_in(place)
        renewed = asyncio.Event()
        async with Client(account=account, settings=QUICK) as ada:
            place.desk.lifetime = 3600.0
            account.listen(lambda _token, _expires_in: renewed.set())
            await renewed.wait()
            await ada.list_rooms()
            assert account.expires_in > 3500
            assert place.server.asked("refresh")[0]["token"] == account.token
        return place.desk.routes()

    assert run(wait) == ["login", "ticket", "token"]


def test_clients_that_share_an_account_go_on_with_the_same_token() -> None:
    async def share(place: Site) -> list[int]:
        account = await log_in(place)
        async with (
            Client(account=account, settings=QUICK) as one,
            Client(account=account, settings=QUICK) as two,
        ):
            place.desk.lifetime = 7200.0
            await asyncio.gather(account.renew(), account.renew())
            await asyncio.gather(one.list_rooms(), two.list_rooms())
        assert place.desk.routes().count("token") == 1
        return sorted(frame["connection"] for frame in place.server.asked("refresh"))

    assert run(share) == [1, 2]


def test_who_changes_the_password_stays() -> None:
    async def change(place: Site) -> tuple[str, ...]:
        account = await log_in(place)
        async with Client(account=account, rooms=["tea"], settings=QUICK) as ada:
            place.desk.pause = 0.2
            changing = asyncio.create_task(account.change_password(PASSWORD, "new password"))
            await asyncio.sleep(0.1)  # the old token is worth nothing, the new one under way
            await place.kick()
            await changing
            await ada.send("hello", room="tea")
            return ada.rooms

    assert run(change) == ("tea",)


def test_logging_out_ends_the_clients() -> None:
    async def leave(place: Site) -> tuple[Connection, str]:
        account = await log_in(place)
        async with Client(account=account, settings=QUICK) as ada:
            updates = ada.updates()
            await account.logout()
            await place.kick()
            seen = [update async for update in updates if isinstance(update, Connection)]
            with pytest.raises(LoggedOut) as caught:
                await ada.send("hello", room="tea")
        await account.logout()
        return seen[-1], caught.value.code

    last, code = run(leave)

    assert (last.state, last.code, last.status) == (State.CLOSED, "logged_out", 401)
    assert code == "logged_out"


def test_a_token_that_is_over_is_raised() -> None:
    async def enter(place: Site) -> LoggedOut:
        account = Account(place.desk.url, user="ada", token="old", expires_in=100)
        with pytest.raises(LoggedOut, match="not valid") as caught:
            await Client(account=account, rooms=["tea"], patience=10).start()
        return caught.value

    assert run(enter).status == 401


def test_with_patience_tickets_may_come_later() -> None:
    async def wait(place: Site) -> list[str]:
        account = await log_in(place)
        place.desk.replies.extend([(503, {}, ""), (429, {"Retry-After": "0"}, "{}")])
        async with Client(account=account, settings=QUICK, patience=10):
            return place.desk.routes()

    assert run(wait) == ["login", "ticket", "ticket", "ticket"]


def test_a_client_can_be_closed_while_it_waits_for_a_ticket() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def close() -> None:
        async with await asyncio.start_server(hang, "127.0.0.1", 0) as nobody:
            port = nobody.sockets[0].getsockname()[1]
            account = Account(f"http://127.0.0.1:{port}", user="ada", token="t", expires_in=100)
            client = Client(account=account)
            starting = asyncio.create_task(client.start())
            await asyncio.sleep(0.05)
            async with asyncio.timeout(1):
                await client.close()
                with pytest.raises(ChatError, match="closed"):
                    await starting

    asyncio.run(close())


def test_secrets_are_not_shown() -> None:
    account = Account("http://127.0.0.1/", user="ada", token="secret", expires_in=1)

    assert repr(account) == "Account(user='ada')"


@pytest.mark.parametrize("options", [{"name": "bob"}, {"key": "k" * 16}])
def test_an_account_has_no_other_name(options: dict[str, str]) -> None:
    account = Account("http://127.0.0.1/", user="ada", token="secret", expires_in=1)

    with pytest.raises(ValueError, match="account"):
        Client("ws://127.0.0.1/", account=account, **options)  # type: ignore[arg-type]


def test_somewhere_has_to_be_connected_to() -> None:
    with pytest.raises(ValueError, match="URL or an account"):
        Client()
