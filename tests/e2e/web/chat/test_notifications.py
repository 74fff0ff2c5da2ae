"""Notifications of the browser, and how much is unread where one sees it without the page."""

import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.web.chat.test_tabs import open_everywhere
from tests.e2e.web.world import World, settings, wait_for

BROWSER = """(() => {
    // What a browser would show is in `notices`. After `look(false)`, nobody looks at the page.
    const ask = (answer) => localStorage.setItem("test.permission", answer);
    window.notices = [];
    window.asked = 0;
    window.Notification = class extends EventTarget {
        static get permission() { return localStorage.getItem("test.permission") ?? "default"; }
        static async requestPermission() {
            window.asked += 1;
            ask(localStorage.getItem("test.answer") ?? "granted");
            return this.permission;
        }
        constructor(title, { body, tag }) {
            super();
            Object.assign(this, { title, body, tag });
            window.notices = [...window.notices.filter((one) => one.tag !== tag), this];
        }
        close() { window.notices = window.notices.filter((one) => one !== this); }
    };
    let seen = true;
    const state = { get: () => (seen ? "visible" : "hidden") };
    Object.defineProperty(document, "visibilityState", state);
    document.hasFocus = () => seen;
    window.look = (sees) => {
        seen = sees;
        document.dispatchEvent(new Event("visibilitychange"));
        window.dispatchEvent(new Event(sees ? "focus" : "blur"));
    };
    window.badges = [];
    navigator.setAppBadge = async (count) => void window.badges.push(count);
})()"""
WAITING = "async () => (await navigator.locks.query()).pending.length"
"""How many wait for a lock: the second tab, to be the one that tells."""
OFFER = "Get a notification when somebody writes"
UNREAD_ICON = re.compile(r"^data:image/svg\+xml,.*%3E1%3C%2Ftext")


def watched(world: World, **answers: str) -> BrowserContext:
    """A browser whose notifications can be read; `permission` and `answer` are its user's."""
    context = world.new_context()
    context.add_init_script(BROWSER)
    for name, value in answers.items():
        context.add_init_script(f"localStorage['test.{name}'] ??= '{value}'")
    return context


def look(page: Page, sees: bool) -> None:
    page.evaluate("(sees) => window.look(sees)", sees)


def notices(page: Page) -> list[list[str]]:
    found: list[list[str]] = page.evaluate(
        "() => window.notices.map(({ title, body }) => [title, body])"
    )
    return found


def expect_notices(page: Page, *expected: tuple[str, str]) -> None:
    wait_for(lambda: notices(page) == [list(one) for one in expected], page)


def turn_on(page: Page) -> None:
    settings(page, "Notifications")
    page.get_by_role("switch", name="Notify me in this browser").check()
    page.get_by_role("button", name="Close").click()


def offer(page: Page) -> Any:
    return page.locator(".notification-offer")


def test_nobody_is_asked_before_it_is_known_what_for(world: World) -> None:
    ada, ben, chat = world.pair()
    page = ada.open(watched(world)).page
    ben.post(chat, "seen at once")
    expect(ada.row(ben)).to_contain_text("seen at once")
    expect(offer(page)).to_be_hidden()

    look(page, False)
    ben.post(chat, "not seen")
    expect(offer(page)).to_contain_text(OFFER)
    # The browser's own question comes with a click alone.
    assert page.evaluate("window.asked") == 0
    assert notices(page) == []

    offer(page).get_by_role("button", name="Not now").click()
    page.reload()
    expect(ada.row(ben)).to_contain_text("not seen")
    look(page, False)
    ben.post(chat, "again")
    expect(ada.row(ben)).to_contain_text("again")
    expect(offer(page)).to_be_hidden()
    assert page.evaluate("window.asked") == 0


def test_who_wrote_and_what_is_shown_until_it_is_read(world: World) -> None:
    ada, ben, chat = world.pair()
    page = ada.open(watched(world)).page
    ada.talk_to(ben)
    ada.write("are you there?")
    offer(page).get_by_role("button", name="Turn on").click()
    expect(offer(page)).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator(".talk")).to_be_hidden()

    look(page, False)
    ben.post(chat, "first")
    expect_notices(page, (ben.name, "first"))
    ben.post(chat, "second")  # In the place of the one before.
    expect_notices(page, (ben.name, "second"))
    ada.post(chat, "written elsewhere")
    expect(ada.row(ben)).to_contain_text("written elsewhere")
    expect_notices(page, (ben.name, "second"))

    ada.api("POST", f"/v1/chats/{chat}/read", {"seq": 5})  # Read elsewhere.
    expect_notices(page)
    ben.post(chat, "third")
    expect_notices(page, (ben.name, "third"))
    page.evaluate("() => window.notices[0].dispatchEvent(new Event('click'))")
    expect(page.locator(".talk h2")).to_have_text(ben.name)
    expect_notices(page)


