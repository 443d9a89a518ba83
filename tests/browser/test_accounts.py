"""Coming in on the page: accounts, guests, and how long one is let stay."""

import json
from typing import Any

import pytest

from tests.browser.pages import (
    BACK_MS,
    PASSWORD,
    OpenPage,
    Page,
    body,
    choose,
    enter,
    expect,
    fill_in,
    heading,
    join,
    log_in,
    message,
    mode,
    notices,
    overflow,
    people,
    said,
    sent,
    sign_up,
    status,
)

PHONE = {"viewport": {"width": 360, "height": 640}, "is_mobile": True, "has_touch": True}


def kept(page: Page) -> str:
    """Everything that the browser remembers for the page."""
    return str(page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])"))


def wait_for(page: Page, condition: str, seconds: int = 10) -> Any:
    """Wait without eval, which the content policy of the page forbids."""
    return page.locator("html").evaluate(
        f"""async () => {{
          for (let waited = 0; ; waited += 50) {{
            const value = {condition};
            if (value) return value;
            if (waited > {seconds * 1000}) throw new Error("it did not come to be");
            await new Promise((resolve) => setTimeout(resolve, 50));
          }}
        }}"""
    )


def test_an_account_is_made_and_found_again_without_a_question(open_page: OpenPage) -> None:
    page = sign_up(open_page(), "Abel")
    said(page, "hello")

    page.reload()

    expect(status(page)).to_have_text("Online")
    expect(page.locator("#me")).to_have_text("abel")
    expect(message(page, "hello").locator(".author")).to_have_text("abel (you)")
    expect(page.locator("#me-guest")).to_be_hidden()


def test_neither_password_nor_token_is_where_it_can_be_read_later(open_page: OpenPage) -> None:
    urls: list[str] = []
    lines: list[str] = []

    def listen(page: Page) -> None:
        page.on("request", lambda request: urls.append(request.url))
        page.on("websocket", lambda socket: urls.append(socket.url))
        page.on("console", lambda line: lines.append(line.text))

    page = sign_up(open_page(before=listen), "secretive")
    token = json.loads(page.evaluate("localStorage['dynamowave.account']"))["token"]

    assert PASSWORD not in kept(page)
    assert any("?ticket=" in url for url in urls)
    assert not [text for text in [*urls, *lines] if token in text or PASSWORD in text]


