"""The page in a real browser against the real server: `pip install -r requirements-browser.txt`."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is missing: pip install -r requirements-browser.txt"
)
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is missing: apt-get install chromium, or set CHROMIUM"
)

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90
STOP_SECONDS = 20
BACK_MS = 40_000  # two waits at the cap of the backoff
QUIET_CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Lets a test lose the connection: `cut()` until `mend()`, or right after the next message.
FRAGILE_WEBSOCKET = """
    const Sound = WebSocket;
    const open = new Set();
    let isCut = false;
    let cutAfterMessage = false;
    window.WebSocket = class extends Sound {
      constructor(url) {
        super(isCut ? "ws://127.0.0.1:9/" : url);  // a port that browsers refuse
        open.add(this);
      }
      send(text) {
        super.send(text);
        if (!cutAfterMessage || !text.includes('"sendmessage"')) return;
        cutAfterMessage = false;
        this.close();
      }
    };
    window.cut = () => { isCut = true; for (const socket of open) socket.close(); };
    window.mend = () => { isCut = false; };
    window.cutAfterMessage = () => { cutAfterMessage = true; };
"""

Browser = Any  # playwright.sync_api, which may be absent
Page = Any
Locator = Any
OpenPage = Callable[..., Page]


class ChatServer:
    """The whole application on one port, to be stopped and started again."""

    def __init__(self, port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "localgateway", "--port", str(self._port)]
        command += ["--template", "infra/data.yaml"]
        with self._log.open("ab") as log:
            # Its own session: whatever it leaves behind can be stopped with it.
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"the server did not start:\n{self._log.read_text()[-4000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _is_healthy(self) -> bool:
        try:
            with urlopen(f"{self.url}/health", timeout=5) as response:  # noqa: S310 our own URL
                return bool(response.status == 200)
        except (URLError, ConnectionError, TimeoutError):
            return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatServer]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = ChatServer(port, tmp_path_factory.mktemp("server") / "log")
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET_CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, server: ChatServer) -> Iterator[OpenPage]:
    """Opens the page as a new visitor; fails on any error of a script or of the content policy."""
    contexts = []
    errors: list[str] = []

    def open_page(name: str | None = None, *, path: str = "/", **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(FRAGILE_WEBSOCKET)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if is_error(line) else None)
        page.goto(server.url + path)
        if name is not None:
            page.get_by_label("Your name").fill(name)
            page.get_by_role("button", name="Enter the chat").click()
            expect(status(page)).to_have_text("Online", timeout=BACK_MS)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def is_error(line: Any) -> bool:
    """Whether a console line is one; a WebSocket that cannot connect is none, but a subject."""
    return line.type == "error" and not line.text.startswith("WebSocket connection to")


def expect(locator: Locator) -> Any:
    return playwright.expect(locator)


def status(page: Page) -> Locator:
    return page.locator("#status-text")


def composer(page: Page) -> Locator:
    return page.get_by_label("Message", exact=True)


def bodies(page: Page) -> Locator:
    return page.locator("#messages .body")


def body(page: Page, text: str) -> Locator:
    return bodies(page).filter(has_text=exactly(text))


def message(page: Page, text: str) -> Locator:
    return page.locator("#messages .message").filter(
        has=page.locator(".body", has_text=exactly(text))
    )


def exactly(text: str) -> re.Pattern[str]:
    return re.compile(f"^{re.escape(text)}$")


def say(page: Page, text: str) -> None:
    composer(page).fill(text)
    composer(page).press("Enter")


def join(page: Page, room: str) -> None:
    page.get_by_label("Join a room").fill(room)
    page.get_by_role("button", name="Join", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(room)


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def test_two_visitors_chat_both_ways(open_page: OpenPage) -> None:
    alice, bob = open_page("Alice"), open_page("bob")

    say(alice, "hello bob")
    expect(body(bob, "hello bob")).to_be_visible()
    say(bob, "hello alice")

    expect(body(alice, "hello alice")).to_be_visible()
    expect(message(alice, "hello alice").locator(".author")).to_have_text("bob")
    expect(message(alice, "hello bob").locator(".author")).to_have_text("alice (you)")
    expect(message(alice, "hello bob").locator(".state")).to_be_empty()


def test_markup_in_a_message_is_shown_as_text(open_page: OpenPage) -> None:
    carol, dave = open_page("carol"), open_page("dave")
    hostile = "<img src=x onerror=\"document.title='owned'\"><script>alert(1)</script>"

    say(carol, hostile)

    expect(body(dave, hostile)).to_be_visible()
    assert dave.locator("#messages img, #messages script").count() == 0
    assert "owned" not in dave.title()


def test_enter_sends_and_shift_enter_breaks_the_line(open_page: OpenPage) -> None:
    erin = open_page("erin")

    composer(erin).press_sequentially("first")
    composer(erin).press("Shift+Enter")
    composer(erin).press_sequentially("second")
    assert bodies(erin).count() == 0
    composer(erin).press("Enter")

    expect(bodies(erin)).to_have_text(["first\nsecond"])
    assert bodies(erin).inner_text() == "first\nsecond"
    expect(composer(erin)).to_have_value("")


def test_a_message_over_the_limit_is_refused_before_it_is_sent(open_page: OpenPage) -> None:
    frank = open_page("frank")

    say(frank, "x" * 9_000)

    expect(frank.locator("#composer-error")).to_contain_text("Too long by 1,000 characters")
    expect(composer(frank)).to_have_value("x" * 9_000)
    assert bodies(frank).count() == 0


@pytest.mark.parametrize(
    ("name", "problem"), [("", "choose a name"), ("a" * 33, "32"), ("-al ice", "letters a to z")]
)
def test_a_name_that_is_not_one_is_refused_with_a_reason(
    open_page: OpenPage, name: str, problem: str
) -> None:
    page = open_page()

    page.get_by_label("Your name").fill(name)
    page.get_by_label("Your name").press("Enter")

    expect(page.locator("#name-error")).to_contain_text(problem)
    expect(page.locator("#chat")).to_be_hidden()


def test_a_reload_keeps_name_and_rooms(open_page: OpenPage) -> None:
    grace = open_page("grace")
    join(grace, "garden")

    grace.reload()

    expect(status(grace)).to_have_text("Online")
    expect(grace.get_by_role("heading", level=1)).to_have_text("garden")
    expect(grace.locator("#rooms li")).to_have_count(2)


def test_a_message_in_another_room_counts_as_unread_until_it_is_read(open_page: OpenPage) -> None:
    heidi, ivan = open_page("heidi"), open_page("ivan")
    join(heidi, "kitchen")
    join(ivan, "kitchen")
    heidi.get_by_role("button", name="lobby").click()

    say(ivan, "soup is ready")

    kitchen = heidi.get_by_role("button", name=re.compile("^kitchen"))
    expect(kitchen).to_contain_text("1")
    assert body(heidi, "soup is ready").count() == 0
    kitchen.click()
    expect(body(heidi, "soup is ready")).to_be_visible()
    expect(kitchen.locator(".badge")).to_be_hidden()


def test_a_phone_shows_the_composer_and_never_scrolls_sideways(open_page: OpenPage) -> None:
    judy = open_page("judy", viewport={"width": 360, "height": 640}, is_mobile=True, has_touch=True)

    for text in ("w" * 300, "https://example.com/" + "y" * 200, *map(str, range(20))):
        say(judy, text)
    expect(bodies(judy)).to_have_count(22)

    assert overflow(judy) == 0
    expect(composer(judy)).to_be_in_viewport(ratio=1)
    expect(judy.get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)
    expect(bodies(judy).last).to_be_in_viewport(ratio=1)


def test_the_side_of_a_phone_opens_and_closes(open_page: OpenPage) -> None:
    kim = open_page("kim", viewport={"width": 360, "height": 640}, is_mobile=True, has_touch=True)
    expect(kim.locator("#side")).to_be_hidden()

    kim.get_by_role("button", name="Rooms and people").tap()
    expect(kim.locator("#people")).to_contain_text("kim")
    kim.keyboard.press("Escape")

    expect(kim.locator("#side")).to_be_hidden()
    assert overflow(kim) == 0


def test_reading_further_up_is_not_disturbed_by_a_new_message(open_page: OpenPage) -> None:
    leo, mia = open_page("leo"), open_page("mia")
    for number in range(30):
        say(leo, f"line {number}")
    expect(message(leo, "line 29").locator(".state")).to_be_empty()
    leo.locator("#scroller").evaluate("log => { log.scrollTop = 0; }")

    say(mia, "news")

    jump = leo.get_by_role("button", name="1 new message")
    expect(jump).to_be_visible()
    expect(body(leo, "news")).not_to_be_in_viewport()
    jump.click()
    expect(body(leo, "news")).to_be_in_viewport()
    expect(jump).to_be_hidden()


def test_what_was_missed_is_told(open_page: OpenPage) -> None:
    nina, otto = open_page("nina"), open_page("otto")
    nina.evaluate("cut()")
    expect(status(nina)).to_contain_text("econnecting")

    for text in ("one", "two", "three"):
        say(otto, text)
    expect(message(otto, "three").locator(".state")).to_be_empty()
    nina.evaluate("mend()")

    expect(status(nina)).to_have_text("Online", timeout=BACK_MS)
    expect(nina.locator("#messages .missed")).to_have_text("You missed 3 messages here.")
    say(otto, "four")
    expect(body(nina, "four")).to_be_visible()


def test_a_message_whose_answer_was_lost_is_shown_once(open_page: OpenPage) -> None:
    paul, quinn = open_page("paul"), open_page("quinn")
    paul.evaluate("cutAfterMessage()")

    say(paul, "once only")
    expect(body(quinn, "once only")).to_have_count(1)
    expect(status(paul)).to_have_text("Online", timeout=BACK_MS)
    say(paul, "and on")

    expect(body(quinn, "and on")).to_have_count(1)
    expect(body(quinn, "once only")).to_have_count(1)
    expect(body(paul, "once only")).to_have_count(1)


def test_the_page_survives_a_restart_of_the_server(open_page: OpenPage, server: ChatServer) -> None:
    rosa, sam = open_page("rosa"), open_page("sam")
    say(rosa, "before")
    expect(body(sam, "before")).to_be_visible()

    server.stop()
    expect(status(rosa)).to_contain_text("econnecting")
    say(rosa, "written while away")
    expect(message(rosa, "written while away").locator(".state")).to_contain_text("Waiting")
    expect(status(sam)).to_contain_text("econnecting")
    server.start()

    expect(status(sam)).to_have_text("Online", timeout=BACK_MS)
    expect(status(rosa)).to_have_text("Online", timeout=BACK_MS)
    expect(message(rosa, "written while away").locator(".state")).to_be_empty()
    say(sam, "welcome back")
    expect(body(rosa, "welcome back")).to_be_visible()
    expect(body(rosa, "before")).to_be_visible()
