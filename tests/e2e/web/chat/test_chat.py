"""Two people chat in two browsers."""

import re

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.web.frames import two_frames
from tests.e2e.web.world import PASSWORD, World, settings, sign_in, top_of, wait_for

BEGINNING = "This is where your chat begins."
# The browser reports the scrolling first, and the new size after it.
RESIZED = """(area, height) => {
    area.parentElement.style.maxHeight = height;
    area.scrollTop -= 5;
}"""


def test_two_people_register_find_each_other_and_chat_live(world: World) -> None:
    first, second = world.new_page(), world.new_page()
    names = {}
    for page, name in ((first, "Cleo"), (second, "Dan")):
        page.goto(world.url)
        page.get_by_role("button", name="Create account").first.click()
        names[name] = f"{name.lower()}_{id(page)}"
        page.get_by_label("Your name").fill(name)
        page.get_by_label("Username").fill(names[name])
        page.get_by_label("E-mail").fill(f"{names[name]}@example.org")
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("form").get_by_role("button", name="Create account").click()
        expect(page.get_by_text("No chats yet")).to_be_visible()

    first.get_by_role("searchbox").fill("@" + names["Dan"].upper())
    first.get_by_role("searchbox").press("Enter")
    expect(first.locator(".talk h2")).to_have_text("Dan")
    first.get_by_label("Write a message").fill("Hello Dan\nhow are you?")
    first.get_by_label("Write a message").press("Enter")

    row = second.locator(".chat-row")
    expect(row).to_contain_text("Cleo")
    expect(row).to_contain_text("Hello Dan")
    expect(row.locator(".badge")).to_have_text("1")
    expect(second).to_have_title("(1) Parley")
    row.click()
    expect(second.locator(".theirs .text")).to_have_text("Hello Dan\nhow are you?")
    expect(row.locator(".badge")).to_be_hidden()
    expect(second).to_have_title(re.compile("^Cleo.* - Parley$"))
    second.get_by_label("Write a message").fill("Very well!")
    second.get_by_label("Write a message").press("Enter")
    expect(first.locator(".theirs .text")).to_have_text("Very well!")


def test_nobody_of_that_name(world: World) -> None:
    ada = world.person("Ada").open()
    ada.page.get_by_role("searchbox").fill("nobody_at_all")
    ada.page.get_by_role("button", name="Start a chat with @nobody_at_all").click()
    expect(ada.page.get_by_text("Nobody has the username @nobody_at_all.")).to_be_visible()