def test_a_wrong_password_is_told_beside_the_field(open_page: OpenPage) -> None:
    sign_up(open_page(), "betty")
    page = open_page()
    mode(page, "Log in")

    fill_in(page, "betty", "something else")

    expect(page.locator("#password-error")).to_have_text("User name or password is wrong.")
    expect(page.get_by_label("Password")).to_be_focused()
    expect(page.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
    fill_in(page, "betty", PASSWORD)
    expect(status(page)).to_have_text("Online", timeout=BACK_MS)


def test_a_name_that_is_taken_is_refused_and_so_is_one_like_it(open_page: OpenPage) -> None:
    sign_up(open_page(), "clara")
    page = open_page()
    mode(page, "Create account")

    for name in ("clara", "c1ara", "Clara_"):
        fill_in(page, name, PASSWORD)

        expect(page.locator("#name-error")).not_to_be_empty()
        expect(page.locator("#chat")).to_be_hidden()
        page.get_by_label("User name").fill("")
        expect(page.locator("#name-error")).to_be_empty()


@pytest.mark.parametrize(
    ("name", "password", "field", "problem"),
    [
        ("dora", "short", "password", "at least 8"),
        ("dora", "x" * 257, "password", "at most 256"),
        ("dora", "", "password", "type the password"),
        ("-dora", PASSWORD, "name", "letters a to z"),
        ("", PASSWORD, "name", "choose a name"),
    ],
)
def test_what_cannot_be_an_account_is_refused_before_it_is_sent(
    open_page: OpenPage, name: str, password: str, field: str, problem: str
) -> None:
    asked: list[str] = []
    page = open_page(before=lambda page: page.on("request", lambda r: asked.append(r.method)))
    mode(page, "Create account")

    fill_in(page, name, password)

    expect(page.locator(f"#{field}-error")).to_contain_text(problem)
    assert "POST" not in asked


def test_too_many_attempts_are_counted_down(open_page: OpenPage) -> None:
    page = open_page(
        before=lambda page: page.route(
            "**/login",
            lambda route: route.fulfill(
                status=429,
                headers={"Retry-After": "3"},
                json={"Code": "rate_limited", "Message": "too many attempts"},
            ),
        )
    )
    mode(page, "Log in")

    fill_in(page, "ed", PASSWORD)

    expect(page.locator("#gate-problem")).to_have_text("Too many attempts.")
    expect(page.locator("#enter")).to_be_disabled()
    expect(page.locator("#enter")).to_have_text("Wait 2 s")
    expect(page.locator("#enter")).to_have_text("Log in")
    expect(page.locator("#enter")).to_be_enabled()


def test_the_fields_are_for_password_managers_and_the_password_can_be_seen(
    open_page: OpenPage,
) -> None:
    page = open_page(**PHONE)

    mode(page, "Create account")
    name, password = page.get_by_label("User name"), page.get_by_label("Password")
    expect(name).to_have_attribute("autocomplete", "username")
    expect(password).to_have_attribute("autocomplete", "new-password")
    mode(page, "Log in")
    expect(password).to_have_attribute("autocomplete", "current-password")
    password.fill("visible")
    page.get_by_role("button", name="Show password").click()

    expect(password).to_have_attribute("type", "text")
    expect(password).to_have_value("visible")
    assert overflow(page) == 0


def test_a_stage_offers_only_the_ways_in_that_it_has(open_page: OpenPage) -> None:
    def configure(page: Page) -> None:
        closed = {"guests": False, "registration": False, "external": True}
        page.route(
            "**/config", lambda route: route.fulfill(json={**route.fetch().json(), **closed})
        )

    page = open_page(before=configure)

    expect(page.locator("#entry-modes button")).to_have_text(["Log in", "Organisation"])
    mode(page, "Organisation")
    expect(page.locator("#token-hint")).to_contain_text("organisation's provider")
    page.get_by_label("Token").fill("not.a.token")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#token-error")).not_to_be_empty()
    assert "not.a.token" not in kept(page)


def test_a_pasted_token_lets_in_and_the_server_says_who_it_is(open_page: OpenPage) -> None:
    owner = sign_up(open_page(), "fiona")
    token = json.loads(owner.evaluate("localStorage['dynamowave.account']"))["token"]

    def configure(page: Page) -> None:
        page.route(
            "**/config",
            lambda route: route.fulfill(json={**route.fetch().json(), "external": True}),
        )

    page = open_page(before=configure)
    mode(page, "Organisation")

    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Continue").click()

    expect(status(page)).to_have_text("Online", timeout=BACK_MS)
    expect(page.locator("#me")).to_have_text("fiona")
    expect(notices(page)).to_be_empty()


def test_every_connection_has_a_ticket_of_its_own(open_page: OpenPage) -> None:
    urls: list[str] = []
    page = open_page(
        before=lambda page: page.on("websocket", lambda socket: urls.append(socket.url))
    )
    sign_up(page, "gina")
    said(page, "one")

    page.evaluate("() => { cut(); mend(); }")
    expect(status(page)).to_contain_text("econnecting")
    expect(status(page)).to_have_text("Online", timeout=BACK_MS)
    page.evaluate("arrive({type: 'reconnect', after_ms: 0, reason: 'test'})")
    wait_for(page, "sent.filter(({action}) => action === 'hello').length >= 3", 30)
    said(page, "two")

    tickets = [url.partition("?ticket=")[2] for url in urls]
    assert all(tickets)
    assert len(set(tickets)) == len(tickets) >= 3


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(open_page: OpenPage) -> None:
    page = sign_up(open_page(), "hanna")
    asked: list[str] = []

    def refuse(route: Any) -> None:
        asked.append(route.request.url)
        route.fulfill(status=503, headers={"Retry-After": "30"}, json={"Message": "busy"})

    page.route("**/ticket", refuse)
    page.evaluate("() => { cut(); mend(); }")

    expect(status(page)).to_have_text("Reconnecting in 29 s", timeout=15_000)
    page.unroute("**/ticket")
    page.get_by_role("button", name="Retry").click()
    expect(status(page)).to_have_text("Online", timeout=BACK_MS)
    assert len(asked) == 1


def test_a_session_is_renewed_before_it_ends(open_page: OpenPage) -> None:
    page = sign_up(open_page(), "ines")
    before = json.loads(page.evaluate("localStorage['dynamowave.account']"))["token"]
    end = page.evaluate("got.find(({type}) => type === 'welcome').expires_at")

    moved = wait_for(
        page, "got.find(({type, action}) => type === 'ack' && action === 'refresh')", 45
    )

    assert moved["expires_at"] > end
    assert json.loads(page.evaluate("localStorage['dynamowave.account']"))["token"] != before
    assert len(sent(page, "hello")) == 1
    said(page, "still here")


def test_an_unauthorized_answer_is_cured_by_a_refresh(open_page: OpenPage) -> None:
    page = sign_up(open_page(), "jana")
    page.evaluate(
        """() => {
          window.lose = (frame) => {
            if (frame.action !== "sendmessage") return false;
            window.lose = undefined;
            arrive({type: "error", id: frame.id, action: "sendmessage", code: "unauthorized",
                    message: "the session is over", retryable: false});
            return true;
          };
        }"""
    )

    said(page, "once")

    expect(body(page, "once")).to_have_count(1)
    assert len(sent(page, "refresh")) == 1
    assert len(sent(page, "hello")) == 1


def test_a_token_that_is_no_longer_good_leads_back_to_the_log_in(open_page: OpenPage) -> None:
    page = sign_up(open_page(), "karl")
    page.evaluate(
        "localStorage['dynamowave.account'] = "
        "JSON.stringify({user: 'karl', token: 'a.b.c', renewAt: 9e15})"
    )

    page.reload()

    expect(page.locator("#gate-problem")).to_contain_text("You have been signed out")
    expect(page.get_by_label("User name")).to_have_value("karl")
    expect(page.get_by_label("Password")).to_be_focused()
    assert "a.b.c" not in kept(page)


def test_logging_out_ends_every_tab_and_device(open_page: OpenPage) -> None:
    first = sign_up(open_page(), "lena")
    tab = first.context.new_page()
    tab.goto(first.url)
    expect(status(tab)).to_have_text("Online", timeout=BACK_MS)
    phone = log_in(open_page(), "lena")

    choose(first, "Log out everywhere")
    first.get_by_role("button", name="Log out", exact=True).click()

    expect(first.locator("#gate-problem")).to_have_text("You are logged out everywhere.")
    for page in (tab, phone):
        expect(page.locator("#gate-problem")).to_contain_text("signed out", timeout=BACK_MS)
        expect(page.locator("#chat")).to_be_hidden()
        assert "token" not in kept(page)
    log_in(first, "lena")
    expect(status(tab)).to_have_text("Online", timeout=BACK_MS)


def test_a_logged_out_page_is_closed_and_does_not_come_again(open_page: OpenPage) -> None:
    first = sign_up(open_page(), "nele")
    phone = log_in(open_page(), "nele")
    asked: list[str] = []
    phone.on("request", lambda request: asked.append(request.url))

    choose(first, "Log out everywhere")
    first.get_by_role("button", name="Log out", exact=True).click()
    expect(phone.locator("#gate-problem")).to_contain_text("signed out", timeout=BACK_MS)
    phone.wait_for_timeout(3000)

    # Up to two before the logout is done, and the one that is refused.
    assert 1 <= len([url for url in asked if url.endswith("/ticket")]) <= 3


def test_a_page_that_is_sent_on_again_and_again_takes_its_time(open_page: OpenPage) -> None:
    page = sign_up(open_page(), "olga")

    page.evaluate("setInterval(() => arrive({type: 'reconnect', after_ms: 0, reason: 'x'}), 20)")
    page.wait_for_timeout(5000)

    assert 2 <= len(sent(page, "hello")) <= 10
    expect(status(page)).to_have_text("Online", timeout=BACK_MS)


def test_a_changed_password_logs_out_the_others_and_keeps_this_one(open_page: OpenPage) -> None:
    page, other = sign_up(open_page(), "mara"), log_in(open_page(), "mara")
    tab = page.context.new_page()
    tab.goto(page.url)
    expect(status(tab)).to_have_text("Online", timeout=BACK_MS)
    choose(page, "Change password…")
    page.get_by_label("Present password").fill("not the password")
    page.get_by_label("New password").fill("eight blue bottles")
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("wrong")

    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_role("button", name="Change", exact=True).click()

    expect(notices(page)).to_contain_text("Your password is changed")
    expect(other.locator("#gate-problem")).to_contain_text("signed out", timeout=BACK_MS)
    wait_for(page, "sent.filter(({action}) => action === 'hello').length >= 2", 30)
    for mine in (page, tab):
        expect(status(mine)).to_have_text("Online", timeout=BACK_MS)
    said(page, "still here")
    expect(body(tab, "still here")).to_be_visible()
    log_in(other, "mara", "eight blue bottles")


def test_guests_are_marked_wherever_their_name_is(open_page: OpenPage) -> None:
    nora = sign_up(open_page(path="/#porch"), "nora")
    olaf = open_page("olaf", path="/#porch")
    expect(people(nora)).to_have_text(["nora", "olaf"])

    said(olaf, "I am only visiting")
    said(nora, "welcome")
    olaf.locator("#text").press_sequentially("th")

    expect(message(nora, "I am only visiting").locator(".guest")).to_be_visible()
    expect(message(nora, "welcome").locator(".guest")).to_be_hidden()
    expect(nora.locator("#typing")).to_have_text("olaf (guest) is typing…")
    marks = nora.locator("#people li").filter(has=nora.locator(".guest:visible"))
    expect(marks.locator(".person")).to_have_text(["olaf"])
    expect(olaf.locator("#me-guest")).to_be_visible()
    nora.reload()
    expect(message(nora, "I am only visiting").locator(".guest")).to_be_visible()


def test_a_guest_goes_straight_in_the_next_time_until_they_leave(open_page: OpenPage) -> None:
    page = open_page("paula")
    tab = page.context.new_page()
    tab.goto(page.url)
    expect(status(tab)).to_have_text("Online", timeout=BACK_MS)
    expect(tab.locator("#me")).to_have_text("paula")
    tab.close()

    choose(page, "Change name")
    page.reload()

    enter(page, "paulina")
    expect(page.locator("#me")).to_have_text("paulina")
    choose(page, "Log in or create an account")
    expect(page.get_by_label("Password")).to_be_visible()


def test_what_was_not_sent_is_sent_after_the_same_person_has_logged_in_again(
    open_page: OpenPage,
) -> None:
    page = sign_up(open_page(), "quentin")
    join(page, "desk")
    page.evaluate("cut()")
    page.locator("#text").fill("for later")
    page.locator("#text").press("Enter")
    page.evaluate(
        "localStorage['dynamowave.account'] = "
        "JSON.stringify({user: 'quentin', token: 'a.b.c', renewAt: 9e15})"
    )
    expect(page.locator("#gate-problem")).to_contain_text("signed out", timeout=BACK_MS)
    page.evaluate("mend()")

    fill_in(page, "quentin", PASSWORD)

    expect(heading(page)).to_have_text("desk")
    expect(message(page, "for later").locator(".state")).to_be_empty(timeout=BACK_MS)
