"""Where things are on the page, and what people do there."""

import re
from collections.abc import Callable
from typing import Any

PASSWORD = "seven green bottles"
BACK_MS = 40_000  # two waits at the cap of the backoff

Page = Any  # playwright.sync_api, which may be absent
Locator = Any
OpenPage = Callable[..., Page]


def expect(locator: Locator) -> Any:
    from playwright.sync_api import expect as expectation  # noqa: PLC0415 may be absent

    return expectation(locator)


def enter(page: Page, name: str) -> None:
    """Come in as a guest."""
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Enter the chat").click()
    expect(status(page)).to_have_text("Online", timeout=BACK_MS)


def mode(page: Page, name: str) -> None:
    """Choose one of the ways in."""
    page.locator("#entry-modes").get_by_role("button", name=name).click()


def fill_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.locator("#enter").click()


def sign_up(page: Page, name: str, password: str = PASSWORD) -> Page:
    mode(page, "Create account")
    fill_in(page, name, password)
    expect(status(page)).to_have_text("Online", timeout=BACK_MS)
    expect(page.locator("#messages .start")).not_to_contain_text("Loading")
    return page


def log_in(page: Page, name: str, password: str = PASSWORD) -> Page:
    mode(page, "Log in")
    fill_in(page, name, password)
    expect(status(page)).to_have_text("Online", timeout=BACK_MS)
    expect(page.locator("#messages .start")).not_to_contain_text("Loading")
    return page


def choose(page: Page, entry: str) -> None:
    """Choose from the menu of oneself."""
    page.get_by_role("button", name="Account", exact=True).click()
    page.locator("#me-entries").get_by_role("button", name=entry).click()


def rule(page: Page, entry: str) -> None:
    """Choose from the menu of the room on show."""
    page.get_by_role("button", name="What to do with the room").click()
    page.locator("#room-entries").get_by_role("button", name=entry).click()


def make_room(page: Page, name: str, *, private: bool = False, slow_mode: str = "Off") -> None:
    page.get_by_role("button", name="New room…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill(name)
    dialog.get_by_label("Private").set_checked(private)
    dialog.get_by_label("Slow mode").select_option(slow_mode)
    dialog.get_by_role("button", name="Create", exact=True).click()
    expect(heading(page)).to_have_text(name)


def govern(page: Page, entry: str, user: str, yes: str, **choices: str) -> None:
    """Do something about somebody in the room on show, and wait until it is done."""
    rule(page, entry)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("User name").fill(user)
    for label, option in choices.items():
        dialog.get_by_label(label).select_option(option)
    dialog.get_by_role("button", name=yes, exact=True).click()
    expect(dialog).to_have_count(0)


def notices(page: Page) -> Locator:
    return page.locator("#notices")


def status(page: Page) -> Locator:
    return page.locator("#status-text")


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


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


def chip(page: Page, text: str) -> Locator:
    """The reactions to a message."""
    return message(page, text).locator(".chip")


def room(page: Page, name: str) -> Locator:
    """The entry of a room, or of a person under the direct messages."""
    return page.locator(".rooms .room").filter(
        has=page.locator(".room-label", has_text=exactly(name))
    )


def badge(page: Page, name: str) -> Locator:
    return room(page, name).locator(".badge")


def people(page: Page) -> Locator:
    return page.locator("#people .person")


def exactly(text: str) -> re.Pattern[str]:
    return re.compile(f"^{re.escape(text)}$")


def say(page: Page, text: str) -> None:
    composer(page).fill(text)
    composer(page).press("Enter")


def said(page: Page, text: str) -> None:
    """Say it, and wait for the server's word that it is in the log."""
    say(page, text)
    expect(message(page, text).locator(".state")).to_be_empty()


def join(page: Page, name: str) -> None:
    page.get_by_label("Join a room").fill(name)
    page.get_by_role("button", name="Join", exact=True).click()
    expect(heading(page)).to_have_text(name)
    expect(page.locator("#messages .start")).not_to_contain_text("Loading")


def act(page: Page, text: str, action: str) -> None:
    """Press a button of the message's toolbar."""
    message(page, text).hover()
    message(page, text).get_by_role("button", name=action, exact=True).click()


def react(page: Page, text: str, emoji: str) -> None:
    act(page, text, "React")
    page.get_by_role("button", name=f"React with {emoji}").click()


def sent(page: Page, action: str) -> list[dict[str, Any]]:
    """The frames of an action that the page has sent since it was loaded."""
    frames: list[dict[str, Any]] = page.evaluate("window.sent")
    return [frame for frame in frames if frame["action"] == action]


def read_up_to(page: Page, room_name: str, seq: int) -> None:
    """Wait until the server has the read marker."""
    page.locator("html").evaluate(
        """async (_, [room, seq]) => {
          const isRead = (frame) =>
            frame.action === "read" && frame.room === room && frame.seq >= seq;
          for (let waited = 0; !got.some(isRead); waited += 20) {
            if (waited > 10_000) throw new Error("the marker was not moved");
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }""",
        [room_name, seq],
    )


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))
