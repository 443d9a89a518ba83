"""The command, in lines."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from chatclient.login import api_of
from chatclient.rendering import clean, clock_of, room_label
from tests.client.desks import PASSWORD
from tests.client.sockets import Site, site

ROOT = Path(__file__).parents[2]
T = TypeVar("T")


async def chat(url: str, *options: str, typed: str = "") -> tuple[int, list[str], str]:
    """Run the command to its end; returns its code, its lines, and what it complained of."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "chatclient", url, *options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    output, complaints = await process.communicate(typed.encode())
    assert process.returncode is not None
    return process.returncode, output.decode().splitlines(), complaints.decode()


def run(test: Callable[[Site], Awaitable[T]]) -> T:
    async def inside() -> T:
        async with site() as place:
            return await test(place)

    return asyncio.run(inside())


def test_each_line_is_a_message_and_it_ends_when_all_are_acknowledged() -> None:
    async def talk(place: Site) -> tuple[int, list[str], str]:
        return await chat(place.url, "--name", "ada", "--room", "tea", typed="one\ntwo\n//three\n")

    code, lines, complaints = run(talk)

    assert lines == ["tea #1 ada: one", "tea #2 ada: two", "tea #3 ada: /three"]
    assert (code, complaints) == (0, "")


def test_commands() -> None:
    typed = """\
wrong
/edit right
/react #1 +1
/unreact #1 +1
two
/delete
/msg bob psst
/who
/rooms
/join coffee
in coffee
/quit
unsaid
"""

    async def talk(place: Site) -> tuple[int, list[str], str]:
        await place.say("bob", "coffee", "older")
        return await chat(place.url, "--name", "ada", "--room", "tea", typed=typed)

    code, lines, complaints = run(talk)

    assert (code, complaints) == (0, "")
    assert [line for line in lines if not line.endswith("older")] == [
        "tea #1 ada: wrong",
        "tea #2 ada edited #1: right",
        "tea #3 ada reacted to #1: ++1",
        "tea #4 ada reacted to #1: -+1",
        "tea #5 ada: two",
        "tea #6 ada deleted #5",
        "@bob #1 ada: psst",
        "1 in tea: ada",
        "coffee, 1 unread",
        "@bob, 1 unread",
        "tea",
        "coffee #2 ada: in coffee",
    ]
    assert [line.partition(" ")[2] for line in lines if line.endswith("older")] == ["#1 bob: older"]


def test_history_in_its_present_state() -> None:
    async def talk(place: Site) -> list[str]:
        await place.say("bob", "tea", *(f"text {n}" for n in range(1, 81)))
        place.server.add("bob", "tea", "deletemessage", target=80)
        place.server.add("bob", "tea", "editmessage", target=79, message="new")
        place.server.add("cleo", "tea", "react", target=79, emoji="+1")
        options = ("--room", "tea", "--history", "2")
        _, lines, _ = await chat(place.url, *options, typed="/history\n/history\n")
        return [line.partition(" ")[2] for line in lines]

    lines = run(talk)

    assert lines[:3] == ["#79 bob: new (edited) [+1 1]", "#80 bob deleted this message", "older --"]
    assert lines[3:5] == ["#1 bob: text 1", "#2 bob: text 2"]
    assert lines[-2:] == ["newer --", "nothing older --"]


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("/edit x\n", "there is no message of yours here"),
        ("/react +1\n", "there is no message of others here"),
        ("/dance\n", "there is no /dance"),
        ("/msg bob\n", "/msg USER TEXT"),
        ("/join\n", "/join ROOM"),
    ],
)
def test_mistakes_are_told(typed: str, complaint: str) -> None:
    async def talk(place: Site) -> tuple[int, list[str], str]:
        return await chat(place.url, "--room", "tea", typed=typed)

    code, lines, complaints = run(talk)

    assert (code, lines) == (1, [])
    assert complaints.startswith(complaint)


def test_what_others_write_is_not_obeyed() -> None:
    async def talk(place: Site) -> list[str]:
        await place.say("bob", "tea", "\x1b]0;title\x07\x1b[2J\u202etxt\r\nfake #9 ada: yes")
        _, lines, _ = await chat(place.url, "--room", "tea", "--history", "9")
        return lines

    (line,) = run(talk)

    assert line.endswith("#1 bob: \ufffd]0;title\ufffd\ufffd[2Jtxt⏎fake #9 ada: yes")


def test_a_refused_message_is_told_and_the_code_says_so() -> None:
    async def talk(place: Site) -> tuple[int, list[str], str]:
        place.server.fail("sendmessage", "forbidden", retryable=False)
        return await chat(place.url, "--room", "tea", typed="hello\n")

    code, lines, complaints = run(talk)

    assert (code, lines) == (1, [])
    assert complaints == "that failed: forbidden (forbidden)\n"


def test_without_a_server_there_is_one_line() -> None:
    async def knock(place: Site) -> tuple[int, list[str], str]:
        await place.close()
        return await chat(place.url)

    code, lines, complaints = run(knock)

    assert (code, lines) == (2, [])
    assert complaints.startswith("chatclient: cannot chat at ws://127.0.0.1:")
    assert complaints.count("\n") == 1


def test_a_refused_name_is_one_line() -> None:
    async def knock(place: Site) -> tuple[int, list[str], str]:
        place.status = 400
        return await chat(place.url, "--name", "?")

    code, _, complaints = run(knock)

    assert code == 2
    assert complaints.endswith("the server refuses the connection: the name is not allowed\n")


