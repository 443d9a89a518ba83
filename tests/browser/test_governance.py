"""Rooms that belong to somebody: private ones, who is in them, and how fast one may write."""

from tests.browser.pages import (
    OpenPage,
    Page,
    bodies,
    body,
    expect,
    govern,
    heading,
    join,
    log_in,
    make_room,
    message,
    notices,
    people,
    room,
    rule,
    said,
    say,
    sent,
    sign_up,
    status,
)


def test_a_private_room_is_closed_to_strangers(open_page: OpenPage) -> None:
    owner, stranger = sign_up(open_page(), "anna"), open_page("bert")
    make_room(owner, "vault", private=True)
    said(owner, "for members")
    expect(owner.locator("#room-lock")).to_be_visible()
    expect(room(owner, "vault").locator(".lock")).to_be_visible()
    expect(room(owner, "lobby").locator(".lock")).to_be_hidden()

    stranger.get_by_label("Join a room").fill("vault")
    stranger.get_by_role("button", name="Join", exact=True).click()

    expect(notices(stranger)).to_contain_text("vault cannot be opened: you are not a member")
    expect(heading(stranger)).to_have_text("lobby")
    expect(room(stranger, "vault")).to_have_count(0)
    expect(body(stranger, "for members")).to_have_count(0)


def test_an_invitation_opens_a_private_room(open_page: OpenPage) -> None:
    owner, friend = sign_up(open_page(), "cleo"), sign_up(open_page(), "dirk")
    make_room(owner, "den", private=True)
    said(owner, "before you came")

    govern(owner, "Invite somebody…", "Dirk", "Invite")

    expect(notices(owner)).to_contain_text("dirk is invited to den.")
    expect(notices(friend)).to_contain_text("cleo invited you to den.")
    room(friend, "den").click()
    expect(friend.locator("#room-lock")).to_be_visible()
    expect(body(friend, "before you came")).to_be_visible()
    said(friend, "thank you")
    expect(body(owner, "thank you")).to_be_visible()


def test_who_is_not_there_cannot_be_invited(open_page: OpenPage) -> None:
    owner = sign_up(open_page(), "elsa")
    make_room(owner, "attic.of.elsa", private=True)
    rule(owner, "Invite somebody…")
    dialog = owner.get_by_role("dialog")

    for name, problem in (("nobody-at-all", "no account nobody-at-all"), ("<b>", "letters a to z")):
        dialog.get_by_label("User name").fill(name)
        dialog.get_by_role("button", name="Invite", exact=True).click()
        expect(dialog.get_by_role("alert")).to_contain_text(problem)

    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)


def test_who_is_removed_while_reading_is_told_and_sees_no_more(open_page: OpenPage) -> None:
    owner, friend = sign_up(open_page(), "frida"), sign_up(open_page(), "gustav")
    make_room(owner, "snug", private=True)
    govern(owner, "Invite somebody…", "gustav", "Invite")
    room(friend, "snug").click()
    expect(people(owner)).to_have_text(["frida", "gustav"])

    govern(owner, "Remove somebody…", "gustav", "Remove")

    expect(notices(friend)).to_contain_text("frida removed you from snug.")
    expect(heading(friend)).to_have_text("lobby")
    expect(room(friend, "snug")).to_have_count(0)
    expect(people(owner)).to_have_text(["frida"])
    said(owner, "only us")
    friend.reload()
    expect(status(friend)).to_have_text("Online")
    expect(room(friend, "snug")).to_have_count(0)


def test_who_is_banned_comes_back_only_after_the_ban_is_lifted(open_page: OpenPage) -> None:
    owner, pest = sign_up(open_page(), "hedda"), sign_up(open_page(), "igor")
    make_room(owner, "market")
    join(pest, "market")
    expect(people(owner)).to_have_text(["hedda", "igor"])

    govern(owner, "Ban somebody…", "igor", "Ban")
    expect(notices(pest)).to_contain_text("hedda banned you from market.")
    pest.get_by_label("Join a room").fill("market")
    pest.get_by_role("button", name="Join", exact=True).click()
    expect(notices(pest)).to_contain_text("market cannot be opened: you are banned")
    govern(owner, "Lift a ban…", "igor", "Lift the ban")

    join(pest, "market")
    said(pest, "sorry")
    expect(body(owner, "sorry")).to_be_visible()


def test_a_moderator_may_remove_people_and_a_member_is_not_offered_to(open_page: OpenPage) -> None:
    owner, helper = sign_up(open_page(), "jonas"), sign_up(open_page(), "kira")
    guest = open_page("leif", path="/#club")
    make_room(owner, "club.of.jonas")
    for page in (helper, guest):
        join(page, "club.of.jonas")
    rule_entries(guest, ["Invite somebody…", "Leave the room"])

    govern(owner, "Give a role…", "kira", "Give the role", Role="Moderator")
    expect(notices(owner)).to_contain_text("kira is moderator of club.of.jonas now.")
    helper.reload()
    expect(people(helper)).to_have_text(["jonas", "kira", "leif"])
    govern(helper, "Remove somebody…", "leif", "Remove")

    expect(notices(guest)).to_contain_text("kira removed you from club.of.jonas.")


