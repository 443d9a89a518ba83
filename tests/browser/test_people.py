"""People on the page: who is here, who is writing, what is unread, direct messages."""

import re

from tests.browser.pages import (
    OpenPage,
    badge,
    bodies,
    body,
    composer,
    expect,
    heading,
    join,
    people,
    read_up_to,
    room,
    said,
    say,
    sent,
    status,
)


def test_writing_is_shown_to_others_and_ends_with_the_message(open_page: OpenPage) -> None:
    ada, bob = open_page("ada", path="/#typing"), open_page("bob", path="/#typing")
    expect(people(ada)).to_have_text(["ada", "bob"])

    composer(ada).press_sequentially("hello")
    expect(bob.locator("#typing")).to_have_text("ada (guest) is typing…")
    assert len(sent(ada, "typing")) == 1
    composer(ada).press("Enter")

    expect(body(bob, "hello")).to_be_visible()
    expect(bob.locator("#typing")).to_be_empty()


def test_writing_that_stops_is_no_longer_shown(open_page: OpenPage) -> None:
    cy, dee = open_page("cy", path="/#pauses"), open_page("dee", path="/#pauses")
    expect(people(cy)).to_have_text(["cy", "dee"])

    composer(cy).press_sequentially("hm")
    expect(dee.locator("#typing")).to_have_text("cy (guest) is typing…")

    expect(dee.locator("#typing")).to_be_empty(timeout=8_000)


def test_people_come_and_go_without_being_asked_for(open_page: OpenPage) -> None:
    eve = open_page("eve", path="/#hall")
    expect(people(eve)).to_have_text(["eve"])

    finn = open_page("finn", path="/#hall")
    expect(people(eve)).to_have_text(["eve", "finn"])
    expect(eve.locator("#online-count")).to_have_text("2 online")
    finn.close()

    expect(people(eve)).to_have_text(["eve"])
    assert len(sent(eve, "presence")) <= 3


def test_the_newest_move_of_a_person_counts(open_page: OpenPage) -> None:
    gus = open_page("gus", path="/#door")
    expect(people(gus)).to_have_text(["gus"])
    push = {"type": "presence", "room": "door", "user": "hugo"}

    for status_, second in (("joined", 3), ("left", 2)):
        moved = {**push, "status": status_, "at": f"2026-01-01T00:00:0{second}.000Z"}
        gus.evaluate("frame => arrive(frame)", moved)

    expect(people(gus)).to_have_text(["gus", "hugo"])


def test_a_large_room_shows_how_many_there_are(open_page: OpenPage) -> None:
    ian = open_page(
        "ian",
        path="/#stadium",
        before=lambda page: page.add_init_script(
            """window.lose = (frame) => {
                 if (frame.action !== "presence" || frame.count === 500) return false;
                 arrive({...frame, users: [], count: 500});
                 return true;
               };"""
        ),
    )

    expect(ian.locator("#online-count")).to_have_text("500 online")
    expect(ian.locator("#people-note")).to_have_text("500 people: too many to list")
    composer(ian).press_sequentially("anyone?")
    assert sent(ian, "typing") == []


def test_a_message_in_another_room_counts_as_unread_until_it_is_read(open_page: OpenPage) -> None:
    heidi, ivan = open_page("heidi"), open_page("ivan", path="/#kitchen")
    join(heidi, "kitchen")
    heidi.get_by_role("button", name="lobby").click()

    said(ivan, "soup is ready")

    expect(badge(heidi, "kitchen")).to_contain_text("1")
    assert body(heidi, "soup is ready").count() == 0
    assert re.match(r"\(\d+\)", heidi.title())
    room(heidi, "kitchen").click()
    expect(body(heidi, "soup is ready")).to_be_visible()
    expect(badge(heidi, "kitchen")).to_be_hidden()


def test_what_is_unread_is_the_same_on_another_device(open_page: OpenPage) -> None:
    jim, kim = open_page("jim", path="/#garage"), open_page("kim", path="/#garage")
    expect(people(kim)).to_have_text(["jim", "kim"])
    jim.get_by_role("button", name="lobby").click()
    said(kim, "the car is back")
    said(kim, "and it is clean")
    expect(badge(jim, "garage")).to_contain_text("2")

    jim.reload()
    expect(badge(jim, "garage")).to_contain_text("2")
    jim.close()
    expect(people(kim)).to_have_text(["kim"])
    phone = open_page("jim")
    expect(phone.locator("#me")).to_have_text("jim")
    expect(badge(phone, "garage")).to_contain_text("2")
    room(phone, "garage").click()
    expect(bodies(phone)).to_have_text(["the car is back", "and it is clean"])
    expect(badge(phone, "garage")).to_be_hidden()
    read_up_to(phone, "garage", 2)
    phone.close()
    expect(people(kim)).to_have_text(["kim"])

    laptop = open_page("jim")

    expect(room(laptop, "garage")).to_be_visible()
    expect(badge(laptop, "garage")).to_be_hidden()


