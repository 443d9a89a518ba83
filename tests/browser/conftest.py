"""A server and a browser for all tests of the page; `pip install -r requirements-browser.txt`."""

import os
import shutil
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.pages import OpenPage, Page, enter
from tests.browser.server import ChatServer

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
QUIET_CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Lets a test lose the connection, by `cut()` until `mend()`; lose the frames for which `lose` says
# so; and let `arrive` what the server might say.
FRAGILE_WEBSOCKET = """
    const Sound = WebSocket;
    const open = new Set();
    let isCut = false;
    window.sent = [];
    window.got = [];
    window.WebSocket = class extends Sound {
      constructor(url) {
        super(isCut ? `ws://${location.host}/nowhere` : url);
        open.add(this);
        this.addEventListener("message", (event) => {
          const frame = JSON.parse(event.data);
          window.got.push(frame);
          if (window.lose?.(frame)) event.stopImmediatePropagation();
        });
      }
      send(text) {
        super.send(text);
        window.sent.push(JSON.parse(text));
      }
    };
    const newest = () => [...open].findLast(({ readyState }) => readyState === WebSocket.OPEN);
    window.arrive = (frame) => {
      newest().dispatchEvent(new MessageEvent("message", { data: JSON.stringify(frame) }));
    };
    window.cut = () => { isCut = true; for (const socket of open) socket.close(); };
    window.mend = () => { isCut = false; };
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatServer]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = ChatServer(port, tmp_path_factory.mktemp("server") / "log")
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api",
        reason="playwright is missing: pip install -r requirements-browser.txt",
    )
    if CHROMIUM is None:
        pytest.skip("chromium is missing: apt-get install chromium, or set CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET_CHROMIUM)
        yield browser
        browser.close()


# The browser before the server: without one, none is started.
@pytest.fixture
def open_page(browser: Any, server: ChatServer) -> Iterator[OpenPage]:
    """Opens the page on a new device; fails on any error of a script or of the content policy.

    Devices with the same name have the same key, so they are one person's. `before` may prepare
    the page before it is loaded.
    """
    contexts = []
    errors: list[str] = []

    def open_page(
        name: str | None = None, *, path: str = "/", before: Any = None, **options: Any
    ) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(FRAGILE_WEBSOCKET)
        page.add_init_script(f"localStorage.setItem('dynamowave.key', 'the-test-key-of-{name}')")
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if is_error(line) else None)
        if before:
            before(page)
        page.goto(server.url + path)
        if name is not None:
            enter(page, name)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def is_error(line: Any) -> bool:
    """Whether a console line is one; what the server refuses is none, but a subject."""
    refusals = ("WebSocket connection to", "Failed to load resource: the server responded with")
    is_refusal = line.text.startswith(refusals) and "/static/" not in line.location["url"]
    return line.type == "error" and not is_refusal
