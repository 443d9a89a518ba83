"""The page in a real browser against the real server: coming in, writing, staying connected."""

import pytest

from tests.browser.pages import (
    BACK_MS,
    OpenPage,
    bodies,
    body,
    composer,
    expect,
    heading,
    join,
    message,
    overflow,
    room,
    said,
    say,
    sent,
    status,
)
from tests.browser.server import ChatServer

PHONE = {"viewport": {"width": 360, "height": 640}, "is_mobile": True, "has_touch": True}


def test_two_visitors_chat_both_ways(open_page: OpenPage) -> None:
    alice, bob = open_page("Alice"), open_page("bob")

    say(alice, "hello bob")
    expect(body(bob, "hello bob")).to_be_visible()
    say(bob, "hello alice")

    expect(body(alice, "hello alice")).to_be_visible()
    expect(message(alice, "hello alice").locator(".author")).to_have_text("bob")
    expect(message(alice, "hello bob").locator(".author")).to_have_text("alice (you)")
    expect(message(alice, "hello bob").locator(".state")).to_be_empty()


def test_enter_sends_and_shift_enter_breaks_the_line(open_page: OpenPage) -> None:
    erin = open_page("erin")

    composer(erin).press_sequentially("first")
    composer(erin).press("Shift+Enter")
    composer(erin).press_sequentially("second")
    assert sent(erin, "sendmessage") == []
    composer(erin).press("Enter")

    expect(bodies(erin).last).to_have_text("first\nsecond")
    assert bodies(erin).last.inner_text() == "first\nsecond"
    expect(composer(erin)).to_have_value("")


def test_a_message_over_the_limit_is_refused_before_it_is_sent(open_page: OpenPage) -> None:
    frank = open_page("frank")

    say(frank, "x" * 9_000)

    expect(frank.locator("#composer-error")).to_contain_text("Too long by 1,000 characters")
    expect(composer(frank)).to_have_value("x" * 9_000)
    assert sent(frank, "sendmessage") == []


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
    expect(grace.locator("#me")).to_have_text("grace")
    expect(heading(grace)).to_have_text("garden")
    expect(grace.locator("#rooms .room-label")).to_have_text(["lobby", "garden"])


def test_a_phone_shows_the_composer_and_never_scrolls_sideways(open_page: OpenPage) -> None:
    judy = open_page("judy", path="/#phone", **PHONE)

    for text in ("w" * 300, "https://example.com/" + "y" * 200, *map(str, range(20))):
        say(judy, text)
    expect(bodies(judy)).to_have_count(22)

    assert overflow(judy) == 0
    expect(composer(judy)).to_be_in_viewport(ratio=1)
    expect(judy.get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)
    expect(bodies(judy).last).to_be_in_viewport(ratio=1)


def test_the_side_of_a_phone_opens_and_closes(open_page: OpenPage) -> None:
    kim = open_page("kim", **PHONE)
    expect(kim.locator("#side")).to_be_hidden()

    kim.get_by_role("button", name="Rooms and people").tap()
    expect(kim.locator("#people")).to_contain_text("kim")
    kim.keyboard.press("Escape")

    expect(kim.locator("#side")).to_be_hidden()
    assert overflow(kim) == 0


def test_reading_further_up_is_not_disturbed_by_a_new_message(open_page: OpenPage) -> None:
    leo, mia = open_page("leo", path="/#tower"), open_page("mia", path="/#tower")
    for number in range(30):
        say(leo, f"line {number}")
    expect(message(leo, "line 29").locator(".state")).to_be_empty()
    expect(body(mia, "line 29")).to_be_visible()
    leo.locator("#scroller").evaluate("log => { log.scrollTop = 0; }")

    say(mia, "news")

    jump = leo.get_by_role("button", name="1 new message")
    expect(jump).to_be_visible()
    expect(body(leo, "news")).not_to_be_in_viewport()
    jump.click()
    expect(body(leo, "news")).to_be_in_viewport()
    expect(jump).to_be_hidden()


def test_the_next_message_waits_for_the_ack_of_the_last(open_page: OpenPage) -> None:
    zoe = open_page("zoe", path="/#queue")
    zoe.evaluate(
        """() => {
          window.held = [];
          window.lose = (frame) => {
            const isAck = frame.type === "ack" && frame.action === "sendmessage";
            return isAck && held.push(frame) > 0;
          };
        }"""
    )

    for text in ("one", "two", "three"):
        say(zoe, text)
    expect(bodies(zoe)).to_have_text(["one", "two", "three"])
    zoe.locator("html").evaluate(
        """async () => {
          for (let waited = 0; !held.length; waited += 20) {
            if (waited > 10_000) throw new Error("nothing was answered");
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }"""
    )
    assert [frame["message"] for frame in sent(zoe, "sendmessage")] == ["one"]
    zoe.evaluate("() => { window.lose = undefined; arrive(held[0]); }")

    expect(message(zoe, "three").locator(".state")).to_be_empty()
    texts = [frame["message"] for frame in sent(zoe, "sendmessage")]
    assert texts == ["one", "two", "three"]
    zoe.reload()
    expect(bodies(zoe)).to_have_text(["one", "two", "three"])