def test_reading_on_another_device_clears_the_badge(open_page: OpenPage) -> None:
    lea, mo = open_page("lea", path="/#yard"), open_page("mo", path="/#yard")
    lea.get_by_role("button", name="lobby").click()
    said(mo, "a ball")
    expect(badge(lea, "yard")).to_contain_text("1")

    phone = open_page("lea")
    room(phone, "yard").click()

    expect(body(phone, "a ball")).to_be_visible()
    expect(badge(lea, "yard")).to_be_hidden()


def test_a_second_device_is_the_same_person(open_page: OpenPage) -> None:
    quin, rae = open_page("quin", path="/#loft"), open_page("rae", path="/#loft")
    expect(people(rae)).to_have_text(["quin", "rae"])

    phone = open_page("quin", path="/#loft")
    expect(phone.locator("#me")).to_have_text("quin")
    said(phone, "from my phone")
    expect(body(quin, "from my phone")).to_be_visible()
    expect(people(rae)).to_have_text(["quin", "rae"])
    phone.close()
    said(quin, "still here")

    expect(body(rae, "still here")).to_be_visible()
    expect(people(rae)).to_have_text(["quin", "rae"])


def test_direct_messages_appear_by_themselves(open_page: OpenPage) -> None:
    ned, ola, pat = (open_page(name, path="/#plaza") for name in ("ned", "ola", "pat"))
    expect(people(ned)).to_have_text(["ned", "ola", "pat"])

    ned.get_by_role("button", name="Message ola").click()
    expect(heading(ned)).to_have_text("ola")
    said(ned, "just you")

    expect(badge(ola, "ned")).to_contain_text("1")
    room(ola, "ned").click()
    expect(bodies(ola)).to_have_text(["just you"])
    expect(badge(ola, "ned")).to_be_hidden()
    said(ola, "yes?")
    expect(bodies(ned)).to_have_text(["just you", "yes?"])
    composer(ned).press_sequentially("I")
    expect(ola.locator("#typing")).to_have_text("ned (guest) is typing…")
    expect(pat.locator("#direct-section")).to_be_hidden()


def test_direct_messages_that_came_while_away_are_found(open_page: OpenPage) -> None:
    qi, ray = open_page("qi", path="/#pier"), open_page("ray", path="/#pier")
    expect(people(qi)).to_have_text(["qi", "ray"])
    qi.get_by_role("button", name="Message ray").click()
    said(qi, "first")
    expect(badge(ray, "qi")).to_contain_text("1")
    room(ray, "qi").click()
    expect(bodies(ray)).to_have_text(["first"])
    read_up_to(ray, "dm:qi:ray", 1)
    ray.close()

    said(qi, "are you there?")
    said(qi, "hello?")
    back = open_page("ray")

    expect(back.locator("#me")).to_have_text("ray")
    expect(badge(back, "qi")).to_contain_text("2")
    room(back, "qi").click()
    expect(bodies(back)).to_have_text(["first", "are you there?", "hello?"])
    back.reload()
    expect(status(back)).to_have_text("Online")
    expect(heading(back)).to_have_text("qi")
    expect(bodies(back)).to_have_text(["first", "are you there?", "hello?"])


def test_an_open_conversation_catches_up_after_a_cut(open_page: OpenPage) -> None:
    sol, tess = open_page("sol", path="/#dock"), open_page("tess", path="/#dock")
    expect(people(sol)).to_have_text(["sol", "tess"])
    sol.get_by_role("button", name="Message tess").click()
    said(sol, "one")
    room(tess, "sol").click()
    expect(bodies(tess)).to_have_text(["one"])
    tess.evaluate("cut()")
    expect(status(tess)).to_contain_text("econnecting")

    said(sol, "two")
    say(tess, "three")
    tess.evaluate("mend()")

    expect(bodies(tess)).to_have_text(["one", "two", "three"], timeout=40_000)
    expect(bodies(sol)).to_have_text(["one", "two", "three"])
