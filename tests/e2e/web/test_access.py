"""The web client for people who use a keyboard, a screen reader, or a phone with large type."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.web.world import PASSWORD, PHONE, World, settings

SEEN = """() => {
    const node = document.activeElement;
    if (node === document.body) return "nothing has the focus";
    const outlines = [node, node.parentElement].map((one) => getComputedStyle(one));
    const ring = outlines.some((one) => one.outlineStyle !== "none" && one.outlineWidth !== "0px");
    const { left, top, width, height } = node.getBoundingClientRect();
    const hit = document.elementFromPoint(left + width / 2, top + Math.min(height / 2, 20));
    const isHit = hit && (node.contains(hit) || hit.contains(node));
    return ring && isHit ? "" : `${ring ? "hidden" : "no ring"}: ${node.outerHTML.slice(0, 120)}`;
}"""


NOBODY = "nothing has the focus"


def press(page: Page, *keys: str) -> None:
    """Presses keys; what has the focus has to be seen after each. Behind the last thing of a page,
    Tab leads to the browser's own."""
    for key in keys:
        page.keyboard.press(key)
        for _ in range(40):
            problem = page.evaluate(SEEN)
            if not problem or (key == "Tab" and problem == NOBODY):
                break
            page.wait_for_timeout(50)
        assert problem in ("", NOBODY if key == "Tab" else "")


def tab_to(page: Page, name: str) -> None:
    """Goes on by Tab until what has the focus is called so."""
    for _ in range(40):
        press(page, "Tab")
        node = "document.activeElement"
        label = page.evaluate(
            f"{node}.ariaLabel ?? {node}.labels?.[0]?.innerText ?? {node}.innerText ?? ''"
        )
        if label.startswith(name):
            return
    pytest.fail(f"Tab does not lead to {name}")


def test_the_keyboard_leads_through_everything(world: World) -> None:
    ada, ben = world.person("Ada Okafor"), world.person("Ben Lindqvist")
    page = world.new_page()
    page.goto(world.url)
    expect(page.get_by_label("Username or e-mail")).to_be_focused()
    page.keyboard.type(ada.username)
    press(page, "Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("searchbox")).to_be_focused()

    page.keyboard.type(ben.username)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Write a message")).to_be_focused()
    page.keyboard.type("by keys alone")
    page.keyboard.press("Enter")
    expect(page.locator(".mine .tick")).to_have_attribute("data-state", "sent")
    press(page, "Escape")
    expect(page.locator(".chat-row")).to_be_focused()

    press(page, "Control+Home")
    page.evaluate("document.activeElement.blur()")
    tab_to(page, "Skip to the conversation")
    tab_to(page, "Settings")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    for _ in range(20):  # Tab stays inside.
        press(page, "Tab")
    press(page, "Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Settings", exact=True).last).to_be_focused()
    tab_to(page, "Sign out")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Username or e-mail")).to_be_focused()


def test_the_focus_goes_on_when_what_had_it_is_gone(world: World) -> None:
    ada, ben, _ = world.pair()
    page = ada.open().page
    page.locator(".verification").get_by_role("button", name="Later").press("Enter")
    expect(page.get_by_role("searchbox")).to_be_focused()

    ada.talk_to(ben)
    ada.wire.refusing = "message.send"
    ada.write("refused")
    page.get_by_role("button", name="Discard").press("Enter")
    expect(page.get_by_role("button", name="Discard")).to_have_count(0)
    assert page.evaluate("document.activeElement !== document.body")

    world.call("POST", "/v1/auth/login", {"login": ada.username, "password": PASSWORD})
    devices = settings(page, "Devices").get_by_role("listitem")
    expect(devices).to_have_count(3)
    last = devices.get_by_role("button").last
    last.press("Enter")
    expect(devices).to_have_count(2)
    expect(devices.get_by_role("button")).to_be_focused()


