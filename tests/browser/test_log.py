"""A room's log on the page: history, what was missed, changes, and hostile content."""

import json
from typing import Any

import pytest

from tests.browser.pages import (
    BACK_MS,
    OpenPage,
    Page,
    act,
    bodies,
    body,
    chip,
    composer,
    expect,
    join,
    message,
    people,
    react,
    said,
    say,
    sent,
    status,
)

PAGE = 50
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>alert(1)</script>"


def lose(page: Page, what: str) -> None:
    """Let frames go missing: `what` is a condition on `frame`."""
    page.evaluate(f"() => {{ window.lose = (frame) => {what}; }}")


def test_what_was_said_before_is_there_on_a_visit(open_page: OpenPage) -> None:
    ada = open_page("ada", path="/#library")
    for text in ("one", "two", "three"):
        said(ada, text)

    bob = open_page("bob", path="/#library")

    expect(bodies(bob)).to_have_text(["one", "two", "three"])
    expect(bob.locator("#messages .start")).to_have_text("This is the beginning of library.")
    ada.reload()
    expect(bodies(ada)).to_have_text(["one", "two", "three"])
    expect(message(ada, "one").locator(".author")).to_have_text("ada (you)")


def test_scrolling_up_reads_older_messages_and_keeps_the_place(open_page: OpenPage) -> None:
    texts = [f"line {number}" for number in range(PAGE + 30)]
    cora = open_page("cora", path="/#scrolls")
    for text in texts:
        say(cora, text)
    expect(message(cora, texts[-1]).locator(".state")).to_be_empty(timeout=BACK_MS)

    dora = open_page("dora", path="/#scrolls")
    expect(bodies(dora).last).to_have_text(texts[-1])
    assert bodies(dora).count() == PAGE
    expect(dora.get_by_role("button", name="Load older messages")).to_have_count(1)
    top = dora.evaluate(
        """() => {
          const log = document.getElementById("scroller");
          log.scrollTop = 100;
          return document.querySelector("#messages .message").getBoundingClientRect().top;
        }"""
    )

    expect(bodies(dora)).to_have_text(texts)
    place = message(dora, texts[30]).evaluate("row => row.getBoundingClientRect().top")
    assert abs(place - top) <= 1
    expect(dora.locator("#messages .start")).to_have_text("This is the beginning of scrolls.")


def test_what_was_said_while_away_is_read_without_loss_or_repetition(open_page: OpenPage) -> None:
    nina, otto = open_page("nina", path="/#resume"), open_page("otto", path="/#resume")
    said(nina, "zero")
    expect(body(otto, "zero")).to_be_visible()
    nina.evaluate("cut()")
    expect(status(nina)).to_contain_text("econnecting")

    for text in ("one", "two", "three"):
        said(otto, text)
    act(otto, "two", "Edit")
    say(otto, "two!")
    react(otto, "zero", "🎉")
    expect(chip(otto, "zero")).to_have_text("🎉1")
    say(nina, "me too")
    nina.evaluate("mend()")

    expect(body(nina, "three")).to_be_visible(timeout=BACK_MS)
    assert (
        len(sent(nina, "history")) == 1
    )  # caught up by its subscription, not as after a lost push
    said(otto, "four")
    expect(message(nina, "me too").locator(".state")).to_be_empty()
    expect(body(otto, "me too")).to_be_visible()
    expect(body(nina, "four")).to_be_visible()
    expected = bodies(otto).all_inner_texts()
    assert sorted(expected) == sorted(["zero", "one", "two! (edited)", "three", "four", "me too"])
    expect(bodies(nina)).to_have_text(expected)
    expect(chip(nina, "zero")).to_have_text("🎉1")
    expect(nina.locator("#messages .over")).to_have_count(0)


def test_a_push_that_was_lost_is_read(open_page: OpenPage) -> None:
    pia, ron = open_page("pia", path="/#holes"), open_page("ron", path="/#holes")
    lose(pia, "frame.message === 'lost'")

    said(ron, "lost")
    said(ron, "later")

    expect(body(pia, "later")).to_be_visible()
    expect(bodies(pia)).to_have_text(["lost", "later"])
    assert len(sent(pia, "history")) > 1


