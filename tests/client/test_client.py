"""The asyncio client over real sockets."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest

from chatclient import ChatError, Client, Refused, Settings, Unreachable
from chatclient.updates import Changed, Missed, State, Update
from tests.client.servers import Frame
from tests.client.sockets import Site, site

T = TypeVar("T")
QUICK = Settings(quick=0.01, backoff_base=0.05, hole_wait=0.05, answer_timeout=2.0)


def run(test: Callable[[Site], Awaitable[T]]) -> T:
    async def inside() -> T:
        async with site() as place:
            return await test(place)

    return asyncio.run(inside())


def chat(place: Site, name: str = "ada", *rooms: str) -> Client:
    return Client(place.url, name=name, rooms=rooms, settings=QUICK)


def texts(client: Client, room: str = "tea") -> list[str]:
    timeline = client.timeline(room)
    return [message.text for message in timeline.snapshot()] if timeline else []


async def until(client: Client, condition: Callable[[], bool]) -> None:
    updates = client.updates()
    while not condition():
        await anext(updates)


def test_people_talk() -> None:
    async def talk(place: Site) -> None:
        async with chat(place, "ada", "tea") as ada, chat(place, "bob", "tea") as bob:
            sent = await ada.send("hello", room="tea")
            await ada.edit("tea", sent.seq, "Hello")
            await bob.react("tea", sent.seq, "+1")
            await until(ada, lambda: ada.timeline("tea").last == 3)  # type: ignore[union-attr]
            await until(bob, lambda: bob.timeline("tea").last == 3)  # type: ignore[union-attr]

            assert (sent.room, sent.seq, sent.duplicate) == ("tea", 1, False)
            assert ada.timeline("tea").snapshot() == bob.timeline("tea").snapshot()  # type: ignore[union-attr]
            assert (await ada.presence("tea")).users == ("ada", "bob")
            assert [info.name for info in await ada.list_rooms()] == ["tea"]

    run(talk)


def test_updates_come_as_they_happen_and_end_with_the_client() -> None:
    async def listen(place: Site) -> list[Update]:
        client = chat(place, "ada", "tea")
        updates = client.updates()
        async with client:
            await client.send("hello", room="tea")
        return [update async for update in updates]

    seen = run(listen)

    states = [update.state for update in seen if hasattr(update, "state")]
    assert states == [State.CONNECTING, State.ONLINE, State.CLOSED]
    (changed,) = [update for update in seen if isinstance(update, Changed)]
    assert [entry.text for entry in changed.entries] == ["hello"]


def test_a_slow_application_learns_how_much_it_missed() -> None:
    async def dawdle(place: Site) -> list[Update]:
        client = Client(place.url, rooms=["tea"], settings=QUICK, backlog=5)
        updates = client.updates()
        async with client:
            for number in range(10):
                await client.send(f"{number}", room="tea")
        return [update async for update in updates]

    seen = run(dawdle)

    assert isinstance(seen[0], Missed)
    assert seen[0].count > 10
    assert len(seen) == 1 + 5


def test_history_is_there_when_a_room_is_joined() -> None:
    async def arrive(place: Site) -> list[str]:
        place.server.page = 3
        await place.say("bob", "tea", *"abcde")
        async with chat(place, "ada", "tea") as ada:
            assert texts(ada) == list("cde")
            loaded = await ada.load_history("tea")
            assert (loaded.added, loaded.more) == (2, False)
            await ada.leave("tea")
            return list(ada.rooms)

    assert run(arrive) == []


def test_a_failure_is_raised() -> None:
    async def fail(place: Site) -> ChatError:
        place.server.fail("sendmessage", "forbidden", retryable=False)
        async with chat(place) as ada:
            with pytest.raises(ChatError) as caught:
                await ada.send("hello", room="tea")
        return caught.value

    error = run(fail)

    assert (error.code, error.retryable, error.uncertain) == ("forbidden", False, False)


def test_a_server_that_restarts_costs_nothing() -> None:
    async def restart(place: Site) -> list[Frame]:
        async with chat(place, "ada", "tea") as ada:
            await ada.send("before", room="tea")
            await place.close()
            sending = asyncio.create_task(ada.send("meanwhile", room="tea"))
            await until(ada, lambda: not ada.is_online)
            place.server.say("bob", "tea", "missed")
            place.server.out.clear()
            await place.open()
            await sending
            await until(ada, lambda: ada.timeline("tea").last == 3)  # type: ignore[union-attr]
            assert sorted(texts(ada)) == ["before", "meanwhile", "missed"]
        return place.server.logs["tea"]

    assert len(run(restart)) == 3


def test_cancelling_stops_the_waiting_and_not_the_sending() -> None:
    async def cancel(place: Site) -> int:
        place.server.deaf.add("sendmessage")
        async with chat(place, "ada", "tea") as ada:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await ada.send("hello", room="tea")
            place.server.deaf.clear()
        return place.server.last("tea")

    assert run(cancel) == 1


def test_closing_returns_what_is_not_acknowledged() -> None:
    async def leave(place: Site) -> tuple[tuple[str, ...], BaseException | None]:
        place.server.deaf.add("sendmessage")
        ada = chat(place, "ada", "tea")
        await ada.start()
        sending = asyncio.create_task(ada.send("hello", room="tea"))
        await asyncio.sleep(0)
        unsettled = await ada.close(drain=0.05)
        await asyncio.wait([sending])
        return unsettled, sending.exception()

    unsettled, error = run(leave)

    assert len(unsettled) == 1
    assert isinstance(error, ChatError)
    assert (error.code, error.uncertain) == ("closed", True)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_is_raised(status: int) -> None:
    async def knock(place: Site) -> int:
        place.status = status
        with pytest.raises(Refused) as caught:
            await chat(place, "ada", "tea").start()
        return caught.value.status

    assert run(knock) == status


def test_nobody_there_is_raised() -> None:
    async def knock(place: Site) -> None:
        await place.close()
        with pytest.raises(Unreachable):
            await chat(place).start()

    run(knock)


def test_with_patience_a_server_may_start_later() -> None:
    async def wait(place: Site) -> str:
        await place.close()
        client = Client(place.url, name="ada", settings=QUICK, patience=10)
        starting = asyncio.create_task(client.start())
        await anext(client.updates())
        await place.open()
        await starting
        await client.close()
        return client.user

    assert run(wait) == "ada"


def test_a_room_that_cannot_be_joined_is_raised() -> None:
    async def join(place: Site) -> str:
        place.server.fail("subscribe", "bad_request", retryable=False)
        with pytest.raises(ChatError) as caught:
            await chat(place, "ada", "Tea!").start()
        return caught.value.code

    assert run(join) == "bad_request"


def test_name_and_key_are_part_of_the_address() -> None:
    async def look(place: Site) -> list[str]:
        async with Client(f"{place.url}?stage=x", name="a b&c", key="k" * 16):
            pass
        return place.paths

    assert run(look) == [f"/api?stage=x&name=a+b%26c&key={'k' * 16}"]


def test_a_client_comes_back_as_who_it_was() -> None:
    async def look(place: Site) -> list[dict[str, list[str]]]:
        client = Client(place.url, settings=QUICK)
        async with client:
            await place.kick()
            await until(client, lambda: len(place.paths) > 1 and client.is_online)
        return [parse_qs(urlsplit(path).query) for path in place.paths] + [{"key": [client.key]}]

    first, second, made = run(look)

    assert re.fullmatch(r"[A-Za-z0-9_-]{16,64}", made["key"][0])
    assert first == made
    assert second["key"] == made["key"]
    assert second["name"]


def test_what_is_no_address_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="URI"):
        Client("http://127.0.0.1/")