def rule_entries(page: Page, entries: list[str]) -> None:
    page.get_by_role("button", name="What to do with the room").click()
    expect(page.locator("#room-entries button")).to_have_text(entries)
    page.keyboard.press("Escape")
    expect(page.locator("#room-entries")).to_be_hidden()


def test_a_room_that_is_left_goes_away_on_all_devices(open_page: OpenPage) -> None:
    laptop = sign_up(open_page(), "mona")
    phone = log_in(open_page(), "mona")
    join(laptop, "patio")
    phone.reload()
    room(phone, "patio").click()
    expect(heading(phone)).to_have_text("patio")

    rule(laptop, "Leave the room")

    expect(heading(laptop)).to_have_text("lobby")
    expect(heading(phone)).to_have_text("lobby")
    for page in (laptop, phone):
        expect(room(page, "patio")).to_have_count(0)


def test_guests_are_not_offered_a_room_of_their_own(open_page: OpenPage) -> None:
    guest = open_page("nils")

    expect(guest.get_by_role("button", name="New room…")).to_be_hidden()


def test_slow_mode_keeps_messages_and_sends_them_in_their_order(open_page: OpenPage) -> None:
    owner, member = sign_up(open_page(), "oda"), sign_up(open_page(), "per")
    make_room(owner, "slow.lane", slow_mode="5 seconds")
    join(member, "slow.lane")

    for text in ("one", "two", "three"):
        say(member, text)

    expect(body(owner, "one")).to_be_visible()
    expect(message(member, "two").locator(".state")).to_contain_text("Waiting for its turn…")
    expect(message(member, "three").locator(".state")).to_contain_text("Waiting for its turn…")
    expect(member.locator("#composer-wait")).to_contain_text("Slow mode: sent in")
    expect(member.locator("#messages .failed")).to_have_count(0)
    message(member, "two").get_by_role("button", name="Discard").click()
    expect(bodies(owner)).to_have_text(["one", "three"], timeout=15_000)
    expect(message(member, "three").locator(".state")).to_be_empty()
    expect(member.locator("#composer-wait")).to_be_empty()
    expect(notices(member)).to_be_empty()
    for text in ("a", "b", "c"):
        said(owner, text)


def test_slow_mode_does_not_hold_up_reactions(open_page: OpenPage) -> None:
    owner, member = sign_up(open_page(), "quirin"), sign_up(open_page(), "rosi")
    make_room(owner, "slow.pond")
    rule(owner, "Slow mode…")
    owner.get_by_label("Slow mode: between").select_option("1 hour")
    owner.get_by_role("dialog").get_by_role("button", name="Set").click()
    expect(notices(owner)).to_contain_text("Slow mode is on in slow.pond.")
    join(member, "slow.pond")
    said(member, "one")
    say(member, "two")
    expect(message(member, "two").locator(".state")).to_contain_text("Waiting for its turn…")

    message(member, "one").hover()
    message(member, "one").get_by_role("button", name="React").click()
    member.get_by_role("button", name="React with 👍").click()

    expect(message(owner, "one").locator(".chip")).to_be_visible()
    expect(bodies(owner)).to_have_text(["one"])


def test_a_flood_is_slowed_down_and_nothing_of_it_is_lost(open_page: OpenPage) -> None:
    page = sign_up(open_page(), "silke")
    join(page, "flood")
    texts = [f"drop {number}" for number in range(8)]
    page.evaluate(
        """() => {
          let refused = 0;
          window.lose = (frame) => {
            const isAck = frame.action === "sendmessage" && frame.type === "ack";
            if (!isAck || ++refused > 3) return false;
            arrive({type: "error", id: frame.id, action: "sendmessage", code: "rate_limited",
                    message: "too many frames", retryable: true, retry_after_ms: 200});
            return true;
          };
        }"""
    )

    for text in texts:
        say(page, text)

    expect(bodies(page)).to_have_text(texts)
    expect(message(page, "drop 7").locator(".state")).to_be_empty()
    page.reload()
    expect(bodies(page)).to_have_text(texts)
    expect(page.locator("#messages .failed")).to_have_count(0)


def test_a_room_name_that_is_markup_is_only_text(open_page: OpenPage) -> None:
    page = sign_up(open_page(), "tilda")
    markup = "<img src=x onerror=\"document.title='owned'\">"

    page.get_by_role("button", name="New room…").click()
    page.get_by_label("Name", exact=True).fill(markup)
    page.get_by_role("button", name="Create", exact=True).click()

    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("up to 64 letters")
    assert sent(page, "createroom") == []
    for frame in (
        {"type": "kicked", "room": "lobby", "by": markup, "banned": True},
        {"type": "invited", "room": markup, "user": markup},
        {"type": "typing", "room": "lobby", "user": markup, "guest": True},
        {"type": "left", "room": markup},
    ):
        page.evaluate("frame => arrive(frame)", frame)
    expect(notices(page)).to_contain_text(f"{markup} invited you to {markup}.")
    assert page.locator("img:not(.logo)").count() == 0
    assert "owned" not in page.title()