def test_a_heartbeat_tells_of_what_was_lost_last(open_page: OpenPage) -> None:
    pam, rob = open_page("pam", path="/#pulse"), open_page("rob", path="/#pulse")
    lose(pam, "frame.type === 'message'")
    said(rob, "the last word")
    assert bodies(pam).count() == 0

    # A page that comes back to the front sends a ping at once.
    pam.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    expect(bodies(pam)).to_have_text(["the last word"])


def test_pushes_that_come_twice_and_late_show_once_and_in_order(open_page: OpenPage) -> None:
    sue = open_page("sue", path="/#jumble")
    push = {"type": "message", "room": "jumble", "user": "eve", "at": "2026-01-01T00:00:00.000Z"}

    for seq in (2, 3, 2, 1, 1, 3):
        sue.evaluate("frame => arrive(frame)", {**push, "seq": seq, "message": f"number {seq}"})

    expect(bodies(sue)).to_have_text(["number 1", "number 2", "number 3"])


def test_an_edit_is_seen_by_others_and_after_a_reload(open_page: OpenPage) -> None:
    abe, ben = open_page("abe", path="/#edits"), open_page("ben", path="/#edits")
    said(abe, "helo")
    said(abe, "there")
    expect(body(ben, "there")).to_be_visible()

    composer(abe).press("ArrowUp")
    expect(composer(abe)).to_have_value("there")
    composer(abe).press("Escape")
    expect(composer(abe)).to_have_value("")
    act(abe, "helo", "Edit")
    expect(composer(abe)).to_have_value("helo")
    say(abe, "hello")

    for page in (abe, ben):
        expect(bodies(page)).to_have_text(["hello (edited)", "there"])
    ben.reload()
    expect(bodies(ben)).to_have_text(["hello (edited)", "there"])
    message(ben, "there").hover()
    expect(ben.get_by_role("button", name="React", exact=True)).to_be_visible()
    expect(ben.get_by_role("button", name="Edit", exact=True)).to_have_count(0)


def test_a_deletion_is_asked_about_and_seen_by_others(open_page: OpenPage) -> None:
    cal, dan = open_page("cal", path="/#deletes"), open_page("dan", path="/#deletes")
    said(cal, "oops")
    expect(body(dan, "oops")).to_be_visible()

    act(cal, "oops", "Delete")
    cal.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(body(cal, "oops")).to_be_visible()
    act(cal, "oops", "Delete")
    cal.get_by_role("dialog").get_by_role("button", name="Delete").click()

    expect(bodies(cal)).to_have_text(["You deleted this message."])
    expect(bodies(dan)).to_have_text(["cal deleted this message."])
    dan.reload()
    expect(bodies(dan)).to_have_text(["cal deleted this message."])


def test_reactions_are_counted_and_can_be_taken_back(open_page: OpenPage) -> None:
    eli, fay = open_page("eli", path="/#reactions"), open_page("fay", path="/#reactions")
    said(eli, "cake!")
    expect(body(fay, "cake!")).to_be_visible()

    react(fay, "cake!", "🎉")
    expect(chip(eli, "cake!")).to_have_text("🎉1")
    chip(eli, "cake!").click()

    for page in (eli, fay):
        expect(chip(page, "cake!")).to_have_text("🎉2")
        expect(chip(page, "cake!")).to_have_attribute("title", "fay and eli")
        expect(chip(page, "cake!")).to_have_attribute("aria-pressed", "true")
    chip(fay, "cake!").click()
    expect(chip(eli, "cake!")).to_have_text("🎉1")
    fay.reload()
    expect(chip(fay, "cake!")).to_have_text("🎉1")
    expect(chip(fay, "cake!")).to_have_attribute("aria-pressed", "false")


def test_a_change_that_is_refused_is_told_and_can_be_discarded(open_page: OpenPage) -> None:
    gil = open_page("gil", path="/#refusals")
    said(gil, "mine")
    gil.evaluate(
        """() => {
          window.lose = ({ type, action, id }) => {
            if (type !== "ack" || action !== "editmessage") return false;
            arrive({ type: "error", id, action, code: "conflict", message: "It is too late." });
            return true;
          };
        }"""
    )

    act(gil, "mine", "Edit")
    say(gil, "still mine")
    expect(message(gil, "mine").locator(".state")).to_contain_text("Not edited: It is too late.")
    gil.get_by_role("button", name="Discard").click()

    expect(message(gil, "mine").locator(".state")).to_be_empty()