@pytest.mark.clause("R4")
def test_pushes_that_come_in_one_frame_are_shown_in_their_order(open_page: OpenPage) -> None:
    nora = open_page("nora", path="/#loft")
    said(nora, "one")

    nora.evaluate(
        """() => {
          const at = "2026-01-02T03:04:05.678Z";
          const push = (seq, message) => (
            { type: "message", room: "loft", seq, user: "olaf", message, at }
          );
          arrive([]);
          arrive([[push(2, "never")], null, 7, "x"]);
          arrive([push(2, "two"), [], push(3, "three")]);
        }"""
    )

    expect(bodies(nora)).to_have_text(["one", "two", "three"])
    assert [frame["arrays"] for frame in sent(nora, "hello")] == [True]


def test_a_message_whose_answer_was_lost_is_shown_once(open_page: OpenPage) -> None:
    paul, quinn = open_page("paul"), open_page("quinn")
    paul.evaluate(
        """() => {
          window.lose = (frame) => {
            if (frame.type !== "ack" || frame.action !== "sendmessage") return false;
            window.lose = undefined;
            cut();
            mend();
            return true;
          };
        }"""
    )

    say(paul, "once only")
    expect(body(quinn, "once only")).to_have_count(1)
    expect(status(paul)).to_have_text("Online", timeout=BACK_MS)
    say(paul, "and on")

    expect(body(quinn, "and on")).to_have_count(1)
    expect(body(quinn, "once only")).to_have_count(1)
    expect(body(paul, "once only")).to_have_count(1)


def test_a_room_that_was_left_stays_away(open_page: OpenPage) -> None:
    tom = open_page("tom", path="/#attic")
    expect(heading(tom)).to_have_text("attic")

    tom.get_by_role("button", name="Leave attic").click()
    expect(heading(tom)).to_have_text("lobby")
    tom.reload()
    expect(status(tom)).to_have_text("Online")
    expect(tom.locator("#people")).to_contain_text("tom")

    expect(room(tom, "attic")).to_have_count(0)
    join(tom, "attic")
    tom.reload()
    expect(room(tom, "attic")).to_have_count(1)


def test_a_hand_over_loses_nothing_and_keeps_the_name(open_page: OpenPage) -> None:
    uma, vic = open_page("uma", path="/#bridge"), open_page("vic", path="/#bridge")
    said(uma, "before")
    expect(body(vic, "before")).to_be_visible()

    vic.evaluate("arrive({type: 'reconnect', after_ms: 0})")
    for number in range(5):
        said(uma, f"during {number}")

    expect(body(vic, "during 4")).to_be_visible(timeout=BACK_MS)
    expect(status(vic)).to_have_text("Online", timeout=BACK_MS)
    said(vic, "after")
    texts = ["before", *(f"during {number}" for number in range(5)), "after"]
    expect(bodies(vic)).to_have_text(texts)
    expect(vic.locator("#me")).to_have_text("vic")
    expect(bodies(uma)).to_have_text(texts)
    assert len(sent(vic, "hello")) > 1


def test_a_restart_that_lost_all_starts_the_rooms_over(
    open_page: OpenPage, server: ChatServer
) -> None:
    rosa, sam = open_page("rosa", path="/#cellar"), open_page("sam", path="/#cellar")
    said(rosa, "before")
    said(rosa, "this, too")
    expect(body(sam, "this, too")).to_be_visible()

    server.stop()
    expect(status(rosa)).to_contain_text("econnecting")
    say(rosa, "written while away")
    expect(message(rosa, "written while away").locator(".state")).to_contain_text("Waiting")
    expect(status(sam)).to_contain_text("econnecting")
    server.start()

    expect(status(sam)).to_have_text("Online", timeout=BACK_MS)
    expect(status(rosa)).to_have_text("Online", timeout=BACK_MS)
    expect(message(rosa, "written while away").locator(".state")).to_be_empty()
    expect(body(rosa, "before")).to_have_count(0)
    said(sam, "welcome back")
    expect(bodies(rosa)).to_have_text(["written while away", "welcome back"])
    expect(bodies(sam)).to_have_text(["written while away", "welcome back"])