def test_a_form_that_failed_keeps_the_focus(world: World) -> None:
    page = world.new_page()
    page.goto(world.url)
    page.get_by_label("Username or e-mail").fill("nobody")
    page.get_by_label("Password").fill("not the password")
    send = page.locator("form").get_by_role("button", name="Sign in")
    send.press("Enter")
    expect(page.locator(".form-message.is-problem")).not_to_be_empty()
    expect(send).to_be_focused()


def test_messages_are_announced_once_and_own_messages_are_not(world: World) -> None:
    ada, ben, chat = world.pair()
    ada.open().talk_to(ben)
    ada.write("my own")
    ada.expect_tick("my own", "sent")
    ben.post(chat, "hear me")
    said = ada.page.locator("#announcer p")
    expect(said).to_have_text(["Ben Lindqvist: hear me"])


def test_a_lost_connection_is_announced_and_so_is_the_next(world: World) -> None:
    ada = world.person("Ada").open()
    said = ada.page.locator("#announcer")
    ada.wire.cut()
    expect(said).to_contain_text("Reconnecting…")
    ada.wire.mend()
    expect(said).to_contain_text("Connected again.")


def test_the_title_says_what_is_shown(world: World) -> None:
    ada, ben, _ = world.pair()
    page = world.new_page()
    page.goto(world.url)
    expect(page).to_have_title("Sign in - Parley")
    page.get_by_role("button", name="Create account").first.click()
    expect(page).to_have_title("Create account - Parley")
    ada.open().talk_to(ben)
    expect(ada.page).to_have_title("Ben Lindqvist - Parley")
    ada.page.keyboard.press("Escape")
    expect(ada.page).to_have_title("Parley")


def test_on_a_phone_the_focus_goes_with_the_page(world: World) -> None:
    ada, ben, _ = world.pair()
    page = ada.open(**PHONE).page
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    ada.row(ben).tap()
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    expect(page.get_by_role("main")).to_be_visible()
    page.get_by_label("Back to the chats").tap()
    expect(ada.row(ben)).to_be_focused()
    page.get_by_role("button", name="Phone").tap()
    expect(page.get_by_role("button", name="Close the phone")).to_be_focused()
    expect(page.locator("main[inert]")).to_have_count(1)  # It is covered.
    page.get_by_role("button", name="Close the phone").tap()
    expect(page.get_by_role("button", name="Phone")).to_be_focused()


def test_a_list_that_a_narrow_window_hid_is_whole_in_a_wide_one(world: World) -> None:
    ada, ben, _ = world.pair()
    cleo = world.person("Cleo Marsh")
    page = ada.open(viewport=PHONE["viewport"]).page
    ada.talk_to(ben)
    expect(page.get_by_role("searchbox")).to_be_hidden()
    cleo.post(cleo.chat_with(ada), "hello")
    expect(page).to_have_title(re.compile(r"\(1\)"))
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(ada.row(cleo)).to_be_visible()
    expect(ada.row(ben)).to_be_visible()


def test_a_message_that_was_read_differs_by_more_than_colour(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open().talk_to(ben)
    ada.write("look")
    ada.expect_tick("look", "sent")
    ben.open()
    ada.expect_tick("look", "delivered")
    drawn = ada.message("look").locator(".tick path")
    before = drawn.get_attribute("d")
    ben.talk_to(ada)
    ada.expect_tick("look", "read")
    assert drawn.get_attribute("d") != before
    expect(ada.message("look").locator(".tick")).to_have_text(re.compile("Read"))


def test_the_page_can_be_zoomed_and_does_not_move_for_those_who_do_not_want_it(
    world: World,
) -> None:
    page = world.new_page(reduced_motion="reduce")
    page.goto(world.url)
    viewport = page.locator("meta[name=viewport]").get_attribute("content")
    assert viewport is not None
    assert not re.search("user-scalable|maximum-scale", viewport)
    ada, ben, _ = world.pair()
    ada.open(reduced_motion="reduce").talk_to(ben)
    longest = ada.page.evaluate(
        "Math.max(0, ...document.getAnimations().map((one) => one.effect.getTiming().duration))"
    )
    assert longest <= 1