@pytest.mark.parametrize("how", ["message", "edit"])
def test_markup_in_a_message_is_shown_as_text(open_page: OpenPage, how: str) -> None:
    carol, dave = open_page("carol", path=f"/#xss-{how}"), open_page("dave", path=f"/#xss-{how}")

    say(carol, HOSTILE if how == "message" else "harmless")
    if how == "edit":
        expect(message(carol, "harmless").locator(".state")).to_be_empty()
        act(carol, "harmless", "Edit")
        say(carol, HOSTILE)

    shown = HOSTILE if how == "message" else f"{HOSTILE} (edited)"
    expect(body(dave, shown)).to_be_visible()
    assert dave.locator("#messages img, #messages script").count() == 0
    assert "owned" not in dave.title()


def test_markup_in_any_other_field_is_shown_as_text(open_page: OpenPage) -> None:
    ira = open_page("ira", path="/#lair")
    expect(people(ira)).to_have_text(["ira"])
    at = "2026-01-01T00:00:00.000Z"
    common: dict[str, Any] = {"room": "lair", "user": HOSTILE, "at": at}
    frames: list[dict[str, Any]] = [
        {**common, "type": "message", "seq": 1, "message": "hi", "cid": HOSTILE},
        {**common, "type": "reaction", "seq": 2, "target": 1, "emoji": HOSTILE, "removed": False},
        {**common, "type": "reaction", "seq": 3, "target": 1, "emoji": "__proto__"},
        {**common, "type": "typing"},
        {**common, "type": "presence", "status": "joined"},
        {**common, "type": "message", "seq": 4, "message": "bye", "at": HOSTILE},
        {"type": "error", "code": "internal", "message": HOSTILE},
        {"type": "message", "room": f"dm:{HOSTILE}:ira", "seq": 1, "user": HOSTILE, "message": "x"},
        {"type": HOSTILE, "room": "lair"},
        {"type": "message", "room": "lair", "seq": HOSTILE},
    ]

    for frame in frames:
        ira.evaluate("frame => arrive(frame)", json.loads(json.dumps(frame)))

    expect(bodies(ira)).to_have_text(["hi", "bye"])
    expect(ira.locator("#messages .author").first).to_have_text(HOSTILE)
    expect(ira.locator("#messages .chip .emoji").first).to_have_text(HOSTILE)
    expect(ira.locator("#people .person").first).to_have_text(HOSTILE)
    expect(ira.locator("#direct .room-label")).to_have_text(HOSTILE)
    assert ira.locator("img:not(.logo), body script").count() == 0
    assert "owned" not in ira.title()


def test_the_keyboard_reaches_what_can_be_done_with_a_message(open_page: OpenPage) -> None:
    jon = open_page("jon", path="/#keys")
    said(jon, "one")
    said(jon, "two")

    jon.locator("#scroller").focus()
    jon.keyboard.press("ArrowUp")
    expect(message(jon, "two")).to_be_focused()
    jon.keyboard.press("ArrowUp")
    expect(message(jon, "one")).to_be_focused()
    jon.keyboard.press("Tab")
    expect(jon.get_by_role("button", name="React", exact=True)).to_be_focused()
    jon.keyboard.press("Enter")
    jon.keyboard.press("Enter")

    expect(chip(jon, "one")).to_have_text("👍1")


def test_a_screen_reader_is_told_what_comes_and_not_what_was_there(open_page: OpenPage) -> None:
    kay = open_page("kay", path="/#voices")
    said(kay, "before")

    lou = open_page("lou", path="/#voices")
    expect(bodies(lou)).to_have_text(["before"])
    said(kay, "now")

    expect(lou.locator("#announcer")).to_have_text("kay (guest): now")


def test_rooms_have_logs_of_their_own(open_page: OpenPage) -> None:
    max_ = open_page("max", path="/#left")
    said(max_, "in the left one")

    join(max_, "right")
    said(max_, "in the right one")

    expect(bodies(max_)).to_have_text(["in the right one"])
    max_.get_by_role("button", name="left", exact=True).click()
    expect(bodies(max_)).to_have_text(["in the left one"])