def test_who_has_an_account_logs_in_with_the_first_line() -> None:
    async def talk(place: Site) -> tuple[int, list[str], str]:
        await place.desk.open()
        options = ("--user", "ada", "--api", place.desk.url, "--room", "tea")
        place.desk.socket_url = place.url
        return await chat(place.url, *options, typed=f"{PASSWORD}\nhello\n")

    code, lines, complaints = run(talk)

    assert (code, lines, complaints) == (0, ["tea #1 ada: hello"], "")


def test_an_account_is_made_first_if_so_wanted() -> None:
    async def talk(place: Site) -> tuple[int, dict[str, str]]:
        await place.desk.open(place.url)
        options = ("--user", "ada", "--register", "--api", place.desk.url)
        code, _, _ = await chat(place.url, *options, typed="my password \n")
        return code, place.desk.names

    assert run(talk) == (0, {"ada": "my password "})


def test_a_wrong_password_is_one_line_without_it() -> None:
    async def talk(place: Site) -> tuple[int, list[str], str]:
        await place.desk.open(place.url)
        place.desk.names["ada"] = PASSWORD
        options = ("--user", "ada", "--api", place.desk.url)
        return await chat(place.url, *options, typed="guess\n")

    code, lines, complaints = run(talk)

    assert (code, lines) == (2, [])
    assert complaints.endswith(": user name or password is wrong\n")
    assert "guess" not in complaints


def test_who_is_logged_out_elsewhere_is_told_and_it_ends() -> None:
    async def talk(place: Site) -> tuple[int, str]:
        await place.desk.open(place.url)
        options = ("--user", "ada", "--api", place.desk.url, "--room", "tea")
        place.server.deaf.add("sendmessage")
        chatting = asyncio.create_task(chat(place.url, *options, typed=f"{PASSWORD}\nhello\n"))
        while not place.server.asked("sendmessage"):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)
        place.desk.revoke()
        await place.kick()
        code, _, complaints = await chatting
        return code, complaints

    code, complaints = run(talk)

    assert code == 2
    assert "you are logged out: the token is not valid\n" in complaints


def test_commands_about_rooms() -> None:
    typed = """\
/create private den
/invite @bob
/role bob moderator
/role bob king
/slow 30
/slow down
hello
/kick bob
/ban bob
/unban bob
/leave
/invite
/rooms
"""

    async def talk(place: Site) -> tuple[tuple[int, list[str], str], list[dict[str, object]]]:
        told = await chat(place.url, "--name", "ada", typed=typed)
        return told, place.server.received

    (code, lines, complaints), received = run(talk)

    assert code == 1
    assert lines == ["den #1 ada: hello", "den"]
    assert complaints.splitlines() == [
        "/role USER owner|moderator|member",
        "/slow SECONDS",
        "/invite USER",
    ]
    about = [frame for frame in received if "connection" in frame and frame.get("room") == "den"]
    wanted = ["createroom", "invite", "setrole", "slowmode", "sendmessage", "kick", "ban", "unban"]
    assert [str(f["action"]) for f in about if f["action"] in (*wanted, "leave")] == [
        *wanted,
        "leave",
    ]


def test_guests_are_shown_as_such() -> None:
    async def talk(place: Site) -> list[str]:
        place.server.say("eve", "tea", "hi")
        place.server.logs["tea"][0]["guest"] = True
        _, lines, _ = await chat(place.url, "--room", "tea", "--history", "1")
        return lines

    (line,) = run(talk)

    assert line.endswith("#1 eve (guest): hi")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--register",), "--register and --api go with --user"),
        (("--user", "ada", "--api", "ftp://x"), "is no http:// or https:// URL"),
    ],
)
def test_options_that_make_no_sense_are_told(options: tuple[str, ...], problem: str) -> None:
    async def talk(place: Site) -> tuple[int, list[str], str]:
        return await chat(place.url, *options)

    code, _, complaints = run(talk)

    assert code == 2
    assert problem in complaints


@pytest.mark.parametrize(
    ("url", "api"),
    [
        ("ws://127.0.0.1:8000/api", "http://127.0.0.1:8000/"),
        ("wss://chat.example.org/live?a=b", "https://chat.example.org/"),
    ],
)
def test_on_a_laptop_accounts_are_where_the_chat_is(url: str, api: str) -> None:
    assert api_of(url) == api


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\tb\nc\r\nd\u2028e", "a b⏎c⏎d⏎e"),
        ("\x00\x1b\x7f\x9b", "\ufffd" * 4),
        ("\u202e\u2066\u200fx", "x"),
        ("👩\u200d🚀❤️", "👩\u200d🚀❤️"),
        ("\ud800", "\ufffd"),
    ],
)
def test_control_characters_do_not_reach_the_terminal(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_time_that_is_none_is_shown_as_such() -> None:
    assert clock_of("soon") == "--:--"
    assert clock_of("") == "--:--"


def test_direct_messages_are_called_by_the_other_person() -> None:
    assert room_label("dm:ada:bob", "ada") == "@bob"
    assert room_label("dm:ada:bob", "bob") == "@ada"
    assert room_label("dm:ada:ada", "ada") == "@ada"
    assert room_label("tea", "ada") == "tea"