def test_notifications_leave_the_text_out_where_pushes_do(world: World) -> None:
    ada, ben, chat = world.pair()
    ada.api("PATCH", "/v1/users/me", {"push_previews": False})
    page = ada.open(watched(world, permission="granted")).page
    turn_on(page)

    look(page, False)
    ben.post(chat, "a secret")

    expect_notices(page, ("Parley", "New message"))


def test_one_tab_tells_and_only_while_nobody_looks_at_any(world: World) -> None:
    ada, ben, chat = world.pair()
    context = watched(world)
    first = open_everywhere(world, ada, context)
    turn_on(first)
    second = world.new_page(context)
    second.goto(world.url)
    row = second.locator(".chat-row")
    expect(row).to_contain_text(ben.name)

    look(first, False)
    ben.post(chat, "seen in the other tab")
    for page in (first, second):
        expect(page.locator(".chat-row")).to_contain_text("seen in the other tab")
    look(second, False)
    ben.post(chat, "seen nowhere")
    expect(row).to_contain_text("seen nowhere")
    expect_notices(first, (ben.name, "seen nowhere"))
    assert notices(second) == []

    first.close()
    wait_for(lambda: not second.evaluate(WAITING), second)
    ben.post(chat, "after the first tab")
    expect_notices(second, (ben.name, "after the first tab"))


def test_messages_during_a_pause_are_one_notification(world: World) -> None:
    ada, ben, chat = world.pair()
    page = ada.open(watched(world)).page
    turn_on(page)
    look(page, False)
    ada.wire.cut()
    expect(ada.status).to_have_text(re.compile("Reconnecting…"))
    for text in ("one", "two", "three"):
        ben.post(chat, text)

    ada.wire.mend()

    expect_notices(page, ("Parley", "3 new messages"))
    look(page, True)
    ada.talk_to(ben)
    expect_notices(page)


def test_a_browser_that_refuses_is_told_how_to_allow_them(world: World) -> None:
    ada, ben, chat = world.pair()
    page = ada.open(watched(world, answer="denied")).page
    look(page, False)
    ben.post(chat, "hello")
    offer(page).get_by_role("button", name="Turn on").click()
    expect(offer(page)).to_contain_text("To allow them, open the site's settings")
    offer(page).get_by_role("button", name="I understand").click()

    settings(page, "Notifications")
    expect(page.get_by_role("switch", name="Notify me in this browser")).to_be_disabled()
    expect(page.locator("#notifications-note")).to_contain_text("This browser blocks")


@pytest.mark.parametrize("elsewhere", [True, False], ids=["elsewhere", "here"])
def test_unread_is_in_title_icon_and_badge_until_it_is_read(world: World, elsewhere: bool) -> None:
    ada, ben, chat = world.pair()
    page = ada.open(watched(world)).page
    icon = page.locator('link[rel="icon"]')
    expect(page).to_have_title("Parley")

    ben.post(chat, "hello")
    expect(page).to_have_title("(1) Parley")
    expect(icon).to_have_attribute("href", UNREAD_ICON)
    if elsewhere:
        ada.api("POST", f"/v1/chats/{chat}/read", {"seq": 3})
    else:
        ada.talk_to(ben)

    expect(page).to_have_title("Parley" if elsewhere else f"{ben.name} - Parley")
    expect(icon).to_have_attribute("href", "logo.svg")
    assert page.evaluate("window.badges") == [1, 0]


def test_signing_out_leaves_no_number_behind(world: World) -> None:
    ada, ben, chat = world.pair()
    page = ada.open(watched(world)).page
    ben.post(chat, "hello")
    expect(page).to_have_title("(1) Parley")

    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_text("You are signed out.")).to_be_visible()
    expect(page).to_have_title("Sign in - Parley")