def test_ticks_tell_sent_delivered_and_read(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open().talk_to(ben)
    ada.write("are you there?")
    ada.expect_tick("are you there?", "sent")

    ben.open()
    ada.expect_tick("are you there?", "delivered")
    expect(ben.row(ada).locator(".badge")).to_have_text("1")

    ben.talk_to(ada)
    ada.expect_tick("are you there?", "read")
    ada.write("good")
    ada.expect_tick("good", "read")


def test_unread_counts_grow_and_new_messages_are_marked(world: World) -> None:
    ada, ben, chat = world.pair()
    ben.post(chat, "old")
    ada.open().talk_to(ben)
    ben.open()
    ben.talk_to(ada)
    ben.expect_tick("old", "read")
    ada.page.keyboard.press("Escape")
    for text in ("one", "two", "three"):
        ben.write(text)
    expect(ada.row(ben).locator(".badge")).to_have_text("3")
    ben.expect_tick("three", "delivered")

    ada.talk_to(ben)
    ben.expect_tick("three", "read")
    lines = ada.page.locator(".messages > li").all_inner_texts()
    mark = lines.index("New messages")
    assert "old" in lines[mark - 1]
    assert "one" in lines[mark + 1]


def test_the_chat_with_the_newest_message_comes_first(world: World) -> None:
    ada, ben, chat = world.pair()
    cleo = world.person("Cleo Marsh")
    ben.post(chat, "first")
    cleo.post(cleo.chat_with(ada), "second")
    ada.open()
    names = ada.page.locator(".chat-name")
    expect(names).to_have_text([cleo.name, ben.name])
    ben.post(chat, "third")
    expect(names).to_have_text([ben.name, cleo.name])


def test_typing_is_shown_and_ends(world: World) -> None:
    ada, ben, chat = world.pair()
    ada.post(chat, "hello")
    ada.open().talk_to(ben)
    ben.open().talk_to(ada)
    presence = ada.page.locator(".presence")

    ben.page.get_by_label("Write a message").fill("I")
    expect(presence).to_have_text("typing…")
    expect(ada.row(ben)).to_contain_text("typing…")
    expect(presence).to_have_text("online", timeout=10_000)  # forgotten after five seconds

    ben.page.get_by_label("Write a message").fill("I am")
    expect(presence).to_have_text("typing…")
    ben.page.get_by_label("Write a message").fill("")
    expect(presence).to_have_text("online", timeout=4_000)

    ben.page.get_by_label("Write a message").fill("I am")
    expect(presence).to_have_text("typing…")
    ben.close()
    expect(presence).to_have_text(re.compile("last seen"), timeout=4_000)


def test_presence_says_who_is_online_and_when_others_were_last_seen(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open().talk_to(ben)
    presence = ada.page.locator(".presence")
    expect(presence).to_have_text("")
    ben.open()
    expect(presence).to_have_text("online")
    expect(ada.row(ben).locator(".online-dot")).to_be_visible()
    ben.close()
    expect(presence).to_have_text(re.compile("last seen just now"))
    expect(ada.row(ben).locator(".online-dot")).to_be_hidden()


def test_last_seen_moves_on_by_itself(world: World) -> None:
    ada, ben, _ = world.pair()
    ben.open()
    ada.open(own_clock=True).talk_to(ben)
    ben.close()
    presence = ada.page.locator(".presence")
    expect(presence).to_have_text("last seen just now")
    ada.page.clock.run_for(130_000)
    expect(presence).to_have_text(re.compile("last seen [23] min ago"))


def test_scrolling_up_while_something_changes_does_not_jump_back(world: World) -> None:
    ada, ben, chat = world.pair()
    for number in range(40):
        ada.post(chat, f"message {number}")  # her own are not new, so the page opens at the end
    ada.open().talk_to(ben)
    expect(ada.message("message 39")).to_be_in_viewport()
    expect(ada.page.get_by_text(BEGINNING)).to_be_attached()

    area = ada.page.locator(".scroll")
    # Draws the page again before the browser has fired the scroll event.
    area.evaluate("area => { area.scrollTop = 300; dispatchEvent(new PopStateEvent('popstate')) }")

    # The rows above were only guessed until now.
    assert area.evaluate("area => area.scrollTop") == pytest.approx(300, abs=50)


def test_the_end_stays_in_sight_when_the_window_changes_while_it_scrolls(world: World) -> None:
    ada, ben, chat = world.pair()
    for number in range(30):
        ada.post(chat, f"message {number}")
    ada.open().talk_to(ben)
    for height in ("400px", "500px", "200px"):
        ada.page.locator(".scroll").evaluate(RESIZED, height)
        two_frames(ada.page)
        expect(ada.message("message 29")).to_be_in_viewport(ratio=1)
        expect(ada.page.locator(".jump")).to_be_hidden()


def test_history_comes_while_scrolling_up_and_nothing_jumps(world: World) -> None:
    ada, ben, chat = world.pair()
    for number in range(120):
        (ada, ben)[number % 2].post(chat, f"message {number}")
    ada.open().talk_to(ben)
    expect(ada.message("message 119")).to_be_in_viewport()
    wait_for(lambda: len(ada.texts()) > 1, ada.page)
    assert len(ada.texts()) < 120  # only those near the window are in the page

    area = ada.page.locator(".scroll")
    held: list[Route] = []
    ada.page.route(re.compile("before="), lambda route: held.append(route))
    area.evaluate("area => { area.scrollTop = 300 }")
    expect(ada.page.get_by_text("Loading earlier messages…")).to_be_attached()
    wait_for(lambda: held, ada.page)
    anchor = ada.message(ada.texts()[10])
    before = top_of(anchor)
    height = area.evaluate("area => area.scrollHeight")
    held.pop().continue_()
    ada.page.unroute_all()
    wait_for(lambda: area.evaluate("area => area.scrollHeight") > height, ada.page)
    assert top_of(anchor) == pytest.approx(before, abs=1)

    beginning = ada.page.get_by_text(BEGINNING)
    while not beginning.count():
        first = ada.texts()[0]
        area.evaluate("area => { area.scrollTop = 0 }")
        expect(ada.page.locator(".message .text").first).not_to_have_text(first)
    assert ada.all_texts() == [f"message {number}" for number in range(120)]

    area.evaluate("area => { area.scrollTop = area.scrollHeight / 2 }")
    anchor = ada.message("message 60")
    anchor.scroll_into_view_if_needed()
    before = top_of(anchor)
    ben.post(chat, "news below")
    expect(ada.page.locator(".jump .badge")).to_have_text("1")
    assert top_of(anchor) == pytest.approx(before, abs=1)
    ada.page.get_by_role("button", name="Go to the newest message").click()
    expect(ada.message("news below")).to_be_in_viewport()


def test_what_people_write_is_text_and_never_markup(world: World) -> None:
    ada, ben, chat = world.strangers()
    text = "<img src=x onerror=alert(1)> <b>bold</b> javascript:alert(1) https://example.org/a?b=1."
    ben.post(chat, text)
    ada.open().talk_to(ben)
    shown = ada.page.locator(".message .text")
    expect(shown).to_have_text(text)
    assert ada.page.locator(".message img, .message b").count() == 0
    links = shown.locator("a")
    expect(links).to_have_count(1)
    expect(links).to_have_attribute("href", "https://example.org/a?b=1")
    expect(links).to_have_attribute("rel", "noopener noreferrer")


def test_a_closed_tab_becomes_a_push_on_the_phone(world: World) -> None:
    ada, ben, _ = world.pair()
    ben.open()
    ada.open().talk_to(ben)
    ben.close()
    expect(ada.page.locator(".presence")).to_have_text(re.compile("last seen"))
    ada.write("see you at six")
    ada.page.get_by_role("button", name="Phone").click()
    push = ada.page.locator(".push", has_text=f"to @{ben.username}")
    expect(push).to_contain_text("see you at six", timeout=30_000)
    expect(push).to_contain_text(ada.name)
    expect(push).to_have_count(1)
    ada.expect_tick("see you at six", "sent")


def test_settings_change_what_others_see_and_what_pushes_tell(world: World) -> None:
    ada, ben, _ = world.pair()
    ben.open()
    settings(ben.page, "Profile")
    ben.page.get_by_label("Your name").fill("Benedikt")
    ben.page.get_by_label("About you").fill("On a boat")
    ben.page.get_by_role("button", name="Save").click()
    expect(ben.page.get_by_text("Saved.")).to_be_visible()
    settings(ben.page, "Notifications")
    ben.page.get_by_label("Show what a message says").uncheck()
    expect(ben.page.get_by_label("Show what a message says")).to_be_enabled()
    settings(ben.page, "Profile")
    ben.page.get_by_label("Your name").fill(" ")
    ben.page.get_by_role("button", name="Save").click()
    expect(ben.page.locator(".settings .has-problem")).to_have_count(1)
    ben.page.get_by_label("Your name").fill("Benedikt")
    ben.page.keyboard.press("Escape")
    expect(ben.page.locator("dialog")).to_have_count(0)
    ben.close()

    ben.name = "Benedikt"
    ada.open().talk_to(ben)
    expect(ada.page.get_by_text(f"@{ben.username} · On a boat")).to_be_visible()
    ada.write("a secret")
    ada.page.get_by_role("button", name="Phone").click()
    push = ada.page.locator(".push", has_text=f"to @{ben.username}")
    expect(push).to_have_count(1, timeout=30_000)
    expect(push).not_to_contain_text("secret")


def test_passwords_change_and_accounts_go(world: World) -> None:
    ada, ben, chat = world.pair()
    ben.post(chat, "remember me")
    ben.open()
    page = ben.page
    settings(page, "Password")
    page.get_by_label("Current password").fill("this is not it")
    page.get_by_label("New password").fill("another long password 7")
    page.get_by_role("button", name="Change password").click()
    expect(page.locator(".settings .is-problem, .settings .has-problem")).to_have_count(1)
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("Changed. Your other devices are signed out.")).to_be_visible()

    leave = settings(page, "Delete account")
    leave.get_by_text("I want to leave").click()
    leave.get_by_label("Password, to be sure").fill("another long password 7")
    leave.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_text("Your account is deleted.")).to_be_visible()
    sign_in(page, ben.username, "another long password 7")
    expect(page.locator(".form-message.is-problem")).not_to_be_empty()

    ada.open()
    row = ada.page.locator(".chat-row", has_text="Deleted user")
    expect(row).to_contain_text("remember me")
