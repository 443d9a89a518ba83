"""What the page is allowed to do: the content policy and the other headers, in a browser."""

from typing import Any

from tests.browser.pages import (
    OpenPage,
    Page,
    act,
    choose,
    expect,
    join,
    make_room,
    react,
    rule,
    said,
    sign_up,
)
from tests.browser.server import ChatServer

WATCH = """
    window.violations = [];
    addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
      violations.push(`${violatedDirective} ${blockedURI}`);
    });
"""


def watch(page: Page) -> None:
    page.add_init_script(WATCH)


def test_a_whole_session_keeps_to_the_policy(open_page: OpenPage) -> None:
    page = sign_up(open_page(before=watch), "ursula")
    said(page, "by the rules")
    react(page, "by the rules", "👍")
    act(page, "by the rules", "Edit")
    page.keyboard.press("Escape")
    join(page, "cloister")
    make_room(page, "cell", private=True)
    rule(page, "Invite somebody…")
    page.get_by_role("button", name="Cancel").click()
    choose(page, "Change password…")
    page.get_by_role("button", name="Cancel").click()

    choose(page, "Log out everywhere")
    page.get_by_role("button", name="Log out", exact=True).click()

    expect(page.locator("#gate-problem")).to_have_text("You are logged out everywhere.")
    assert page.evaluate("violations") == []


def test_neither_injected_scripts_run_nor_strangers_are_talked_to(
    browser: Any, server: ChatServer
) -> None:
    page = browser.new_context().new_page()
    watch(page)
    page.goto(server.url)

    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.owned = true";
          document.body.append(script);
          document.body.insertAdjacentHTML("beforeend",
            "<img src=x onerror='window.owned = true'><p style='color: red'>styled</p>");
          for (const url of ["ws://127.0.0.1:9999/", "ws://elsewhere.test/"]) {
            try { new WebSocket(url); } catch { /* as it should be */ }
          }
          fetch("http://127.0.0.1:9999/").catch(() => {});
        }"""
    )
    page.wait_for_timeout(500)

    assert page.evaluate("window.owned") is None
    violated = [violation.split()[0] for violation in page.evaluate("violations")]
    assert violated.count("connect-src") == 3
    assert {"script-src-elem", "script-src-attr", "style-src-attr"} <= set(violated)
    page.context.close()


def test_the_page_cannot_be_framed(browser: Any, server: ChatServer) -> None:
    page = browser.new_context().new_page()
    page.route(
        "http://elsewhere.test/",
        lambda route: route.fulfill(
            content_type="text/html", body=f"<iframe src='{server.url}/'></iframe>"
        ),
    )

    page.goto("http://elsewhere.test/")
    page.wait_for_timeout(500)

    assert page.frames[1].locator("#gate").count() == 0
    page.context.close()
